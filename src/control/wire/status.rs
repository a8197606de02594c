//! The status, whole.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Verified;
pub use crate::delivery::{Amount, Latency};
use crate::id::Kind;

/// `GET /status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub uptime_s: i64,
    /// Every root was looked through, or found to be missing, since the start.
    pub ready: bool,
    pub healthy: bool,
    /// Why it is not: each says what is wrong and what to do.
    pub reasons: Vec<String>,
    pub roots: Vec<Root>,
    /// The old content database, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    pub targets: Vec<Target>,
    pub outbox: Outbox,
    #[serde(default)]
    pub heartbeat: Heartbeat,
}

/// Whether a watcher elsewhere is told that all is well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When it was told last, since the start.
    pub last: Option<Timestamp>,
    /// `off`, `beating`, `held` (not all is well) or `unheard` (it cannot be told).
    pub state: String,
    pub why: Option<String>,
}

/// One watched directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Root {
    /// `reports` or `exports`.
    pub root: String,
    pub path: String,
    pub file_system: String,
    /// As configured: `auto`, `events` or `scan`.
    pub mode: String,
    /// `unknown` before the first look, `events`, `scanning`, `lost` or `suspicious`.
    pub state: String,
    /// Why it is so, where there is more to say than the word.
    pub why: Option<String>,
    /// Changes in it are seen, one way or the other.
    pub seen: bool,
    pub since: Option<Timestamp>,
    /// Files that are recorded.
    pub files: usize,
    pub last_event: Option<Timestamp>,
    /// How often events were lost.
    pub overflows: usize,
    pub last_scan: Option<Timestamp>,
    pub last_scan_ms: Option<u64>,
    pub last_canary: Option<Timestamp>,
    /// What became of it.
    pub canary: Option<String>,
    /// Files that are still being written.
    pub unsettled: usize,
    pub oldest_unsettled_s: u64,
    /// Files that cannot be read for now.
    pub troubled: usize,
    /// Those files by name, a hundred at the most: those that cannot be read, then the oldest.
    pub pending: Vec<Pending>,
}

/// The old content database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Database {
    pub path: String,
    /// Rows that are recorded.
    pub rows: usize,
    /// Why it cannot be read, and what to do.
    pub error: Option<String>,
    /// Why rows that are missing are not forgotten.
    pub held_back: Option<String>,
    pub last_look: Option<Timestamp>,
    pub last_look_ms: Option<u64>,
}

/// A file that is there, and not taken in yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// As people see it, with every odd byte escaped.
    pub path: String,
    pub kind: Kind,
    /// For how long it has been waited for, in seconds.
    pub for_s: u64,
    /// Why, with that time where it is being written.
    pub reason: String,
}

/// One place that is kept level.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub name: String,
    pub url: String,
    /// `up`, `asleep` (it fails, and is probed), `stopped` (a person must act), `paused` (by order).
    pub state: String,
    pub why: Option<String>,
    /// When it is tried again.
    pub until: Option<Timestamp>,
    /// How many items are in each state.
    pub counts: BTreeMap<String, usize>,
    pub oldest_due: Option<OldestDue>,
    pub in_flight: Vec<InFlight>,
    /// Absent from a daemon that is older than this client.
    #[serde(default)]
    pub concurrency: Concurrency,
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
    /// What was acknowledged since the start, at most.
    pub delivered: Delivered,
    /// What became of everything that was sent since the start.
    #[serde(default)]
    pub totals: Totals,
    /// From the change of a file to its acknowledgement, of the latest deliveries.
    pub latency: Option<Latency>,
    /// What the last verification since the start came to.
    pub verified: Option<Verified>,
}

/// How many requests there are at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    pub now: usize,
    /// What the target bears, as far as is known: half after it had too much, one more while that
    /// pays.
    pub limit: usize,
    /// `parallel`, which it never exceeds.
    pub most: usize,
}

/// The item that has been due the longest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OldestDue {
    pub id: String,
    pub kind: Kind,
    pub since: Timestamp,
    pub age_s: i64,
}

/// A request that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InFlight {
    pub id: String,
    pub kind: Kind,
    pub since: Timestamp,
    /// Bytes of the body that were handed to the network.
    pub done_bytes: u64,
    /// Nothing before it is known.
    pub total_bytes: Option<u64>,
}

/// How much was delivered lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Delivered {
    pub minute: Amount,
    pub hour: Amount,
    pub day: Amount,
    /// Deliveries in each of the last minutes, the present one last.
    pub per_minute: Vec<u64>,
}

/// Numbers of deliveries, a report and its audio being two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// That were new to the target.
    pub created: u64,
    pub updated: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
}

/// The outbox's own file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outbox {
    pub path: String,
    pub size_bytes: u64,
    pub schema: i32,
    /// Since when its volume is full.
    pub disk_full: Option<Timestamp>,
    /// When the counts of this status were true: a moment ago, where the disk is slow.
    pub counted_at: Timestamp,
}

/// `GET /healthz`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Health {
    pub healthy: bool,
    pub reasons: Vec<String>,
}
