//! What can be ordered, and what the answer is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::delivery::ItemState;

/// The answer to retry, resend, drop, pause, resume, reload and adopt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// How many items, or targets, that changed.
    pub changed: usize,
    /// The same in words.
    pub words: String,
    /// The items by id, where they were asked for one by one or only counted (`dry_run`); at most
    /// 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

/// The answer to `POST /rescan`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rescan {
    pub roots: Vec<Rescanned>,
}

/// What came of one root.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rescanned {
    pub root: String,
    /// Why it could not be looked through; the rest is nothing then.
    pub error: Option<String>,
    /// Files that are recorded now.
    pub files: usize,
    pub new: usize,
    pub changed: usize,
    /// Files that are believed to be deleted.
    pub gone: usize,
    /// Files that are missing and not believed to be deleted, and why.
    pub held_back: usize,
    pub why_held_back: Option<String>,
    pub ms: u64,
}

/// `POST /upload`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// An absolute path in the reports root, or a bare file name there.
    pub report: PathBuf,
    /// The same in the exports root.
    #[serde(default)]
    pub audio: Option<PathBuf>,
    /// How many seconds to wait for the outcome; without it the answer comes at once.
    #[serde(default)]
    pub wait: Option<u64>,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uploaded {
    pub id: String,
    /// Every enabled target holds the whole pair.
    pub done: bool,
    /// By target.
    pub targets: BTreeMap<String, PairOutcome>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairOutcome {
    /// The target holds the whole pair.
    pub done: bool,
    pub report: ThingOutcome,
    /// Nothing where no audio was handed over.
    pub audio: Option<ThingOutcome>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThingOutcome {
    pub state: ItemState,
    /// What it waits for, or what is wrong.
    pub reason: Option<String>,
    /// Where the target serves the audio.
    pub public_url: Option<String>,
}

/// Whatever was asked wrongly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub error: String,
    pub hint: String,
}
