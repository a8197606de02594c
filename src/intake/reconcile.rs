//! Compares a whole root with what is recorded of it, and takes in what differs.
//!
//! Nothing is read that has not changed, nothing is written when nothing has, and memory holds the
//! names alone.

use std::ffi::OsString;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::info;

use super::look::{self, Seen, Trigger};
use super::side_by_side::{Pair, SideBySide};
use super::{Counts, Intake, Rescanned};
use crate::clock;
use crate::file::{FileRef, Stamp};
use crate::outbox::{Finding, Found, OutboxError};
use crate::watch::{Directory, Entry};

/// How many that differ are read between two commits.
const GROUP: usize = 256;

/// An event for a change that is older than this should have come.
const EVENT_LATE_MS: i64 = 2000;
/// So many of the files that no event told of are looked into more closely.
const SUSPECTS: usize = 100;

/// A look through a root, while it goes on.
struct Scan {
    /// The same directory from the first name to the last, whatever becomes of its path.
    directory: Arc<Directory>,
    counts: Counts,
    /// How many of the new ones were ready, and are recorded.
    recorded: usize,
    /// Judged together at the end.
    gone: Vec<FileRef>,
    /// Whether events should have told of every change by now.
    events_due: bool,
    /// Files that changed, and of which no event has told so far.
    untold: Vec<OsString>,
}

impl Intake {
    /// Looks through the root, and says what came of it; nothing, when it could not be read. That is
    /// no deletion.
    pub(super) async fn reconcile(&mut self) -> Result<Option<Rescanned>, OutboxError> {
        let (started, root, path) = (Instant::now(), self.root, self.path.clone());
        let ignore = self.settings.borrow().watch.ignore.clone();
        let pairs = self.outbox.pairs().clone();
        let listing = self.questions.ask(root, None, move |pulse| {
            let directory = Directory::open(&path)?;
            let names = directory.names(|name| {
                pulse.beat();
                look::is_ours(root, name, &ignore, &pairs)
            })?;
            Ok((directory, names))
        });
        let (directory, names) = match listing.await {
            Ok(listed) => listed,
            Err(error) => {
                self.lose_sight(&error);
                return Ok(None);
            }
        };
        let mut scan = Scan {
            directory: Arc::new(directory),
            counts: Counts::default(),
            recorded: 0,
            gone: Vec::new(),
            events_due: !self.blind && self.looked_through && self.vision.owes_events(),
            untold: Vec::new(),
        };
        self.vision.looked_through();
        self.say_turn();
        let mut beside = SideBySide::new(&self.outbox, self.root, names);
        let mut page = beside.next().await?;
        while let Some(pairs) = page {
            // What is recorded of the next ones is asked for meanwhile.
            let (compared, next) = tokio::join!(self.compare(pairs, &mut scan), beside.next());
            if !compared? {
                return Ok(None);
            }
            page = next?;
        }
        self.conclude(scan, started).await.map(Some)
    }

    /// Stats a page of names, takes in those that differ from what is recorded, and says whether
    /// that could be done.
    async fn compare(&mut self, pairs: Vec<Pair>, scan: &mut Scan) -> Result<bool, OutboxError> {
        let (root, directory) = (self.root, Arc::clone(&scan.directory));
        let now_ms = clock::now_ms();
        // What is recorded, and not ours any more, since another configuration says so: it is
        // forgotten, be it there or not.
        let (pairs, dropped): (Vec<_>, Vec<_>) = {
            let ignore = &self.settings.borrow().watch.ignore;
            pairs.into_iter().partition(|pair| {
                pair.is_listed || look::is_ours(root, &pair.name, ignore, self.outbox.pairs())
            })
        };
        let forget = |pair: Pair| Finding {
            file: FileRef::new(root, pair.name),
            found: Found::Gone(now_ms),
        };
        self.record(dropped.into_iter().map(forget).collect(), Trigger::Scan).await?;
        let stats = self.questions.ask(root, None, move |pulse| {
            let files = pairs.into_iter().map(|pair| (FileRef::new(root, pair.name), pair.known));
            Ok(look::see(&directory, files, pulse))
        });
        let mut differing = Vec::new();
        let (seen, unseen) = match stats.await {
            Ok(stats) => stats,
            Err(error) => {
                self.lose_sight(&error);
                return Ok(false);
            }
        };
        unseen.iter().for_each(|(file, error)| self.trouble(file, error));
        for seen in seen {
            let now = seen.entry.map(|(Entry::File(stamp) | Entry::Other(_, stamp))| stamp);
            match (seen.known, now) {
                (Some(known), Some(now)) if known == now => scan.counts.known += 1,
                (Some(_), Some(_)) => scan.counts.changed += 1,
                (None, Some(_)) => scan.counts.new += 1,
                (Some(_), None) => scan.counts.gone += 1,
                (None, None) => {}
            }
            match now {
                Some(now) if seen.known != Some(now) => {
                    if scan.events_due
                        && scan.untold.len() < SUSPECTS
                        && should_have_been_told(seen.known, now, now_ms)
                        && !self.settling.has(&seen.file.name)
                    {
                        scan.untold.push(seen.file.name.clone());
                    }
                    differing.push(seen);
                }
                None if seen.known.is_some() => scan.gone.push(seen.file),
                _ => {}
            }
        }
        let mut differing = differing.into_iter();
        loop {
            let group: Vec<Seen> = differing.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(true);
            }
            let directory = Arc::clone(&scan.directory);
            scan.recorded += self.take(directory, group, Trigger::Scan).await?;
            // It may have been lost meanwhile.
            if !self.eye.is_open() {
                return Ok(false);
            }
        }
    }

    /// Judges what is gone, and says what was found.
    async fn conclude(&mut self, scan: Scan, started: Instant) -> Result<Rescanned, OutboxError> {
        let Scan { counts: Counts { known, new, changed, gone }, recorded, untold, .. } = scan;
        self.files = known + changed + gone;
        if std::mem::take(&mut self.is_other) {
            self.is_stand_in = known + changed == 0;
        }
        self.is_stand_in &= gone > 0;
        for file in &scan.gone {
            self.settling.forget(&file.name);
        }
        let accept = self.asked.as_ref().is_some_and(|request| request.accept_removals);
        let (believed, why_held_back) = match self.believed(scan.gone, accept) {
            Ok(believed) => (believed, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let held_back = gone - believed.len();
        self.last_look = started;
        let is_news = new + changed + believed.len() > 0;
        let mut findings = believed.into_iter();
        loop {
            let group: Vec<_> = findings.by_ref().take(GROUP).collect();
            if group.is_empty() {
                break;
            }
            self.record(group, Trigger::Scan).await?;
        }
        self.files += recorded;
        if !untold.is_empty() {
            self.ask_the_kernel_about(untold).await;
        }

        let took = started.elapsed();
        self.status.send_modify(|status| status.last_scan = Some((clock::now(), took)));
        self.publish();
        let first = !std::mem::replace(&mut self.looked_through, true);
        let (root, path, ms) = (self.root, self.path.display(), took.as_millis() as u64);
        if is_news || first {
            let file_system = self.status.borrow().file_system;
            let seen_by = self.vision.sighting();
            info!(%root, %path, file_system, %seen_by, known, new, changed, gone, ms,
                "looked through");
        } else {
            tracing::debug!(%root, %path, known, ms, "looked through");
        }
        let (files, gone) = (self.files, gone - held_back);
        Ok(Rescanned { files, new, changed, gone, held_back, why_held_back, took })
    }
}

/// Whether an event should have told of a change by now. What changes the time of change alone
/// happens to another name of the same file, where no event comes from: a backup of hard links.
fn should_have_been_told(known: Option<Stamp>, now: Stamp, now_ms: i64) -> bool {
    let is_ours = known.is_none_or(|known| Stamp { ctime_ns: now.ctime_ns, ..known } != now);
    is_ours && now_ms - now.changed_ms() > EVENT_LATE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_owed_for_what_happened_to_the_name_a_while_ago() {
        let stamp = |size, mtime_ns, ctime_ms: i64| Stamp {
            size,
            mtime_ns,
            ctime_ns: ctime_ms * 1_000_000,
            inode: 1,
        };
        let known = Some(stamp(1, 1, 1000));
        for (known, now, owed) in [
            (None, stamp(1, 1, 50_000), true),
            (None, stamp(1, 1, 99_000), false),
            (known, stamp(2, 1, 50_000), true),
            (known, stamp(1, 2, 50_000), true),
            (known, stamp(1, 1, 50_000), false),
            (known, Stamp { inode: 2, ..stamp(1, 1, 50_000) }, true),
        ] {
            assert_eq!(should_have_been_told(known, now, 100_000), owed, "{known:?} {now:?}");
        }
    }
}
