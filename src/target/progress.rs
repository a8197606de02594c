//! How far a request has come, for those who wait for it and those who watch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How far a request has come.
#[derive(Debug)]
pub struct Progress {
    done: AtomicU64,
    /// 0 before it is known.
    total: AtomicU64,
    changed: AtomicBool,
    last: Mutex<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            changed: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
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

    /// Whether the upload was broken off because the file is another than was promised.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Returns when nothing has moved for `patience`.
    pub async fn stalled(&self, patience: Duration) {
        loop {
            let until = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + patience;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// A body of so many bytes is about to go.
    pub(super) fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// So many more bytes have gone.
    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn break_off(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }
}
