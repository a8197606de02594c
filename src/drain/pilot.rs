//! Steers a lane: what is to be started now, and what follows from what has landed. It waits for
//! nothing and knows no clock: the loop around it, the daemon's or the simulation's, does what it
//! is told and says what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ahead::{Ahead, Prepared};
use super::attempt::{End, Ended, Flight};
use super::dispatcher::{Dispatcher, Doubt, News, Next, Rules, Ruling};
use super::ledger::Ledger;
use super::parcel::Unpacked;
use super::report::{Reporter, action};
use super::status::{InFlight, LaneStatus, Shut};
use crate::contract::Action;
use crate::delivery::{Backoff, Health, Jitter};
use crate::file::FileRef;
use crate::id::{ContentId, Kind};
use crate::outbox::{self, Due, Handed, Outcome, Parcel, Settlement};
use crate::target::Progress;

/// How long to leave a file to the intake that is not what it was, or that is not there: a moment,
/// and longer while an empty mount point keeps all of them away. They are due again once the intake
/// has taken in what there is, or sees the directory again.
const CHANGED: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(900) };

/// A target's rows of the outbox, as far as they are looked at before anything is started.
pub trait Rows {
    type Error;

    /// See [`Outbox::era`](crate::outbox::Outbox::era).
    fn era(&self) -> u64;

    /// The next deliveries in the order in which they are due, later ones included; with what there
    /// is to know of those that are due by now.
    fn ahead(
        &self,
        limit: usize,
        now_ms: i64,
    ) -> impl Future<Output = Result<Vec<(Due, Option<Parcel>)>, Self::Error>> + Send;

    /// See [`Outbox::handed`](crate::outbox::Outbox::handed).
    fn handed(&self) -> Option<Handed>;

    /// The same without that.
    fn due(&self, limit: usize) -> impl Future<Output = Result<Vec<Due>, Self::Error>> + Send;

    /// The same of reports alone.
    fn due_reports(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Due>, Self::Error>> + Send;

    /// Whether something that never failed has come due after a moment.
    fn has_fresh(
        &self,
        since_ms: i64,
        now_ms: i64,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// What the loop is to start. Whatever comes of it is to be [landed](Pilot::land).
#[derive(Debug)]
pub enum Order {
    /// Look at the health of a target that may have to wake up.
    WarmUp,
    /// Look at the health, and for an item to go on with.
    Probe,
    /// Pack these, which are to be attempted soon. Nothing comes of it here.
    Pack(Vec<Arc<Parcel>>),
    Attempt(Due, Option<Prepared>, Arc<Progress>),
    /// Look at the health, since whose fault an attempt was depends on it.
    AskHealth(Box<InDoubt>),
    /// Write down what an attempt for this id came to.
    Settle(ContentId, Settlement),
    /// Make due, from this moment on, what waited on the target's account.
    Resume(i64),
    /// Have the intake look at a file. Nothing comes of it here.
    Hint(FileRef),
}

/// An attempt that is not ruled on yet.
#[derive(Debug)]
pub struct InDoubt {
    doubt: Doubt,
    parcel: Arc<Parcel>,
    flight: Flight,
}

/// What was under way, and has come to its end.
#[derive(Debug)]
pub enum Landed {
    WarmUp(Health),
    /// A probe's look at the health, and the item to go on with.
    Probe(Health, Option<Due>),
    Attempt(Ended),
    InDoubt(Health, Box<InDoubt>),
    Settled(ContentId),
    Resumed,
}

/// Steers one lane.
#[derive(Debug)]
pub struct Pilot {
    reporter: Reporter,
    /// The target's row in the outbox.
    row: i64,
    dispatcher: Dispatcher,
    ahead: Ahead,
    in_flight: Vec<InFlight>,
    ledger: Arc<Mutex<Ledger>>,
    last_success_ms: Option<i64>,
    last_error: Option<(i64, String)>,
}

impl Pilot {
    pub fn new(reporter: Reporter, row: i64, rules: Rules, jitter: Jitter) -> Self {
        let dispatcher = Dispatcher::new(rules, jitter);
        Self {
            reporter,
            row,
            dispatcher,
            ahead: Ahead::default(),
            in_flight: Vec::new(),
            ledger: Arc::default(),
            last_success_ms: None,
            last_error: None,
        }
    }

    /// Brings a status up to date.
    pub fn describe(&self, status: &mut LaneStatus) {
        status.shut = self.dispatcher.shut().map(|(cause, until_ms)| Shut {
            is_stopped: cause.is_stopped(),
            remedy: cause.remedy(),
            why: cause.why().to_owned(),
            until_ms,
        });
        status.in_flight.clone_from(&self.in_flight);
        status.at_once = self.dispatcher.at_once();
        status.ledger = Arc::clone(&self.ledger);
        status.last_success_ms = self.last_success_ms;
        status.last_error.clone_from(&self.last_error);
    }

    /// Goes on with other rules, and tries again at once what only a person could mend.
    pub fn reload(&mut self, rules: Rules, now_ms: i64) {
        self.dispatcher.reload(rules, now_ms);
    }

    /// How many ids have an attempt under way, or one to be settled.
    pub fn under_way(&self) -> usize {
        self.dispatcher.under_way()
    }

    /// Says what may be started, and when to look again at the latest.
    ///
    /// # Errors
    /// Only those of the outbox.
    pub async fn start<R: Rows>(
        &mut self,
        rows: &R,
        now_ms: i64,
    ) -> Result<(Vec<Order>, Option<i64>), R::Error> {
        // What cannot be sent at once is asked for when it can.
        let mut handed = rows.handed();
        let dispatcher = &mut self.dispatcher;
        let wait = |until| Ok((Vec::new(), until));
        loop {
            match dispatcher.next(now_ms) {
                Next::Land => return wait(None),
                // Whatever lands makes room.
                Next::Flow if !dispatcher.has_any_room() => return wait(None),
                Next::Flow => {
                    // Before asking, so that what changes meanwhile is asked for anew.
                    let (era, mut next) = (rows.era(), None);
                    self.ahead.enter(era);
                    let mut orders = self.start_from_ahead(now_ms);
                    let dispatcher = &mut self.dispatcher;
                    if let Some(handed) = handed.take()
                        && !dispatcher.is_aloft(&handed.due.id)
                        && let Some(later) = self.ahead.take_over(handed, now_ms)
                    {
                        // What became due by other means is asked for when this is on its way.
                        next = later;
                        orders.extend(self.start_from_ahead(now_ms));
                    } else if self.ahead.rows().is_empty() && dispatcher.has_any_room() {
                        let window = dispatcher.window(self.ahead.batch());
                        let fetched = rows.ahead(window, now_ms).await?;
                        let is_due = |due: &Due| Dispatcher::is_due(due, now_ms);
                        next = self.ahead.refill(fetched, is_due, |id| dispatcher.is_aloft(id));
                        orders.extend(self.start_from_ahead(now_ms));
                    }
                    let dispatcher = &mut self.dispatcher;
                    if dispatcher.wants_reports() {
                        let reports = rows.due_reports(dispatcher.window(1)).await?;
                        let (more, earliest) = dispatcher.choose(&reports, now_ms);
                        orders.extend(more.into_iter().map(|due| self.attempt(due, now_ms)));
                        next = [next, earliest].into_iter().flatten().min();
                    }
                    return Ok((orders, next));
                }
                Next::WarmUp => {
                    // Nobody is woken for nothing.
                    match rows.due(1).await?.first() {
                        Some(due) if Dispatcher::is_due(due, now_ms) => {}
                        other => return wait(other.map(|due| due.due_ms)),
                    }
                    dispatcher.look_begins();
                    return Ok((vec![Order::WarmUp], None));
                }
                Next::Probe => {
                    dispatcher.look_begins();
                    return Ok((vec![Order::Probe], None));
                }
                Next::Wait(until) => {
                    let Some(since) = dispatcher.fresh_since() else { return wait(Some(until)) };
                    if !rows.has_fresh(since, now_ms).await? {
                        return wait(Some(until));
                    }
                    dispatcher.fresh_item(now_ms);
                    if let Next::Wait(until) = dispatcher.next(now_ms) {
                        return wait(Some(until.min(dispatcher.fresh_at().unwrap_or(until))));
                    }
                }
            }
        }
    }

    fn start_from_ahead(&mut self, now_ms: i64) -> Vec<Order> {
        let (chosen, _) = self.dispatcher.choose(self.ahead.rows(), now_ms);
        let to_pack = self.ahead.next_to_pack();
        let mut orders = Vec::with_capacity(chosen.len() + 1);
        if !to_pack.is_empty() {
            orders.push(Order::Pack(to_pack));
        }
        orders.extend(chosen.into_iter().map(|due| self.attempt(due, now_ms)));
        orders
    }

    /// Takes in what has come to its end, and says what follows from it. While stopping, that is
    /// only to settle.
    pub fn land(&mut self, landed: Landed, now_ms: i64, going_on: bool) -> Vec<Order> {
        let dispatcher = &mut self.dispatcher;
        let mut orders = Vec::new();
        match landed {
            Landed::Settled(id) => self.settled(&id),
            Landed::Resumed => {}
            Landed::WarmUp(health) => {
                dispatcher.look_ended(&health, now_ms);
            }
            Landed::Probe(health, candidate) => {
                if dispatcher.look_ended(&health, now_ms) && going_on {
                    match candidate {
                        None => dispatcher.nothing_to_probe_with(),
                        Some(due) => {
                            dispatcher.probe_begins(&due);
                            orders.push(self.attempt(due, now_ms));
                        }
                    }
                }
            }
            Landed::InDoubt(health, in_doubt) => {
                let InDoubt { doubt, parcel, flight } = *in_doubt;
                let ruling = dispatcher.ruling_in_doubt(doubt, &health, now_ms);
                orders.push(self.ruled(parcel, flight, ruling, now_ms));
            }
            Landed::Attempt(Ended { due, end }) => match end {
                End::Moot => {
                    dispatcher.no_verdict(now_ms);
                    self.settled(&due.id);
                }
                End::Unpacked(parcel, unpacked) => {
                    let outcome = self.unpacked(&due, &parcel, unpacked, now_ms, &mut orders);
                    orders.push(self.settle(&parcel, outcome, now_ms));
                }
                End::Level(parcel, flight) => {
                    dispatcher.no_verdict(now_ms);
                    self.reporter.held_already(&parcel);
                    let outcome = delivered(&parcel, flight, None, None);
                    orders.push(self.settle(&parcel, outcome, now_ms));
                }
                End::Unfit(parcel, why) => {
                    dispatcher.no_verdict(now_ms);
                    orders.push(self.ruled(
                        parcel,
                        Flight::default(),
                        Ruling::Parked { why },
                        now_ms,
                    ));
                }
                End::Judged(parcel, flight, verdict) => {
                    dispatcher.learn(&due, &verdict, flight.took);
                    let ruling = dispatcher.ruling(&due, verdict, now_ms);
                    orders.push(self.ruled(parcel, flight, ruling, now_ms));
                }
            },
        }
        for news in self.dispatcher.take_news() {
            self.reporter.news(&news);
            if let News::Back { .. } = news {
                orders.push(Order::Resume(now_ms));
            }
        }
        orders
    }

    /// Says a ruling, and what is to be done about it.
    fn ruled(&mut self, parcel: Arc<Parcel>, flight: Flight, ruling: Ruling, now_ms: i64) -> Order {
        let ruling = match ruling {
            Ruling::Superseded { kept_no } if !is_credible(kept_no, parcel.want_no) => {
                let sent = parcel.want_no;
                let why =
                    format!("the target says that it keeps version {kept_no}, and was sent {sent}");
                Ruling::Parked { why }
            }
            ruling => ruling,
        };
        self.reporter.ruled(&parcel, &flight, &ruling);
        match &ruling {
            Ruling::Delivered(receipt) => {
                self.last_success_ms = Some(now_ms);
                let is_new = action(&parcel, receipt) == Action::Created;
                let mut ledger = self.ledger();
                ledger.delivered(flight.bytes, parcel.since_change_ms(now_ms), now_ms);
                if is_new {
                    ledger.created();
                }
            }
            Ruling::Parked { why } | Ruling::Retry { why, .. } | Ruling::Untouched { why, .. } => {
                self.last_error = Some((now_ms, why.clone()))
            }
            Ruling::Superseded { .. } | Ruling::AskHealth(_) => {}
        }
        let outcome = match ruling {
            Ruling::Delivered(receipt) => {
                let action = action(&parcel, &receipt);
                delivered(&parcel, flight, receipt.public_url, Some(action))
            }
            Ruling::Superseded { kept_no } => Outcome::Superseded { kept_no },
            Ruling::Parked { why } => Outcome::Parked { error: why },
            Ruling::Retry { why, strikes, due_ms, .. } => {
                Outcome::Failed { error: why, due_ms, strikes }
            }
            Ruling::Untouched { why, due_ms } => Outcome::Untouched { error: why, due_ms },
            Ruling::AskHealth(doubt) => {
                return Order::AskHealth(Box::new(InDoubt { doubt, parcel, flight }));
            }
        };
        self.settle(&parcel, outcome, now_ms)
    }

    /// Our own files were at fault.
    fn unpacked(
        &mut self,
        due: &Due,
        parcel: &Parcel,
        unpacked: Unpacked,
        now_ms: i64,
        orders: &mut Vec<Order>,
    ) -> Outcome {
        match unpacked {
            Unpacked::Changed(file) => {
                self.dispatcher.no_verdict(now_ms);
                self.reporter.changed(parcel);
                orders.push(Order::Hint(file));
                let wait = CHANGED.wait(due.failures.saturating_add(1), |half| half);
                Outcome::Changed { due_ms: now_ms + wait.as_millis() as i64 }
            }
            Unpacked::Io(file, error) => {
                self.dispatcher.no_verdict(now_ms);
                let due_ms = self.dispatcher.unreadable(due, now_ms);
                self.reporter.unreadable(parcel, &file, &error, due_ms);
                Outcome::Failed {
                    error: format!("{file} cannot be read: {error}"),
                    due_ms,
                    strikes: due.strikes,
                }
            }
        }
    }

    fn attempt(&mut self, due: Due, now_ms: i64) -> Order {
        let progress = Arc::<Progress>::default();
        self.in_flight.push(InFlight {
            kind: due.kind,
            id: due.id.clone(),
            since_ms: now_ms,
            progress: Arc::clone(&progress),
        });
        let prepared = self.ahead.take(&due);
        Order::Attempt(due, prepared, progress)
    }

    fn settled(&mut self, id: &ContentId) {
        self.dispatcher.settled(id);
        self.in_flight.retain(|flight| flight.id != *id);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the attempt for an id that is under way was answered.
    fn status_of(&self, id: &ContentId) -> Option<u16> {
        self.in_flight.iter().find(|flight| flight.id == *id)?.progress.status()
    }

    fn settle(&mut self, parcel: &Parcel, outcome: Outcome, now_ms: i64) -> Order {
        self.ledger().ended(outbox::Ended::from(&outcome));
        self.dispatcher.landed(&parcel.id);
        let settlement = Settlement {
            target: self.row,
            item: parcel.item,
            kind: parcel.kind,
            id: parcel.id.clone(),
            sent_no: parcel.want_no,
            at_ms: now_ms,
            status: self.status_of(&parcel.id),
            outcome,
        };
        self.in_flight.retain(|flight| flight.id != parcel.id);
        Order::Settle(parcel.id.clone(), settlement)
    }
}

fn delivered(
    parcel: &Parcel,
    flight: Flight,
    public_url: Option<String>,
    action: Option<Action>,
) -> Outcome {
    Outcome::Delivered {
        version: parcel.want,
        fields: (parcel.kind == Kind::Report).then_some(flight.row.unwrap_or(parcel.digest)),
        taken: flight.taken,
        public_url,
        warning: flight.warning,
        action,
    }
}

/// Whether a target can have a version that is greater than the one sent, and that can be overtaken:
/// numbers come from clocks in milliseconds, and every JSON can carry them.
fn is_credible(kept_no: i64, sent_no: i64) -> bool {
    const LARGEST: i64 = 1 << 53;
    kept_no > sent_no && kept_no < LARGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_no_clock_gave_is_not_overtaken() {
        let now = 1_800_000_000_000;
        for (kept, credible) in [
            (now + 1, true),
            (now, false),
            (1, false),
            (-1, false),
            (i64::MAX, false),
            (now + 1000, true),
        ] {
            assert_eq!(is_credible(kept, now), credible, "{kept}");
        }
    }
}
