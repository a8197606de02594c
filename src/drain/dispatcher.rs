//! The decisions of a lane: who goes now, and what an attempt's end means. Pure: rows, verdicts,
//! time and chance come in, starts and rulings go out.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::{Breaker as BreakerConfig, Retry};
use crate::contract::Action;
use crate::delivery::{
    Backoff, Blame, Breaker, BreakerSettings, Cause, Concurrency, Evidence, Gate, Health, Jitter,
    LONGEST, Receipt, Verdict, strikes_after,
};
use crate::id::{ContentId, Kind};
use crate::outbox::Due;

/// Between two probes of a target that is asleep (contract K: a circuit breaker's five minutes).
const ASLEEP: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(300) };
/// Between two probes of a target that refuses us.
const STOPPED: Backoff = Backoff { first: Duration::from_secs(300), max: Duration::from_secs(900) };
/// Between two tries to read a file that ought to be readable.
const UNREADABLE: Backoff =
    Backoff { first: Duration::from_secs(60), max: Duration::from_secs(1800) };
/// A hosted dashboard falls asleep when nobody asks it anything for a while.
const COLD_AFTER_MS: i64 = 10 * 60 * 1000;
/// So many acknowledgements without proof, and it is not asked again.
const UNPROVEN_MAX: u32 = 5;

/// What a lane was told, as far as its decisions go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    pub parallel: usize,
    pub retry: Retry,
    pub breaker: BreakerConfig,
    /// Audio may have to go slowly, and must then not take all the room there is.
    pub limited: bool,
}

/// What may be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start what is due, as far as there is room.
    Flow,
    /// The target may be asleep by itself: a look at its health wakes it.
    WarmUp,
    /// One look at its health, then one item.
    Probe,
    /// Nothing until then, in milliseconds since 1970.
    Wait(i64),
    /// Nothing until what is under way has landed.
    Land,
}

/// What becomes of an item after an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling {
    Delivered(Receipt),
    Superseded {
        kept_no: i64,
    },
    Parked {
        why: String,
    },
    Retry {
        why: String,
        failures: u32,
        strikes: u32,
        due_ms: i64,
    },
    /// Nothing is held against it: it stays due, and goes when the target lets it.
    /// `due_ms` is when, where the target said so.
    Untouched {
        why: String,
        due_ms: Option<i64>,
    },
    /// It depends on how the target is.
    AskHealth(Doubt),
}

/// A failure that is the item's own only if the target is healthy.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    pub due: Due,
    why: String,
    unproven: bool,
}

/// What a person should hear of.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    Asleep {
        why: String,
        until_ms: i64,
    },
    /// It takes a person to go on.
    Stopped(Cause),
    Paused {
        why: String,
        until_ms: i64,
    },
    /// Everything that waited on the target's account goes on at once.
    Back {
        was_shut: bool,
    },
}

/// An attempt that is not settled.
#[derive(Clone, Copy, Debug)]
struct Aloft {
    kind: Kind,
    /// Which configuration it began with.
    generation: u64,
    /// Which round of the concurrency it began in.
    round: u64,
    /// All is over but the writing down.
    landed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flying {
    reports: usize,
    audio: usize,
}

impl Flying {
    fn all(self) -> usize {
        self.reports + self.audio
    }

    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Report => &mut self.reports,
            Kind::Audio => &mut self.audio,
        }
    }
}

/// How many requests there are at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtOnce {
    pub now: usize,
    /// What the target bears, as far as is known.
    pub limit: usize,
    /// What it is given at the most.
    pub most: usize,
}

/// Decides for one lane.
#[derive(Debug)]
pub struct Dispatcher {
    rules: Rules,
    breaker: Breaker,
    concurrency: Concurrency,
    evidence: Evidence,
    jitter: Jitter,
    /// Ids with an attempt under way, or one to be written down. Two attempts for one id would race
    /// each other: a report that lands after its audio without knowing of it takes the audio off the
    /// record (contract 0.2).
    aloft: HashMap<ContentId, Aloft>,
    /// How many of them still have something to do with the target: reports, and audio.
    flying: Flying,
    /// No room was left when something was last started.
    crowded: bool,
    /// Counts the reloads, since a token that is refused may be the one before.
    generation: u64,
    /// A look at the health is under way.
    looking: bool,
    /// When the target last answered anything.
    contact_ms: Option<i64>,
    news: Vec<News>,
}

impl Dispatcher {
    pub fn new(rules: Rules, jitter: Jitter) -> Self {
        Self {
            rules,
            breaker: Breaker::new(breaker_settings(&rules)),
            concurrency: Concurrency::new(rules.parallel),
            evidence: Evidence::default(),
            jitter,
            aloft: HashMap::new(),
            flying: Flying::default(),
            crowded: false,
            generation: 0,
            looking: false,
            contact_ms: None,
            news: Vec::new(),
        }
    }

    /// Goes on with other rules, and tries again at once what only a person could mend.
    pub fn reload(&mut self, rules: Rules, now_ms: i64) {
        self.rules = rules;
        self.breaker.set(breaker_settings(&rules));
        self.concurrency.set(rules.parallel);
        self.breaker.nudge(now_ms);
        self.generation += 1;
    }

    /// What may be done next.
    pub fn next(&self, now_ms: i64) -> Next {
        if self.looking {
            return Next::Land;
        }
        match self.breaker.gate(now_ms) {
            Gate::Wait(until) => Next::Wait(until),
            Gate::Probe if self.aloft.is_empty() => Next::Probe,
            Gate::Probe => Next::Land,
            Gate::Flow if self.is_cold(now_ms) && self.aloft.is_empty() => Next::WarmUp,
            Gate::Flow => Next::Flow,
        }
    }

    fn is_cold(&self, now_ms: i64) -> bool {
        self.contact_ms.is_none_or(|at| now_ms - at > COLD_AFTER_MS)
    }

    /// How many rows of the outbox to look at, in order to find so many that may be started.
    pub fn window(&self, wanted: usize) -> usize {
        // Each id under way may have two rows, which must be passed over.
        wanted.max(self.concurrency.limit()) + 2 * self.aloft.len() + 1
    }

    /// Takes from the rows, which come in the order in which they are due, those that start now;
    /// says when the next is due.
    pub fn choose(&mut self, rows: &[Due], now_ms: i64) -> (Vec<Due>, Option<i64>) {
        let mut chosen = Vec::new();
        self.crowded = false;
        for due in rows {
            if !Self::is_due(due, now_ms) {
                return (chosen, Some(due.due_ms));
            }
            if !self.has_any_room() {
                self.crowded = true;
                break;
            }
            if self.has_room(due.kind) && !self.aloft.contains_key(&due.id) {
                self.takes_off(due);
                chosen.push(due.clone());
            }
        }
        (chosen, None)
    }

    /// Whether something may be tried by now, or waits for a moment that another clock has named.
    pub fn is_due(due: &Due, now_ms: i64) -> bool {
        due.due_ms <= now_ms || due.due_ms - now_ms > LONGEST
    }

    /// Whether an id has an attempt that is not settled.
    pub fn is_aloft(&self, id: &ContentId) -> bool {
        self.aloft.contains_key(id)
    }

    /// Whether there is room for one of a kind. While there is a limit, audio leaves room for a
    /// report, and one report goes beside audio that has the only room there is.
    fn has_room(&self, kind: Kind) -> bool {
        let (flying, limit) = (self.flying, self.concurrency.limit());
        // What is not written down yet counts against the bound, since a crash would repeat it.
        let room = flying.all() < limit && self.aloft.len() < self.rules.parallel;
        if !self.rules.limited {
            return room;
        }
        let is_report = |aloft: &Aloft| aloft.kind == Kind::Report;
        match kind {
            Kind::Report => room || !self.aloft.values().any(is_report),
            Kind::Audio => room && flying.audio < limit.saturating_sub(1).max(1),
        }
    }

    /// Whether there is room for anything.
    pub fn has_any_room(&self) -> bool {
        self.has_room(Kind::Report) || self.has_room(Kind::Audio)
    }

    /// Whether reports must be asked for alone, lest audio that comes before them hides them.
    pub fn wants_reports(&self) -> bool {
        self.rules.limited && self.has_room(Kind::Report) && !self.has_room(Kind::Audio)
    }

    /// Since when a new item would be reason to probe earlier.
    pub fn fresh_since(&self) -> Option<i64> {
        self.breaker.fresh_since()
    }

    /// When a new item may be reason to probe earlier.
    pub fn fresh_at(&self) -> Option<i64> {
        self.breaker.early_probe_at()
    }

    /// How many ids have an attempt under way, or one to be settled.
    pub fn under_way(&self) -> usize {
        self.aloft.len()
    }

    /// When to try an item again whose file could not be read.
    pub fn unreadable(&self, due: &Due, now_ms: i64) -> i64 {
        now_ms + millis(UNREADABLE.wait(due.failures.saturating_add(1), self.jitter))
    }

    /// A new item has come while the target is asleep.
    pub fn fresh_item(&mut self, now_ms: i64) {
        self.breaker.fresh_item(now_ms);
    }

    /// A look at the health begins, as a warm-up, a probe, or in doubt.
    pub fn look_begins(&mut self) {
        self.looking = true;
    }

    /// The health is known. Says whether the target may be given an item.
    pub fn look_ended(&mut self, health: &Health, now_ms: i64) -> bool {
        self.looking = false;
        match health {
            Health::Fine | Health::Unknown => {
                self.contact_ms = Some(now_ms);
                true
            }
            Health::Bad(why) => {
                self.blame_target(None, why, now_ms);
                false
            }
        }
    }

    /// A probe found the target healthy, and nothing is there to try it with.
    pub fn nothing_to_probe_with(&mut self) {
        self.revived();
    }

    /// A probe with this item begins.
    pub fn probe_begins(&mut self, due: &Due) {
        self.takes_off(due);
    }

    fn takes_off(&mut self, due: &Due) {
        let (generation, round) = (self.generation, self.concurrency.round());
        let aloft = Aloft { kind: due.kind, generation, round, landed: false };
        self.aloft.insert(due.id.clone(), aloft);
        *self.flying.of(due.kind) += 1;
    }

    /// How many requests there are at a time, and may be.
    pub fn at_once(&self) -> AtOnce {
        let concurrency = &self.concurrency;
        AtOnce { now: self.flying.all(), limit: concurrency.limit(), most: concurrency.most() }
    }

    /// Learns from the end of a request, which took so long, how many the target bears at once.
    pub fn learn(&mut self, due: &Due, verdict: &Verdict, took: Duration) {
        // A target that is only probed is not overloaded by us.
        let Some(aloft) = self.aloft.get(&due.id).filter(|_| self.breaker.open().is_none()) else {
            return;
        };
        match verdict {
            Verdict::Later { .. } => self.concurrency.overloaded(aloft.round),
            Verdict::Accepted(_) | Verdict::Refused(_) | Verdict::Unproven(_) => {
                // What audio takes says how large it is.
                let took = (aloft.kind == Kind::Report).then_some(took);
                self.concurrency.answered(aloft.round, took, self.crowded);
            }
            // Whatever is wrong there, it is not that there is too much of it; and of a target that
            // does not answer, the breaker keeps away.
            Verdict::Unreachable(_)
            | Verdict::Erred(_)
            | Verdict::Denied(_)
            | Verdict::Misdirected(_)
            | Verdict::Retired(_) => {}
        }
    }

    /// What was under way for an id is over, but for the writing down: another may go.
    pub fn landed(&mut self, id: &ContentId) {
        if let Some(aloft) = self.aloft.get_mut(id)
            && !std::mem::replace(&mut aloft.landed, true)
        {
            *self.flying.of(aloft.kind) -= 1;
        }
    }

    /// Why nothing is sent but probes, and until when.
    pub fn shut(&self) -> Option<(&Cause, i64)> {
        self.breaker.open()
    }

    /// An attempt came to no answer, for reasons on our side. A probe must not be repeated at once.
    pub fn no_verdict(&mut self, now_ms: i64) {
        self.breaker.postpone(now_ms, self.jitter);
    }

    /// What was under way for an id is settled.
    pub fn settled(&mut self, id: &ContentId) {
        self.landed(id);
        self.aloft.remove(id);
    }

    /// Rules on the end of an attempt.
    pub fn ruling(&mut self, due: &Due, verdict: Verdict, now_ms: i64) -> Ruling {
        match verdict {
            Verdict::Accepted(receipt) => {
                self.passed(due, now_ms);
                match receipt.kept_version {
                    Some(kept_no) if receipt.action == Some(Action::Superseded) => {
                        Ruling::Superseded { kept_no }
                    }
                    _ => Ruling::Delivered(receipt),
                }
            }
            Verdict::Refused(why) => {
                self.passed(due, now_ms);
                Ruling::Parked { why }
            }
            Verdict::Denied(why) => self.stopped(due, Cause::Denied(why), now_ms),
            Verdict::Misdirected(why) => self.stopped(due, Cause::Misdirected(why), now_ms),
            Verdict::Erred(why) => {
                if self.breaker.let_in(&why, now_ms, self.jitter) {
                    self.say_asleep(&why);
                }
                self.failed(due, why, false, now_ms)
            }
            Verdict::Retired(why) => self.stopped(due, Cause::Retired(why), now_ms),
            Verdict::Later { after: Some(after), why } => {
                self.contact_ms = Some(now_ms);
                let until_ms = now_ms + millis(after);
                let was_open = self.breaker.open().is_some();
                self.breaker.asked_to_wait(&why, until_ms, now_ms, self.jitter);
                if !was_open {
                    self.news.push(News::Paused { why: why.clone(), until_ms });
                }
                self.asked_to_wait(due, why, until_ms)
            }
            Verdict::Later { after: None, why } => self.failed(due, why, false, now_ms),
            Verdict::Unreachable(why) => self.failed(due, why, false, now_ms),
            Verdict::Unproven(why) => self.failed(due, why, true, now_ms),
        }
    }

    /// An item that alone is asked to wait, time and again while others pass, is no better than one
    /// that fails; and the next probe is to be made with another.
    fn asked_to_wait(&mut self, due: &Due, why: String, until_ms: i64) -> Ruling {
        if self.evidence.failed(due.item, due.strikes) != Blame::Item {
            return Ruling::Untouched { why, due_ms: Some(until_ms) };
        }
        let strikes = strikes_after(due.strikes);
        if strikes >= self.rules.retry.park_after {
            self.evidence.forget(due.item);
            return Ruling::Parked { why };
        }
        let failures = due.failures.saturating_add(1);
        Ruling::Retry { why, failures, strikes, due_ms: until_ms }
    }

    fn failed(&mut self, due: &Due, why: String, unproven: bool, now_ms: i64) -> Ruling {
        let doubt = |why| Ruling::AskHealth(Doubt { due: due.clone(), why, unproven });
        match self.evidence.failed(due.item, due.strikes) {
            Blame::Item => self.blame_item(due, why, unproven, now_ms),
            Blame::ItemIfHealthy => doubt(why),
            // An ingest route that says "fine" and nothing else, of a target that is fine, will not
            // say more the next time.
            Blame::Target if unproven => doubt(why),
            Blame::Target => {
                self.blame_target(Some(due.item), &why, now_ms);
                self.retry(due, why, due.strikes, now_ms)
            }
        }
    }

    /// Rules on a failure that was in doubt.
    pub fn ruling_in_doubt(&mut self, doubt: Doubt, health: &Health, now_ms: i64) -> Ruling {
        let Doubt { due, why, unproven } = doubt;
        if *health == Health::Fine {
            self.contact_ms = Some(now_ms);
            self.blame_item(&due, why, unproven, now_ms)
        } else {
            self.blame_target(Some(due.item), &why, now_ms);
            self.retry(&due, why, due.strikes, now_ms)
        }
    }

    fn blame_item(&mut self, due: &Due, why: String, unproven: bool, now_ms: i64) -> Ruling {
        // The target is cleared by the same evidence.
        self.revived();
        let strikes = strikes_after(due.strikes);
        let most = self.rules.retry.park_after;
        if strikes < if unproven { most.min(UNPROVEN_MAX) } else { most } {
            return self.retry(due, why, strikes, now_ms);
        }
        self.evidence.forget(due.item);
        let why = if unproven { format!("acknowledged without proof: {why}") } else { why };
        Ruling::Parked { why }
    }

    fn retry(&self, due: &Due, why: String, strikes: u32, now_ms: i64) -> Ruling {
        let failures = due.failures.saturating_add(1);
        let Retry { first, max, .. } = self.rules.retry;
        let wait = Backoff { first, max }.wait(failures, self.jitter);
        Ruling::Retry { why, failures, strikes, due_ms: now_ms + millis(wait) }
    }

    fn blame_target(&mut self, item: Option<i64>, why: &str, now_ms: i64) {
        if self.breaker.failed(item, why, now_ms, self.jitter) {
            self.say_asleep(why);
        }
    }

    fn say_asleep(&mut self, why: &str) {
        if let Some((_, until_ms)) = self.breaker.open() {
            self.news.push(News::Asleep { why: why.to_owned(), until_ms });
        }
    }

    fn stopped(&mut self, due: &Due, cause: Cause, now_ms: i64) -> Ruling {
        self.contact_ms = Some(now_ms);
        let why = cause.why().to_owned();
        if self.aloft.get(&due.id).is_some_and(|aloft| aloft.generation < self.generation) {
            // It was sent before the reload, which may have mended just this.
            return Ruling::Untouched { why, due_ms: None };
        }
        if self.breaker.stop(cause.clone(), now_ms, self.jitter) {
            self.news.push(News::Stopped(cause));
        }
        Ruling::Untouched { why, due_ms: None }
    }

    fn passed(&mut self, due: &Due, now_ms: i64) {
        self.contact_ms = Some(now_ms);
        self.evidence.passed(due.item);
        self.revived();
    }

    fn revived(&mut self) {
        let was_shut = self.breaker.open().is_some();
        if self.breaker.alive() {
            self.news.push(News::Back { was_shut });
        }
    }

    /// What has happened since the last time this was asked.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }
}

fn breaker_settings(rules: &Rules) -> BreakerSettings {
    BreakerSettings { failures: rules.breaker.failures, asleep: ASLEEP, stopped: STOPPED }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;

    const RULES: Rules = Rules {
        parallel: 2,
        retry: Retry {
            first: Duration::from_secs(1),
            max: Duration::from_secs(300),
            park_after: 8,
        },
        breaker: BreakerConfig { failures: 5 },
        limited: false,
    };

    fn due(item: i64) -> Due {
        Due {
            item,
            kind: Kind::Report,
            id: format!("id{item}").parse().unwrap(),
            due_ms: 0,
            failures: 0,
            strikes: 0,
        }
    }

    fn dispatcher() -> Dispatcher {
        let mut dispatcher = Dispatcher::new(RULES, |half| half);
        assert_eq!(dispatcher.next(0), Next::WarmUp);
        dispatcher.look_begins();
        assert_eq!(dispatcher.next(0), Next::Land);
        assert!(dispatcher.look_ended(&Health::Fine, 0));
        dispatcher
    }

    fn fails(status: &str) -> Verdict {
        Verdict::Later { after: None, why: status.to_owned() }
    }

    fn passes() -> Verdict {
        Verdict::Accepted(Receipt::default())
    }

    /// Lets an item fail as often as it takes, and says how many attempts it had.
    fn attempts_until_parked(
        dispatcher: &mut Dispatcher,
        verdict: impl Fn() -> Verdict,
        between: impl Fn(&mut Dispatcher),
        health: &Health,
    ) -> Option<u32> {
        let mut row = due(1);
        for attempt in 1..=50 {
            let mut ruling = dispatcher.ruling(&row, verdict(), 0);
            if let Ruling::AskHealth(doubt) = ruling {
                ruling = dispatcher.ruling_in_doubt(doubt, health, 0);
            }
            match ruling {
                Ruling::Parked { .. } => return Some(attempt),
                Ruling::Retry { failures, strikes, .. } => {
                    (row.failures, row.strikes) = (failures, strikes);
                }
                other => panic!("{other:?}"),
            }
            between(dispatcher);
        }
        None
    }

    #[test]
    fn at_most_so_many_start_and_one_for_an_id() {
        let mut dispatcher = dispatcher();
        let audio = Due { kind: Kind::Audio, item: 11, ..due(1) };
        let later = Due { due_ms: 9, ..due(4) };
        let rows = vec![due(1), audio, due(2), due(3), later];
        let (chosen, _) = dispatcher.choose(&rows, 5);
        assert_eq!(chosen, [due(1), due(2)]);
        dispatcher.settled(&due(2).id);
        let (chosen, _) = dispatcher.choose(&rows[3..], 5);
        assert_eq!(chosen, [due(3)]);
        dispatcher.settled(&due(1).id);
        assert_eq!(dispatcher.choose(&rows[4..], 5), (vec![], Some(9)));
    }

    #[test]
    fn slow_audio_leaves_room_for_a_report() {
        let audio = |item| Due { kind: Kind::Audio, ..due(item) };
        for (parallel, limited, chosen) in [
            (1, false, vec![audio(1)]),
            (3, false, vec![audio(1), audio(2), audio(3)]),
            (1, true, vec![audio(1), due(5)]),
            (2, true, vec![audio(1), due(5)]),
            (3, true, vec![audio(1), audio(2), due(5)]),
        ] {
            let mut dispatcher = dispatcher();
            dispatcher.reload(Rules { parallel, limited, ..RULES }, 0);
            let rows: Vec<_> = (1..=4).map(audio).chain([due(5), due(6)]).collect();
            assert_eq!(dispatcher.choose(&rows, 0).0, chosen, "{parallel} {limited}");
            assert_eq!(dispatcher.choose(&rows, 0).0, [], "{parallel} {limited}");
        }
        // The only room is a report's: audio does not go beside it.
        let mut dispatcher = dispatcher();
        dispatcher.reload(Rules { parallel: 1, limited: true, ..RULES }, 0);
        assert_eq!(dispatcher.choose(&[due(1), audio(2), due(3)], 0).0, [due(1)]);
        assert!(!dispatcher.wants_reports());
        dispatcher.settled(&due(1).id);
        dispatcher.choose(&[audio(2)], 0);
        assert!(dispatcher.wants_reports());
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nothing_waiting() {
        let mut dispatcher = dispatcher();
        let rows = vec![Due { due_ms: LONGEST + 1, ..due(1) }];
        assert_eq!(dispatcher.choose(&rows, 0).0, rows);
    }

    #[test]
    fn poison_among_good_items_is_parked_after_its_eighth_attempt() {
        let others_pass = |dispatcher: &mut Dispatcher| {
            dispatcher.ruling(&due(2), passes(), 0);
        };
        let mut dispatcher = dispatcher();
        let attempts =
            attempts_until_parked(&mut dispatcher, || fails("500"), others_pass, &Health::Fine);
        assert_eq!(attempts, Some(8));
        assert_eq!(dispatcher.next(0), Next::Flow);
    }

    #[test]
    fn poison_that_outlived_the_good_items_is_parked_too_while_the_target_is_healthy() {
        for (health, parked) in
            [(Health::Fine, Some(8)), (Health::Bad("down".into()), None), (Health::Unknown, None)]
        {
            let mut dispatcher = dispatcher();
            let mut row = due(1);
            dispatcher.ruling(&row, fails("500"), 0);
            dispatcher.ruling(&due(2), passes(), 0);
            let Ruling::Retry { strikes, .. } = dispatcher.ruling(&row, fails("500"), 0) else {
                panic!()
            };
            row.strikes = strikes;
            let mut attempts = 2;
            let parked_after = (0..50).find_map(|_| {
                attempts += 1;
                let mut ruling = dispatcher.ruling(&row, fails("500"), 0);
                if let Ruling::AskHealth(doubt) = ruling {
                    ruling = dispatcher.ruling_in_doubt(doubt, &health, 0);
                }
                match ruling {
                    Ruling::Parked { .. } => Some(attempts),
                    Ruling::Retry { strikes, .. } => {
                        row.strikes = strikes;
                        None
                    }
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!(parked_after, parked, "{health:?}");
        }
    }

    #[test]
    fn nothing_is_parked_while_nothing_succeeds() {
        for health in [Health::Fine, Health::Bad("down".into())] {
            let mut dispatcher = dispatcher();
            let others_fail = |dispatcher: &mut Dispatcher| {
                dispatcher.ruling(&due(2), fails("500"), 0);
            };
            let parked =
                attempts_until_parked(&mut dispatcher, || fails("500"), others_fail, &health);
            assert_eq!(parked, None);
        }
    }

    #[test]
    fn an_acknowledgement_without_proof_is_not_asked_for_for_ever() {
        let unproven = || Verdict::Unproven("200 with an empty answer".to_owned());
        let alone = |_: &mut Dispatcher| {};
        let attempts =
            attempts_until_parked(&mut dispatcher(), unproven, alone, &Health::Fine).unwrap();
        assert!((3..=5).contains(&attempts), "{attempts}");
        // Unless it is not the target that answers, as in a hotel's network.
        let portal = Health::Bad("something else".to_owned());
        assert_eq!(attempts_until_parked(&mut dispatcher(), unproven, alone, &portal), None);
    }

    #[test]
    fn a_refused_token_touches_no_item_and_is_told_once() {
        let mut dispatcher = dispatcher();
        for item in 1..=4 {
            let ruling = dispatcher.ruling(&due(item), Verdict::Denied("401".into()), 0);
            assert_eq!(ruling, Ruling::Untouched { why: "401".into(), due_ms: None });
        }
        assert_eq!(dispatcher.take_news(), [News::Stopped(Cause::Denied("401".into()))]);
        assert!(matches!(dispatcher.next(0), Next::Wait(_)));
        dispatcher.reload(RULES, 5);
        assert_eq!(dispatcher.next(5), Next::Probe);
        dispatcher.ruling(&due(1), passes(), 6);
        assert_eq!(dispatcher.take_news(), [News::Back { was_shut: true }]);
        assert_eq!(dispatcher.next(6), Next::Flow);
    }

    #[test]
    fn a_stopped_target_goes_on_with_whatever_shows_that_it_lets_us_in() {
        let refused = || Verdict::Refused("400: no".into());
        let busy = || Verdict::Later { after: Some(Duration::from_secs(1)), why: "503".into() };
        let erred = || Verdict::Erred("500: upsert_returned_false".into());
        for (verdict, stopped, next) in [
            (passes(), false, Next::Flow),
            (refused(), false, Next::Flow),
            (erred(), false, Next::Wait(301_000)),
            (fails("502"), true, Next::Wait(900_000)),
            (busy(), true, Next::Wait(900_000)),
            (Verdict::Unreachable("reset".into()), true, Next::Wait(900_000)),
            (Verdict::Unproven("200".into()), true, Next::Wait(900_000)),
            (Verdict::Denied("403".into()), true, Next::Wait(900_000)),
        ] {
            let mut dispatcher = dispatcher();
            dispatcher.ruling(&due(1), Verdict::Denied("401".into()), 0);
            dispatcher.take_news();
            assert_eq!(dispatcher.next(0), Next::Wait(300_000));
            let ruling = dispatcher.ruling(&due(1), verdict.clone(), 300_000);
            if let Ruling::AskHealth(doubt) = ruling {
                dispatcher.ruling_in_doubt(doubt, &Health::Unknown, 300_000);
            }
            let is_stopped = dispatcher.shut().is_some_and(|(cause, _)| cause.is_stopped());
            assert_eq!(is_stopped, stopped, "{verdict:?}");
            assert_eq!(dispatcher.next(300_000), next, "{verdict:?}");
            if verdict == erred() {
                assert!(matches!(dispatcher.take_news()[..], [News::Asleep { .. }]));
            }
        }
    }

    #[test]
    fn a_refusal_that_was_meant_for_the_old_token_says_nothing_of_the_new_one() {
        let mut dispatcher = dispatcher();
        dispatcher.choose(&[due(1), due(2)], 0);
        dispatcher.ruling(&due(1), Verdict::Denied("401".into()), 0);
        dispatcher.reload(RULES, 1);
        let ruling = dispatcher.ruling(&due(2), Verdict::Denied("401".into()), 2);
        assert_eq!(ruling, Ruling::Untouched { why: "401".into(), due_ms: None });
        dispatcher.settled(&due(1).id);
        dispatcher.settled(&due(2).id);
        assert_eq!(dispatcher.next(2), Next::Probe);
        // The new one may be wrong, too.
        dispatcher.probe_begins(&due(1));
        dispatcher.ruling(&due(1), Verdict::Denied("401".into()), 3);
        assert!(matches!(dispatcher.next(3), Next::Wait(_)));
    }

    #[test]
    fn an_outage_is_slept_through_and_everything_resumes_at_once() {
        let mut dispatcher = dispatcher();
        for item in 1..=5 {
            dispatcher.ruling(&due(item), fails("502"), 0);
        }
        assert!(matches!(dispatcher.take_news()[..], [News::Asleep { .. }]));
        let Next::Wait(until) = dispatcher.next(0) else { panic!() };
        assert_eq!(dispatcher.next(until), Next::Probe);
        dispatcher.look_begins();
        assert!(!dispatcher.look_ended(&Health::Bad("refused".into()), until));
        let Next::Wait(until) = dispatcher.next(until) else { panic!() };
        dispatcher.look_begins();
        assert!(dispatcher.look_ended(&Health::Fine, until));
        dispatcher.probe_begins(&due(1));
        assert_eq!(dispatcher.next(until), Next::Land);
        dispatcher.ruling(&due(1), passes(), until);
        dispatcher.settled(&due(1).id);
        assert_eq!(dispatcher.take_news(), [News::Back { was_shut: true }]);
        assert_eq!(dispatcher.next(until), Next::Flow);
    }

    #[test]
    fn a_wait_that_the_target_asks_for_is_kept_by_the_whole_lane() {
        let mut dispatcher = dispatcher();
        let busy = |seconds| Verdict::Later {
            after: Some(Duration::from_secs(seconds)),
            why: "429".into(),
        };
        let ruling = dispatcher.ruling(&due(1), busy(30), 0);
        let due_ms = Some(30_000);
        assert_eq!(ruling, Ruling::Untouched { why: "429".into(), due_ms });
        dispatcher.ruling(&due(2), busy(10), 0);
        assert_eq!(dispatcher.next(0), Next::Wait(30_000));
        assert_eq!(dispatcher.take_news().len(), 1);
    }

    #[test]
    fn a_target_that_was_left_alone_for_long_is_woken_first() {
        let dispatcher = dispatcher();
        assert_eq!(dispatcher.next(COLD_AFTER_MS), Next::Flow);
        assert_eq!(dispatcher.next(COLD_AFTER_MS + 1), Next::WarmUp);
    }
}
