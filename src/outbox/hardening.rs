//! Brings what was marked to the disk, a moment later and all of it together.
//!
//! That a target holds something is committed at once, so that it outlives this process, but does not
//! wait for the disk: what a power cut takes of it is sent once more, and changes nothing there. Nor
//! does anything else wait meanwhile. Should the disk fail, that is told to SQLite as well when it next
//! waits for it: Linux reports such a failure once to each who has the file open (fsync(2), since 4.13).

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ffi};
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::beside;
use super::writer::WeakWriter;

/// How much of what was marked a power cut may take.
const MOMENT: Duration = Duration::from_millis(50);

/// Where it is said that something was marked, and seen whether the disk takes it.
#[derive(Clone, Debug)]
pub struct Hardening {
    marks: watch::Sender<()>,
    /// Held while the disk is waited for.
    syncing: Arc<Mutex<()>>,
}

impl Hardening {
    /// Starts the work, which ends with the last who marks.
    pub fn begin(path: &Path, writer: WeakWriter) -> Self {
        let ((marks, marked), syncing) = (watch::channel(()), Arc::default());
        tokio::spawn(harden(beside(path, "-wal"), marked, Arc::clone(&syncing), writer));
        Self { marks, syncing }
    }

    /// Something was marked, and committed.
    pub fn marked(&self) {
        self.marks.send_replace(());
    }

    /// Comes back once the disk is not waited for.
    pub async fn passes(&self) {
        drop(self.syncing.lock().await);
    }
}

async fn harden(
    log: PathBuf,
    mut marked: watch::Receiver<()>,
    syncing: Arc<Mutex<()>>,
    writer: WeakWriter,
) {
    while marked.changed().await.is_ok() {
        sleep(MOMENT).await;
        marked.mark_unchanged();
        let Some(writer) = writer.upgrade() else { return };
        let log = log.clone();
        let _until_it_is_there = syncing.lock().await;
        let synced = spawn_blocking(move || sync(&log)).await.expect("a sync does not panic");
        if let Err(failure) = synced {
            // It is the end of the outbox's thread, as it would be of a commit.
            let mut failure = Some(failure);
            let fail = move |_: &Connection| failure.take().map_or(Ok(()), Err);
            let _known_to_the_thread = writer.read(fail).await;
        }
    }
}

/// Waits until all that was written to the log is on the disk.
///
/// # Errors
/// As SQLite says it when a commit fails for that reason.
fn sync(log: &Path) -> rusqlite::Result<()> {
    match File::open(log).and_then(|log| log.sync_data()) {
        // It goes when all of it is in the file.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(|error| {
            let code = ffi::Error::new(ffi::SQLITE_IOERR_FSYNC);
            rusqlite::Error::SqliteFailure(code, Some(format!("disk I/O error: {error}")))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{Outbox, OutboxError};

    #[tokio::test]
    async fn a_log_that_does_not_get_to_the_disk_is_the_end_of_the_outbox() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        let (outbox, guard) = Outbox::open(&path).await.unwrap();
        // A directory can be opened and synced; a link to itself cannot be opened.
        let log = beside(&path, "-wal");
        std::fs::remove_file(&log).unwrap();
        std::os::unix::fs::symlink(&log, &log).unwrap();
        outbox.hardening.marked();
        let failure = guard.failure.await.unwrap();
        assert!(matches!(failure, OutboxError::Broken(_)), "{failure:?}");
    }

    #[tokio::test]
    async fn the_work_ends_with_the_last_who_marks() {
        let directory = tempfile::tempdir().unwrap();
        let (outbox, guard) = Outbox::open(&directory.path().join("outbox.db")).await.unwrap();
        outbox.hardening.marked();
        drop(outbox);
        assert!(guard.failure.await.is_err(), "the thread ended without an error");
    }
}
