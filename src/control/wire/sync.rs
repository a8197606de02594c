//! `POST /sync`, and how every target stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Rescanned, Totals};

/// What may be asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sync {
    /// `reports` (with their audio), `database` or `both`; without it whatever there is.
    pub from: Option<String>,
    /// Only what changed at this moment or later is counted, and sent again.
    pub since: Option<Timestamp>,
    /// Whether to send again what targets hold already.
    pub force: bool,
    /// Only say how things stand: what is new or has changed is counted and not taken in, and
    /// nothing is sent again.
    pub dry_run: bool,
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Synced {
    /// What was found where; in a dry run, what a look would take in.
    pub sources: Vec<Rescanned>,
    /// By target.
    pub targets: BTreeMap<String, SyncedTarget>,
    /// Files and rows of which nothing can be delivered, wherever they are.
    pub invalid: usize,
}

/// How a target stands: numbers of deliveries, a report and its audio being two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncedTarget {
    /// It holds what it should.
    pub current: usize,
    /// To be sent, now or after a wait.
    pub due: usize,
    /// Audio whose report it does not have yet.
    pub waiting: usize,
    pub parked: usize,
    /// By order.
    pub dropped: usize,
    /// That are sent again, or would be, though it holds them.
    pub forced: usize,
    /// As they were before this began.
    pub totals: Totals,
}
