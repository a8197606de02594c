//! Brings what was marked to the disk, a moment later and all of it together.
//!
//! That a target holds something is committed at once, so that it outlives this process, but does not
//! wait for the disk: what a power cut takes of it is sent once more, and changes nothing there.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi;
use tokio::sync::watch;
use tokio::time::sleep;

use super::beside;
use super::writer::WeakWriter;

/// How much of what was marked a power cut may take.
const MOMENT: Duration = Duration::from_millis(50);

/// Starts the work, which ends with the last who marks.
pub fn begin(path: &Path, writer: WeakWriter) -> watch::Sender<()> {
    let (marks, marked) = watch::channel(());
    tokio::spawn(harden(beside(path, "-wal"), marked, writer));
    marks
}

async fn harden(log: PathBuf, mut marked: watch::Receiver<()>, writer: WeakWriter) {
    while marked.changed().await.is_ok() {
        sleep(MOMENT).await;
        marked.mark_unchanged();
        let Some(writer) = writer.upgrade() else { return };
        let log = log.clone();
        // On the outbox's own thread, so that nothing is written after a failure, which is its end.
        let _known_to_the_thread = writer.read(move |_| sync(&log)).await;
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
        outbox.marks.send_replace(());
        let failure = guard.failure.await.unwrap();
        assert!(matches!(failure, OutboxError::Broken(_)), "{failure:?}");
    }

    #[tokio::test]
    async fn the_work_ends_with_the_last_who_marks() {
        let directory = tempfile::tempdir().unwrap();
        let (outbox, guard) = Outbox::open(&directory.path().join("outbox.db")).await.unwrap();
        outbox.marks.send_replace(());
        drop(outbox);
        assert!(guard.failure.await.is_err(), "the thread ended without an error");
    }
}
