//! What is listed in a root beside what is recorded of it, both in the order of their names, a page at
//! a time.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::vec::IntoIter;

use crate::file::{FileRef, Root, Stamp};
use crate::outbox::{Outbox, OutboxError};
use crate::watch::Names;

/// How many files are compared at a time.
const PAGE: usize = 1000;

/// A name, and what is recorded of it.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) name: OsString,
    pub(super) known: Option<Stamp>,
    /// It is there, and ours: names are sorted out as they are listed.
    pub(super) is_listed: bool,
}

/// A walk along both.
pub(super) struct SideBySide {
    outbox: Outbox,
    root: Root,
    names: Names,
    /// Of the page that was asked for last.
    known: Peekable<IntoIter<(FileRef, Stamp)>>,
    /// The last name of that page.
    upto: Vec<u8>,
    is_last: bool,
}

impl SideBySide {
    /// The names are those that are listed, in order.
    pub(super) fn new(outbox: &Outbox, root: Root, names: Names) -> Self {
        Self {
            outbox: outbox.clone(),
            root,
            names,
            known: Vec::new().into_iter().peekable(),
            upto: Vec::new(),
            is_last: false,
        }
    }

    /// The next pairs; nothing, when all have been.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Pair>>, OutboxError> {
        loop {
            // Before the first page no name is in reach.
            let upto = (!self.is_last).then_some(self.upto.as_slice());
            let pairs = walk(&mut self.names, &mut self.known, upto, PAGE);
            if !pairs.is_empty() || self.is_last {
                return Ok((!pairs.is_empty()).then_some(pairs));
            }
            let after = Some(std::mem::take(&mut self.upto));
            let page = self.outbox.stamps(self.root, after, PAGE).await?;
            self.is_last = page.len() < PAGE;
            self.upto.extend(page.last().map_or(&b""[..], |(file, _)| file.name_bytes()));
            self.known = page.into_iter().peekable();
        }
    }
}

/// The next pairs of a name and what is recorded of it, in order: names that are listed, recorded,
/// or both, as far as `upto`.
fn walk(
    names: &mut Names,
    known: &mut Peekable<impl Iterator<Item = (FileRef, Stamp)>>,
    upto: Option<&[u8]>,
    limit: usize,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    while pairs.len() < limit {
        let listed = names.peek().filter(|name| upto.is_none_or(|upto| name.as_bytes() <= upto));
        let order = match (listed, known.peek()) {
            (None, None) => break,
            (Some(name), Some((file, _))) => name.cmp(&file.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        let is_listed = order.is_le();
        let (recorded, known) = known.next_if(|_| order.is_ge()).unzip();
        // Most are recorded.
        let name = recorded.map(|file| file.name).or_else(|| listed.map(OsStr::to_owned));
        pairs.extend(name.map(|name| Pair { name, known, is_listed }));
        if is_listed {
            names.pass();
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_records_are_walked_side_by_side() {
        let stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };
        for (listed, recorded, upto, expected) in [
            ("", "", None, ""),
            ("abc", "", None, "a b c"),
            ("", "abc", None, "a- b- c-"),
            ("abc", "abc", None, "a+ b+ c+"),
            ("ace", "bcd", None, "a b- c+ d- e"),
            // What lies beyond the page is for the next one.
            ("abz", "b", Some("b"), "a b+"),
        ] {
            let mut names = Names::default();
            listed.chars().for_each(|c| names.push(c.to_string().as_ref()));
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
                .map(|Pair { name, known, is_listed }| {
                    let mark = match (known, is_listed) {
                        (None, _) => "",
                        (Some(_), true) => "+",
                        (Some(_), false) => "-",
                    };
                    format!("{}{mark}", name.to_str().unwrap())
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{listed} {recorded}");
        }
    }
}
