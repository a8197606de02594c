//! Outage or poison? The dashboard answers 500 to both, so evidence across items decides.

use std::collections::HashMap;

/// What is known of a target from how different items fared. A failure speaks against the item when
/// others pass, and against the target when nothing does.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Items that passed so far.
    passed: u64,
    /// Whether an item failed, that is no suspect, since the last one that passed.
    others_failed: bool,
    /// Items that failed last time, with what had passed until then.
    failed: HashMap<i64, u64>,
}

/// What a failure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Another item passed since this one failed before: it is the item.
    Item,
    /// It would be the item, if the target is healthy.
    ItemIfHealthy,
    /// Nothing says that it is the item.
    Target,
}

impl Evidence {
    /// An item passed, or was refused for what it is.
    pub fn passed(&mut self, item: i64) {
        self.passed += 1;
        self.others_failed = false;
        self.failed.remove(&item);
    }

    /// Nothing more is expected of an item.
    pub fn forget(&mut self, item: i64) {
        self.failed.remove(&item);
    }

    /// Whom the failure of an item speaks against. `strikes` is how many failures were counted
    /// against it before.
    pub fn failed(&mut self, item: i64, strikes: u32) -> Blame {
        let before = self.failed.insert(item, self.passed);
        if before.is_some_and(|before| self.passed > before) {
            return Blame::Item;
        }
        if strikes > 0 && !self.others_failed {
            return Blame::ItemIfHealthy;
        }
        self.others_failed |= strikes == 0;
        Blame::Target
    }
}

/// How many failures are counted against an item after one more. The first time, the failure before
/// it counts as well: others passed after that one, too.
pub fn strikes_after(strikes: u32) -> u32 {
    if strikes == 0 { 2 } else { strikes.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a history such as "a! b. a!" (an item fails, or passes), and tells whom each failure
    /// spoke against: I, h or T.
    fn played(history: &str) -> String {
        let (mut evidence, mut strikes) = (Evidence::default(), HashMap::new());
        let mut blames = String::new();
        for step in history.split_whitespace() {
            let (item, fails) = (i64::from(step.as_bytes()[0]), step.ends_with('!'));
            if !fails {
                evidence.passed(item);
                strikes.remove(&item);
                continue;
            }
            let count = strikes.entry(item).or_insert(0);
            blames.push(match evidence.failed(item, *count) {
                Blame::Item => {
                    *count = strikes_after(*count);
                    'I'
                }
                Blame::ItemIfHealthy => 'h',
                Blame::Target => 'T',
            });
        }
        blames
    }

    #[test]
    fn a_failure_speaks_against_whom_the_others_say() {
        for (history, blames) in [
            // Nothing passes: nobody's attempts count.
            ("a! a! a! a! a!", "TTTTT"),
            ("a! b! c! a! b! c!", "TTTTTT"),
            // Others pass in between: it is the item.
            ("a! b. a! c. a!", "TII"),
            // And it stays the suspect when the others are through.
            ("a! b. a! a! a!", "TIhh"),
            // Until another fails as well.
            ("a! b. a! c! a! a!", "TITTT"),
            // Two that fail beside each other while others pass are both to blame.
            ("a! b! c. a! b! a! b!", "TTIIhh"),
            // One that passed after all starts afresh.
            ("a! b. a! a. a!", "TIT"),
        ] {
            assert_eq!(played(history), blames, "{history}");
        }
    }

    #[test]
    fn the_first_strike_counts_the_failure_before_it_too() {
        assert_eq!(
            (1..8)
                .scan(0, |s, _| {
                    *s = strikes_after(*s);
                    Some(*s)
                })
                .last(),
            Some(8)
        );
    }
}
