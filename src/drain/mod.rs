//! The drain of one target: who is due, one attempt, one settlement, as many at once as allowed.

mod attempt;
mod dispatcher;
mod parcel;
mod report;
mod status;

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
use crate::delivery::Health;
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind};
use crate::outbox::{Due, Outbox, OutboxError, Outcome, Parcel, Settlement};
use crate::target::Target;
use crate::watch::{Hints, Touch};
use attempt::{Attempt, End, Ended, Flight};
use dispatcher::{Dispatcher, Doubt, News, Next, Rules, Ruling};
use parcel::Unpacked;
pub use status::{LaneStatus, Shut};

/// How long attempts may take to end once the daemon is told to stop.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How long to leave a file to the intake that is not what it was.
const CHANGED_WAIT_MS: i64 = 1000;
/// How long a hosted dashboard may take to wake up, and a good deal more.
const WARM_UP: Duration = Duration::from_secs(90);
/// How long a look at the health may take otherwise (contract K).
const LOOK: Duration = Duration::from_secs(10);
/// Between two tries to settle while the disk is full.
const DISK_FULL: Duration = Duration::from_secs(5);

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

/// What was under way, and has come to its end.
enum Landed {
    Attempt(Ended),
    WarmUp(Health),
    /// A probe's look at the health, and the item to go on with.
    Probe(Health, Option<Due>),
    InDoubt(Health, Box<(Doubt, Arc<Parcel>, Flight)>),
    Settled(ContentId),
    Resumed,
}

type Flights = JoinSet<Result<Landed, OutboxError>>;

impl Lane {
    /// Delivers what is due until told to stop, and then lets what is under way come to its end.
    ///
    /// # Errors
    /// Only those of the outbox; those of the target are what the outbox is for.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), OutboxError> {
        let mut changes = self.outbox.changes();
        let mut dispatcher = Dispatcher::new(self.rules(), jitter);
        let mut flights = Flights::new();
        loop {
            // Before asking, so that what changes meanwhile is not missed.
            changes.mark_unchanged();
            let wake = self.start(&mut dispatcher, &mut flights).await?;
            let wait = wake.map(|at| (at - clock::now_ms()).max(0).unsigned_abs());
            tokio::select! {
                () = stop.cancelled() => break,
                _ = changes.changed() => {}
                _ = self.settings.changed() => dispatcher.reload(self.rules(), clock::now_ms()),
                Some(done) = flights.join_next(), if !flights.is_empty() => {
                    self.land(whole(done)?, &mut dispatcher, &mut flights, true);
                }
                () = tokio::time::sleep(Duration::from_millis(wait.unwrap_or_default())),
                    if wait.is_some() => {}
            }
        }
        self.finish(dispatcher, flights).await
    }

    /// Starts what may be started, and says when to look again at the latest.
    async fn start(
        &self,
        dispatcher: &mut Dispatcher,
        flights: &mut Flights,
    ) -> Result<Option<i64>, OutboxError> {
        loop {
            let now = clock::now_ms();
            match dispatcher.next(now) {
                Next::Land => return Ok(None),
                Next::Flow => {
                    let rows = self.outbox.due(self.row, dispatcher.window()).await?;
                    let (chosen, next) = dispatcher.choose(rows, now);
                    for due in chosen {
                        flights.spawn(self.attempt(due));
                    }
                    return Ok(next);
                }
                Next::WarmUp => {
                    // Nobody is woken for nothing.
                    match self.outbox.due(self.row, 1).await?.first() {
                        Some(due) if due.due_ms <= now => {}
                        other => return Ok(other.map(|due| due.due_ms)),
                    }
                    dispatcher.look_begins();
                    let target = self.target.borrow().clone();
                    flights.spawn(async move { Ok(Landed::WarmUp(target.health(WARM_UP).await)) });
                }
                Next::Probe => {
                    dispatcher.look_begins();
                    let (target, outbox, row) =
                        (self.target.borrow().clone(), self.outbox.clone(), self.row);
                    flights.spawn(async move {
                        let health = target.health(LOOK).await;
                        Ok(Landed::Probe(health, outbox.probe(row).await?))
                    });
                }
                Next::Wait(until) => {
                    let Some(since) = dispatcher.fresh_since() else { return Ok(Some(until)) };
                    if !self.outbox.has_fresh(self.row, since, now).await? {
                        return Ok(Some(until));
                    }
                    dispatcher.fresh_item(now);
                    if let Next::Wait(until) = dispatcher.next(now) {
                        return Ok(Some(until.min(dispatcher.fresh_at().unwrap_or(until))));
                    }
                }
            }
        }
    }

    /// Takes in what has come to its end, and begins what follows from it. While stopping, that is
    /// only to settle.
    fn land(
        &self,
        landed: Landed,
        dispatcher: &mut Dispatcher,
        flights: &mut Flights,
        going_on: bool,
    ) {
        let now = clock::now_ms();
        match landed {
            Landed::Settled(id) => dispatcher.settled(&id),
            Landed::Resumed => {}
            Landed::WarmUp(health) => {
                dispatcher.look_ended(&health, now);
            }
            Landed::Probe(health, candidate) => {
                if dispatcher.look_ended(&health, now) && going_on {
                    match candidate {
                        None => dispatcher.nothing_to_probe_with(),
                        Some(due) => {
                            dispatcher.probe_begins(&due);
                            flights.spawn(self.attempt(due));
                        }
                    }
                }
            }
            Landed::InDoubt(health, doubtful) => {
                let (doubt, parcel, flight) = *doubtful;
                let ruling = dispatcher.ruling_in_doubt(doubt, &health, now);
                self.settle(&parcel, flight, ruling, flights);
            }
            Landed::Attempt(Ended { due, end }) => match end {
                End::Moot => {
                    dispatcher.no_verdict("nothing to send any more", now);
                    dispatcher.settled(&due.id);
                }
                End::Unpacked(parcel, unpacked) => {
                    let outcome = self.unpacked(&due, unpacked, dispatcher, now);
                    flights.spawn(self.keep(&parcel, outcome));
                }
                End::Judged(parcel, flight, verdict) => {
                    match dispatcher.ruling(&due, verdict, now) {
                        Ruling::AskHealth(doubt) => {
                            let target = self.target.borrow().clone();
                            flights.spawn(async move {
                                let health = target.health(LOOK).await;
                                Ok(Landed::InDoubt(health, Box::new((doubt, parcel, flight))))
                            });
                        }
                        ruling => self.settle(&parcel, flight, ruling, flights),
                    }
                }
            },
        }
        for news in dispatcher.take_news() {
            report::news(self.name, &news);
            if let News::Back { .. } = news {
                let (outbox, row) = (self.outbox.clone(), self.row);
                flights.spawn(async move {
                    outbox.resume(row, clock::now_ms()).await?;
                    Ok(Landed::Resumed)
                });
            }
        }
    }

    /// Keeps a ruling, and says it.
    fn settle(&self, parcel: &Arc<Parcel>, flight: Flight, ruling: Ruling, flights: &mut Flights) {
        report::ruled(self.name, parcel, &flight, &ruling);
        let outcome = match ruling {
            Ruling::Delivered(receipt) => Outcome::Delivered {
                version: parcel.want,
                fields: (parcel.kind == Kind::Report).then_some(parcel.digest),
                taken: flight.taken,
                public_url: receipt.public_url,
                warning: flight.warning,
            },
            Ruling::Superseded { kept_no } => Outcome::Superseded { kept_no },
            Ruling::Parked { why } => Outcome::Parked { error: why },
            Ruling::Retry { why, strikes, due_ms, .. } => {
                Outcome::Failed { error: why, due_ms, strikes }
            }
            Ruling::Untouched { why } => Outcome::Untouched { error: why },
            Ruling::AskHealth(_) => return,
        };
        flights.spawn(self.keep(parcel, outcome));
    }

    /// Our own files were at fault.
    fn unpacked(
        &self,
        due: &Due,
        unpacked: Unpacked,
        dispatcher: &mut Dispatcher,
        now: i64,
    ) -> Outcome {
        match unpacked {
            Unpacked::Changed(file) => {
                dispatcher.no_verdict("the file had changed", now);
                self.hint(&file);
                Outcome::Changed { due_ms: now + CHANGED_WAIT_MS }
            }
            Unpacked::Io(file, error) => {
                dispatcher.no_verdict("the file cannot be read", now);
                let due_ms = dispatcher.unreadable(due, now);
                warn!(id = %due.id, kind = %due.kind, target = self.name, %file, %error,
                    again_in_ms = due_ms - now, "not delivered: its file cannot be read");
                Outcome::Failed {
                    error: format!("{file} cannot be read: {error}"),
                    due_ms,
                    strikes: due.strikes,
                }
            }
        }
    }

    /// Writes an outcome down. While the disk is full it is tried again, since what was delivered
    /// would be sent once more otherwise.
    fn keep(
        &self,
        parcel: &Arc<Parcel>,
        outcome: Outcome,
    ) -> impl Future<Output = Result<Landed, OutboxError>> + use<> {
        let (outbox, id) = (self.outbox.clone(), parcel.id.clone());
        let settlement = Settlement {
            target: self.row,
            item: parcel.item,
            sent_no: parcel.want_no,
            at_ms: clock::now_ms(),
            outcome,
        };
        async move {
            RetryIf::start(
                FixedInterval::new(DISK_FULL),
                || {
                    let (outbox, settlement) = (outbox.clone(), settlement.clone());
                    async move { outbox.settle(settlement).await }
                },
                OutboxError::is_disk_full,
            )
            .await?;
            Ok(Landed::Settled(id))
        }
    }

    fn attempt(&self, due: Due) -> impl Future<Output = Result<Landed, OutboxError>> + use<> {
        let attempt = Attempt {
            due,
            row: self.row,
            outbox: self.outbox.clone(),
            target: self.target.borrow().clone(),
            config: self.settings.borrow().clone(),
        };
        async move { attempt.run().await.map(Landed::Attempt) }
    }

    /// Lets what is under way land, and be settled.
    async fn finish(
        &self,
        mut dispatcher: Dispatcher,
        mut flights: Flights,
    ) -> Result<(), OutboxError> {
        let under_way = dispatcher.under_way();
        if under_way > 0 {
            info!(target = self.name, under_way, "finishing what is under way");
        }
        let finish = async {
            // A look at the health holds nobody up, but for the item that depends on it.
            while dispatcher.under_way() > 0
                && let Some(done) = flights.join_next().await
            {
                self.land(whole(done)?, &mut dispatcher, &mut flights, false);
            }
            Ok(())
        };
        match timeout(STOP_DEADLINE, finish).await {
            Ok(result) => result,
            Err(_) => {
                warn!(target = self.name, "broken off; it is sent again at the next start");
                Ok(())
            }
        }
    }

    fn rules(&self) -> Rules {
        let config = self.settings.borrow();
        Rules { parallel: config.ingest.parallel, retry: config.retry, breaker: config.breaker }
    }

    fn hint(&self, file: &FileRef) {
        let hints = match file.root {
            Root::Reports => &self.reports,
            Root::Exports => &self.exports,
        };
        hints.add(&file.name, Touch::Done);
    }
}

/// A panic of an attempt is the daemon's.
fn whole(done: Result<Result<Landed, OutboxError>, JoinError>) -> Result<Landed, OutboxError> {
    match done {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
