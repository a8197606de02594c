//! A look that takes nothing in: how much of a directory, or of the old database, differs from what is
//! recorded of it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::rescan::{NotLooked, Rescanned};
use super::side_by_side::SideBySide;
use super::{look, rows};
use crate::config::Config;
use crate::content_db::ContentDb;
use crate::file::{FileRef, Root, Stamp};
use crate::outbox::{Finding, Found, Outbox, OutboxError};
use crate::watch::{Directory, Entry, Questions};

/// What a survey goes by.
pub struct Surveyor<'a> {
    pub outbox: &'a Outbox,
    pub questions: &'a Questions,
    pub config: &'a Config,
    /// Of what is new or has changed, only what did so at this moment or later counts.
    pub since: Option<Timestamp>,
}

impl Surveyor<'_> {
    /// Looks through a source.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn survey(&self, root: Root) -> Result<Rescanned, NotLooked> {
        let started = Instant::now();
        let mut found = match root {
            Root::Reports | Root::Exports => self.files(root).await?,
            Root::Rows => self.rows().await?,
        };
        found.took = started.elapsed();
        Ok(found)
    }

    async fn files(&self, root: Root) -> Result<Rescanned, NotLooked> {
        let path = self.config.watch.path(root).to_owned();
        let (ignore, pairs) = (self.config.watch.ignore.clone(), self.outbox.pairs().clone());
        let listing = self.questions.ask(root, None, move |pulse| {
            let directory = Directory::open(&path)?;
            let names = directory.names(|name| {
                pulse.beat();
                look::is_ours(root, name, &ignore, &pairs)
            })?;
            Ok((Arc::new(directory), names))
        });
        let (directory, names) = listing.await.map_err(|error| self.unseen(root, &error))?;
        let mut found = Rescanned::default();
        let mut beside = SideBySide::new(self.outbox, root, names);
        while let Some(pairs) = beside.next().await.map_err(of_outbox)? {
            let directory = Arc::clone(&directory);
            let looking = self.questions.ask(root, None, move |pulse| {
                let files =
                    pairs.into_iter().map(|pair| (FileRef::new(root, pair.name), pair.known));
                Ok(look::see(&directory, files, pulse).0)
            });
            for seen in looking.await.map_err(|error| self.unseen(root, &error))? {
                let now = match seen.entry {
                    Some(Entry::File(stamp) | Entry::Other(_, stamp)) => Some(stamp),
                    None => None,
                };
                self.count(&mut found, seen.known, now);
            }
        }
        Ok(found)
    }

    async fn rows(&self) -> Result<Rescanned, NotLooked> {
        let Some(db) = ContentDb::configured(self.config) else { return Ok(Rescanned::default()) };
        let (mut found, mut after) = (Rescanned::default(), None::<Vec<u8>>);
        loop {
            let (asked, from) = (db.clone(), after.clone());
            let asking = self
                .questions
                .ask(Root::Rows, None, move |_| Ok(asked.page(from.as_deref(), rows::PAGE)));
            let page = asking
                .await
                .map_err(|error| NotLooked::Unseen(format!("{}: {error}", db.path().display())))?
                .map_err(|error| NotLooked::Unseen(error.to_string()))?;
            let next = page.next.clone();
            let page = rows::compare(self.outbox, page, after).await.map_err(of_outbox)?;
            let counts = |finding: &&Finding| self.is_asked_for(stamp_of(finding));
            found.files += page.known + page.new.len() + page.changed.len();
            found.new += page.new.iter().filter(counts).count();
            found.changed += page.changed.iter().filter(counts).count();
            found.gone += page.gone.len();
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    fn count(&self, found: &mut Rescanned, known: Option<Stamp>, now: Option<Stamp>) {
        found.files += usize::from(now.is_some());
        match (known, now) {
            (Some(known), Some(now)) if known == now => {}
            (Some(_), Some(now)) => found.changed += usize::from(self.is_asked_for(Some(now))),
            (None, Some(now)) => found.new += usize::from(self.is_asked_for(Some(now))),
            (Some(_), None) => found.gone += 1,
            (None, None) => {}
        }
    }

    fn is_asked_for(&self, stamp: Option<Stamp>) -> bool {
        let is_late = |since: Timestamp| {
            stamp.is_none_or(|stamp| stamp.changed_ms() >= since.as_millisecond())
        };
        self.since.is_none_or(is_late)
    }

    fn unseen(&self, root: Root, error: &std::io::Error) -> NotLooked {
        NotLooked::Unseen(format!("{}: {error}", self.config.watch.path(root).display()))
    }
}

fn stamp_of(finding: &Finding) -> Option<Stamp> {
    match &finding.found {
        Found::Report(stamp, _)
        | Found::Audio(stamp, _)
        | Found::Problem(stamp, _)
        | Found::Obstacle(stamp, _)
        | Found::NotOurs(stamp, _)
        | Found::Deleted(stamp, _) => Some(*stamp),
        Found::Gone(_) => None,
    }
}

/// A survey only reads, so that it fails where the outbox is no more.
fn of_outbox(_: OutboxError) -> NotLooked {
    NotLooked::Stopping
}
