//! Whether every part of the daemon still moves. What a part does at all, it does in steps; one that
//! is asked to, and takes none, hangs.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::drain::{LaneStatus, LaneStatuses};
use crate::outbox::{Health, Outbox, OutboxError};
use crate::systemd;
use crate::watch::Hints;

/// Between two looks, unless the service manager's watchdog is less patient.
const LOOK: Duration = Duration::from_secs(15);
/// So many looks in the time that the watchdog waits: a part may miss one, as while a file system
/// does not answer, and one that goes on again is seen in time.
const LOOKS: u32 = 4;
/// How much longer a start may take that gets on.
const LONGER: Duration = Duration::from_secs(120);

/// Counts the steps of a task: something that it waited for came, and it went on to wait again.
#[derive(Clone, Debug, Default)]
pub struct Steps(Arc<AtomicU64>);

impl Steps {
    /// The task, counted.
    pub fn of<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        let (steps, mut task) = (Arc::clone(&self.0), Box::pin(task));
        poll_fn(move |context| {
            let polled = task.as_mut().poll(context);
            // Not before: a step that does not end is none.
            steps.fetch_add(1, Ordering::Relaxed);
            polled
        })
    }

    fn taken(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The watching of one root.
pub struct Watcher {
    pub name: String,
    pub steps: Steps,
    pub hints: Hints,
}

/// Looks after the watching, the delivering and the outbox.
pub struct Liveness {
    watchers: Vec<(Watcher, u64)>,
    lanes: watch::Receiver<LaneStatuses>,
    /// Those that run, as they were last seen.
    running: LaneStatuses,
    outbox: Outbox,
    answer: Option<JoinHandle<Result<Health, OutboxError>>>,
    /// The parts that hang, as was said.
    hung: Vec<String>,
    looks: Interval,
}

impl Liveness {
    /// `watchdog` is how long the service manager waits for a sign of life.
    pub fn new(
        watchers: Vec<Watcher>,
        lanes: watch::Receiver<LaneStatuses>,
        outbox: Outbox,
        watchdog: Option<Duration>,
    ) -> Self {
        let watchers = watchers.into_iter().map(|watcher| (watcher, u64::MAX)).collect();
        let running = lanes.borrow().clone();
        let wait = watchdog.map_or(LOOK, |wait| LOOK.min(wait / LOOKS));
        let mut looks = interval(wait.max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { watchers, lanes, running, outbox, answer: None, hung: Vec::new(), looks }
    }

    /// Waits until it is time for a look, takes it, and tells the service manager if all is well.
    pub async fn turn(&mut self, is_ready: bool) {
        self.looks.tick().await;
        let still = self.look().await;
        match (still.is_empty(), is_ready) {
            (true, true) => systemd::alive(),
            (true, false) => systemd::starting(LONGER),
            (false, _) => {}
        }
        for part in still.iter().filter(|part| !self.hung.contains(part)) {
            warn!(part, "it does not move: should that last, the service manager starts all anew");
        }
        for part in self.hung.iter().filter(|part| !still.contains(part)) {
            info!(part, "it moves again");
        }
        self.hung = still;
    }

    /// The parts that have taken no step since the last look. Asks each for one.
    async fn look(&mut self) -> Vec<String> {
        let mut still = Vec::new();
        let mut is_full = false;
        match self.answer.take() {
            Some(answer) if !answer.is_finished() => {
                still.push("outbox".to_owned());
                self.answer = Some(answer);
            }
            Some(answer) => {
                is_full = matches!(answer.await, Ok(Ok(Health { disk_full: Some(_), .. })));
            }
            None => {}
        }
        for (watcher, seen) in &mut self.watchers {
            let taken = watcher.steps.taken();
            if std::mem::replace(seen, taken) == taken {
                still.push(watcher.name.clone());
            }
        }
        if self.lanes.has_changed().unwrap_or_default() {
            self.running = self.lanes.borrow_and_update().clone();
        } else if !is_full {
            // A new lane waits for room on a full disk, as it should.
            still.extend(self.running.iter_mut().filter_map(unmoved));
        }
        self.running.iter_mut().for_each(watch::Receiver::mark_unchanged);
        self.ask();
        still
    }

    /// Gives each part a reason for a step.
    fn ask(&mut self) {
        self.watchers.iter().for_each(|(watcher, _)| watcher.hints.nudge());
        self.outbox.nudge();
        if self.answer.is_none() {
            let outbox = self.outbox.clone();
            self.answer = Some(tokio::spawn(async move { outbox.health().await }));
        }
    }
}

/// The name of a lane that has not said how it is, as it does in each turn.
fn unmoved(lane: &mut watch::Receiver<LaneStatus>) -> Option<String> {
    (!lane.has_changed().unwrap_or(true)).then(|| lane.borrow().name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{Notify, watch};

    use super::*;

    struct Stage {
        liveness: Liveness,
        hints: Hints,
        lane: watch::Sender<LaneStatus>,
        _lanes: watch::Sender<LaneStatuses>,
        _guard: crate::outbox::Guard,
        _directory: tempfile::TempDir,
    }

    async fn stage(steps: Steps) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let (outbox, guard) = Outbox::open(&directory.path().join("outbox.db")).await.unwrap();
        let hints = Hints::default();
        let (lane, seen) =
            watch::channel(LaneStatus { name: "dashboard", ..LaneStatus::default() });
        let (lanes, list) = watch::channel(vec![seen]);
        let watcher = Watcher { name: "reports".to_owned(), steps, hints: hints.clone() };
        let liveness = Liveness::new(vec![watcher], list, outbox, None);
        Stage { liveness, hints, lane, _lanes: lanes, _guard: guard, _directory: directory }
    }

    /// What the outbox's thread has been asked, it has answered.
    async fn answered(liveness: &Liveness) {
        while liveness.answer.as_ref().is_some_and(|answer| !answer.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_a_step_and_takes_none_is_named() {
        let steps = Steps::default();
        let Stage { mut liveness, hints, lane, _lanes, _guard, _directory } =
            stage(steps.clone()).await;
        let hangs = Arc::new(Notify::new());
        let (taker, hung, released) = (hints.clone(), Arc::clone(&hangs), Arc::new(Notify::new()));
        let told = Arc::clone(&released);
        tokio::spawn(steps.of(async move {
            loop {
                tokio::select! {
                    () = taker.wait() => {}
                    () = hung.notified() => told.notified().await,
                }
            }
        }));
        let turn = |lane: &watch::Sender<LaneStatus>| lane.send_modify(|_| {});
        let until_step = async |count: u64| {
            while steps.taken() == count {
                tokio::task::yield_now().await;
            }
        };

        until_step(0).await;
        turn(&lane);
        assert!(liveness.look().await.is_empty());
        // Each is idle, and answers the asking.
        let before = steps.taken();
        until_step(before).await;
        turn(&lane);
        answered(&liveness).await;
        assert!(liveness.look().await.is_empty());

        // The watching goes on to wait for something else, for ever.
        let before = steps.taken();
        until_step(before).await;
        let before = steps.taken();
        hangs.notify_one();
        until_step(before).await;
        turn(&lane);
        answered(&liveness).await;
        assert!(liveness.look().await.is_empty());
        answered(&liveness).await;
        turn(&lane);
        assert_eq!(liveness.look().await, ["reports"]);
        answered(&liveness).await;
        assert_eq!(liveness.look().await, ["reports", "dashboard"]);
        released.notify_one();
        let before = steps.taken();
        until_step(before).await;
        turn(&lane);
        answered(&liveness).await;
        assert!(liveness.look().await.is_empty());
    }
}
