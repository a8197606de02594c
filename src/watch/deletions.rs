//! Whether files that are gone may be believed to be deleted.
//!
//! One that goes alone may be; most of them within a minute are more likely a mount that failed. So
//! nothing is believed at once: deletions come to rest first, and are then judged together.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Percent;

/// Deletions are weighed together over this time.
const WINDOW: Duration = Duration::from_secs(60);
/// They have come to rest when none followed for so long.
const REST: Duration = Duration::from_secs(2);
/// So few are always believed.
const FEW: usize = 2;

/// Whether so many deletions of the `known` things at once are more than anybody means.
pub fn is_mass_deletion(count: usize, known: usize, limit: Percent) -> bool {
    count > FEW && count * 100 > known * usize::from(limit.0)
}

/// What becomes of files that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// They were deleted.
    Believed,
    /// They are many, and may come back.
    Suspicious,
    /// More may follow: look again.
    TooSoon,
}

/// The deletions of one root of late.
#[derive(Debug, Default)]
pub struct Deletions {
    /// Files that are said to be gone, and not believed to be, each with the moment until which it
    /// was there, as far as anybody knows.
    unjudged: HashMap<OsString, Instant>,
    /// When the first of them was heard of that no judgement has followed.
    since: Option<Instant>,
    judge_at: Option<Instant>,
    believed: VecDeque<(Instant, usize)>,
}

impl Deletions {
    /// A file is gone that was there until a moment, as far as anybody knows. To be told so again
    /// changes nothing.
    pub fn heard_of(&mut self, name: OsString, until: Instant, now: Instant) {
        if let Entry::Vacant(unheard) = self.unjudged.entry(name) {
            unheard.insert(until);
            let since = *self.since.get_or_insert(now);
            // Whoever deletes without end is judged all the same.
            self.judge_at = Some((now + REST).min(since + WINDOW));
        }
    }

    /// Until when a file was there of which it was heard that it is gone.
    pub fn until(&self, name: &OsStr) -> Option<Instant> {
        self.unjudged.get(name).copied()
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

    /// Judges so many deletions of the `known` files, all that a look through the whole root has
    /// missed. They were heard of before.
    pub fn judge(&mut self, count: usize, known: usize, limit: Percent, now: Instant) -> Judgement {
        if count > 0 && self.judge_at.is_some_and(|at| now < at) {
            return Judgement::TooSoon;
        }
        self.judged();
        while self.believed.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.believed.pop_front();
        }
        // Those that were believed a moment ago are not among the known any more.
        let before: usize = self.believed.iter().map(|(_, gone)| gone).sum();
        let (all, known) = (count + before, known + before);
        if count > 0 && is_mass_deletion(all, known, limit) {
            return Judgement::Suspicious;
        }
        self.unjudged.clear();
        if count > 0 {
            self.believed.push_back((now, count));
        }
        Judgement::Believed
    }

    fn judged(&mut self) {
        (self.since, self.judge_at) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::Judgement::*;
    use super::*;

    const HALF: Percent = Percent(50);

    fn after(start: Instant) -> impl Fn(u64) -> Instant {
        move |second| start + Duration::from_secs(second)
    }

    fn names(from: usize, to: usize) -> Vec<OsString> {
        (from..to).map(|n| n.to_string().into()).collect()
    }

    /// A look that misses these files.
    fn look(deletions: &mut Deletions, gone: &[OsString], known: usize, now: Instant) -> Judgement {
        gone.iter().for_each(|name| deletions.heard_of(name.clone(), now, now));
        deletions.judge(gone.len(), known, HALF, now)
    }

    /// Two looks, the second when they have come to rest.
    fn rested(
        deletions: &mut Deletions,
        gone: &[OsString],
        known: usize,
        now: Instant,
    ) -> Judgement {
        look(deletions, gone, known, now);
        look(deletions, gone, known, now + REST)
    }

    #[test]
    fn more_than_the_limit_at_once_is_suspicious() {
        for (gone, known, judgement) in [
            (0, 0, Believed),
            (1, 1, Believed),
            (2, 2, Believed),
            (3, 3, Suspicious),
            (5, 10, Believed),
            (6, 10, Suspicious),
            (100, 100, Suspicious),
            (50_000, 100_000, Believed),
        ] {
            let mut deletions = Deletions::default();
            let found = rested(&mut deletions, &names(0, gone), known, Instant::now());
            assert_eq!(found, judgement, "{gone}/{known}");
        }
    }

    #[test]
    fn what_goes_bit_by_bit_adds_up_within_a_minute() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        let mut one =
            |n: usize, second| rested(&mut deletions, &names(n, n + 1), 10 - n, at(second));
        assert!((0..5).all(|n| one(n, 5 * n as u64) == Believed));
        assert_eq!(one(5, 25), Suspicious);
        assert_eq!(look(&mut deletions, &names(5, 6), 5, at(200)), Believed);

        let mut slowly = Deletions::default();
        assert!((0..10).all(|n| {
            rested(&mut slowly, &names(n, n + 1), 10 - n, at(61 * n as u64)) == Believed
        }));
    }

    #[test]
    fn a_look_in_the_middle_of_a_deletion_believes_nothing_of_it() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        assert_eq!(look(&mut deletions, &names(0, 4), 10, at(0)), TooSoon);
        assert_eq!(look(&mut deletions, &names(0, 6), 10, at(1)), TooSoon);
        assert_eq!(look(&mut deletions, &names(0, 9), 10, at(2)), TooSoon);
        assert_eq!(deletions.judge_at(), Some(at(4)));
        assert_eq!(look(&mut deletions, &names(0, 9), 10, at(4)), Suspicious);
    }

    #[test]
    fn a_suspicion_ends_when_the_files_are_back() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        assert_eq!(rested(&mut deletions, &names(0, 100), 100, at(0)), Suspicious);
        assert_eq!(look(&mut deletions, &names(0, 99), 100, at(3)), Suspicious);
        assert_eq!(look(&mut deletions, &[], 100, at(4)), Believed);
        assert_eq!(rested(&mut deletions, &names(0, 1), 100, at(5)), Believed);
    }

    #[test]
    fn deletions_come_to_rest_before_they_are_judged() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        assert_eq!(deletions.judge_at(), None);
        deletions.heard_of("a".into(), at(0), at(0));
        deletions.heard_of("b".into(), at(1), at(1));
        assert_eq!(deletions.judge_at(), Some(at(3)));
        deletions.heard_of("a".into(), at(2), at(2));
        assert_eq!(deletions.judge_at(), Some(at(3)), "that is no news");
        assert_eq!(deletions.until(OsStr::new("a")), Some(at(0)));

        // What is held back does not ask to be judged again and again.
        assert_eq!(look(&mut deletions, &["a".into(), "b".into()], 2, at(3)), Believed);
        let nine = names(0, 9);
        assert_eq!(rested(&mut deletions, &nine, 10, at(4)), Suspicious);
        deletions.heard_of("0".into(), at(7), at(7));
        assert_eq!(deletions.judge_at(), None);
        deletions.heard_of("c".into(), at(7), at(7));
        assert_eq!(deletions.judge_at(), Some(at(9)));
        deletions.forget();
        assert_eq!(deletions.judge_at(), None);
        deletions.heard_of("a".into(), at(8), at(8));
        assert_eq!(deletions.judge_at(), Some(at(10)));
    }

    #[test]
    fn deletions_without_end_are_judged_within_a_minute() {
        let (mut deletions, at) = (Deletions::default(), after(Instant::now()));
        (0..=100).for_each(|i| deletions.heard_of(i.to_string().into(), at(i), at(i)));
        assert_eq!(deletions.judge_at(), Some(at(60)));
    }
}
