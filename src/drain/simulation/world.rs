//! The world that a history is played in: a disk, an outbox, a lane, a target, and a clock that
//! jumps to whatever happens next.

use std::collections::{BTreeMap, HashSet};
use std::future::{Future, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::chance::{Chance, jitter, seed_jitter};
use super::dashboard::{Body, Dashboard, Request, answer};
use super::disk::{Disk, content_id};
use super::history::{Fate, History, Mode, What};
use super::judge::Judge;
use crate::config::{Breaker, Retry};
use crate::delivery::{Answer, Health, Transport, Verdict, judge};
use crate::drain::ahead::Prepared;
use crate::drain::attempt::{End, Ended, Flight};
use crate::drain::dispatcher::Rules;
use crate::drain::parcel::{Packed, Unpacked, pack};
use crate::drain::pilot::{Landed, Order, Pilot, Rows};
use crate::drain::report::Reporter;
use crate::file::{FileRef, Root};
use crate::id::Kind;
use crate::journal::Journal;
use crate::outbox::{
    Due, Finding, Found, Handed, Parcel, handing::Handing, known, lane, level, schema, tally,
};

pub const PARK_AFTER: u32 = 8;
/// How long a request may take before its sender gives up.
const REPORT_TIMEOUT_MS: i64 = 30_000;
const AUDIO_TIMEOUT_MS: i64 = 60_000;
const LOOK_TIMEOUT_MS: i64 = 10_000;
/// How long a deletion rests before it is believed.
const REST_MS: i64 = 2_000;
/// How many requests a crowded target takes at a time.
const CROWD: usize = 2;
/// When a history begins.
const BEGIN_MS: i64 = 1_000_000_000_000;
/// How far a clock is set back.
const SET_BACK_MS: i64 = 24 * 3_600_000;
/// How long the last trouble may take to be overcome: some of the longest waits of a target that
/// refused us, whose probes may meet poison first, then that of an item that failed, and some
/// seconds of work.
const RECOVERY_MS: i64 = (3 * 900 + 300 + 120) * 1000;
/// For how long nothing more may happen after that, but for poison.
const SILENCE_MS: i64 = 3_600_000;
/// No history needs so many events; one that spins does.
const EVENTS_MAX: u64 = 100_000;

#[derive(Debug)]
enum Event {
    Step(usize),
    /// The intake looks at these files, or at all of them.
    Look(Option<Vec<FileRef>>),
    /// The lane looks again at the latest.
    Wake,
    /// Our own work of an order is done.
    Do(Order),
    /// The target is asked for its health.
    Health(Order),
    /// A request reaches the target.
    Arrive(Box<Flying>),
    Land(Box<Landed>),
    /// The daemon starts.
    Start,
    /// A stop takes too long.
    Cut,
}

#[derive(Debug)]
struct Flying {
    due: Due,
    parcel: Arc<Parcel>,
    flight: Flight,
    request: Request,
    fate: Fate,
    sent_ms: i64,
    latency_ms: i64,
}

pub struct World<'h> {
    history: &'h History,
    chance: Chance,
    now: i64,
    /// What happens next, by time and order; with the life of the daemon that it belongs to.
    agenda: BTreeMap<(i64, u64), (u32, Event)>,
    events: u64,
    wake: Option<i64>,
    disk: Disk,
    /// Files that are gone, as it seems: until when each was there, as far as anybody knows, and
    /// when that was heard of.
    missed: BTreeMap<FileRef, (i64, i64)>,
    /// When the intake last looked at everything.
    last_look: i64,
    outbox: Rc<Connection>,
    row: i64,
    era: u64,
    /// None while the daemon does not run. Everything that it remembers is in here.
    pilot: Option<Pilot>,
    handing: Handing,
    /// Numbers of versions that were handed over, and whose record was undone.
    undone: HashSet<i64>,
    packed: Vec<(Arc<Parcel>, Result<Packed, Unpacked>)>,
    stopping: bool,
    life: u32,
    dashboard: Dashboard,
    mode: Mode,
    requests: u64,
    judge: Judge,
    traced: bool,
}

/// What a history came to, for those who count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How often each thing occurred that a fair exploration must have seen.
    pub seen: BTreeMap<String, u64>,
}

impl Tally {
    pub fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    pub fn add(&mut self, other: Tally) {
        for (what, count) in other.seen {
            *self.seen.entry(what).or_default() += count;
        }
    }
}

/// Plays a history to its end. An error says what should not have been.
pub fn play(history: &History) -> Result<Tally, String> {
    seed_jitter(history.seed);
    let mut world = World::new(history);
    world.run().map_err(|error| format!("at {} ms: {error}", world.now - BEGIN_MS))?;
    Ok(world.judge.tally)
}

thread_local! {
    /// One for all histories of a thread: most of the time would go into preparing its statements.
    static OUTBOX: Rc<Connection> = {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection, 0).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        // Or a third of the time would go into planning for every value anew.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        Rc::new(connection)
    };
}

/// An empty outbox, and the row of its target.
fn outbox() -> (Rc<Connection>, i64) {
    let connection = OUTBOX.with(Rc::clone);
    for table in ["attempt", "delivery", "audio_key", "file", "item", "target"] {
        let sql = format!("DELETE FROM {table}");
        connection.prepare_cached(&sql).unwrap().execute([]).unwrap();
    }
    let row = lane::add_target(&connection, "dashboard").unwrap();
    (connection, row)
}

impl<'h> World<'h> {
    fn new(history: &'h History) -> Self {
        let (outbox, row) = outbox();
        let mut world = Self {
            history,
            chance: Chance::new(history.seed),
            now: BEGIN_MS,
            agenda: BTreeMap::new(),
            events: 0,
            wake: None,
            disk: Disk::default(),
            missed: BTreeMap::new(),
            last_look: BEGIN_MS,
            outbox,
            row,
            era: 0,
            pilot: None,
            handing: Handing::default(),
            undone: HashSet::new(),
            packed: Vec::new(),
            stopping: false,
            life: 0,
            dashboard: Dashboard::new(history.aware),
            mode: Mode::Up,
            requests: 0,
            judge: Judge::new(history),
            traced: std::env::var_os("YTV2D_SIM_TRACE").is_some(),
        };
        for (number, (at, _)) in history.steps.iter().enumerate() {
            world.at(BEGIN_MS + at, Event::Step(number));
        }
        world.at(BEGIN_MS, Event::Start);
        world
    }

    fn run(&mut self) -> Result<(), String> {
        let last_step = BEGIN_MS + self.history.steps.last().map_or(0, |(at, _)| *at);
        self.until(last_step)?;
        // The trouble ends, and the intake looks at everything once more.
        self.turn(Mode::Up)?;
        self.come_home()?;
        if self.pilot.is_none() {
            self.until(self.now + 12_000)?;
        }
        self.look(None)?;
        self.drain()?;
        self.until(self.now + REST_MS)?;
        // Requests that are still to be troubled are part of it.
        let calm_ms = |world: &Self| {
            let troubled = (world.requests as usize) < world.history.fates.len();
            if troubled { world.now } else { world.judge.last_trouble_ms.max(last_step) }
        };
        while self.is_busy() || !self.judge.is_level(&self.outbox) {
            let patience = calm_ms(self) + RECOVERY_MS;
            let Some((&(at, _), _)) = self.agenda.first_key_value() else {
                break;
            };
            if at > patience {
                break;
            }
            self.until(at)?;
        }
        self.until(self.now + 5_000)?;
        tally::miscount(&self.outbox).map_or(Ok(()), Err)?;
        self.judge.end(&self.outbox, &self.disk, &self.dashboard)?;
        self.judge.silence_begins();
        self.until(self.now + SILENCE_MS)?;
        self.judge.end(&self.outbox, &self.disk, &self.dashboard)
    }

    /// Whether the daemon does not run, or has something under way.
    fn is_busy(&self) -> bool {
        self.stopping || self.pilot.as_ref().is_none_or(|pilot| pilot.under_way() > 0)
    }

    fn at(&mut self, at: i64, event: Event) {
        self.events += 1;
        self.agenda.insert((at, self.events), (self.life, event));
    }

    fn after(&mut self, least_ms: i64, more_ms: u64, event: Event) {
        let wait = least_ms + self.chance.below(more_ms + 1) as i64;
        self.at(self.now + wait, event);
    }

    /// Lets happen what happens up to a moment.
    fn until(&mut self, end: i64) -> Result<(), String> {
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= end
        {
            let ((at, _), (life, event)) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(life, event)?;
            if self.events > EVENTS_MAX {
                return Err("it spins".to_owned());
            }
        }
        self.now = self.now.max(end);
        Ok(())
    }

    fn happen(&mut self, life: u32, event: Event) -> Result<(), String> {
        let alive = life == self.life && self.pilot.is_some();
        if self.traced {
            eprintln!("{:>10} {life} {event:?}", self.now - BEGIN_MS);
        }
        match event {
            Event::Step(number) => self.step(number)?,
            Event::Arrive(flying) => self.arrive(*flying, !alive)?,
            Event::Start if life == self.life => self.begin()?,
            Event::Look(names) if self.pilot.is_some() => self.look(names)?,
            _ if !alive => return Ok(()),
            Event::Wake => {}
            Event::Do(order) => self.work(order)?,
            Event::Health(order) => self.health(order),
            Event::Land(landed) => {
                match &*landed {
                    Landed::Attempt(ended) => self.judge.answered(&ended.due.id),
                    Landed::Settled(id) => self.judge.landed(id),
                    _ => {}
                }
                let (now, going_on) = (self.now, !self.stopping);
                let orders = self.pilot.as_mut().expect("alive").land(*landed, now, going_on);
                orders.into_iter().for_each(|order| self.begin_order(order));
            }
            Event::Cut if self.stopping => self.end_life(),
            Event::Start | Event::Look(_) | Event::Cut => return Ok(()),
        }
        self.drain()
    }

    /// What the loop of the lane does whenever something has happened.
    fn drain(&mut self) -> Result<(), String> {
        let Some(pilot) = &mut self.pilot else { return Ok(()) };
        if self.stopping {
            if pilot.under_way() == 0 {
                self.end_life();
            }
            return Ok(());
        }
        let (outbox, row, era) = (&self.outbox, self.row, self.era);
        let rows = LaneRows { outbox, row, era, handing: self.handing.clone() };
        let started = pilot.start(&rows, self.now).now_or_never().expect("rows are at hand");
        let (orders, wake) = started.map_err(|error: rusqlite::Error| error.to_string())?;
        orders.into_iter().for_each(|order| self.begin_order(order));
        if let Some(at) = wake
            && self.wake.is_none_or(|known| known <= self.now || known > at)
        {
            self.wake = Some(at);
            self.at(at.max(self.now), Event::Wake);
        }
        Ok(())
    }

    fn begin_order(&mut self, order: Order) {
        match order {
            Order::WarmUp | Order::Probe | Order::AskHealth(_) => {
                self.after(5, 50, Event::Health(order));
            }
            Order::Hint(file) => self.after(5, 50, Event::Look(Some(vec![file]))),
            order => self.after(1, 3, Event::Do(order)),
        }
    }

    // --- the daemon's life

    fn begin(&mut self) -> Result<(), String> {
        let few = 1 + (self.history.seed % 4) as usize;
        let rules = Rules {
            parallel: if self.history.seed % 5 == 4 { 4 * few } else { few },
            retry: Retry {
                first: Duration::from_secs(1),
                max: Duration::from_secs(300),
                park_after: PARK_AFTER,
            },
            breaker: Breaker { failures: 5 },
            limited: self.history.seed.is_multiple_of(3),
        };
        // One report goes beside audio that has the only room there is.
        self.judge.life_begins(rules.parallel + usize::from(rules.limited));
        self.wake = None;
        self.stopping = false;
        let reporter = Reporter::new("dashboard", Journal::new(self.now));
        self.missed.clear();
        self.last_look = self.now;
        // A reconcile comes before everything else.
        self.pilot = Some(Pilot::new(reporter, self.row, rules, jitter));
        self.look(None)
    }

    /// Everything that is in memory is gone; what is on the wire is not.
    fn end_life(&mut self) {
        if self.pilot.take().is_some() {
            self.handing = Handing::default();
            self.packed.clear();
            self.life += 1;
            self.judge.life_ends();
            let pause = if self.chance.one_in(2) { 10 } else { 10_000 };
            self.after(1, pause, Event::Start);
        }
    }

    fn step(&mut self, number: usize) -> Result<(), String> {
        let (_, step) = &self.history.steps[number];
        match &step.what {
            What::Reconcile if self.pilot.is_some() => self.look(None)?,
            What::Reconcile => {}
            What::Crash => self.end_life(),
            What::Restart if self.pilot.is_some() && !self.stopping => {
                self.stopping = true;
                self.after(10_000, 0, Event::Cut);
            }
            What::Restart => {}
            What::Lose => {
                self.end_life();
                (self.outbox, self.row) = outbox();
                self.era += 1;
                self.judge.outbox_lost();
            }
            What::SetBack => {
                self.end_life();
                self.judge.tally.saw("set back");
                // To the rows it is as if the clock had gone on less far than it has.
                self.outbox
                    .prepare_cached("UPDATE delivery SET due_ms = due_ms + ?1")
                    .and_then(|mut later| later.execute([SET_BACK_MS]))
                    .map_err(|error| error.to_string())?;
            }
            What::Away => {
                self.disk.is_away = true;
                self.missed.clear();
            }
            What::Home => self.come_home()?,
            What::Turn(mode) => self.turn(*mode)?,
            What::Ahead(id) => self.dashboard.run_ahead(&content_id(*id)),
            change => {
                let files = self.disk.change(change, self.now);
                if step.heard && !files.is_empty() {
                    self.after(1, 60, Event::Look(Some(files)));
                }
            }
        }
        Ok(())
    }

    fn turn(&mut self, mode: Mode) -> Result<(), String> {
        self.judge.turns(self.mode, mode, self.now)?;
        self.mode = mode;
        Ok(())
    }

    // --- the intake

    /// The directories are in sight again.
    fn come_home(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.disk.is_away) || self.pilot.is_none() {
            return Ok(());
        }
        self.look(None)?;
        self.era += 1;
        for root in Root::ALL {
            lane::found_again(&self.outbox, root, self.now).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn look(&mut self, names: Option<Vec<FileRef>>) -> Result<(), String> {
        if self.disk.is_away {
            return Ok(());
        }
        // What everything is looked at for was gone at some moment since the last time.
        let until = if names.is_some() { self.now } else { self.last_look };
        if names.is_none() {
            self.last_look = self.now;
        }
        let names = names.unwrap_or_else(|| {
            let mut known = self.judge.recorded_names();
            known.extend(self.disk.files.keys().cloned());
            known.sort();
            known.dedup();
            known
        });
        let findings: Vec<Finding> = names
            .iter()
            .filter_map(|name| {
                let known = known::stamp(&self.outbox, name).expect("a stamp can be read");
                match known {
                    Some(_) if !self.disk.files.contains_key(name) => self.miss(name, until),
                    _ => {
                        self.missed.remove(name);
                        self.disk.look(name, known)
                    }
                }
            })
            .collect();
        if findings.is_empty() {
            return Ok(());
        }
        let error = |error: rusqlite::Error| error.to_string();
        self.era += 1;
        // What finds no room is undone when it was handed over, and may be on its way.
        let undone = findings.len() == 1 && self.chance.one_in(8);
        if undone {
            self.outbox.execute_batch("SAVEPOINT room").map_err(error)?;
        }
        let mut heard = None;
        let mut hear = |recorded, parcels| heard = Some((recorded, parcels));
        let recorded =
            level::record_aloud(&self.outbox, &findings, false, self.now, Some(&mut hear));
        let recorded = recorded.map_err(error)?;
        if let Some((early, parcels)) = heard {
            self.judge.tally.saw("handed over");
            let told: Result<Vec<_>, _> = parcels
                .iter()
                .map(|parcel| lane::first_parcel(&self.outbox, parcel.target, parcel.item))
                .collect();
            let told: Vec<Parcel> = told.map_err(error)?.into_iter().flatten().collect();
            if (&early, &parcels) != (&recorded, &told) {
                return Err(format!(
                    "handed over as {early:?}, {parcels:?}, and recorded as {recorded:?}, {told:?}"
                ));
            }
            self.handing.put(parcels, self.era, self.now);
        }
        if undone {
            // As any that is recorded from now on.
            self.undone.insert(self.now);
            self.drain()?;
            self.outbox.execute_batch("ROLLBACK TO room; RELEASE room").map_err(error)?;
            self.judge.tally.saw("undone");
            let names = findings.into_iter().map(|finding| finding.file).collect();
            self.after(1, 500, Event::Look(Some(names)));
            return Ok(());
        }
        self.judge.recorded(&findings, self.now);
        self.judge.rows(&self.outbox)
    }

    /// A deletion comes to rest before it is believed.
    fn miss(&mut self, name: &FileRef, until: i64) -> Option<Finding> {
        let heard = self.missed.get(name).copied();
        let (until, at) = heard.unwrap_or((until, self.now));
        if self.now >= at + REST_MS {
            self.missed.remove(name);
            return Some(Finding { file: name.clone(), found: Found::Gone(until) });
        }
        if heard.is_none() {
            self.missed.insert(name.clone(), (until, at));
            self.after(REST_MS, 0, Event::Look(Some(vec![name.clone()])));
        }
        None
    }

    // --- the lane's own work

    fn work(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Attempt(due, prepared, _) => self.attempt(due, prepared)?,
            Order::Pack(parcels) => {
                self.packed.retain(|(parcel, _)| Arc::strong_count(parcel) > 1);
                for parcel in parcels {
                    let packed = self.pack(&parcel);
                    self.packed.push((parcel, packed));
                }
            }
            Order::Settle(id, settlement) => {
                let error = |error: rusqlite::Error| error.to_string();
                let undone = self.undone.contains(&settlement.sent_no);
                if !undone {
                    self.judge.settles(&self.outbox, &settlement, self.now)?;
                }
                let settled = lane::settle(&self.outbox, &settlement).map_err(error)?;
                if undone {
                    self.judge.rows(&self.outbox)?;
                } else {
                    self.judge.settled(&self.outbox, &settlement, settled)?;
                }
                self.after(0, 2, Event::Land(Box::new(Landed::Settled(id))));
            }
            Order::Resume(now_ms) => {
                self.era += 1;
                lane::resume(&self.outbox, self.row, now_ms).map_err(|e| e.to_string())?;
                self.judge.resumed(&self.outbox, now_ms)?;
                self.after(0, 2, Event::Land(Box::new(Landed::Resumed)));
            }
            _ => unreachable!("no work of our own"),
        }
        Ok(())
    }

    fn take_packed(&mut self, parcel: &Arc<Parcel>) -> Result<Packed, Unpacked> {
        match self.packed.iter().position(|(of, _)| Arc::ptr_eq(of, parcel)) {
            Some(place) => {
                self.judge.tally.saw("packed ahead");
                self.packed.swap_remove(place).1
            }
            None => self.pack(parcel),
        }
    }

    fn pack(&self, parcel: &Parcel) -> Result<Packed, Unpacked> {
        pack(parcel, 0, false, |of| self.disk.read(of))
    }

    fn attempt(&mut self, due: Due, prepared: Option<Prepared>) -> Result<(), String> {
        let parcel = match prepared.filter(|prepared| prepared.era == self.era) {
            Some(prepared) => {
                self.judge.tally.saw("prepared");
                Some(prepared.parcel)
            }
            None => lane::parcel(&self.outbox, self.row, due.item)
                .map_err(|e| e.to_string())?
                .map(Arc::new),
        };
        let Some(parcel) = parcel else {
            self.land_attempt(1, due, End::Moot);
            return Ok(());
        };
        self.judge.attempts(&parcel);
        let (body, flight) = match parcel.kind {
            Kind::Report => match self.take_packed(&parcel) {
                Ok(packed) => {
                    let bytes = packed.json.len() as u64;
                    let flight = Flight { bytes, taken: packed.sent, ..Flight::default() };
                    (Body::Report(packed.json), flight)
                }
                Err(unpacked) => return self.unpacked(due, parcel, unpacked),
            },
            Kind::Audio => match self.disk.find(&parcel.source) {
                Ok(_) => (Body::Audio(parcel.want), Flight::default()),
                Err(unpacked) => return self.unpacked(due, parcel, unpacked),
            },
        };
        let (id, version) = (due.id.clone(), parcel.want_no);
        let request = Request { number: self.requests, id, version, body };
        let fate = self.history.fates.get(self.requests as usize).copied().unwrap_or(Fate::Fine);
        self.requests += 1;
        let fate = if self.undone.contains(&version) {
            self.judge.sends_undone(&due)?;
            fate
        } else {
            self.judge.sends(&due, &parcel, fate, self.mode, self.now)?
        };
        let latency_ms = 20 + self.chance.below(300) as i64;
        let sent_ms = self.now;
        let flying = Box::new(Flying { due, parcel, flight, request, fate, sent_ms, latency_ms });
        self.after(latency_ms / 2, 0, Event::Arrive(flying));
        Ok(())
    }

    fn unpacked(
        &mut self,
        due: Due,
        parcel: Arc<Parcel>,
        unpacked: Unpacked,
    ) -> Result<(), String> {
        if let Unpacked::Io(..) = unpacked {
            self.judge.tally.saw("out of sight");
        }
        self.land_attempt(1, due, End::Unpacked(parcel, unpacked));
        Ok(())
    }

    fn land_attempt(&mut self, wait_ms: i64, due: Due, end: End) {
        self.after(wait_ms, 0, Event::Land(Box::new(Landed::Attempt(Ended { due, end }))));
    }

    // --- the target

    fn health(&mut self, order: Order) {
        let bad = |why: &str| Health::Bad(why.to_owned());
        let (wait, health) = match self.mode {
            Mode::Down => (1, bad("refused")),
            Mode::Silent => (LOOK_TIMEOUT_MS, bad("timeout")),
            _ if self.history.mute => (20, Health::Unknown),
            Mode::Sick => (20, bad("no database")),
            Mode::Moved => (20, bad("302")),
            Mode::Up | Mode::Blind | Mode::Denied | Mode::Busy | Mode::Crowded => {
                (20, Health::Fine)
            }
        };
        let landed = match order {
            Order::WarmUp => Landed::WarmUp(health),
            Order::AskHealth(in_doubt) => Landed::InDoubt(health, in_doubt),
            _ => {
                let candidate = lane::probe(&self.outbox, self.row).expect("a row can be read");
                Landed::Probe(health, candidate)
            }
        };
        self.after(wait, 0, Event::Land(Box::new(landed)));
    }

    /// A request reaches the target. `orphan`: whoever sent it is dead.
    fn arrive(&mut self, flying: Flying, orphan: bool) -> Result<(), String> {
        let timeout = match flying.parcel.kind {
            Kind::Report => REPORT_TIMEOUT_MS,
            Kind::Audio => AUDIO_TIMEOUT_MS,
        };
        let given_up = flying.sent_ms + timeout;
        if self.now > given_up {
            // Held until now, and let go.
            self.judge.tally.saw("zombie");
            let answer = self.dashboard.take(&flying.request, true)?;
            return self.judge.done(&flying.request, answer.as_ref());
        }
        let unreachable = |fault: Transport| Verdict::from(fault);
        let timed_out = || unreachable(Transport::Timeout("long".to_owned()));
        let general = match self.mode {
            Mode::Crowded if !orphan && self.judge.waiting() > CROWD => {
                self.judge.tally.saw("crowded out");
                let code = if self.chance.one_in(2) { 503 } else { 429 };
                Some((0, self.says(&flying, status(code))))
            }
            Mode::Up | Mode::Crowded => None,
            Mode::Down => Some((0, unreachable(Transport::Refused))),
            Mode::Silent => Some((timeout, timed_out())),
            Mode::Sick | Mode::Blind => Some((0, self.says(&flying, status(500)))),
            Mode::Denied => Some((0, self.says(&flying, status(401)))),
            Mode::Moved => Some((0, self.says(&flying, status(302)))),
            Mode::Busy => Some((0, self.says(&flying, busy(503, 20)))),
        };
        let (wait, verdict) = match general {
            Some(general) => general,
            None => match self.fated(&flying, orphan, given_up)? {
                Some(fated) => fated,
                None => return Ok(()),
            },
        };
        let lands = match wait {
            0 => flying.latency_ms / 2,
            wait => (flying.sent_ms + wait - self.now).max(1),
        };
        if !orphan {
            let Flying { due, parcel, mut flight, sent_ms, .. } = flying;
            flight.took = Duration::from_millis((self.now + lands - sent_ms).unsigned_abs());
            self.judge.verdict(&due, &verdict);
            self.land_attempt(lands, due, End::Judged(parcel, flight, verdict));
        }
        Ok(())
    }

    fn says(&self, flying: &Flying, answer: Answer) -> Verdict {
        judge(flying.parcel.kind, &answer)
    }

    /// What becomes of a request whose target is well: how long after its sending its sender hears
    /// of it, 0 for as soon as may be, and what.
    fn fated(
        &mut self,
        flying: &Flying,
        orphan: bool,
        given_up: i64,
    ) -> Result<Option<(i64, Verdict)>, String> {
        let Flying { parcel, request, fate, sent_ms, .. } = flying;
        let reset = || Verdict::from(Transport::Reset);
        let timed_out =
            || (given_up - sent_ms, Verdict::from(Transport::Timeout("long".to_owned())));
        let poison = self
            .history
            .poison
            .iter()
            .find(|(kind, id, _)| *kind == parcel.kind && content_id(*id) == request.id);
        if let (Some((_, _, status_of_it)), Fate::Fine | Fate::Half) = (poison, fate) {
            return Ok(Some((0, self.says(flying, status(*status_of_it)))));
        }
        // A file that changes in place while it is read is noticed before its end is sent.
        if parcel.kind == Kind::Audio && self.is_torn(parcel) && !orphan {
            let changed = Unpacked::Changed(parcel.source.file.clone());
            self.judge.tally.saw("torn audio");
            let (due, parcel) = (flying.due.clone(), Arc::clone(parcel));
            self.land_attempt(1, due, End::Unpacked(parcel, changed));
            return Ok(None);
        }
        let done = match fate {
            Fate::Fine | Fate::Gulped | Fate::Late | Fate::Half | Fate::Empty
                if poison.is_none() =>
            {
                let answer = self.dashboard.take(request, orphan)?;
                self.judge.done(request, answer.as_ref())?;
                answer
            }
            _ => None,
        };
        Ok(Some(match fate {
            Fate::Fine => match done {
                Some(answer) => (0, self.says(flying, answer)),
                None => (0, reset()),
            },
            Fate::Lost | Fate::Late => timed_out(),
            Fate::Reset | Fate::Gulped => (0, reset()),
            Fate::Zombie(seconds) => {
                let (wait, verdict) = timed_out();
                if poison.is_none() {
                    let again = Box::new(Flying {
                        due: flying.due.clone(),
                        parcel: Arc::clone(parcel),
                        flight: Flight::default(),
                        request: request.clone(),
                        ..*flying
                    });
                    let at = given_up + 1 + i64::from(*seconds) * 1000;
                    self.at(at, Event::Arrive(again));
                }
                (wait, verdict)
            }
            Fate::Status(code) => (0, self.says(flying, status(*code))),
            Fate::Wait(code, seconds) => (0, self.says(flying, busy(*code, *seconds))),
            Fate::Half => (0, self.says(flying, status(500))),
            Fate::Empty => (0, self.says(flying, Answer { status: 200, ..Answer::default() })),
            Fate::Hotel => (0, self.says(flying, answer(200, "<html>Welcome".into()))),
        }))
    }

    /// Whether the open file is not what it was: a new file under its name is another one.
    fn is_torn(&self, parcel: &Parcel) -> bool {
        let (file, was) = (self.disk.files.get(&parcel.source.file), parcel.source.stamp);
        file.is_some_and(|file| file.stamp.inode == was.inode && file.stamp != was)
    }
}

fn status(status: u16) -> Answer {
    answer(status, serde_json::json!({"error": "no"}))
}

fn busy(code: u16, seconds: u16) -> Answer {
    Answer { retry_after: Some(Duration::from_secs(seconds.into())), ..status(code) }
}

struct LaneRows<'c> {
    outbox: &'c Connection,
    row: i64,
    era: u64,
    handing: Handing,
}

impl Rows for LaneRows<'_> {
    type Error = rusqlite::Error;

    fn era(&self) -> u64 {
        self.era
    }

    fn ahead(
        &self,
        limit: usize,
        now_ms: i64,
    ) -> impl Future<Output = rusqlite::Result<Vec<(Due, Option<Parcel>)>>> + Send {
        ready(lane::ahead(self.outbox, self.row, limit, now_ms))
    }

    fn handed(&self) -> Option<Handed> {
        self.handing.take(self.row)
    }

    fn due(&self, limit: usize) -> impl Future<Output = rusqlite::Result<Vec<Due>>> + Send {
        ready(lane::due(self.outbox, self.row, limit))
    }

    fn due_reports(&self, limit: usize) -> impl Future<Output = rusqlite::Result<Vec<Due>>> + Send {
        ready(lane::due_reports(self.outbox, self.row, limit))
    }

    fn has_fresh(
        &self,
        since_ms: i64,
        now_ms: i64,
    ) -> impl Future<Output = rusqlite::Result<bool>> + Send {
        ready(lane::has_fresh(self.outbox, self.row, since_ms, now_ms))
    }
}
