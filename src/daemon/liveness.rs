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
use crate::outbox::Outbox;
use crate::systemd;
use crate::watch::Hints;

/// Between two looks, unless the service manager's watchdog is less patient. Each look wakes every
/// part, and a daemon with nothing to do shall sleep.
const LOOK: Duration = Duration::from_secs(300);
/// So many looks in the time that the watchdog waits: a part may miss one, as while a file system
/// does not answer, and one that goes on again is seen in time.
const LOOKS: u32 = 3;
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
    /// What the outbox's thread was asked last.
    answer: Option<JoinHandle<()>>,
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
        let still = self.look();
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
    fn look(&mut self) -> Vec<String> {
        let mut still = Vec::new();
        match &self.answer {
            Some(answer) if !answer.is_finished() => still.push("outbox".to_owned()),
            _ => self.answer = None,
        }
        for (watcher, seen) in &mut self.watchers {
            let taken = watcher.steps.taken();
            if std::mem::replace(seen, taken) == taken {
                still.push(watcher.name.clone());
            }
        }
        if self.lanes.has_changed().unwrap_or_default() {
            self.running = self.lanes.borrow_and_update().clone();
        } else if self.outbox.disk_full().is_none() {
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
            self.answer = Some(tokio::spawn(async move { outbox.passes().await }));
        }
    }
}

/// The name of a lane that has not said how it is, as it does in each turn.
fn unmoved(lane: &mut watch::Receiver<LaneStatus>) -> Option<String> {
    (!lane.has_changed().unwrap_or(true)).then(|| lane.borrow().name.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Mutex;

    use super::*;

    struct Stage {
        liveness: Liveness,
        lane: watch::Sender<LaneStatus>,
        /// Whoever has it keeps the watching from going on.
        gate: Arc<Mutex<()>>,
        _lanes: watch::Sender<LaneStatuses>,
        _guard: crate::outbox::Guard,
        _directory: tempfile::TempDir,
    }

    async fn stage() -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let (outbox, guard) = Outbox::open(&directory.path().join("outbox.db")).await.unwrap();
        let (steps, hints) = (Steps::default(), Hints::default());
        let (gate, wake) = (Arc::new(Mutex::new(())), hints.clone());
        let passes = Arc::clone(&gate);
        tokio::spawn(steps.of(async move {
            loop {
                wake.wait().await;
                drop(passes.lock().await);
            }
        }));
        let (lane, seen) =
            watch::channel(LaneStatus { name: "dashboard", ..LaneStatus::default() });
        let (lanes, list) = watch::channel(vec![seen]);
        let watcher = Watcher { name: "reports".to_owned(), steps, hints };
        let liveness = Liveness::new(vec![watcher], list, outbox, None);
        Stage { liveness, lane, gate, _lanes: lanes, _guard: guard, _directory: directory }
    }

    impl Stage {
        /// The parts that hang, after so many rounds in which the others moved.
        async fn hung_after(
            &mut self,
            rounds: usize,
            lane_turns: bool,
            asked: bool,
        ) -> Vec<String> {
            let mut still = Vec::new();
            for _ in 0..rounds {
                if lane_turns {
                    self.lane.send_modify(|_| {});
                }
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                if let Some(answer) = self.liveness.answer.take_if(|_| asked) {
                    answer.await.unwrap();
                }
                still = self.liveness.look();
            }
            still
        }
    }

    #[tokio::test]
    async fn whatever_takes_no_step_though_it_is_asked_to_is_named_until_it_does() {
        let mut stage = stage().await;
        assert!(stage.hung_after(5, true, true).await.is_empty());

        let gate = Arc::clone(&stage.gate);
        let shut = gate.lock().await;
        assert_eq!(stage.hung_after(3, true, true).await, ["reports"]);
        drop(shut);
        assert!(stage.hung_after(2, true, true).await.is_empty());

        assert_eq!(stage.hung_after(2, false, true).await, ["dashboard"]);
        assert!(stage.hung_after(2, true, true).await.is_empty());

        let held = stage.liveness.outbox.hold_up().await;
        assert_eq!(stage.hung_after(3, true, false).await, ["outbox"]);
        drop(held);
        assert!(stage.hung_after(2, true, true).await.is_empty());
    }
}
