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

/// The findings of the last moments, each as a number that stands for it.
#[derive(Debug, Default)]
pub struct Recent {
    found: HashMap<OsString, (u64, Instant)>,
    swept: Option<Instant>,
}

impl Recent {
    /// Whether this differs from what was found under the name a moment ago.
    pub fn is_news(&mut self, name: &OsStr, found: &Found, now: Instant) -> bool {
        if self.swept.is_none_or(|at| now - at > MEMORY) {
            self.found.retain(|_, (_, at)| now - *at <= MEMORY);
            self.swept = Some(now);
        }
        let mut hasher = DefaultHasher::new();
        found.hash(&mut hasher);
        let number = hasher.finish();
        let before = self.found.insert(name.to_owned(), (number, now));
        before.is_none_or(|(known, at)| known != number || now - at > MEMORY)
    }
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
        assert!(recent.is_news(a, &found("torn"), at(0)));
        assert!(!recent.is_news(a, &found("torn"), at(1)));
        assert!(recent.is_news(b, &found("torn"), at(1)), "another file");
        assert!(recent.is_news(a, &found("empty"), at(1)), "another finding");
        assert!(recent.is_news(a, &found("empty"), at(9)), "long ago");
        assert_eq!(recent.found.len(), 1, "what is old is forgotten");
    }
}
