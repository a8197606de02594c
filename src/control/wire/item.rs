//! The rows of the listing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::at;
use crate::contract::Action;
use crate::delivery::{ItemState, Stored, state_of};
use crate::drain::LaneStatus;
use crate::id::Kind;
use crate::outbox::{Listed, Standing};

/// `GET /items`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Items {
    pub items: Vec<Item>,
    /// What to pass as `after` for the rows that follow; nothing behind the last.
    pub next: Option<String>,
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
    /// What that was there: `created`, `updated` or `unchanged`.
    pub action: Option<Action>,
    pub parked_since: Option<Timestamp>,
    /// What was acknowledged without being done.
    pub warning: Option<String>,
}

impl Item {
    /// How a row of the outbox stands at this moment.
    pub fn new(row: Listed, lanes: &[LaneStatus], now_ms: i64) -> Self {
        let in_flight = lanes
            .iter()
            .filter(|lane| row.target.as_deref() == Some(lane.name))
            .flat_map(|lane| &lane.in_flight)
            .any(|flight| flight.kind == row.kind && row.id.as_deref() == Some(flight.id.as_str()));
        let mut item = Self {
            state: ItemState::Invalid,
            path: row.file.as_ref().map(ToString::to_string),
            reason: row.reason,
            attempts: row.attempts,
            due_at: None,
            changed_at: at(row.changed_ms),
            acknowledged_at: row.acked_ms.and_then(at),
            action: row.action,
            parked_since: None,
            warning: row.warning,
            id: row.id,
            kind: row.kind,
            target: row.target,
        };
        match row.standing {
            Standing::Invalid => {}
            Standing::Unclaimed => item.state = ItemState::Waiting,
            Standing::Item(stored, since_ms) => {
                item.state = state_of(stored, in_flight, now_ms);
                match stored {
                    Stored::Due { due_ms } => item.due_at = at(due_ms),
                    Stored::Parked => item.parked_since = at(since_ms),
                    Stored::Dropped => {
                        item.reason.get_or_insert_with(|| {
                            "dropped by order, until its file changes".to_owned()
                        });
                    }
                    Stored::Current | Stored::WaitsForReport | Stored::Vanished => {}
                }
            }
        }
        item
    }
}
