//! The outbox: a level, kept in one SQLite file. For each target and item it holds the version
//! that the target should hold and the one it is known to hold; what is pending is the difference.

mod file;
pub(crate) mod lane;
pub(crate) mod level;
mod lock;
mod model;
mod sql;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_retry::RetryIf;
use tokio_retry::strategy::FixedInterval;

pub use model::{
    AudioFacts, Due, FileOf, Finding, Found, Outcome, Parcel, ReportFacts, SendVariant, Settled,
    Settlement, Taken, Vanished,
};

use crate::file::{FileRef, Root, Stamp};
use lock::Lock;
use writer::Writer;

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("{}: another ytv2d (process {holder}) is using it", path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: is a database of another program; name another path in outbox.path", .0.display())]
    Foreign(PathBuf),
    #[error(
        "{}: was written by a newer ytv2d (its schema is {found}); install that version again",
        path.display()
    )]
    Newer { path: PathBuf, found: usize },
    #[error("this build carries SQLite {0}, which can corrupt its file; build with a newer one")]
    OldSqlite(&'static str),
    #[error("the outbox: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the outbox could not commit: {0}")]
    Commit(String),
    #[error("the outbox is closed")]
    Closed,
}

impl OutboxError {
    /// There is no room for a change; there may be later.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, OutboxError::Sqlite(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }

    /// Somebody else has the file open at this moment.
    fn is_busy(&self) -> bool {
        matches!(self, OutboxError::Sqlite(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }
}

/// The way to the outbox, for as many as want one.
#[derive(Clone)]
pub struct Outbox {
    writer: Writer,
    changes: watch::Sender<()>,
}

/// What must outlive every [`Outbox`]: the lock, and word of the thread's end.
pub struct Guard {
    /// Ends with the error that stopped the outbox; pends for ever while it is well.
    pub failure: oneshot::Receiver<OutboxError>,
    _lock: Lock,
}

impl Outbox {
    /// Takes the lock, opens the file, migrates it, and starts the thread.
    ///
    /// # Errors
    /// See [`OutboxError`]; nothing is changed on the disk then, but for the lock file.
    pub async fn open(path: &Path) -> Result<(Self, Guard), OutboxError> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory {
            std::fs::create_dir_all(directory)
                .map_err(|source| OutboxError::File { path: directory.to_owned(), source })?;
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
        .await?;
        let (writer, failure) = Writer::start(connection);
        let (changes, _) = watch::channel(());
        Ok((Self { writer, changes }, Guard { failure, _lock: lock }))
    }

    /// Hears of every change that may have made something due. Ask for it before asking what is
    /// due, and nothing is missed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
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
            .read(move |connection| level::stamps(connection, root, after.as_deref(), limit))
            .await
    }

    /// What is recorded of some files.
    pub async fn stamps_of(
        &self,
        files: Vec<FileRef>,
    ) -> Result<Vec<(FileRef, Option<Stamp>)>, OutboxError> {
        self.writer
            .read(move |connection| {
                files
                    .into_iter()
                    .map(|file| level::stamp(connection, &file).map(|stamp| (file, stamp)))
                    .collect()
            })
            .await
    }

    /// Whether a root was never looked through.
    pub async fn is_first_run(&self, root: Root) -> Result<bool, OutboxError> {
        self.writer.read(move |connection| level::is_first_run(connection, root)).await
    }

    /// A root was looked through once.
    pub async fn end_first_run(&self, root: Root) -> Result<(), OutboxError> {
        self.writer.write(move |connection| level::end_first_run(connection, root)).await
    }

    /// Takes in what was found on the disk, and tells what can no longer be delivered. With `adopt`
    /// it counts as delivered already.
    pub async fn record(
        &self,
        findings: Vec<Finding>,
        adopt: bool,
        now_ms: i64,
    ) -> Result<Vec<Vanished>, OutboxError> {
        let vanished = self
            .writer
            .write(move |connection| level::record(connection, &findings, adopt, now_ms))
            .await?;
        self.changes.send_replace(());
        Ok(vanished)
    }

    /// The next deliveries of a target in the order in which they are due, later ones included.
    pub async fn due(&self, target: i64, limit: usize) -> Result<Vec<Due>, OutboxError> {
        self.writer.read(move |connection| lane::due(connection, target, limit)).await
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
        let resumed =
            self.writer.write(move |connection| lane::resume(connection, target, now_ms)).await?;
        self.changes.send_replace(());
        Ok(resumed)
    }

    /// Everything that is needed to deliver one item; nothing when nothing is to be done. It is
    /// noted that an attempt was made, since that may have an effect whatever becomes of us.
    pub async fn parcel(&self, target: i64, item: i64) -> Result<Option<Parcel>, OutboxError> {
        self.writer.write(move |connection| lane::parcel(connection, target, item)).await
    }

    /// Keeps what an attempt came to.
    pub async fn settle(&self, settlement: Settlement) -> Result<Settled, OutboxError> {
        let settled =
            self.writer.write(move |connection| lane::settle(connection, &settlement)).await?;
        self.changes.send_replace(());
        Ok(settled)
    }
}
