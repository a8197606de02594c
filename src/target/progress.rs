//! How far a request has come, for those who wait for it and those who watch.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::watch::Pulse;

/// How far a request has come.
#[derive(Debug)]
pub struct Progress {
    done: AtomicU64,
    /// 0 before it is known.
    total: AtomicU64,
    /// Of the last whole answer; 0 before there is one.
    status: AtomicU16,
    broken: Mutex<Option<Broken>>,
    /// The file is being read: whatever takes long now is no fault of the target's.
    reading: AtomicBool,
    pulse: Pulse,
}

/// Why an upload was broken off.
#[derive(Debug)]
pub enum Broken {
    /// The file is another than was promised.
    Changed,
    /// The file cannot be read.
    Unreadable(io::Error),
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            status: AtomicU16::new(0),
            broken: Mutex::new(None),
            reading: AtomicBool::new(false),
            pulse: Pulse::start(),
        }
    }
}

impl Progress {
    /// Bytes of the body that were handed to the connection so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many bytes there are; nothing before that is known.
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0)
    }

    /// The HTTP status of the last whole answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status > 0)
    }

    /// An answer came whole.
    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Why the upload was broken off, if it was.
    pub(super) fn broken_off(&self) -> Option<Broken> {
        self.broken().take()
    }

    /// Returns when the target has taken nothing for `patience`.
    pub(super) async fn stalled(&self, patience: Duration) {
        self.pulse.stops(patience).await;
        while self.reading.load(Ordering::Relaxed) {
            tokio::time::sleep(patience).await;
            self.pulse.stops(patience).await;
        }
    }

    /// A body of so many bytes is about to go.
    pub(super) fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.pulse.beat();
    }

    /// Nothing has gone, and that is no fault of the target's.
    pub(super) fn beat(&self) {
        self.pulse.beat();
    }

    /// So many more bytes have gone.
    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.pulse.beat();
    }

    /// The file is being read from now on, or not any more.
    pub(super) fn reads(&self, reading: bool) {
        self.reading.store(reading, Ordering::Relaxed);
        self.pulse.beat();
    }

    pub(super) fn break_off(&self, broken: Broken) {
        *self.broken() = Some(broken);
    }

    fn broken(&self) -> MutexGuard<'_, Option<Broken>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
