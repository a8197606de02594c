//! What can be said of one root at any time.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::file::{FileRef, Root};
use crate::watch::Sighting;

/// The state of one root, as its intake last knew it.
#[derive(Clone, Debug, PartialEq)]
pub struct RootStatus {
    pub root: Root,
    pub path: PathBuf,
    /// Of the file system that it lies on.
    pub file_system: &'static str,
    /// How it is seen, and since when; nothing before the first look.
    pub sighting: Option<(Sighting, Timestamp)>,
    /// It was looked through since the start, or found to be missing.
    pub reconciled: bool,
    /// Files that are recorded.
    pub files: usize,
    pub last_event: Option<Timestamp>,
    /// How often events were lost.
    pub overflows: usize,
    /// When it was last looked through, and how long that took.
    pub last_scan: Option<(Timestamp, Duration)>,
    /// When the last canary was sent, and what became of it.
    pub last_canary: Option<(Timestamp, &'static str)>,
    /// How many files are still being written.
    pub unsettled: usize,
    /// How many files cannot be looked at, or read, for now.
    pub troubled: usize,
    /// Those files, as far as one cares to hear of: the oldest first.
    pub pending: Vec<Pending>,
}

/// A file that is there, and not taken in yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    pub file: FileRef,
    /// Since when it is waited for.
    pub since: Instant,
    /// Why it cannot be read; nothing while it is being written.
    pub trouble: Option<String>,
}

impl RootStatus {
    pub fn new(root: Root, path: PathBuf) -> Self {
        Self {
            root,
            path,
            file_system: "unknown",
            sighting: None,
            reconciled: false,
            files: 0,
            last_event: None,
            overflows: 0,
            last_scan: None,
            last_canary: None,
            unsettled: 0,
            troubled: 0,
            pending: Vec::new(),
        }
    }

    /// Whether changes in it are seen, one way or the other.
    pub fn is_seen(&self) -> bool {
        self.sighting.as_ref().is_some_and(|(sighting, _)| sighting.is_seen())
    }
}
