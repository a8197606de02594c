//! Proof: compares what the outbox says that the dashboard holds with what the dashboard says, and
//! the disk with both. It only asks; what differs is made due again where that is ordered.

mod ask;
mod claim;
mod listing;
mod nightly;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock;
use crate::config::Config;
use crate::drain::Targets;
use crate::file::FileRef;
use crate::id::{ContentId, TargetName};
use crate::outbox::{Outbox, OutboxError, Retry, Scope};
use crate::proof::{Cure, Difference, Sample, What, is_loss, judge};
use crate::target::{Target, Unread};
use crate::watch::{Questions, SourceHints};
use ask::gently;
use claim::{Grounds, Reader};
use listing::Listing;

/// So many ids are read at a time.
const PAGE: usize = 1000;
/// After so many ids in a row about which nothing was said, nothing more is asked.
const SILENCE_MAX: usize = 5;
/// So often an id is looked at that changes under the eyes; the next verification finds it at rest.
const LOOKS_MAX: usize = 5;
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// So many ids, chosen by chance, and then nothing that nobody here knows; all without it.
    pub sample: Option<usize>,
    /// Makes due again what differs.
    pub fix: bool,
}

/// What is told while it goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// So many records of so many were listed.
    Listed(usize, usize),
    /// So many ids of so many were looked at.
    Checked(usize, usize),
    Found(Finding),
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub id: String,
    pub difference: Difference,
    /// It was made due again.
    pub fixed: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub target: TargetName,
    pub at: Timestamp,
    /// How many ids were looked at.
    pub checked: usize,
    pub found: BTreeMap<What, usize>,
    /// How many differences were made due again.
    pub fixed: usize,
    /// How many neither are on their way, nor were made due again, nor are the dashboard's own.
    rest: usize,
    pub sampled: bool,
    /// Why nobody looked for records that nothing here is known of, where that was asked for.
    pub unlisted: Option<String>,
}

impl Outcome {
    /// So much is gone that nobody has deleted it.
    pub fn is_loss(&self) -> bool {
        is_loss(self.found.get(&What::Deleted).copied().unwrap_or(0), self.checked)
    }

    /// How many differences there are, what somebody wanted left out.
    pub fn differences(&self) -> usize {
        let counts = |what: &What| !what.is_meant() || self.is_loss();
        self.found.iter().filter(|(what, _)| counts(what)).map(|(_, count)| count).sum()
    }

    /// How many of them do not mend themselves, and ought to be mended.
    pub fn left(&self) -> usize {
        let lost = if self.is_loss() { self.found[&What::Deleted] } else { 0 };
        self.rest + lost
    }
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum NotVerified {
    #[error("the dashboard is not delivered to, and a legacy one does not say what it holds")]
    NoTarget,
    #[error("another verification is under way")]
    Busy,
    #[error("the dashboard does not answer: {0}")]
    Silent(String),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error("nobody listens any more")]
    Unheard,
}

/// Verifies, for whoever asks, one at a time.
#[derive(Clone)]
pub struct Verifier {
    outbox: Outbox,
    questions: Questions,
    settings: watch::Receiver<Arc<Config>>,
    targets: watch::Receiver<Targets>,
    hints: SourceHints,
    /// What came of the last one.
    last: watch::Sender<Option<Outcome>>,
    turn: Arc<Semaphore>,
}

impl Verifier {
    pub fn new(
        outbox: Outbox,
        questions: Questions,
        settings: watch::Receiver<Arc<Config>>,
        targets: watch::Receiver<Targets>,
        hints: SourceHints,
    ) -> Self {
        let (last, _) = watch::channel(None);
        let turn = Arc::new(Semaphore::new(1));
        Self { outbox, questions, settings, targets, hints, last, turn }
    }

    /// What came of the last verification since the start.
    pub fn last(&self) -> Option<Outcome> {
        self.last.borrow().clone()
    }

    /// Verifies, and tells what it does and finds.
    ///
    /// # Errors
    /// See [`NotVerified`]. Nothing of what was found then is kept but what was already made due.
    pub async fn verify(
        &self,
        order: Order,
        tell: mpsc::Sender<Step>,
    ) -> Result<Outcome, NotVerified> {
        let _turn = self.turn.try_acquire().map_err(|_| NotVerified::Busy)?;
        let target = {
            let targets = self.targets.borrow();
            targets.iter().find(|target| target.name() == TargetName::Dashboard).cloned()
        };
        let target = target.ok_or(NotVerified::NoTarget)?;
        let reader = Reader {
            outbox: self.outbox.clone(),
            questions: self.questions.clone(),
            config: self.settings.borrow().clone(),
            target: TargetName::Dashboard.as_str(),
        };
        let run = Run { verifier: self, target, reader, order, tell, told: None };
        let outcome = run.run().await?;
        let Outcome { target, checked, .. } = outcome;
        let differences = outcome.differences();
        if outcome.left() > 0 {
            warn!(%target, checked, differences, "verified: not level; ytv2d verify says where");
        } else {
            info!(%target, checked, differences, "verified");
        }
        self.last.send_replace(Some(outcome.clone()));
        Ok(outcome)
    }
}

/// One verification.
struct Run<'a> {
    verifier: &'a Verifier,
    target: Target,
    reader: Reader,
    order: Order,
    tell: mpsc::Sender<Step>,
    /// When progress was told last.
    told: Option<Instant>,
}

/// What was found out about an id.
type Checked = Result<(Vec<Difference>, Vec<FileRef>), Unsettled>;

/// Why nothing was found out.
enum Unsettled {
    Unsaid(String),
    Outbox(OutboxError),
}

impl From<Unread> for Unsettled {
    fn from(fault: Unread) -> Self {
        Unsettled::Unsaid(fault.to_string())
    }
}

impl From<OutboxError> for Unsettled {
    fn from(error: OutboxError) -> Self {
        Unsettled::Outbox(error)
    }
}

impl Run<'_> {
    async fn run(mut self) -> Result<Outcome, NotVerified> {
        let (listing, unlisted) = match self.order.sample {
            Some(_) => (None, None),
            None => self.list().await,
        };
        let ids = self.ids().await?;
        let mut outcome = Outcome {
            target: TargetName::Dashboard,
            at: clock::now(),
            checked: 0,
            found: BTreeMap::new(),
            fixed: 0,
            rest: 0,
            sampled: self.order.sample.is_some(),
            unlisted,
        };
        let parallel = self.target.parallel();
        let (target, reader, listing) =
            (self.target.clone(), self.reader.clone(), listing.as_ref());
        let mut checks = stream::iter(ids.clone())
            .map(|id| async {
                let checked = check(&target, &reader, listing, &id).await;
                (id, checked)
            })
            .buffer_unordered(parallel);
        let mut silent = 0;
        while let Some((id, checked)) = checks.next().await {
            outcome.checked += 1;
            match checked {
                Ok((differences, files)) => {
                    silent = 0;
                    for difference in differences {
                        self.found(id.as_str(), difference, &files, &mut outcome).await?;
                    }
                }
                Err(Unsettled::Outbox(error)) => return Err(error.into()),
                Err(Unsettled::Unsaid(why)) => {
                    silent += 1;
                    if silent == SILENCE_MAX {
                        return Err(NotVerified::Silent(why));
                    }
                    let unanswered =
                        Difference { what: What::Unanswered, why, cure: Cure::Nothing };
                    self.found(id.as_str(), unanswered, &[], &mut outcome).await?;
                }
            }
            self.progress(Step::Checked(outcome.checked, ids.len()), outcome.checked == ids.len());
            if self.tell.is_closed() {
                return Err(NotVerified::Unheard);
            }
        }
        drop(checks);
        self.extra(listing, &ids, &mut outcome).await?;
        outcome.at = clock::now();
        Ok(outcome)
    }

    async fn list(&mut self) -> (Option<Listing>, Option<String>) {
        let target = self.target.clone();
        match listing::read(&target, |seen, of| self.progress(Step::Listed(seen, of), false)).await
        {
            Ok(listing) => (Some(listing), None),
            Err(Unread::Absent) => (None, Some("the dashboard has no listing".to_owned())),
            Err(Unread::Unsaid(why)) => (None, Some(format!("the listing cannot be read: {why}"))),
        }
    }

    /// Those to look at.
    async fn ids(&self) -> Result<Vec<ContentId>, OutboxError> {
        let mut drawn = Sample::new(self.order.sample.unwrap_or(usize::MAX));
        let mut after = None;
        loop {
            let page = self.verifier.outbox.ids(after, PAGE).await?;
            after = page.last().cloned();
            page.into_iter().for_each(|id| drawn.offer(id));
            if after.is_none() {
                let mut ids = drawn.finish();
                ids.sort_unstable();
                return Ok(ids);
            }
        }
    }

    /// What the dashboard lists, and nothing here is known of.
    async fn extra(
        &self,
        listing: Option<&Listing>,
        ids: &[ContentId],
        outcome: &mut Outcome,
    ) -> Result<(), NotVerified> {
        let Some(listing) = listing else { return Ok(()) };
        let mut extra: Vec<&String> = listing
            .keys()
            .filter(|key| ids.binary_search_by(|id| id.as_str().cmp(key)).is_err())
            .collect();
        extra.sort_unstable();
        for key in extra {
            // It may have come to be known meanwhile.
            if let Ok(id) = key.parse::<ContentId>()
                && !self.verifier.outbox.record_of(id).await?.is_empty()
            {
                continue;
            }
            let why = "no report here has this id".to_owned();
            let extra = Difference { what: What::Extra, why, cure: Cure::Nothing };
            self.found(key, extra, &[], outcome).await?;
        }
        Ok(())
    }

    /// Counts a difference, makes it due again if it is to be, and tells of it.
    async fn found(
        &self,
        id: &str,
        difference: Difference,
        files: &[FileRef],
        outcome: &mut Outcome,
    ) -> Result<(), NotVerified> {
        *outcome.found.entry(difference.what).or_default() += 1;
        let Difference { what, cure, .. } = difference;
        let fixed = self.order.fix && self.fix(id, cure, files).await?;
        outcome.fixed += usize::from(fixed);
        let is_ours = !what.is_meant() && what != What::Extra;
        outcome.rest += usize::from(is_ours && cure != Cure::Retry && !fixed);
        let finding = Finding { id: id.to_owned(), difference, fixed };
        self.tell.send(Step::Found(finding)).await.map_err(|_| NotVerified::Unheard)
    }

    async fn fix(&self, id: &str, cure: Cure, files: &[FileRef]) -> Result<bool, OutboxError> {
        let outbox = &self.verifier.outbox;
        let scope = Scope {
            id: id.parse().ok(),
            target: Some(TargetName::Dashboard.to_string()),
            ..Scope::default()
        };
        if scope.id.is_none() {
            return Ok(false);
        }
        let now_ms = clock::now_ms();
        Ok(match cure {
            Cure::Nothing => false,
            Cure::Resend(kind) => outbox.resend(Scope { kind, ..scope }, now_ms).await?.changed > 0,
            Cure::Retry => outbox.retry(scope, Retry::Open, now_ms).await?.changed > 0,
            Cure::Look => {
                files.iter().for_each(|file| self.verifier.hints.doubt(file));
                true
            }
        })
    }

    /// Tells how far it is, now and then. Who does not keep up misses some of it.
    fn progress(&mut self, step: Step, always: bool) {
        let is_time = self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if always || is_time {
            self.told = Some(Instant::now());
            let _missed = self.tell.try_send(step);
        }
    }
}

/// How the target differs in an id. What seems to differ is looked at again if the outbox says
/// something else by then: it was being delivered.
async fn check(
    target: &Target,
    reader: &Reader,
    listing: Option<&Listing>,
    id: &ContentId,
) -> Checked {
    let mut grounds = reader.read(id).await?;
    if let Some(shown) = listing.and_then(|listing| listing.get(id.as_str())) {
        let bytes = bytes(target, &grounds, id).await?;
        if judge(&grounds.claim, Some(shown), bytes).is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
    } else if listing.is_some() && grounds.claim.report.is_none() {
        return Ok((Vec::new(), Vec::new()));
    }
    for _ in 0..LOOKS_MAX {
        let record = gently(|| target.record(id)).await?;
        let shown = record.as_ref().map(Into::into);
        let bytes = bytes(target, &grounds, id).await?;
        let differences = judge(&grounds.claim, shown.as_ref(), bytes);
        if differences.is_empty() {
            return Ok((differences, Vec::new()));
        }
        let again = reader.read(id).await?;
        if again == grounds {
            return Ok((differences, grounds.files));
        }
        grounds = again;
    }
    Ok((Vec::new(), Vec::new()))
}

/// How much audio the target has, where it should have some.
async fn bytes(
    target: &Target,
    grounds: &Grounds,
    id: &ContentId,
) -> Result<Option<Option<u64>>, Unread> {
    match grounds.claim.audio {
        Some(_) => gently(|| target.audio_size(id)).await.map(Some),
        None => Ok(None),
    }
}

pub use nightly::nightly;
