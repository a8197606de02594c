//! Whether many files that are gone at once may be believed to be deleted.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Percent;

/// Deletions are weighed together over this time.
const WINDOW: Duration = Duration::from_secs(60);
/// So few are always believed.
const FEW: usize = 2;

/// The deletions of one root of late.
#[derive(Debug, Default)]
pub struct Deletions {
    believed: VecDeque<(Instant, usize)>,
    held: bool,
}

impl Deletions {
    /// Whether a look through the whole root, which missed `gone` of the `known` files, may be
    /// believed. It alone ends a suspicion.
    pub fn believe_scan(
        &mut self,
        gone: usize,
        known: usize,
        limit: Percent,
        now: Instant,
    ) -> bool {
        self.held = self.is_suspicious(gone, known, limit, now);
        self.note(gone, now)
    }

    /// Whether single deletions may be believed.
    pub fn believe_events(
        &mut self,
        gone: usize,
        known: usize,
        limit: Percent,
        now: Instant,
    ) -> bool {
        self.held |= self.is_suspicious(gone, known, limit, now);
        self.note(gone, now)
    }

    fn is_suspicious(&mut self, gone: usize, known: usize, limit: Percent, now: Instant) -> bool {
        while self.believed.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.believed.pop_front();
        }
        // Those that were believed a moment ago are not among the known any more.
        let before: usize = self.believed.iter().map(|(_, gone)| gone).sum();
        let (gone, known) = (gone + before, known + before);
        gone > FEW && gone * 100 > known * usize::from(limit.0)
    }

    fn note(&mut self, gone: usize, now: Instant) -> bool {
        if !self.held && gone > 0 {
            self.believed.push_back((now, gone));
        }
        !self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Percent = Percent(50);

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
            assert_eq!(deletions.believe_scan(gone, known, HALF, now), believed, "{gone}/{known}");
        }
    }

    #[test]
    fn what_goes_one_by_one_adds_up_within_a_minute() {
        let mut deletions = Deletions::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let believed = (0..10)
            .take_while(|i| deletions.believe_events(1, 10 - i, HALF, at(*i as u64)))
            .count();
        assert_eq!(believed, 5);
        assert!(!deletions.believe_events(1, 5, HALF, at(200)), "only a look at all ends it");
        assert!(deletions.believe_scan(1, 5, HALF, at(200)));

        let mut slowly = Deletions::default();
        assert!((0..10).all(|i| slowly.believe_events(1, 10 - i, HALF, at(61 * i as u64))));
    }

    #[test]
    fn a_suspicion_ends_when_the_files_are_back() {
        let mut deletions = Deletions::default();
        let now = Instant::now();
        assert!(!deletions.believe_scan(100, 100, HALF, now));
        assert!(!deletions.believe_events(1, 100, HALF, now));
        assert!(!deletions.believe_scan(100, 100, HALF, now));
        assert!(deletions.believe_scan(0, 100, HALF, now));
        assert!(deletions.believe_events(1, 100, HALF, now));
    }
}
