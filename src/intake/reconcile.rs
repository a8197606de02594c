//! Compares a whole root with what is recorded of it, and takes in what differs.
//!
//! Both come in the order of their names and are walked side by side, a page at a time: nothing is
//! read that has not changed, nothing is written when nothing has, and memory holds the names
//! alone.

use std::ffi::OsString;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;

use tokio::time::Instant;
use tracing::{info, warn};

use super::look::{self, Seen, Trigger};
use super::{Counts, Intake};
use crate::file::{FileRef, Stamp};
use crate::outbox::OutboxError;
use crate::watch::{Directory, Entry};

/// How many files are compared at a time.
const PAGE: usize = 1000;
/// How many that differ are read between two commits.
const GROUP: usize = 256;

impl Intake {
    /// Looks through the root, and says whether it could. One that cannot be read is left alone:
    /// that is no deletion.
    pub(super) async fn reconcile(&mut self) -> Result<bool, OutboxError> {
        let (started, root, path) = (Instant::now(), self.root, self.path.clone());
        let listing = tokio::task::spawn_blocking(move || {
            Directory::open(&path)?.names(|name| look::is_ours(root, name))
        });
        let names = match listing.await.expect("listing does not panic") {
            Ok(names) => names,
            Err(error) => {
                // A missing root is told by its own check.
                if error.kind() != std::io::ErrorKind::NotFound {
                    warn!(%root, %error, "a directory cannot be listed; it is tried again later");
                }
                return Ok(false);
            }
        };
        let mut names = names.into_iter().peekable();
        let mut counts = Counts::default();
        let mut after = None;
        loop {
            let page = self.outbox.stamps(self.root, after, PAGE).await?;
            let last = page.len() < PAGE;
            after = page.last().map(|(file, _)| file.name_bytes().to_vec());
            let upto = if last { None } else { after.as_deref() };
            let mut known = page.into_iter().peekable();
            loop {
                let pairs = walk(&mut names, &mut known, upto, PAGE);
                if pairs.is_empty() {
                    break;
                }
                self.compare(pairs, &mut counts).await?;
            }
            if last {
                break;
            }
        }
        let Counts { known, new, changed, gone } = counts;
        let ms = started.elapsed().as_millis() as u64;
        let path = self.path.display();
        let first = !std::mem::replace(&mut self.looked_through, true);
        if new + changed + gone > 0 || first {
            info!(%root, %path, known, new, changed, gone, ms, "looked through");
        } else {
            tracing::debug!(%root, %path, known, ms, "looked through");
        }
        Ok(true)
    }

    /// Stats a page of names, and takes in those that differ from what is recorded.
    async fn compare(
        &mut self,
        pairs: Vec<(OsString, Option<Stamp>)>,
        counts: &mut Counts,
    ) -> Result<(), OutboxError> {
        let Some(directory) = self.open() else { return Ok(()) };
        let root = self.root;
        let stats = tokio::task::spawn_blocking(move || {
            pairs
                .into_iter()
                .filter_map(|(name, known)| {
                    let file = FileRef::new(root, name);
                    match directory.look(&file.name) {
                        Ok(entry) => Some(Seen { file, known, entry }),
                        Err(error) => {
                            warn!(%file, %error, "a file cannot be looked at; it is tried again later");
                            None
                        }
                    }
                })
                .collect::<Vec<_>>()
        });
        let mut differing = Vec::new();
        for seen in stats.await.expect("a look does not panic") {
            let now = seen.entry.map(|(Entry::File(stamp) | Entry::Other(_, stamp))| stamp);
            match (seen.known, now) {
                (Some(known), Some(now)) if known == now => counts.known += 1,
                (Some(_), Some(_)) => counts.changed += 1,
                (None, Some(_)) => counts.new += 1,
                (Some(_), None) => counts.gone += 1,
                (None, None) => {}
            }
            if seen.known != now {
                differing.push(seen);
            }
        }
        let mut differing = differing.into_iter();
        loop {
            let group: Vec<Seen> = differing.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(());
            }
            let Some(directory) = self.open() else { return Ok(()) };
            self.take(directory, group, Trigger::Scan).await?;
        }
    }
}

/// The next pairs of a name and what is recorded of it, in order: names that are listed, recorded,
/// or both, as far as `upto`.
fn walk(
    names: &mut Peekable<impl Iterator<Item = OsString>>,
    known: &mut Peekable<impl Iterator<Item = (FileRef, Stamp)>>,
    upto: Option<&[u8]>,
    limit: usize,
) -> Vec<(OsString, Option<Stamp>)> {
    let mut pairs = Vec::new();
    while pairs.len() < limit {
        let name = names.peek().filter(|name| upto.is_none_or(|upto| name.as_bytes() <= upto));
        match (name, known.peek()) {
            (None, None) => break,
            (Some(name), Some((file, _))) if *name > file.name => {
                pairs.extend(known.next().map(|(file, stamp)| (file.name, Some(stamp))));
            }
            (Some(name), Some((file, _))) if *name == file.name => {
                names.next();
                pairs.extend(known.next().map(|(file, stamp)| (file.name, Some(stamp))));
            }
            (Some(_), _) => pairs.extend(names.next().map(|name| (name, None))),
            (None, Some(_)) => {
                pairs.extend(known.next().map(|(file, stamp)| (file.name, Some(stamp))));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Root;

    #[test]
    fn names_and_records_are_walked_side_by_side() {
        let stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };
        for (listed, recorded, upto, expected) in [
            ("", "", None, ""),
            ("abc", "", None, "a b c"),
            ("", "abc", None, "a+ b+ c+"),
            ("abc", "abc", None, "a+ b+ c+"),
            ("ace", "bcd", None, "a b+ c+ d+ e"),
            // What lies beyond the page is for the next one.
            ("abz", "b", Some("b"), "a b+"),
        ] {
            let mut names = listed.chars().map(|c| OsString::from(c.to_string())).peekable();
            let mut known = recorded
                .chars()
                .map(|c| (FileRef::new(Root::Reports, c.to_string()), stamp))
                .peekable();
            let mut all = Vec::new();
            loop {
                let pairs = walk(&mut names, &mut known, upto.map(str::as_bytes), 2);
                if pairs.is_empty() {
                    break;
                }
                assert!(pairs.len() <= 2);
                all.extend(pairs);
            }
            let shown: Vec<_> = all
                .iter()
                .map(|(name, known)| {
                    format!("{}{}", name.to_str().unwrap(), if known.is_some() { "+" } else { "" })
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{listed} {recorded}");
        }
    }
}
