//! The drain of one target: who is due, one attempt, one settlement, as many at once as allowed.

mod attempt;
mod parcel;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::config::Config;
use crate::id::ContentId;
use crate::outbox::{Due, Outbox, OutboxError};
use crate::target::Target;
use crate::watch::Hints;
use attempt::Attempt;

/// How long attempts may take to end once the daemon is told to stop.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// The lane to one target.
pub struct Lane {
    pub name: &'static str,
    /// Its row in the outbox.
    pub row: i64,
    pub outbox: Outbox,
    pub target: watch::Receiver<Target>,
    pub settings: watch::Receiver<Arc<Config>>,
    /// Where to say that a report, or an audio file, is not what it was.
    pub reports: Hints,
    pub exports: Hints,
}

impl Lane {
    /// Delivers what is due until told to stop, and then lets what is under way come to its end.
    ///
    /// # Errors
    /// Only those of the outbox; those of the target are what the outbox is for.
    pub async fn run(self, stop: CancellationToken) -> Result<(), OutboxError> {
        let mut changes = self.outbox.changes();
        let mut flights: JoinSet<Result<(), OutboxError>> = JoinSet::new();
        // Two attempts for one id would race each other: a report that lands after its audio
        // without knowing of it takes the audio off the record (contract 0.2).
        let mut aloft: HashSet<ContentId> = HashSet::new();
        let (landed_tx, mut landed) = tokio::sync::mpsc::unbounded_channel();
        loop {
            // Before asking, so that what changes meanwhile is not missed.
            changes.mark_unchanged();
            while let Ok(id) = landed.try_recv() {
                aloft.remove(&id);
            }
            let parallel = self.settings.borrow().ingest.parallel;
            // Each id aloft may have two rows that must be passed over.
            let rows = self.outbox.due(self.row, parallel + 2 * aloft.len() + 1).await?;
            let now = clock::now_ms();
            let mut next = None;
            for due in rows {
                if due.due_ms > now {
                    next = Some(due.due_ms);
                    break;
                }
                if aloft.len() >= parallel {
                    break;
                }
                if aloft.insert(due.id.clone()) {
                    let (attempt, landed) = (self.attempt(&due), landed_tx.clone());
                    flights.spawn(async move {
                        let result = attempt.run().await;
                        let _lane_gone = landed.send(due.id);
                        result
                    });
                }
            }
            let wait = next.map(|at| Duration::from_millis(at.saturating_sub(now).unsigned_abs()));
            tokio::select! {
                () = stop.cancelled() => break,
                _ = changes.changed() => {}
                Some(done) = flights.join_next(), if !flights.is_empty() => flown(done)?,
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
        let under_way = flights.len();
        if under_way > 0 {
            info!(target = self.name, under_way, "finishing what is under way");
        }
        let finish = async {
            while let Some(done) = flights.join_next().await {
                flown(done)?;
            }
            Ok(())
        };
        match timeout(STOP_DEADLINE, finish).await {
            Ok(result) => result,
            Err(_) => {
                warn!(
                    target = self.name,
                    under_way = flights.len(),
                    "broken off; it is sent again at the next start"
                );
                Ok(())
            }
        }
    }

    fn attempt(&self, due: &Due) -> Attempt {
        let config = self.settings.borrow().clone();
        Attempt {
            lane: self.name,
            row: self.row,
            item: due.item,
            outbox: self.outbox.clone(),
            target: self.target.borrow().clone(),
            config,
            reports: self.reports.clone(),
            exports: self.exports.clone(),
        }
    }
}

/// A panic of an attempt is the daemon's.
fn flown(done: Result<Result<(), OutboxError>, tokio::task::JoinError>) -> Result<(), OutboxError> {
    match done {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
