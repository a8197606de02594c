//! One attempt at one item: pack it and send it. What it means is for the dispatcher to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ahead::Prepared;
use super::packing::Awaited;
use super::parcel::{Packed, Shelf, Unpacked, open, pack, pack_row};
use super::persist;
use super::report::Reporter;
use super::second_look;
use crate::clock;
use crate::config::Config;
use crate::contract::Action;
use crate::delivery::Verdict;
use crate::file::FileRef;
use crate::id::{Kind, TargetName, Version};
use crate::outbox::{Due, FileOf, Outbox, OutboxError, Parcel, Taken};
use crate::target::{AudioBody, Load, Progress, Sent, Target};
use crate::watch::{Pulse, Questions};

/// Everything that one attempt needs.
pub struct Attempt {
    pub due: Due,
    pub prepared: Option<Prepared>,
    /// What is prepared, packed.
    pub packed: Option<Awaited>,
    /// The target's row in the outbox.
    pub row: i64,
    pub outbox: Outbox,
    pub target: Target,
    pub config: Arc<Config>,
    pub reporter: Reporter,
    pub progress: Arc<Progress>,
    pub questions: Questions,
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Ended {
    pub due: Due,
    pub end: End,
}

#[derive(Debug)]
pub enum End {
    /// There was nothing to do any more.
    Moot,
    /// The files are not what was promised, or cannot be read.
    Unpacked(Arc<Parcel>, Unpacked),
    /// The target holds all of it already, so that nothing was sent.
    Level(Arc<Parcel>, Flight),
    /// The target will never take it, so that nothing was sent, and why.
    Unfit(Arc<Parcel>, String),
    /// It was sent, and this is what came of it.
    Judged(Arc<Parcel>, Flight, Verdict),
}

/// What was sent.
#[derive(Debug, Default)]
pub struct Flight {
    pub bytes: u64,
    /// The summaries that the target took with it.
    pub taken: Taken,
    /// Digest of the row, where the target takes a row in place of fields and summaries.
    pub row: Option<Version>,
    /// What it acknowledged without doing.
    pub warning: Option<String>,
    /// From the request to the end of its answer; of several requests, the last.
    pub took: Duration,
}

impl Attempt {
    /// Makes the attempt.
    ///
    /// # Errors
    /// Only those of the outbox.
    pub async fn run(mut self) -> Result<Ended, OutboxError> {
        let prepared = self.prepared.take().filter(|known| known.era == self.outbox.era());
        let parcel = match prepared {
            Some(prepared) => Some(prepared.parcel),
            None => {
                self.packed = None;
                let parcel = persist(|| self.outbox.parcel(self.row, self.due.item)).await?;
                // The number of an item whose record was undone may be another's by now.
                let is_due =
                    |parcel: &Parcel| (parcel.kind, &parcel.id) == (self.due.kind, &self.due.id);
                parcel.filter(is_due).map(Arc::new)
            }
        };
        let end = match parcel {
            None => End::Moot,
            Some(parcel) => {
                self.reporter.started(&parcel);
                let end = match (parcel.kind, self.target.name()) {
                    (Kind::Report, TargetName::Dashboard) => self.report(&parcel).await,
                    (Kind::Report, TargetName::Legacy) => self.row(&parcel).await,
                    (Kind::Audio, _) => self.audio(&parcel).await,
                };
                end.unwrap_or_else(|unpacked| End::Unpacked(parcel, unpacked))
            }
        };
        Ok(Ended { due: self.due, end })
    }

    /// Sends a report. When the target took fewer summaries than it was sent, they are offered once
    /// more with a revision of our own, since a dashboard without its second migration does not
    /// count them itself (contract C.5).
    async fn report(&mut self, parcel: &Arc<Parcel>) -> Result<End, Unpacked> {
        let ahead = match self.packed.take() {
            Some(packed) => packed.await.ok(),
            None => None,
        };
        let first = match ahead {
            Some(packed) => packed?,
            None => self.pack(parcel, 0).await?,
        };
        let (mut bytes, offered) = (first.json.len() as u64, first.sent.len());
        let texts = first.texts;
        let (mut verdict, mut took) = self.deliver(parcel, Load::Report(first.json)).await?;
        if took_fewer(&verdict, offered) {
            let again = self.pack(parcel, clock::now().as_second()).await?;
            bytes += again.json.len() as u64;
            (verdict, took) = self.deliver(parcel, Load::Report(again.json)).await?;
        }
        let mut flight = Flight { bytes, taken: first.sent, took, ..Flight::default() };
        if took_fewer(&verdict, offered) {
            let warning = format!(
                "the dashboard holds the record, but took fewer than the {offered} summaries sent: \
                 it shows older texts; check its migrations (002_fix_triggers)"
            );
            flight = Flight { taken: Taken::new(), warning: Some(warning), ..flight };
        } else if let Some(texts) = &texts
            && is_there(&verdict)
        {
            flight.warning = second_look::at_report(&self.target, &parcel.id, texts).await;
        }
        Ok(End::Judged(Arc::clone(parcel), flight, verdict))
    }

    /// Sends a row, unless the target has just this one: what changed is a summary that the row has
    /// no room for, say.
    async fn row(&self, parcel: &Arc<Parcel>) -> Result<End, Unpacked> {
        let (of, config) = (Arc::clone(parcel), Arc::clone(&self.config));
        let packing = self.ask(&parcel.source, move |pulse| {
            let shelf = Shelf::default();
            pack_row(&of, |of| shelf.read(of, &config, pulse))
        });
        let (json, digest) = packing.await?;
        let mut flight =
            Flight { bytes: json.len() as u64, row: Some(digest), ..Flight::default() };
        if parcel.holds == Some(digest) {
            return Ok(End::Level(Arc::clone(parcel), flight));
        }
        let (verdict, took) = self.deliver(parcel, Load::Report(json)).await?;
        flight.took = took;
        Ok(End::Judged(Arc::clone(parcel), flight, verdict))
    }

    async fn pack(&self, parcel: &Arc<Parcel>, revision: i64) -> Result<Packed, Unpacked> {
        let (of, config) = (Arc::clone(parcel), Arc::clone(&self.config));
        let with_texts = self.is_chosen(parcel);
        self.ask(&parcel.source, move |pulse| {
            let shelf = Shelf::default();
            pack(&of, revision, with_texts, |of| shelf.read(of, &config, pulse))
        })
        .await
    }

    /// Asks for something that needs a file, and blames that file when no answer comes.
    async fn ask<T: Send + 'static>(
        &self,
        of: &FileOf,
        question: impl FnOnce(&Pulse) -> Result<T, Unpacked> + Send + 'static,
    ) -> Result<T, Unpacked> {
        let FileRef { root, name } = &of.file;
        let asking = self.questions.ask(*root, Some(name), |pulse| Ok(question(pulse)));
        asking.await.unwrap_or_else(|error| Err(Unpacked::Io(of.file.clone(), error)))
    }

    async fn audio(&self, parcel: &Arc<Parcel>) -> Result<End, Unpacked> {
        let (root, source) = (self.config.watch.exports.clone(), parcel.source.clone());
        let opened = self.ask(&parcel.source, move |_| open(&root, &source)).await?;
        let (file, questions) = (parcel.source.file.clone(), self.questions.clone());
        let (seconds, progress) = (parcel.audio_seconds, Arc::clone(&self.progress));
        let body = AudioBody::new(file, opened, parcel.want, seconds, questions, progress);
        if let Some(why) = self.target.too_large(body.size()) {
            return Ok(End::Unfit(Arc::clone(parcel), why));
        }
        let mut flight = Flight { bytes: body.size(), ..Flight::default() };
        let (verdict, took) = self.deliver(parcel, Load::Audio(body)).await?;
        flight.took = took;
        if self.is_chosen(parcel) && is_there(&verdict) {
            flight.warning = second_look::at_audio(&self.target, &parcel.id, flight.bytes).await;
        }
        Ok(End::Judged(Arc::clone(parcel), flight, verdict))
    }

    /// Whether it is looked at once more where it went. A legacy target says nothing of what it
    /// holds.
    fn is_chosen(&self, parcel: &Parcel) -> bool {
        self.target.name() == TargetName::Dashboard
            && second_look::is_chosen(self.config.verify.mode, parcel.want)
    }

    /// Makes a request, and says how long it took.
    async fn deliver(&self, parcel: &Parcel, load: Load) -> Result<(Verdict, Duration), Unpacked> {
        let began = Instant::now();
        match self.target.deliver(&parcel.id, parcel.want_no, load, &self.progress).await {
            Sent::Changed => Err(Unpacked::Changed(parcel.source.file.clone())),
            Sent::Unreadable(error) => Err(Unpacked::Io(parcel.source.file.clone(), error)),
            Sent::Verdict(verdict) => Ok((verdict, began.elapsed())),
        }
    }
}

/// Whether a target has just this version now, and not a newer one.
fn is_there(verdict: &Verdict) -> bool {
    let Verdict::Accepted(receipt) = verdict else { return false };
    receipt.action != Some(Action::Superseded)
}

/// Whether a target acknowledged a report but not all of its summaries.
fn took_fewer(verdict: &Verdict, offered: usize) -> bool {
    let Verdict::Accepted(receipt) = verdict else { return false };
    receipt.action != Some(Action::Superseded)
        && receipt.summaries.is_some_and(|taken| taken < offered as i64)
}
