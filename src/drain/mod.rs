//! The drain: for each target who is due, one attempt, one settlement, as many at once as allowed.

mod ahead;
mod attempt;
mod dispatcher;
mod lanes;
mod ledger;
mod packing;
mod parcel;
mod pilot;
mod report;
mod second_look;
mod settling;
mod status;
mod sync;

#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_retry::RetryIf;
use tokio_retry::strategy::{FixedInterval, jitter};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::config::Config;
use crate::id::{ContentId, Kind, TargetName};
use crate::journal::Journal;
use crate::outbox::{Due, Handed, Outbox, OutboxError, Parcel};
use crate::target::Target;
use crate::watch::{JustRead, Questions, SourceHints};
use attempt::Attempt;
use dispatcher::Rules;
pub use lanes::{LaneStatuses, Lanes, Targets, add_target};
pub use ledger::{LATENCY_BOUNDS_S, Ledger};
use packing::Packing;
pub use parcel::{is_there, payload, promised};
use pilot::{Landed, Order, Pilot, Rows};
use report::Reporter;
use settling::Settling;
pub use status::{AtOnce, InFlight, LaneStatus, Shut};

/// How long attempts may take to end once the daemon is told to stop.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How long a hosted dashboard may take to wake up, and a good deal more.
const WARM_UP: Duration = Duration::from_secs(90);
/// How long a look at the health may take otherwise (contract K).
const LOOK: Duration = Duration::from_secs(10);
/// Between two tries to write while the disk is full.
const DISK_FULL: Duration = Duration::from_secs(5);

/// The lane to one target.
struct Lane {
    /// Its row in the outbox.
    row: i64,
    outbox: Outbox,
    /// Nothing else is delivered, where it is given.
    only: Option<ContentId>,
    journal: Journal,
    target: Target,
    /// All targets, as they are after a reload: told before the settings.
    targets: watch::Receiver<Targets>,
    settings: watch::Receiver<Arc<Config>>,
    /// Where to say that a report, an audio file, or a row is not what it was.
    hints: SourceHints,
    questions: Questions,
    just_read: JustRead,
    /// Where to say how things are.
    status: watch::Sender<LaneStatus>,
}

/// What is under way.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<Result<Done, OutboxError>>,
    packing: Packing,
    settling: Settling,
}

/// What has come to its end.
enum Done {
    Landed(Landed),
    /// What the attempts for these ids came to is written down.
    Settled(Vec<ContentId>),
}

impl Flights {
    fn begin(&mut self, task: impl Future<Output = Result<Landed, OutboxError>> + Send + 'static) {
        self.tasks.spawn(async { task.await.map(Done::Landed) });
    }
}

impl Lane {
    /// Delivers what is due until told to stop, and then lets what is under way come to its end.
    ///
    /// # Errors
    /// Only those of the outbox; those of the target are what the outbox is for.
    async fn run(mut self, stop: CancellationToken) -> Result<(), OutboxError> {
        let mut work = self.outbox.work();
        let mut pilot = Pilot::new(self.reporter(), self.row, self.rules(), jitter);
        let mut flights = Flights::default();
        loop {
            // Before asking, so that what changes meanwhile is not missed.
            work.mark_unchanged();
            let paused_ms = self.outbox.paused_since(self.row);
            let (orders, wake) = match paused_ms {
                // Word of the end of a pause comes as a change.
                Some(_) => Default::default(),
                None => pilot.start(&self, clock::now_ms()).await?,
            };
            self.carry_out(orders, &mut flights);
            self.status.send_modify(|status| {
                pilot.describe(status);
                status.paused_ms = paused_ms;
            });
            let wait = wake.map(|at| (at - clock::now_ms()).max(0).unsigned_abs());
            tokio::select! {
                () = stop.cancelled() => break,
                _ = work.changed() => {}
                _ = self.settings.changed() => {
                    self.renew_target();
                    pilot.reload(self.rules(), clock::now_ms());
                }
                Some(done) = flights.tasks.join_next(), if !flights.tasks.is_empty() => {
                    let (mut next, going_on) = (Some(done), paused_ms.is_none());
                    // Whatever else lands at this moment is thought over, and written down, with it.
                    tokio::task::yield_now().await;
                    while let Some(done) = next {
                        self.land(whole(done)?, &mut pilot, &mut flights, going_on);
                        next = flights.tasks.try_join_next();
                    }
                    self.settle(&mut flights);
                }
                () = tokio::time::sleep(Duration::from_millis(wait.unwrap_or_default())),
                    if wait.is_some() => {}
            }
        }
        self.finish(pilot, flights).await
    }

    /// Goes on with another secret, say. Where the target is not sent to any more, what is under way
    /// ends with the one that it had.
    fn renew_target(&mut self) {
        let fresh = {
            let targets = self.targets.borrow();
            targets.iter().find(|target| target.name() == self.target.name()).cloned()
        };
        if let Some(fresh) = fresh {
            self.target = fresh;
        }
    }

    /// Does what follows from what has come to its end.
    fn land(&self, done: Done, pilot: &mut Pilot, flights: &mut Flights, going_on: bool) {
        let mut land = |landed| pilot.land(landed, clock::now_ms(), going_on);
        let orders = match done {
            Done::Landed(landed) => land(landed),
            Done::Settled(ids) => {
                flights.settling.written();
                ids.into_iter().flat_map(|id| land(Landed::Settled(id))).collect()
            }
        };
        self.carry_out(orders, flights);
    }

    /// Starts what the pilot orders.
    fn carry_out(&self, orders: Vec<Order>, flights: &mut Flights) {
        for order in orders {
            let (target, outbox, row) = (self.target.clone(), self.outbox.clone(), self.row);
            match order {
                Order::WarmUp => {
                    flights.begin(async move { Ok(Landed::WarmUp(target.health(WARM_UP).await)) });
                }
                Order::Probe => {
                    let only = self.only.clone();
                    flights.begin(async move {
                        let health = target.health(LOOK).await;
                        let item = match only {
                            None => outbox.probe(row).await?,
                            Some(id) => outbox.due_of(row, id).await?.into_iter().next(),
                        };
                        Ok(Landed::Probe(health, item))
                    });
                }
                Order::Pack(parcels) if target.name() == TargetName::Dashboard => {
                    let config = self.settings.borrow().clone();
                    let parcels = flights.packing.at_hand(parcels, &config, &self.just_read);
                    flights.packing.begin(parcels, config, self.questions.clone());
                }
                // A row depends on what the target has.
                Order::Pack(_) => {}
                Order::Attempt(due, prepared, progress) => {
                    let packed =
                        prepared.as_ref().and_then(|known| flights.packing.take(&known.parcel));
                    let config = self.settings.borrow().clone();
                    let (reporter, questions) = (self.reporter(), self.questions.clone());
                    let attempt = Attempt {
                        due,
                        prepared,
                        packed,
                        row,
                        outbox,
                        target,
                        config,
                        reporter,
                        progress,
                        questions,
                    };
                    flights.begin(async move { attempt.run().await.map(Landed::Attempt) });
                }
                Order::AskHealth(in_doubt) => {
                    flights.begin(async move {
                        Ok(Landed::InDoubt(target.health(LOOK).await, in_doubt))
                    });
                }
                Order::Settle(id, settlement) => flights.settling.add(id, settlement),
                Order::Resume(now_ms) => {
                    flights.begin(async move {
                        persist(|| outbox.resume(row, now_ms)).await?;
                        Ok(Landed::Resumed)
                    });
                }
                Order::Hint(file) => self.hints.doubt(&file),
            }
        }
    }

    /// Begins to write down what attempts came to, unless that is under way.
    fn settle(&self, flights: &mut Flights) {
        if let Some((ids, settlements)) = flights.settling.next() {
            let targets: Vec<_> = self.targets.borrow().iter().map(Target::name).collect();
            let outbox = self.outbox.clone();
            flights.tasks.spawn(async move {
                for concluded in persist(|| outbox.settle(Arc::clone(&settlements))).await? {
                    sync::report(&concluded, &targets);
                }
                Ok(Done::Settled(ids))
            });
        }
    }

    /// Lets what is under way land, and be settled.
    async fn finish(&self, mut pilot: Pilot, mut flights: Flights) -> Result<(), OutboxError> {
        let under_way = pilot.under_way();
        if under_way > 0 {
            info!(target = %self.target.name(), under_way, "finishing what is under way");
        }
        let finish = async {
            // A look at the health holds nobody up, but for the item that depends on it.
            while pilot.under_way() > 0
                && let Some(done) = flights.tasks.join_next().await
            {
                self.land(whole(done)?, &mut pilot, &mut flights, false);
                self.settle(&mut flights);
            }
            Ok(())
        };
        match timeout(STOP_DEADLINE, finish).await {
            Ok(result) => result,
            Err(_) => {
                warn!(target = %self.target.name(), "broken off; it is sent again at the next start");
                Ok(())
            }
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter::new(self.target.name().as_str(), self.journal.clone())
    }

    fn rules(&self) -> Rules {
        let config = self.settings.borrow();
        Rules {
            parallel: self.target.parallel(),
            retry: config.retry,
            breaker: config.breaker,
            limited: config.upload.limits(),
        }
    }
}

impl Rows for Lane {
    type Error = OutboxError;

    fn era(&self) -> u64 {
        self.outbox.era()
    }

    async fn ahead(
        &self,
        limit: usize,
        now_ms: i64,
    ) -> Result<Vec<(Due, Option<Parcel>)>, OutboxError> {
        match &self.only {
            None => self.outbox.ahead(self.row, limit, now_ms).await,
            Some(_) => Ok(self.due(limit).await?.into_iter().map(|due| (due, None)).collect()),
        }
    }

    fn handed(&self) -> Option<Handed> {
        self.outbox.handed(self.row).filter(|_| self.only.is_none())
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, OutboxError> {
        match &self.only {
            None => self.outbox.due(self.row, limit).await,
            Some(id) => self.outbox.due_of(self.row, id.clone()).await,
        }
    }

    async fn due_reports(&self, limit: usize) -> Result<Vec<Due>, OutboxError> {
        match &self.only {
            None => self.outbox.due_reports(self.row, limit).await,
            Some(_) => {
                let due = self.due(limit).await?;
                Ok(due.into_iter().filter(|due| due.kind == Kind::Report).collect())
            }
        }
    }

    fn has_fresh(
        &self,
        since_ms: i64,
        now_ms: i64,
    ) -> impl Future<Output = Result<bool, OutboxError>> + Send {
        self.outbox.has_fresh(self.row, since_ms, now_ms)
    }
}

/// Writes something down. While the disk is full it is tried again, since what was delivered would
/// be sent once more otherwise, and nothing can be sent without a note of it.
async fn persist<T, F>(write: impl FnMut() -> F) -> Result<T, OutboxError>
where
    F: Future<Output = Result<T, OutboxError>>,
{
    RetryIf::start(FixedInterval::new(DISK_FULL), write, OutboxError::is_disk_full).await
}

/// A panic of an attempt is the daemon's.
fn whole(done: Result<Result<Done, OutboxError>, JoinError>) -> Result<Done, OutboxError> {
    match done {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
