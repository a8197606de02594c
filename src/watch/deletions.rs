//! Whether files that are gone may be believed to be deleted.
//!
//! One that goes alone may be; most of them within a minute are more likely a mount that failed. So
//! nothing is believed at once: deletions come to rest first, and are then judged together.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Percent;

/// Deletions are weighed together over this time.
const WINDOW: Duration = Duration::from_secs(60);
/// They have come to rest when none followed for so long.
const REST: Duration = Duration::from_secs(2);
/// So few are always believed.
const FEW: usize = 2;

/// The deletions of one root of late.
#[derive(Debug, Default)]
pub struct Deletions {
    /// Files that are said to be gone, and not believed to be.
    unjudged: HashSet<OsString>,
    /// When the first of them was heard of that no judgement has followed.
    since: Option<Instant>,
    judge_at: Option<Instant>,
    believed: VecDeque<(Instant, usize)>,
}

impl Deletions {
    /// A file is gone. To be told so again changes nothing.
    pub fn heard_of(&mut self, name: OsString, now: Instant) {
        if self.unjudged.insert(name) {
            let since = *self.since.get_or_insert(now);
            // Whoever deletes without end is judged all the same.
            self.judge_at = Some((now + REST).min(since + WINDOW));
        }
    }

    /// When to look through the whole root, to judge what was heard of.
    pub fn judge_at(&self) -> Option<Instant> {
        self.judge_at
    }

    /// The root itself cannot be seen: that says nothing about its files.
    pub fn forget(&mut self) {
        self.judged();
        self.unjudged.clear();
    }

    /// Whether a look through the whole root, which missed `gone` of the `known` files, may be
    /// believed.
    pub fn believe(&mut self, gone: usize, known: usize, limit: Percent, now: Instant) -> bool {
        self.judged();
        while self.believed.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.believed.pop_front();
        }
        // Those that were believed a moment ago are not among the known any more.
        let before: usize = self.believed.iter().map(|(_, gone)| gone).sum();
        let (all, known) = (gone + before, known + before);
        if gone > 0 && all > FEW && all * 100 > known * usize::from(limit.0) {
            return false;
        }
        self.unjudged.clear();
        if gone > 0 {
            self.believed.push_back((now, gone));
        }
        true
    }

    fn judged(&mut self) {
        (self.since, self.judge_at) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Percent = Percent(50);

    fn after(start: Instant) -> impl Fn(u64) -> Instant {
        move |second| start + Duration::from_secs(second)
    }

    #[test]
    fn more_than_the_limit_at_once_is_suspicious() {
        for (gone, known, believed) in [
            (0, 0, true),
            (1, 1, true),
            (2, 2, true),
            (3, 3, false),
            (5, 10, true),
            (6, 10, false),
            (100, 100, false),
            (50_000, 100_000, true),
        ] {
            let mut deletions = Deletions::default();
            let now = Instant::now();
            assert_eq!(deletions.believe(gone, known, HALF, now), believed, "{gone}/{known}");
        }
    }

    #[test]
    fn what_goes_bit_by_bit_adds_up_within_a_minute() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        let believed =
            (0..10).take_while(|i| deletions.believe(1, 10 - i, HALF, at(5 * *i as u64))).count();
        assert_eq!(believed, 5);
        assert!(deletions.believe(0, 5, HALF, at(50)), "nothing is gone any more");
        assert!(deletions.believe(1, 5, HALF, at(200)));

        let mut slowly = Deletions::default();
        assert!((0..10).all(|i| slowly.believe(1, 10 - i, HALF, at(61 * i as u64))));
    }

    #[test]
    fn a_suspicion_ends_when_the_files_are_back() {
        let mut deletions = Deletions::default();
        let now = Instant::now();
        assert!(!deletions.believe(100, 100, HALF, now));
        assert!(!deletions.believe(99, 100, HALF, now));
        assert!(deletions.believe(0, 100, HALF, now));
        assert!(deletions.believe(1, 100, HALF, now));
    }

    #[test]
    fn deletions_come_to_rest_before_they_are_judged() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        assert_eq!(deletions.judge_at(), None);
        deletions.heard_of("a".into(), at(0));
        deletions.heard_of("b".into(), at(1));
        assert_eq!(deletions.judge_at(), Some(at(3)));
        deletions.heard_of("a".into(), at(2));
        assert_eq!(deletions.judge_at(), Some(at(3)), "that is no news");

        // What is held back does not ask to be judged again and again.
        assert!(!deletions.believe(9, 10, HALF, at(3)));
        deletions.heard_of("a".into(), at(4));
        assert_eq!(deletions.judge_at(), None);
        deletions.heard_of("c".into(), at(5));
        assert_eq!(deletions.judge_at(), Some(at(7)));
        deletions.forget();
        assert_eq!(deletions.judge_at(), None);
        deletions.heard_of("a".into(), at(8));
        assert_eq!(deletions.judge_at(), Some(at(10)));
    }

    #[test]
    fn deletions_without_end_are_judged_within_a_minute() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        (0..=100).for_each(|i| deletions.heard_of(i.to_string().into(), at(i)));
        assert_eq!(deletions.judge_at(), Some(at(60)));
    }
}
