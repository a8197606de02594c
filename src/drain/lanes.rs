//! The lanes to all targets that are sent to: each has its own queue, state and breaker, and comes
//! and goes as the configuration says.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Lane, LaneStatus};
use crate::config::Config;
use crate::id::{ContentId, TargetName};
use crate::journal::Journal;
use crate::outbox::{Outbox, OutboxError};
use crate::target::Target;
use crate::watch::{JustRead, Questions, SourceHints};

/// Every target that is sent to, in the order of their names.
pub type Targets = Arc<[Target]>;

/// The states of the lanes, to be asked at any time.
pub type LaneStatuses = Vec<watch::Receiver<LaneStatus>>;

/// Keeps a lane for each target.
pub struct Lanes {
    pub outbox: Outbox,
    /// Nothing else is delivered, where it is given.
    pub only: Option<ContentId>,
    pub journal: Journal,
    pub targets: watch::Receiver<Targets>,
    pub settings: watch::Receiver<Arc<Config>>,
    /// Where to say that a report, an audio file, or a row is not what it was.
    pub hints: SourceHints,
    pub questions: Questions,
    pub just_read: JustRead,
    /// Where to say how things are.
    pub statuses: watch::Sender<LaneStatuses>,
}

/// A lane that runs, or is on its way out.
struct Running {
    stop: CancellationToken,
    status: watch::Receiver<LaneStatus>,
}

type Ended = (TargetName, Result<(), OutboxError>);

impl Lanes {
    /// Works until told to stop, and lets every lane finish what is under way.
    ///
    /// # Errors
    /// Only those of the outbox.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), OutboxError> {
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        let mut running: HashMap<TargetName, Running> = HashMap::new();
        while !stop.is_cancelled() {
            let wanted = self.targets.borrow_and_update().clone();
            for target in wanted.iter() {
                // One that is on its way out ends first: two would race each other.
                running
                    .entry(target.name())
                    .or_insert_with(|| self.start(target.clone(), &stop, &mut tasks));
            }
            for (name, lane) in &running {
                if !lane.stop.is_cancelled() && !wanted.iter().any(|target| target.name() == *name)
                {
                    info!(target = %name, "no longer delivered to; what it should hold is kept in mind");
                    lane.stop.cancel();
                }
            }
            self.publish(&wanted, &running);
            tokio::select! {
                () = stop.cancelled() => {}
                _ = self.targets.changed() => {}
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    let (name, result) = whole(ended);
                    result?;
                    running.remove(&name);
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            whole(ended).1?;
        }
        Ok(())
    }

    fn start(
        &self,
        target: Target,
        stop: &CancellationToken,
        tasks: &mut JoinSet<Ended>,
    ) -> Running {
        let (name, stop) = (target.name(), stop.child_token());
        info!(target = %name, url = target.url(), "delivered to");
        let (status, seen) = watch::channel(LaneStatus {
            name: name.as_str(),
            url: target.url().to_owned(),
            ..LaneStatus::default()
        });
        let mut settings = self.settings.clone();
        settings.mark_unchanged();
        let mut lane = Lane {
            row: 0,
            outbox: self.outbox.clone(),
            only: self.only.clone(),
            journal: self.journal.clone(),
            target,
            targets: self.targets.clone(),
            settings,
            hints: self.hints.clone(),
            questions: self.questions.clone(),
            just_read: self.just_read.clone(),
            status,
        };
        let told = stop.clone();
        tasks.spawn(async move {
            let row = tokio::select! {
                () = told.cancelled() => return (name, Ok(())),
                row = add_target(&lane.outbox, name) => row,
            };
            let ended = match row {
                Ok(row) => {
                    lane.row = row;
                    lane.run(told).await
                }
                Err(error) => Err(error),
            };
            (name, ended)
        });
        Running { stop, status: seen }
    }

    fn publish(&self, wanted: &Targets, running: &HashMap<TargetName, Running>) {
        let statuses = wanted
            .iter()
            .filter_map(|target| running.get(&target.name()))
            .map(|lane| lane.status.clone())
            .collect();
        self.statuses.send_replace(statuses);
    }
}

/// Makes sure that a target has an opinion of every item, as soon as there is room to write it down.
pub async fn add_target(outbox: &Outbox, name: TargetName) -> Result<i64, OutboxError> {
    loop {
        match outbox.add_target(name.as_str()).await {
            Err(fault) if fault.is_disk_full() => outbox.wait_for_room().await?,
            row => return row,
        }
    }
}

/// A panic of a lane is the daemon's.
fn whole(ended: Result<Ended, JoinError>) -> Ended {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
