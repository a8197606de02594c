//! Whether a target is spoken to at all: flowing, asleep after failures, or stopped until a person
//! acts.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Backoff, RETRY_AFTER_MAX};

/// Failures in a row must come from so many different items before they speak against the target:
/// one item alone has its own back-off, and says nothing about the others.
const DISTINCT: usize = 2;
/// No wait is longer than this, in milliseconds. One that is was computed by another clock: the
/// system's was set back since.
pub const LONGEST: i64 = RETRY_AFTER_MAX.as_millis() as i64;
/// When a target is tried again that has retired.
const NEVER: i64 = i64::MAX;
/// Between two probes that new items ask for.
const EARLY_PROBE: Duration = Duration::from_secs(5);

/// How a breaker is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// From one probe to the next while the target is asleep.
    pub asleep: Backoff,
    /// The same while it refuses us, which only a person can mend.
    pub stopped: Backoff,
}

/// Why a target is not spoken to.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// It failed several times in a row.
    Failing(String),
    /// It asked for a pause.
    AskedToWait(String),
    /// It refuses the token.
    Denied(String),
    /// The address leads elsewhere.
    Misdirected(String),
    /// It will never take anything again, so that it is not even probed.
    Retired(String),
}

impl Cause {
    /// Whether it takes a person to go on.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Cause::Denied(_) | Cause::Misdirected(_) | Cause::Retired(_))
    }

    /// What ends it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Cause::Failing(_) => "see whether it is up; it is tried again by itself",
            Cause::AskedToWait(_) => "it is tried again by itself",
            Cause::Denied(_) => "put the right token into the token file, then: ytv2d reload",
            Cause::Misdirected(_) => "mend its url in ytv2d.toml, and restart",
            Cause::Retired(_) => {
                "switch it off: legacy.enabled = false in ytv2d.toml, then: ytv2d reload"
            }
        }
    }

    /// The last words of the target.
    pub fn why(&self) -> &str {
        match self {
            Cause::Failing(why)
            | Cause::AskedToWait(why)
            | Cause::Denied(why)
            | Cause::Misdirected(why)
            | Cause::Retired(why) => why,
        }
    }
}

/// What may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// As many requests as allowed.
    Flow,
    /// One probe: the health of the target first, then a single item.
    Probe,
    /// Nothing until then, in milliseconds since 1970.
    Wait(i64),
}

/// The breaker of one target. Time is given, in milliseconds since 1970, and so is chance.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Failures since the last sign of life, and the items that they came from.
    streak: u32,
    items: BTreeSet<i64>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Closed,
    Open {
        cause: Cause,
        until: i64,
        probes: u32,
        last_probe: i64,
        /// What has come due after this was not tried yet, and may be what others are not.
        fresh_since: i64,
    },
}

/// What is done with a wait before it is used: see `tokio_retry::strategy::jitter`.
pub type Jitter = fn(Duration) -> Duration;

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed, streak: 0, items: BTreeSet::new() }
    }

    pub fn set(&mut self, settings: BreakerSettings) {
        self.settings = settings;
    }

    /// What may be done now.
    pub fn gate(&self, now: i64) -> Gate {
        match self.state {
            State::Closed => Gate::Flow,
            State::Open { until: NEVER, .. } => Gate::Wait(NEVER),
            State::Open { until, .. } if now >= until || until - now > LONGEST => Gate::Probe,
            State::Open { until, .. } => Gate::Wait(until),
        }
    }

    /// Why it is open, and until when nothing is tried.
    pub fn open(&self) -> Option<(&Cause, i64)> {
        match &self.state {
            State::Closed => None,
            State::Open { cause, until, .. } => Some((cause, *until)),
        }
    }

    /// Since when a new item would be reason to probe early: while it is asleep after failures.
    pub fn fresh_since(&self) -> Option<i64> {
        match self.state {
            State::Open { cause: Cause::Failing(_), fresh_since, .. } => Some(fresh_since),
            _ => None,
        }
    }

    /// When a new item may be probed with, while it is asleep after failures.
    pub fn early_probe_at(&self) -> Option<i64> {
        match self.state {
            State::Open { cause: Cause::Failing(_), last_probe, .. } => {
                Some(last_probe + ms(EARLY_PROBE))
            }
            _ => None,
        }
    }

    /// An item that never failed has come: it may be probed with before its time, since it may be
    /// the others that are at fault.
    pub fn fresh_item(&mut self, now: i64) {
        if let State::Open { cause: Cause::Failing(_), until, last_probe, .. } = &mut self.state
            && now >= *last_probe + ms(EARLY_PROBE)
        {
            *until = now.min(*until);
        }
    }

    /// Somebody mended something: it is tried at once.
    pub fn nudge(&mut self, now: i64) {
        if let State::Open { until, .. } = &mut self.state {
            *until = now;
        }
    }

    /// The target took something, or refused it for reasons of its own: it lives. Says whether
    /// anything had spoken against it, so that what waits on its account can go on at once.
    pub fn alive(&mut self) -> bool {
        let was_open = std::mem::replace(&mut self.state, State::Closed) != State::Closed;
        self.items.clear();
        std::mem::take(&mut self.streak) > 0 || was_open
    }

    /// An attempt failed, and nothing says that the item is to blame. Says whether this opened it.
    pub fn failed(&mut self, item: Option<i64>, why: &str, now: i64, jitter: Jitter) -> bool {
        self.streak = self.streak.saturating_add(1);
        if self.items.len() < DISTINCT {
            self.items.extend(item);
        }
        match &self.state {
            // A probe that failed, or something that was still under way.
            State::Open { cause, .. } => {
                let cause = match cause {
                    Cause::Failing(_) | Cause::AskedToWait(_) => Cause::Failing(why.to_owned()),
                    stopped => stopped.clone(),
                };
                self.wait_on(cause, now, jitter);
                // A target that is ill itself would have failed all of them. One item that failed
                // says little about the next.
                if item.is_none()
                    && let State::Open { fresh_since, .. } = &mut self.state
                {
                    *fresh_since = now;
                }
                false
            }
            State::Closed => {
                // A look at the health alone is about the target and nothing else.
                let opens = item.is_none()
                    || (self.items.len() >= DISTINCT && self.streak >= self.settings.failures);
                if opens {
                    self.wait_on(Cause::Failing(why.to_owned()), now, jitter);
                }
                opens
            }
        }
    }

    /// The target does not let us in, or is not there. Says whether this is news.
    pub fn stop(&mut self, cause: Cause, now: i64, jitter: Jitter) -> bool {
        let news = !matches!(&self.state, State::Open { cause: known, .. }
            if std::mem::discriminant(known) == std::mem::discriminant(&cause));
        let retires = matches!(cause, Cause::Retired(_));
        self.wait_on(cause, now, jitter);
        if let State::Open { until, .. } = &mut self.state
            && retires
        {
            *until = NEVER;
        }
        news
    }

    /// The target let us in, and failed then: whatever it needed a person for is mended. Says
    /// whether it did.
    pub fn let_in(&mut self, why: &str, now: i64, jitter: Jitter) -> bool {
        let was_stopped = self.open().is_some_and(|(cause, _)| cause.is_stopped());
        if was_stopped {
            self.wait_on(Cause::Failing(why.to_owned()), now, jitter);
        }
        was_stopped
    }

    /// The target asked for a pause. It gets that, or our own if that is the longer one: who always
    /// asks for a second is not asked every second for a night.
    pub fn asked_to_wait(&mut self, why: &str, asked: i64, now: i64, jitter: Jitter) {
        let cause = match &self.state {
            State::Open { cause, .. } if cause.is_stopped() => cause.clone(),
            _ => Cause::AskedToWait(why.to_owned()),
        };
        self.wait_on(cause, now, jitter);
        if let State::Open { until, .. } = &mut self.state {
            *until = asked.max(*until);
        }
    }

    /// A probe came to nothing, and that was not the target's doing: the next one waits, and what is
    /// held against the target stays what it was.
    pub fn postpone(&mut self, now: i64, jitter: Jitter) {
        if let State::Open { cause, .. } = &self.state {
            self.wait_on(cause.clone(), now, jitter);
        }
    }

    /// Opens, or stays open for longer: the wait grows with each probe, but not with each request
    /// that was under way together with the one that opened it.
    fn wait_on(&mut self, cause: Cause, now: i64, jitter: Jitter) {
        let (probes, still, fresh_since) = match &self.state {
            State::Open { cause: known, until, probes, fresh_since, .. }
                if known.is_stopped() == cause.is_stopped() =>
            {
                if now < *until {
                    (*probes, Some(*until), *fresh_since)
                } else {
                    (probes + 1, None, *fresh_since)
                }
            }
            _ => (1, None, now),
        };
        let backoff = if cause.is_stopped() { self.settings.stopped } else { self.settings.asleep };
        let until = still.unwrap_or_else(|| now + ms(backoff.wait(probes, jitter)));
        self.state = State::Open { cause, until, probes, last_probe: now, fresh_since };
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(first: u64, max: u64) -> Backoff {
        Backoff { first: Duration::from_secs(first), max: Duration::from_secs(max) }
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            failures: 5,
            asleep: backoff(1, 300),
            stopped: backoff(300, 900),
        })
    }

    /// Without chance, so that waits are whole.
    const FULL: Jitter = |half| half;

    fn fail(breaker: &mut Breaker, item: i64, now: i64) -> bool {
        breaker.failed(Some(item), "500", now, FULL)
    }

    fn opened(breaker: &mut Breaker) {
        assert!((1..=5).any(|item| fail(breaker, item, 0)));
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_of_different_items() {
        let mut opening = breaker();
        let opened: Vec<bool> = (1..=5).map(|item| fail(&mut opening, item, 0)).collect();
        assert_eq!(opened, [false, false, false, false, true]);
        assert_eq!(opening.gate(0), Gate::Wait(1000));
        assert_eq!(opening.gate(1000), Gate::Probe);

        let mut interrupted = breaker();
        for item in 1..=4 {
            fail(&mut interrupted, item, 0);
        }
        assert!(interrupted.alive() && !interrupted.alive());
        assert!((1..=4).all(|item| !fail(&mut interrupted, item, 0)));
        assert_eq!(interrupted.gate(0), Gate::Flow);
    }

    #[test]
    fn a_target_that_has_retired_is_left_alone_until_somebody_mends_something() {
        let mut breaker = breaker();
        let retired = || Cause::Retired("410".into());
        assert!(breaker.stop(retired(), 0, FULL));
        for now in [0, 1_000_000, 10 * LONGEST] {
            assert_eq!(breaker.gate(now), Gate::Wait(i64::MAX));
            // What was under way with it tells nothing new.
            assert!(!breaker.stop(retired(), now, FULL));
            assert!(!breaker.failed(Some(1), "reset", now, FULL));
        }
        let now = 11 * LONGEST;
        breaker.nudge(now);
        assert_eq!(breaker.gate(now), Gate::Probe);
        breaker.stop(retired(), now, FULL);
        assert_eq!(breaker.gate(now + 1), Gate::Wait(i64::MAX));
        assert!(breaker.alive());
        assert_eq!(breaker.gate(now + 2), Gate::Flow);
    }

    #[test]
    fn one_item_alone_never_opens_it() {
        let mut breaker = breaker();
        assert!((0..100).all(|_| !fail(&mut breaker, 7, 0)));
        assert!(fail(&mut breaker, 8, 0), "a second one does");
    }

    #[test]
    fn probes_become_rarer_up_to_the_longest_wait_and_a_success_ends_it() {
        let mut breaker = breaker();
        opened(&mut breaker);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..11 {
            let Gate::Wait(until) = breaker.gate(now) else { panic!("not waiting") };
            waits.push((until - now) / 1000);
            now = until;
            fail(&mut breaker, 1, now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(breaker.alive());
        assert_eq!(breaker.gate(now), Gate::Flow);
    }

    #[test]
    fn a_night_of_outage_is_a_hundred_probes() {
        let mut breaker = breaker();
        opened(&mut breaker);
        let (mut now, mut probes) = (0, 0);
        while now < 8 * 3600 * 1000 {
            match breaker.gate(now) {
                Gate::Wait(until) => now = until,
                Gate::Probe => {
                    probes += 1;
                    breaker.failed(None, "refused", now, FULL);
                }
                Gate::Flow => panic!("it closed"),
            }
        }
        assert!((90..=110).contains(&probes), "{probes}");
    }

    #[test]
    fn what_was_under_way_does_not_lengthen_the_wait() {
        let mut breaker = breaker();
        for item in 1..=9 {
            fail(&mut breaker, item, item);
        }
        assert_eq!(breaker.gate(10), Gate::Wait(1005));
    }

    #[test]
    fn a_refused_token_stops_it_with_one_alarm_and_slow_probes() {
        let mut breaker = breaker();
        let denied = || Cause::Denied("401".to_owned());
        assert!(breaker.stop(denied(), 0, FULL), "the first is news");
        assert!(!breaker.stop(denied(), 1, FULL), "the others are not");
        assert_eq!(breaker.gate(2), Gate::Wait(300_000));
        assert!(!breaker.stop(denied(), 300_000, FULL));
        assert_eq!(breaker.gate(300_001), Gate::Wait(900_000));
        breaker.nudge(300_002);
        assert_eq!(breaker.gate(300_002), Gate::Probe);
        assert!(breaker.alive());
        assert!(breaker.stop(Cause::Misdirected("301".to_owned()), 0, FULL));
    }

    #[test]
    fn a_stopped_target_stays_stopped_whatever_else_fails() {
        let mut breaker = breaker();
        breaker.stop(Cause::Denied("401".to_owned()), 0, FULL);
        fail(&mut breaker, 1, 1);
        breaker.asked_to_wait("503", 5, 2, FULL);
        assert!(breaker.open().unwrap().0.is_stopped());
        assert_eq!(breaker.gate(3), Gate::Wait(300_000));
    }

    #[test]
    fn a_stopped_target_that_lets_us_in_is_one_that_fails() {
        for (cause, until, after) in [
            (Cause::Denied("401".to_owned()), 300_000, Some((true, 301_000))),
            (Cause::Misdirected("404".to_owned()), 300_000, Some((true, 301_000))),
            (Cause::Failing("502".to_owned()), 1000, Some((false, 1000))),
            (Cause::AskedToWait("429".to_owned()), 1000, Some((false, 1000))),
        ] {
            let mut breaker = breaker();
            breaker.stop(cause.clone(), 0, FULL);
            let was_stopped = breaker.let_in("500", until, FULL);
            let open = breaker.open().map(|(_, until)| (was_stopped, until));
            assert_eq!(open, after, "{cause:?}");
            assert!(!breaker.open().unwrap().0.is_stopped());
        }
        let mut closed = breaker();
        assert!(!closed.let_in("500", 0, FULL));
        assert_eq!(closed.gate(0), Gate::Flow);
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept() {
        let mut breaker = breaker();
        breaker.asked_to_wait("429", 30_000, 0, FULL);
        breaker.asked_to_wait("429", 10_000, 1, FULL);
        assert_eq!(breaker.gate(2), Gate::Wait(30_000));
        breaker.fresh_item(20_000);
        assert_eq!(breaker.gate(20_000), Gate::Wait(30_000));
        assert_eq!(breaker.gate(30_000), Gate::Probe);
    }

    #[test]
    fn a_new_item_is_probed_with_before_its_time_but_not_too_often() {
        let mut breaker = breaker();
        opened(&mut breaker);
        for _ in 0..8 {
            let Gate::Wait(until) = breaker.gate(0) else { panic!() };
            breaker.failed(None, "down", until, FULL);
        }
        let Gate::Wait(until) = breaker.gate(0) else { panic!() };
        let last = until - 256_000;
        breaker.fresh_item(last + 4_999);
        assert_eq!(breaker.gate(last + 4_999), Gate::Wait(until));
        breaker.fresh_item(last + 5_000);
        assert_eq!(breaker.gate(last + 5_000), Gate::Probe);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_lengthen_a_wait() {
        let mut breaker = breaker();
        let now = 1_000_000_000;
        breaker.failed(None, "down", now, FULL);
        assert!(matches!(breaker.gate(now), Gate::Wait(_)));
        assert_eq!(breaker.gate(now - 2 * LONGEST), Gate::Probe);
    }

    #[test]
    fn a_bad_health_opens_it_without_any_item() {
        let mut breaker = breaker();
        assert!(breaker.failed(None, "no database", 0, FULL));
        assert_eq!(breaker.gate(0), Gate::Wait(1000));
    }
}
