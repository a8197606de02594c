//! The outbox: a level, kept in one SQLite file. For each target and item it holds the version
//! that the target should hold and the one it is known to hold; what is pending is the difference.
//!
//! A commit waits for the disk (`synchronous = FULL`) where it holds what neither the directories nor
//! the targets would tell again: what is parked, what failed, an operator's word. The rest is committed
//! with `NORMAL`, which a power cut may undo. What was taken in from files is found again by the next
//! start. What a target acknowledged is sent again, which changes nothing there, and is on the disk
//! within a [moment](hardening), one sync for all that came meanwhile: to wait for the disk each time
//! took longer than most requests. Nor does a report whose id nobody knew wait for its rows and their
//! commit: it is [handed over](Handed) to whoever sends it while they are written.

mod account;
mod fault;
mod file;
mod grave;
pub(crate) mod handing;
mod hardening;
mod history;
mod inspect;
pub(crate) mod known;
pub(crate) mod lane;
pub(crate) mod level;
mod listing;
mod lock;
mod model;
mod orders;
mod pairing;
mod pairs;
mod place;
mod quarantine;
mod register;
mod room;
pub(crate) mod schema;
mod sql;
mod sum;
mod summaries;
pub(crate) mod tally;
mod waiting;
mod wanting;
mod writer;

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};
use tokio_retry::RetryIf;
use tokio_retry::strategy::FixedInterval;
use tracing::error;

pub use account::{DeliveryRecord, FileRecord, ItemRecord};
pub use grave::Burial;
pub use history::{Attempted, Ended};
pub use inspect::{Inspected, inspect};
pub use listing::{Filter, Listed, Page, Place, Standing};
pub use model::{
    AudioFacts, Concluded, DeletedFile, Due, FileOf, Finding, Found, Handed, Outcome, Parcel,
    Recorded, ReportFacts, SendVariant, Settled, Settlement, Taken, Vanished, Wanted,
};
pub use orders::{Ordered, Retry, Scope};
pub use pairs::Pairs;
pub use tally::{OldestDue, Tallied, Tally};

use crate::file::{FileRef, Root, Stamp};
use crate::id::ContentId;
use fault::{Fault, fault};
use handing::Handing;
use hardening::Hardening;
use lock::Lock;
use room::fault_at;
use writer::Writer;

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("{}: another ytv2d (process {holder}) is using it", path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error(
        "{}: {source}: the outbox and its directory must be ytv2d's to write; mend that, or name \
         another path in outbox.path",
        path.display()
    )]
    NotOurs { path: PathBuf, source: std::io::Error },
    #[error("{}: is a directory; name a file in it in outbox.path", .0.display())]
    Directory(PathBuf),
    #[error(
        "{}: lies on a network file system ({system}), where an outbox does not survive; name a \
         path on this machine's own disk in outbox.path, or set outbox.allow_network = true if you \
         know that it is one",
        path.display()
    )]
    Network { path: PathBuf, system: &'static str },
    #[error("{}: is a database of another program; name another path in outbox.path", .0.display())]
    Foreign(PathBuf),
    #[error(
        "{}: was written by a newer ytv2d (its schema is {found}); install that version again",
        path.display()
    )]
    Newer { path: PathBuf, found: i32 },
    #[error("this build carries SQLite {0}, which can corrupt its file; build with a newer one")]
    OldSqlite(&'static str),
    #[error("{}: is corrupt ({why}); the next start moves it aside", path.display())]
    Corrupt { path: PathBuf, why: String },
    #[error("the outbox's volume is full")]
    DiskFull,
    #[error("the outbox: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the outbox cannot go on: {0}")]
    Broken(String),
    #[error("the outbox is closed")]
    Closed,
}

impl OutboxError {
    /// Nothing is wrong but that the outbox's volume has no room: the same will do later.
    pub fn is_disk_full(&self) -> bool {
        match self {
            OutboxError::DiskFull => true,
            OutboxError::Sqlite(error) => fault(error) == Fault::Full,
            OutboxError::File { source, .. } => is_full(source),
            _ => false,
        }
    }

    /// Somebody else has the file open at this moment.
    fn is_busy(&self) -> bool {
        matches!(self, OutboxError::Sqlite(error) if fault(error) == Fault::Busy)
    }

    fn file(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                OutboxError::NotOurs { path, source }
            }
            _ => OutboxError::File { path, source },
        }
    }

    fn corrupt(path: &Path, why: impl Into<String>) -> Self {
        OutboxError::Corrupt { path: path.to_owned(), why: why.into() }
    }
}

/// How often a full volume is looked at.
const ROOM_CHECK: Duration = Duration::from_secs(2);

/// Refuses a place where an outbox would not survive: a network file system.
///
/// # Errors
/// [`OutboxError::Network`].
pub fn check_place(path: &Path) -> Result<(), OutboxError> {
    place::check(path)
}

/// How much there was at a moment, and what room it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// In milliseconds since 1970.
    pub at_ms: i64,
    pub tally: Tally,
    /// Of the file and its log.
    pub size_bytes: u64,
    /// The version of the file's schema.
    pub schema: i32,
}

/// The way to the outbox, for as many as want one.
#[derive(Clone)]
pub struct Outbox {
    path: Arc<Path>,
    writer: Writer,
    changes: watch::Sender<()>,
    /// The same without settlements.
    work: watch::Sender<()>,
    era: Arc<AtomicU64>,
    /// The targets that are paused, and since when: what is in the file, at hand.
    paused: watch::Sender<HashMap<i64, i64>>,
    pairs: Pairs,
    handing: Handing,
    hardening: Hardening,
}

/// What must outlive every [`Outbox`]: the lock, and word of the thread's end.
pub struct Guard {
    /// Ends with the error that stopped the outbox; pends for ever while it is well.
    pub failure: oneshot::Receiver<OutboxError>,
    _lock: Lock,
}

impl Outbox {
    /// Takes the lock, opens the file, migrates it, and starts the thread. Where the volume is so
    /// full that not even this can be done, it waits.
    ///
    /// # Errors
    /// See [`OutboxError`]; nothing is changed on the disk then, but for the lock file.
    pub async fn open(path: &Path) -> Result<(Self, Guard), OutboxError> {
        let mut told = false;
        loop {
            match Self::try_open(path).await {
                Err(fault) if fault.is_disk_full() => {
                    if !std::mem::replace(&mut told, true) {
                        error!(outbox = %path.display(), %fault,
                            "the outbox's volume is full: it cannot be opened until there is room");
                    }
                    room::give_up_reserve(path);
                    tokio::time::sleep(ROOM_CHECK).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_open(path: &Path) -> Result<(Self, Guard), OutboxError> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory {
            std::fs::create_dir_all(directory)
                .map_err(|source| OutboxError::file(directory, source))?;
        }
        let lock = Lock::take(path)?;
        // With the lock held, only an inspecting tool can be in the way, and that for a moment.
        let connection = RetryIf::start(
            FixedInterval::new(Duration::from_millis(500)).take(10),
            || {
                let path = path.to_owned();
                async move {
                    tokio::task::spawn_blocking(move || file::open(&path))
                        .await
                        .map_err(|_| OutboxError::Closed)?
                }
            },
            OutboxError::is_busy,
        )
        .await
        .map_err(|error| match error {
            OutboxError::Sqlite(inner) if fault_at(path, &inner) == Fault::Full => {
                OutboxError::DiskFull
            }
            error => error,
        })?;
        let (writer, failure) = Writer::start(connection, path);
        let ((changes, _), (work, _)) = (watch::channel(()), watch::channel(()));
        let paused = writer.read(orders::paused).await?;
        let (paused, _) = watch::channel(paused.into_iter().collect());
        let pairs = writer.read(Pairs::load).await?;
        let hardening = Hardening::begin(path, writer.downgrade());
        let (path, era) = (path.into(), Arc::default());
        let handing = Handing::default();
        let outbox = Self { path, writer, changes, work, era, paused, pairs, handing, hardening };
        Ok((outbox, Guard { failure, _lock: lock }))
    }

    /// Hears of every change of what is due, or was. Ask for it before asking, and nothing is missed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The same but for settlements, which make nothing due but for whoever settles.
    pub fn work(&self) -> watch::Receiver<()> {
        self.work.subscribe()
    }

    /// Another number whenever something may have become due, or due no longer, by other means than
    /// a settlement. It is another before the change itself can be seen.
    pub fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Wakes whoever waits for changes, though there may be none.
    pub fn nudge(&self) {
        self.changes.send_replace(());
        self.work.send_replace(());
    }

    /// A change that begins another era.
    fn turning<T>(
        &self,
        mut change: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> impl FnMut(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static {
        let era = Arc::clone(&self.era);
        move |connection| {
            era.fetch_add(1, Ordering::Release);
            change(connection)
        }
    }

    /// Makes sure that a target is known, and that it has an opinion of every item.
    pub async fn add_target(&self, name: &str) -> Result<i64, OutboxError> {
        let name = name.to_owned();
        self.writer.write(move |connection| lane::add_target(connection, &name)).await
    }

    /// What is recorded of the files of a root whose names come after `after`, in the order of
    /// their bytes.
    pub async fn stamps(
        &self,
        root: Root,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(FileRef, Stamp)>, OutboxError> {
        self.writer
            .read(move |connection| known::stamps(connection, root, after.as_deref(), limit))
            .await
    }

    /// What is recorded of some files.
    pub async fn stamps_of(
        &self,
        files: Vec<FileRef>,
    ) -> Result<Vec<(FileRef, Option<Stamp>)>, OutboxError> {
        self.writer
            .read(move |connection| {
                let stamp = |file| known::stamp(connection, file);
                files.iter().map(|file| Ok((file.clone(), stamp(file)?))).collect()
            })
            .await
    }

    /// What is recorded to be wrong with a file.
    pub async fn problem(&self, file: FileRef) -> Result<Option<String>, OutboxError> {
        self.writer.read(move |connection| known::problem(connection, &file)).await
    }

    /// Has the files of a root looked at again that only circumstances kept from being delivered.
    pub async fn lift_obstacles(&self, root: Root) -> Result<usize, OutboxError> {
        self.writer.write(move |connection| known::lift_obstacles(connection, root)).await
    }

    /// Has the files of a root looked at again if they were read by other rules than these, and
    /// says how many those are.
    pub async fn read_by(&self, root: Root, rules: String) -> Result<usize, OutboxError> {
        self.writer.write(move |connection| known::read_by(connection, root, &rules)).await
    }

    /// Whether a root was never looked through.
    pub async fn is_first_run(&self, root: Root) -> Result<bool, OutboxError> {
        self.writer.read(move |connection| known::is_first_run(connection, root)).await
    }

    /// A root was looked through once.
    pub async fn end_first_run(&self, root: Root) -> Result<(), OutboxError> {
        self.writer.write(move |connection| known::end_first_run(connection, root)).await
    }

    /// Takes in what was found on the disk, and tells what is to be delivered of it, and what can no
    /// longer be. With `adopt` it counts as delivered already.
    ///
    /// # Errors
    /// Among others one that [is a full disk](OutboxError::is_disk_full): nothing was taken in then,
    /// and all of it can be found on the disk again once [there is room](Self::wait_for_room).
    pub async fn record(
        &self,
        findings: Vec<Finding>,
        adopt: bool,
        now_ms: i64,
    ) -> Result<Recorded, OutboxError> {
        self.record_telling(findings, adopt, now_ms, |_, _| ()).await
    }

    /// The same, and has it told before anybody acts on it: of a lone report whose id nobody knew, before
    /// its rows are written. Should that fail for want of room, the file is found again, and told again.
    pub async fn record_telling(
        &self,
        findings: Vec<Finding>,
        adopt: bool,
        now_ms: i64,
        tell: impl FnOnce(&[Finding], &Recorded) + Send + 'static,
    ) -> Result<Recorded, OutboxError> {
        let (era, handing, work) = (Arc::clone(&self.era), self.handing.clone(), self.work.clone());
        let findings: Arc<[Finding]> = findings.into();
        let (found, mut tell) = (Arc::clone(&findings), Some(tell));
        let record = self.turning(move |connection| {
            let mut hear = |recorded: Recorded, parcels: Vec<Parcel>| {
                tell.take().into_iter().for_each(|tell| tell(&found, &recorded));
                handing.put(parcels, era.load(Ordering::Acquire), now_ms);
                work.send_replace(());
            };
            let recorded = level::record_aloud(connection, &found, adopt, now_ms, Some(&mut hear))?;
            Ok((recorded, tell.take()))
        });
        let (recorded, untold) = self.writer.take_in(record).await?;
        untold.into_iter().for_each(|tell| tell(&findings, &recorded));
        self.nudge();
        Ok(recorded)
    }

    /// Takes what has just become due for a target, and nothing else with it.
    pub fn handed(&self, target: i64) -> Option<Handed> {
        self.handing.take(target)
    }

    /// The next deliveries of a target in the order in which they are due, later ones included.
    pub async fn due(&self, target: i64, limit: usize) -> Result<Vec<Due>, OutboxError> {
        self.writer.read(move |connection| lane::due(connection, target, limit)).await
    }

    /// The same with everything that is needed to deliver those that are due by now, where nothing is
    /// to be [noted](Self::parcel) first.
    pub async fn ahead(
        &self,
        target: i64,
        limit: usize,
        now_ms: i64,
    ) -> Result<Vec<(Due, Option<Parcel>)>, OutboxError> {
        self.writer.read(move |connection| lane::ahead(connection, target, limit, now_ms)).await
    }

    /// The same of one id alone.
    pub async fn due_of(&self, target: i64, id: ContentId) -> Result<Vec<Due>, OutboxError> {
        self.writer.read(move |connection| lane::due_of_id(connection, target, &id)).await
    }

    /// The same of reports alone.
    pub async fn due_reports(&self, target: i64, limit: usize) -> Result<Vec<Due>, OutboxError> {
        self.writer.read(move |connection| lane::due_reports(connection, target, limit)).await
    }

    /// The item to probe a target with, due or not.
    pub async fn probe(&self, target: i64) -> Result<Option<Due>, OutboxError> {
        self.writer.read(move |connection| lane::probe(connection, target)).await
    }

    /// Whether something that never failed has come due after a moment.
    pub async fn has_fresh(
        &self,
        target: i64,
        since_ms: i64,
        now_ms: i64,
    ) -> Result<bool, OutboxError> {
        self.writer
            .read(move |connection| lane::has_fresh(connection, target, since_ms, now_ms))
            .await
    }

    /// Makes due at once what waited on account of the target, and says how much that is.
    pub async fn resume(&self, target: i64, now_ms: i64) -> Result<usize, OutboxError> {
        let resume = self.turning(move |connection| lane::resume(connection, target, now_ms));
        let resumed = self.writer.write(resume).await?;
        self.nudge();
        Ok(resumed)
    }

    /// Makes due at once what waited while a root was out of sight, and says how much that is.
    pub async fn found_again(&self, root: Root, now_ms: i64) -> Result<usize, OutboxError> {
        let found = self.turning(move |connection| lane::found_again(connection, root, now_ms));
        let due = self.writer.write(found).await?;
        self.nudge();
        Ok(due)
    }

    /// Everything that is needed to deliver one item; nothing when nothing is to be done. It is
    /// noted that an attempt was made, since that may have an effect whatever becomes of us.
    pub async fn parcel(&self, target: i64, item: i64) -> Result<Option<Parcel>, OutboxError> {
        self.writer.write(move |connection| lane::parcel(connection, target, item)).await
    }

    /// Tries again at once, as if it had never failed.
    pub async fn retry(
        &self,
        scope: Scope,
        which: Retry,
        now_ms: i64,
    ) -> Result<Ordered, OutboxError> {
        self.order(move |connection| orders::retry(connection, &scope, which, now_ms)).await
    }

    /// Sends again what targets hold already.
    pub async fn resend(&self, scope: Scope, now_ms: i64) -> Result<Ordered, OutboxError> {
        self.order(move |connection| orders::resend(connection, &scope, now_ms)).await
    }

    /// How many deliveries are in each state.
    pub async fn states(
        &self,
        scope: Scope,
    ) -> Result<Vec<(crate::delivery::Stored, usize)>, OutboxError> {
        self.writer.read(move |connection| orders::states(connection, &scope)).await
    }

    /// Forgets what is to be sent until its file changes.
    pub async fn drop_items(&self, scope: Scope, now_ms: i64) -> Result<Ordered, OutboxError> {
        self.order(move |connection| orders::drop(connection, &scope, now_ms)).await
    }

    /// Records that files are gone that were deleted at the dashboard: their items stay away until a
    /// file says something new of them, or one is ordered to be sent.
    pub async fn bury(&self, burials: Vec<Burial>, now_ms: i64) -> Result<(), OutboxError> {
        let graves =
            self.order(move |connection| grave::bury(connection, &burials, now_ms)).await?;
        let path = Arc::clone(&self.path);
        let written = tokio::task::spawn_blocking(move || register::add(&path, &graves)).await;
        written.map_err(|_| OutboxError::Closed)
    }

    /// The files of a root that were deleted at the dashboard, and are to be moved away.
    pub async fn deleted(&self, root: Root) -> Result<Vec<DeletedFile>, OutboxError> {
        self.writer.read(move |connection| known::deleted(connection, root)).await
    }

    /// Takes what was never acknowledged as delivered; only says what that would be when it is a
    /// `trial`.
    pub async fn adopt(&self, target: Option<String>, trial: bool) -> Result<Ordered, OutboxError> {
        self.order(move |connection| orders::adopt(connection, target.as_deref(), trial)).await
    }

    /// Has files looked at again of which nothing could be delivered: one of them by its name, or
    /// those whose problem contains something. The intake must be told.
    pub async fn reread(
        &self,
        name: Option<Vec<u8>>,
        reason: Option<String>,
    ) -> Result<Vec<FileRef>, OutboxError> {
        self.writer
            .write(move |connection| orders::reread(connection, name.as_deref(), reason.as_deref()))
            .await
    }

    /// Sends nothing to a target, or to none, from a moment on; or goes on. Says how many that
    /// changed.
    pub async fn pause(
        &self,
        target: Option<String>,
        since_ms: Option<i64>,
    ) -> Result<usize, OutboxError> {
        let (changed, paused) = self
            .writer
            .write(self.turning(move |connection| {
                let changed = orders::pause(connection, target.as_deref(), since_ms)?;
                Ok((changed, orders::paused(connection)?))
            }))
            .await?;
        self.paused.send_replace(paused.into_iter().collect());
        self.nudge();
        Ok(changed)
    }

    /// Since when nothing is sent to a target, by order, in milliseconds since 1970.
    pub fn paused_since(&self, target: i64) -> Option<i64> {
        self.paused.borrow().get(&target).copied()
    }

    /// Remembers that an audio file was handed over with the report of an id. The intake must be
    /// told.
    pub async fn pair(&self, file: FileRef, id: ContentId) -> Result<(), OutboxError> {
        let (kept, of) = (file.clone(), id.clone());
        self.writer.write(move |connection| orders::pair(connection, &kept, &of)).await?;
        self.pairs.add(&file, id);
        Ok(())
    }

    /// The audio files that were handed over with their report.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    async fn order<T: Send + 'static>(
        &self,
        change: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let ordered = self.writer.write(self.turning(change)).await?;
        self.nudge();
        Ok(ordered)
    }

    /// Some of the rows that an operator asks for, the latest change first.
    pub async fn page(&self, filter: Filter, limit: usize) -> Result<Page, OutboxError> {
        self.writer.read(move |connection| listing::page(connection, &filter, limit)).await
    }

    /// The ids that have a report, in their order, from after one on.
    pub async fn ids(
        &self,
        after: Option<ContentId>,
        limit: usize,
    ) -> Result<Vec<ContentId>, OutboxError> {
        self.writer.read(move |connection| account::ids(connection, after.as_ref(), limit)).await
    }

    /// Everything that is recorded of an id: its report, and its audio.
    pub async fn record_of(&self, id: ContentId) -> Result<Vec<ItemRecord>, OutboxError> {
        self.writer.read(move |connection| account::of_id(connection, &id)).await
    }

    /// What would be sent of an item to a target that knows nothing of it.
    pub async fn preview(&self, item: i64) -> Result<Option<Parcel>, OutboxError> {
        self.writer.read(move |connection| lane::preview(connection, item)).await
    }

    /// Everything that is recorded of a file.
    pub async fn file_record(&self, file: FileRef) -> Result<Option<FileRecord>, OutboxError> {
        self.writer.read(move |connection| account::of_file(connection, &file)).await
    }

    /// How much there is of what, at a moment.
    pub async fn count(&self, at_ms: i64) -> Result<Count, OutboxError> {
        let path = Arc::clone(&self.path);
        self.writer
            .read(move |connection| {
                let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
                Ok(Count {
                    at_ms,
                    tally: tally::tally(connection, at_ms)?,
                    size_bytes: size(&path) + size(&beside(&path, "-wal")),
                    schema: connection
                        .pragma_query_value(None, "user_version", |row| row.get(0))?,
                })
            })
            .await
    }

    /// Keeps what attempts came to, all of it or nothing. Where that is the end of an item's way to a
    /// target, and not one that it had come to before, it tells how all targets stand with the item.
    pub async fn settle(
        &self,
        settlements: Arc<[Settlement]>,
    ) -> Result<Vec<Concluded>, OutboxError> {
        let is_mark = |settlement: &Settlement| {
            matches!(&settlement.outcome, Outcome::Delivered { warning: None, .. })
        };
        let are_marks = settlements.iter().all(is_mark);
        let conclude_all = move |connection: &rusqlite::Connection| {
            let conclude = |settlement| Ok(lane::conclude(connection, settlement)?.1);
            settlements.iter().filter_map(|each| conclude(each).transpose()).collect()
        };
        let concluded = if are_marks {
            let concluded = self.writer.mark(conclude_all).await?;
            self.hardening.marked();
            concluded
        } else {
            self.writer.write(conclude_all).await?
        };
        self.changes.send_replace(());
        Ok(concluded)
    }

    /// Since when the outbox's volume is full, as was found out last.
    pub fn disk_full(&self) -> Option<Timestamp> {
        self.writer.fullness().since()
    }

    /// Comes back once the thread has got round to it, or is no more, and the disk has taken what it was
    /// given.
    pub async fn passes(&self) {
        let _no_more = self.writer.read(|_| Ok(())).await;
        self.hardening.passes().await;
    }

    /// Keeps the thread from everything else until what this gives is dropped.
    #[cfg(test)]
    pub async fn hold_up(&self) -> std::sync::mpsc::Sender<()> {
        let (release, held) = std::sync::mpsc::channel();
        let (began, begun) = oneshot::channel();
        let (writer, mut began) = (self.writer.clone(), Some(began));
        tokio::spawn(async move {
            let hold = move |_: &rusqlite::Connection| {
                began.take().map(|began| began.send(()));
                let _released = held.recv();
                Ok(())
            };
            writer.read(hold).await
        });
        begun.await.expect("the thread lives");
        release
    }

    /// Waits until a full volume has room again; never shorter than a moment.
    pub async fn wait_for_room(&self) -> Result<(), OutboxError> {
        loop {
            tokio::time::sleep(ROOM_CHECK).await;
            // Whatever passes the thread makes it look whether there is room.
            self.writer.read(|_| Ok(())).await?;
            if self.disk_full().is_none() {
                return Ok(());
            }
        }
    }
}

/// Whether a volume, or somebody's part of it, has no room.
fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A file that lies beside another, its name the same with something added.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
