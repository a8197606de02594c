//! How many requests a target is given at once: half as many as soon as that is too much for it,
//! one more at a time while that pays.
//!
//! Additive increase and multiplicative decrease, as TCP has them (RFC 5681, section 3.1), with the
//! time of an answer as an early sign (TCP Vegas), judged by rounds: so many answers to requests
//! that all went at the same limit.

use std::time::Duration;

/// So many at first, where as many are allowed.
const FIRST: usize = 16;
/// Fewer answers say too little.
const ROUND: usize = 8;
/// Answers take so many times the usual when they queue up at the target.
const RISEN: u32 = 2;
/// Who answers within this is quick enough, and a smaller difference is chance.
const NOISE: Duration = Duration::from_millis(20);
/// What is usual follows a rise by this part of it in a round, and a fall at once.
const DRIFT: u32 = 32;
/// So many rounds, at the most, until what was too much is tried again.
const PATIENCE_MAX: u32 = 64;

/// The limit of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrency {
    most: usize,
    limit: usize,
    round: Round,
    /// The first round after the last cut: what was sent before says nothing more.
    cut_at: u64,
    ceiling: Option<Ceiling>,
    /// What an answer takes, as far as is known.
    usual: Option<Duration>,
    /// What it took with one request less, right after one more was allowed.
    before: Option<Duration>,
}

/// The answers to what was sent since the limit last changed, or was last thought over.
#[derive(Clone, Debug, Default, PartialEq)]
struct Round {
    number: u64,
    answers: usize,
    /// How many of them came while more waited for room.
    crowded: usize,
    took: Vec<Duration>,
}

/// A limit that was too much.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ceiling {
    at: usize,
    /// Rounds between two tries.
    patience: u32,
    /// Those that are left.
    rest: u32,
}

impl Concurrency {
    /// At most `most` at once, which is at least 1.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            limit: most.min(FIRST),
            round: Round::default(),
            cut_at: 0,
            ceiling: None,
            usual: None,
            before: None,
        }
    }

    /// Goes on with another bound.
    pub fn set(&mut self, most: usize) {
        if self.most != most {
            *self = Self::new(most);
        }
    }

    /// How many requests may be under way now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The bound that was set.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The round that a request begins in, to be given with what came of it.
    pub fn round(&self) -> u64 {
        self.round.number
    }

    /// The target took what was sent in a round, or refused it for what it is. `took` is how long
    /// that lasted, where it says something about the target; `crowded`, whether more
    /// waited for room.
    pub fn answered(&mut self, round: u64, took: Option<Duration>, crowded: bool) {
        if round != self.round.number {
            return;
        }
        let so_far = &mut self.round;
        so_far.answers += 1;
        so_far.crowded += usize::from(crowded);
        so_far.took.extend(took);
        if so_far.answers >= self.limit.max(ROUND) {
            self.think_over();
        }
    }

    /// The target had too much of it: there is half as much room from now on, once for all that was
    /// under way together.
    pub fn overloaded(&mut self, round: u64) {
        if round >= self.cut_at {
            self.cut();
        }
    }

    fn think_over(&mut self) {
        let was_crowded = 2 * self.round.crowded > self.round.answers;
        let typical = median(&mut self.round.took);
        let usual = self.usual;
        self.usual = typical.map(|typical| drift(usual, typical)).or(usual);
        let before = self.before.take();
        self.next_round();
        // Who does not use the room learns nothing of its size.
        if !was_crowded {
            return;
        }
        if let (Some(typical), Some(usual)) = (typical, usual)
            && typical > usual * RISEN + NOISE
        {
            self.cut();
        } else if let (Some(typical), Some(before)) = (typical, before)
            && !pays(self.limit, typical, before)
        {
            self.remember_ceiling();
            self.limit -= 1;
        } else {
            self.grow(typical);
        }
    }

    fn grow(&mut self, typical: Option<Duration>) {
        if self.ceiling.is_some_and(|ceiling| self.limit >= ceiling.at) {
            self.ceiling = None;
        }
        if self.limit >= self.most {
            return;
        }
        if let Some(ceiling) = &mut self.ceiling
            && self.limit + 1 >= ceiling.at
            && ceiling.rest > 0
        {
            ceiling.rest -= 1;
            return;
        }
        self.limit += 1;
        self.before = typical;
    }

    fn cut(&mut self) {
        self.remember_ceiling();
        self.limit = (self.limit / 2).max(1);
        self.before = None;
        self.next_round();
        self.cut_at = self.round.number;
    }

    /// The same height that is too much again is left alone for twice as long.
    fn remember_ceiling(&mut self) {
        let again = self.ceiling.filter(|ceiling| self.limit >= ceiling.at);
        let patience = again.map_or(1, |ceiling| (2 * ceiling.patience).min(PATIENCE_MAX));
        self.ceiling = Some(Ceiling { at: self.limit, patience, rest: patience });
    }

    fn next_round(&mut self) {
        self.round = Round { number: self.round.number + 1, ..Round::default() };
    }
}

/// Whether a limit lets more through than one less, whose answers took as long as `before`.
fn pays(limit: usize, typical: Duration, before: Duration) -> bool {
    // As many a second as there are at once, by how long each takes.
    typical <= NOISE || typical.as_nanos() * (limit as u128 - 1) < before.as_nanos() * limit as u128
}

fn drift(usual: Option<Duration>, typical: Duration) -> Duration {
    match usual {
        Some(usual) if typical > usual => usual + (typical - usual) / DRIFT,
        _ => typical,
    }
}

fn median(took: &mut [Duration]) -> Option<Duration> {
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// One that has come to four.
    fn begun(most: usize) -> Concurrency {
        Concurrency { limit: most.min(4), ..Concurrency::new(most) }
    }

    /// Has so many rounds pass, with all the room in use, at a target that answers with some latency
    /// at each limit, or has too much. Gives the limits on the way.
    fn played(
        concurrency: &mut Concurrency,
        target: impl Fn(usize) -> Option<Duration>,
        rounds: usize,
    ) -> Vec<usize> {
        let mut limits = vec![concurrency.limit()];
        for _ in 0..rounds {
            let (round, limit) = (concurrency.round(), concurrency.limit());
            while concurrency.round() == round {
                match target(limit) {
                    Some(took) => concurrency.answered(round, Some(took), true),
                    None => concurrency.overloaded(round),
                }
            }
            limits.push(concurrency.limit());
        }
        limits
    }

    #[test]
    fn it_halves_at_once_and_grows_by_one_in_a_round_up_to_the_bound() {
        let well = |_| Some(ms(50));
        assert_eq!(played(&mut begun(1), well, 2), [1, 1, 1]);
        assert_eq!(played(&mut begun(3), well, 2), [3, 3, 3]);
        assert_eq!(played(&mut begun(6), well, 4), [4, 5, 6, 6, 6]);

        let mut cut = begun(8);
        played(&mut cut, well, 4);
        let sent = cut.round();
        for _ in 0..8 {
            // All that went together is one sign.
            cut.overloaded(sent);
            assert_eq!(cut.limit(), 4);
        }
        assert_eq!(played(&mut cut, well, 6), [4, 5, 6, 7, 7, 8, 8]);
        for limit in [4, 2, 1, 1] {
            cut.overloaded(cut.round());
            assert_eq!(cut.limit(), limit);
        }
    }

    #[test]
    fn what_was_too_much_is_tried_again_more_and_more_seldom() {
        let bears_five = |limit| (limit <= 5).then(|| ms(50));
        let limits = played(&mut begun(64), bears_five, 1000);
        let tries = |of: &[usize]| of.iter().filter(|limit| **limit == 6).count();
        assert!(limits.iter().all(|limit| *limit <= 6));
        assert!(tries(&limits[..100]) >= 4, "{limits:?}");
        assert!((1..=4).contains(&tries(&limits[800..])), "{limits:?}");
        // It is given as much as it bears nearly all the time.
        let most = limits[800..].iter().filter(|limit| **limit >= 4).count();
        assert!(most > 180, "{limits:?}");
    }

    #[test]
    fn a_target_that_bears_more_again_is_given_more() {
        let mut concurrency = begun(8);
        played(&mut concurrency, |limit| (limit <= 2).then(|| ms(50)), 500);
        assert!(concurrency.limit() <= 3);
        let limits = played(&mut concurrency, |_| Some(ms(50)), 100);
        assert_eq!(limits.last(), Some(&8), "{limits:?}");
    }

    #[test]
    fn it_halves_when_answers_take_more_than_twice_as_long() {
        for (from, to, limit) in [(50, 50, 8), (50, 110, 8), (50, 130, 4), (1, 20, 8), (1, 30, 4)] {
            let mut concurrency = begun(8);
            let before = played(&mut concurrency, |_| Some(ms(from)), 8);
            assert_eq!(before.last(), Some(&8));
            let after = played(&mut concurrency, |_| Some(ms(to)), 1);
            assert_eq!(after.last(), Some(&limit), "from {from} to {to}");
        }
    }

    #[test]
    fn it_grows_only_while_that_pays() {
        // One worker: whoever comes beside another waits for it.
        let alone = |limit| Some(ms(100) * limit as u32);
        let limits = played(&mut begun(64), alone, 200);
        assert!(limits.iter().all(|limit| *limit <= 5), "{limits:?}");
        // Six workers.
        let six =
            |limit: usize| Some(Duration::from_micros((100_000 * limit.max(6) as u64).div_ceil(6)));
        let limits = played(&mut begun(64), six, 200);
        assert!(limits[3..].iter().all(|limit| (6..=7).contains(limit)), "{limits:?}");
        // What is quick anyway is not looked at so closely.
        let quick = |limit| Some(Duration::from_micros(500) * limit as u32);
        assert_eq!(played(&mut begun(16), quick, 20).last(), Some(&16));
    }

    #[test]
    fn a_target_that_stays_slower_gets_its_room_back() {
        let mut concurrency = begun(8);
        played(&mut concurrency, |_| Some(ms(50)), 10);
        let limits = played(&mut concurrency, |_| Some(ms(200)), 200);
        assert_eq!((limits[1], limits[200]), (4, 8), "{limits:?}");
    }

    #[test]
    fn room_that_is_not_used_and_answers_of_before_say_nothing() {
        let mut concurrency = begun(8);
        for _ in 0..100 {
            concurrency.answered(concurrency.round(), Some(ms(50)), false);
        }
        assert_eq!(concurrency.limit(), 4);
        let before = concurrency.round();
        concurrency.overloaded(before);
        let after = concurrency.clone();
        for _ in 0..100 {
            concurrency.answered(before, Some(ms(9000)), true);
        }
        assert_eq!(concurrency, after);
        // Audio has no time of its own, and yet it passes.
        for _ in 0..100 {
            concurrency.answered(concurrency.round(), None, true);
        }
        assert_eq!(concurrency.limit(), 8);
    }

    #[test]
    fn another_bound_counts_at_once() {
        let mut concurrency = begun(8);
        concurrency.set(2);
        assert_eq!((concurrency.limit(), concurrency.most()), (2, 2));
        concurrency.overloaded(concurrency.round());
        concurrency.set(2);
        assert_eq!(concurrency.limit(), 1, "the same bound is no news");
    }
}
