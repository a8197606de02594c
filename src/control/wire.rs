//! The JSON of the socket, for both ends of it. Times are RFC 3339, in UTC.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::{ItemState, Stored, state_of};
use crate::id::Kind;
use crate::outbox::{Listed, Standing};

/// `GET /status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub uptime_s: i64,
    pub healthy: bool,
    /// Why it is not.
    pub reasons: Vec<String>,
    pub roots: Vec<Root>,
    pub targets: Vec<Target>,
    pub outbox: Outbox,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Root {
    pub root: String,
    pub path: String,
    pub file_system: String,
    /// `events`, or `scanning`, `lost`, `suspicious` with the reason behind a colon.
    pub state: String,
    pub seen: bool,
    pub since: Option<Timestamp>,
    pub files: usize,
    pub last_event: Option<Timestamp>,
    pub last_scan: Option<Timestamp>,
    pub last_scan_ms: Option<u64>,
    pub last_canary: Option<Timestamp>,
    pub canary: Option<String>,
    /// Files that are still being written.
    pub unsettled: usize,
    pub oldest_unsettled_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub name: String,
    pub url: String,
    /// `up`, `asleep` (it fails, and is probed), or `stopped` (a person must act).
    pub state: String,
    pub why: Option<String>,
    /// When it is tried again.
    pub until: Option<Timestamp>,
    /// How many items are in each state.
    pub counts: BTreeMap<String, usize>,
    pub in_flight: Vec<String>,
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outbox {
    pub path: String,
    /// Since when its volume is full.
    pub disk_full: Option<Timestamp>,
}

/// `GET /healthz`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Health {
    pub healthy: bool,
    pub reasons: Vec<String>,
}

/// `GET /items`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Items {
    pub items: Vec<Item>,
}

/// An item at a target, or a file of which nothing can be delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    pub id: Option<String>,
    pub kind: Kind,
    pub target: Option<String>,
    pub state: ItemState,
    /// As people see it, with every odd byte escaped.
    pub path: Option<String>,
    /// What it waits for, what is wrong, or what the target said last.
    pub reason: Option<String>,
    pub attempts: u32,
    pub due_at: Option<Timestamp>,
    pub changed_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub parked_since: Option<Timestamp>,
    /// What was acknowledged without being done.
    pub warning: Option<String>,
}

/// Whatever was asked wrongly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    pub error: String,
    pub hint: String,
}

/// What is under way: to which target, and what.
pub type Aloft = HashSet<(String, Kind, String)>;

/// Milliseconds since 1970 as a timestamp; nothing outside of what one holds.
pub fn at(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

impl Item {
    /// How a row of the outbox stands at this moment.
    pub fn new(row: Listed, aloft: &Aloft, now_ms: i64) -> Self {
        let in_flight = match (&row.target, &row.id) {
            (Some(target), Some(id)) => aloft.contains(&(target.clone(), row.kind, id.clone())),
            _ => false,
        };
        let mut item = Self {
            state: ItemState::Invalid,
            path: row.file.as_ref().map(ToString::to_string),
            reason: row.reason,
            attempts: row.attempts,
            due_at: None,
            changed_at: at(row.changed_ms),
            acknowledged_at: row.acked_ms.and_then(at),
            parked_since: None,
            warning: row.warning,
            id: row.id,
            kind: row.kind,
            target: row.target,
        };
        match row.standing {
            Standing::Invalid => {}
            Standing::Unclaimed => {
                item.state = ItemState::Waiting;
                item.reason = Some("no report is known that this audio belongs to".to_owned());
            }
            Standing::Item(stored, since_ms) => {
                item.state = state_of(stored, in_flight, now_ms);
                match stored {
                    Stored::Due { due_ms } => item.due_at = at(due_ms),
                    Stored::WaitsForReport => {
                        item.reason = Some("its report is not acknowledged there yet".to_owned());
                    }
                    Stored::Parked => item.parked_since = at(since_ms),
                    Stored::Current | Stored::Vanished => {}
                }
            }
        }
        item
    }
}
