//! What a verification tells.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::proof::What;

/// A line of the answer to `POST /verify`. The last is [`Done`](Self::Done) or
/// [`Failed`](Self::Failed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verifying {
    /// So many records of so many were listed.
    Listed {
        done: usize,
        of: usize,
    },
    /// So many ids of so many were looked at.
    Checked {
        done: usize,
        of: usize,
    },
    Found(Finding),
    Done(Verified),
    Failed(Fault),
}

/// One difference between the dashboard, the outbox and the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub target: String,
    /// As the dashboard has it.
    pub id: String,
    pub what: What,
    /// What exactly, in words.
    pub why: String,
    /// What would end it, where anything would.
    pub remedy: Option<String>,
    /// It was made due again.
    pub fixed: bool,
}

/// What came of a verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    pub target: String,
    pub at: Timestamp,
    /// How many ids were looked at.
    pub checked: usize,
    /// How many differences there are, but for what was deleted at the dashboard.
    pub differences: usize,
    /// How many of each kind, deletions among them.
    pub found: BTreeMap<What, usize>,
    /// How many were made due again.
    pub fixed: usize,
    /// How many are neither on their way nor were made due again.
    pub left: usize,
    /// Only some ids were looked at, chosen by chance.
    pub sampled: bool,
    /// So much was deleted that nobody can have meant it; it counts as differences then.
    pub lost: bool,
    /// Why nobody looked for records that the NAS has no file for.
    pub unlisted: Option<String>,
}
