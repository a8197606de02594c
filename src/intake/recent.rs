//! What was found in the files of the last moments: several events of one change lead to several
//! looks, and only what differs from the last is news.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::Found;

/// For how long a finding is remembered: longer than any file system's clock stands still, so that
/// a file is not read twice for nothing later on.
const MEMORY: Duration = Duration::from_secs(3);

/// So many of the last findings are remembered for certain, and less than twice as many at all: a
/// burst leaves no more behind than that.
const MANY: usize = 1024;

/// The findings of the last moments, each as a number that stands for it.
#[derive(Debug, Default)]
pub struct Recent {
    found: HashMap<OsString, (u64, Instant)>,
    /// Those before, which are forgotten together.
    earlier: HashMap<OsString, (u64, Instant)>,
}

impl Recent {
    /// Whether this differs from what was found under the name a moment ago.
    pub fn is_news(&mut self, name: &OsStr, found: &Found, now: Instant) -> bool {
        if self.found.len() == MANY {
            self.earlier = std::mem::take(&mut self.found);
        }
        let number = number(found);
        let earlier = self.earlier.remove(name);
        let before = self.found.insert(name.to_owned(), (number, now)).or(earlier);
        before.is_none_or(|before| is_other(before, number, now))
    }

    /// The same, but that it is not remembered for it.
    pub fn would_be_news(&self, name: &OsStr, found: &Found, now: Instant) -> bool {
        let before = self.found.get(name).or_else(|| self.earlier.get(name));
        before.is_none_or(|before| is_other(*before, number(found), now))
    }
}

fn number(found: &Found) -> u64 {
    let mut hasher = DefaultHasher::new();
    found.hash(&mut hasher);
    hasher.finish()
}

fn is_other((known, at): (u64, Instant), number: u64, now: Instant) -> bool {
    known != number || now - at > MEMORY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Stamp;

    #[test]
    fn what_was_found_a_moment_ago_is_no_news() {
        let mut recent = Recent::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let found = |what: &str| {
            let stamp = Stamp { size: 1, mtime_ns: 1, ctime_ns: 1, inode: 1 };
            Found::Problem(stamp, what.to_owned())
        };
        let (a, b) = (OsStr::new("a"), OsStr::new("b"));
        assert!(recent.would_be_news(a, &found("torn"), at(0)));
        assert!(recent.is_news(a, &found("torn"), at(0)));
        assert!(!recent.would_be_news(a, &found("torn"), at(1)));
        assert!(!recent.is_news(a, &found("torn"), at(1)));
        assert!(recent.is_news(b, &found("torn"), at(1)), "another file");
        assert!(recent.is_news(a, &found("empty"), at(1)), "another finding");
        assert!(recent.is_news(a, &found("empty"), at(9)), "long ago");
    }

    #[test]
    fn a_burst_is_not_remembered_but_for_its_last_findings() {
        let mut recent = Recent::default();
        let now = Instant::now();
        let name = |n: usize| OsString::from(format!("{n}.json"));
        let found = Found::Gone(0);
        for n in 0..10 * MANY + 7 {
            assert!(recent.is_news(&name(n), &found, now));
        }
        for n in 9 * MANY + 7..10 * MANY + 7 {
            assert!(!recent.is_news(&name(n), &found, now), "number {n}");
        }
        assert!(recent.is_news(&name(0), &found, now), "long forgotten");
        assert!(recent.found.len() + recent.earlier.len() <= 2 * MANY);
    }
}
