//! Which files are still changing, and when each will have been quiet for long enough.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use tokio::time::Instant;

use crate::file::Stamp;

/// The files of one directory that were seen, and are not ready yet. Time is the monotonic clock's,
/// and given: no jump of the system's clock makes a file ready, or keeps it from being.
#[derive(Debug, Default)]
pub struct Settling {
    files: HashMap<OsString, Unsettled>,
    /// The same files in the order in which they are to be looked at again.
    order: BTreeSet<(Instant, OsString)>,
}

#[derive(Clone, Copy, Debug)]
struct Unsettled {
    stamp: Option<Stamp>,
    /// Since when it is waited for.
    since: Instant,
    /// Since when the stamp has not changed, as far as was seen.
    quiet_since: Instant,
    look_at: Instant,
}

impl Settling {
    /// Takes note of what a look saw, and says whether the file has been like this for `quiet`.
    /// If not, it is to be looked at again when it could have been.
    pub fn has_settled(
        &mut self,
        name: &OsStr,
        stamp: Stamp,
        quiet: Duration,
        now: Instant,
    ) -> bool {
        let quiet_since = match self.files.get(name) {
            // A stamp is first seen by a look, after a touch that saw none.
            Some(known) if known.stamp.is_none_or(|known| known == stamp) => known.quiet_since,
            _ => now,
        };
        let look_at = quiet_since + quiet;
        if now >= look_at {
            self.forget(name);
            return true;
        }
        self.put(name, Some(stamp), quiet_since, look_at, now);
        false
    }

    /// Takes note that a file is being written: its quiet begins anew.
    pub fn touch(&mut self, name: &OsStr, quiet: Duration, now: Instant) {
        self.put(name, None, now, now + quiet, now);
    }

    /// Nothing is to be waited for any more.
    pub fn forget(&mut self, name: &OsStr) {
        if let Some(known) = self.files.remove(name) {
            self.order.remove(&(known.look_at, name.to_owned()));
        }
    }

    /// When the next file is to be looked at.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The files that are to be looked at by now.
    pub fn due(&self, now: Instant) -> Vec<OsString> {
        self.order.iter().take_while(|(at, _)| *at <= now).map(|(_, name)| name.clone()).collect()
    }

    /// The files that have been waited for the longest, up to a limit, with the time since when.
    pub fn oldest(&self, limit: usize) -> Vec<(Instant, &OsStr)> {
        let mut files: Vec<_> =
            self.files.iter().map(|(name, file)| (file.since, name.as_os_str())).collect();
        if files.len() > limit {
            files.select_nth_unstable(limit);
            files.truncate(limit);
        }
        files.sort_unstable();
        files
    }

    /// How many files are waited for.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Whether a file is waited for.
    pub fn has(&self, name: &OsStr) -> bool {
        self.files.contains_key(name)
    }

    fn put(
        &mut self,
        name: &OsStr,
        stamp: Option<Stamp>,
        quiet_since: Instant,
        look_at: Instant,
        now: Instant,
    ) {
        let since = self.files.get(name).map_or(now, |known| known.since);
        self.forget(name);
        self.order.insert((look_at, name.to_owned()));
        self.files.insert(name.to_owned(), Unsettled { stamp, since, quiet_since, look_at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(2);

    fn stamp(size: i64) -> Stamp {
        Stamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0 }
    }

    fn name() -> &'static OsStr {
        OsStr::new("a.mp3")
    }

    /// Looks at a file at given seconds, with given sizes, and tells when it had settled.
    fn settled(looks: &[(u64, i64)]) -> Vec<bool> {
        let (mut settling, start) = (Settling::default(), Instant::now());
        looks
            .iter()
            .map(|(second, size)| {
                let now = start + Duration::from_secs(*second);
                settling.has_settled(name(), stamp(*size), QUIET, now)
            })
            .collect()
    }

    #[test]
    fn a_file_settles_when_it_was_seen_unchanged_for_long_enough() {
        for (looks, expected) in [
            (&[(0, 1)][..], &[false][..]),
            (&[(0, 1), (2, 1)], &[false, true]),
            (&[(0, 1), (1, 1), (2, 1)], &[false, false, true]),
            (&[(0, 1), (2, 2), (4, 2)], &[false, false, true]),
            (&[(0, 1), (2, 2), (4, 3), (6, 4), (8, 4)], &[false, false, false, false, true]),
            // A look that came late proves nothing about a change that it sees for the first time.
            (&[(0, 1), (100, 2), (102, 2)], &[false, false, true]),
        ] {
            assert_eq!(settled(looks), expected, "{looks:?}");
        }
    }

    #[test]
    fn a_touch_begins_the_quiet_anew() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        assert!(!settling.has_settled(name(), stamp(1), QUIET, at(0)));
        settling.touch(name(), QUIET, at(1));
        assert!(!settling.has_settled(name(), stamp(1), QUIET, at(2)));
        assert!(settling.has_settled(name(), stamp(1), QUIET, at(3)));
    }

    #[test]
    fn files_are_due_in_order_and_gone_when_forgotten() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        for (i, file) in ["a", "b", "c"].into_iter().enumerate() {
            settling.touch(OsStr::new(file), QUIET, start + Duration::from_secs(i as u64));
        }
        assert_eq!(settling.next(), Some(start + QUIET));
        assert_eq!(settling.due(start + QUIET), ["a"]);
        settling.forget(OsStr::new("a"));
        assert_eq!(settling.due(start + Duration::from_secs(9)), ["b", "c"]);
        settling.forget(OsStr::new("b"));
        settling.forget(OsStr::new("c"));
        assert_eq!(settling.next(), None);
        assert!(settling.files.is_empty() && settling.order.is_empty());
    }

    #[test]
    fn the_oldest_are_told_with_the_time_since_they_are_waited_for() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        for (second, file) in ["c", "a", "b", "d"].into_iter().enumerate() {
            settling.touch(OsStr::new(file), QUIET, at(second as u64));
        }
        // It is being written still.
        settling.touch(OsStr::new("c"), QUIET, at(9));
        let oldest = |limit| {
            let files = settling.oldest(limit).into_iter();
            files.map(|(since, name)| (since, name.to_str().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(oldest(2), [(at(0), "c"), (at(1), "a")]);
        assert_eq!(oldest(9).len(), 4);
        assert_eq!(oldest(0), []);
    }
}
