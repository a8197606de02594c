//! The outbox as an operator sees it: a row for each item at each target, and for each file of
//! which nothing can be delivered.

use rusqlite::{Connection, Row, params};

use super::sql::State;
use crate::delivery::{ItemState, Stored};
use crate::file::{FileRef, Root};
use crate::id::Kind;

/// A row of the listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Absent from a file whose id is not known.
    pub id: Option<String>,
    pub kind: Kind,
    /// Absent where every target is in the same case.
    pub target: Option<String>,
    pub standing: Standing,
    /// The file; nothing when it is gone.
    pub file: Option<FileRef>,
    /// What is wrong, or was the last time.
    pub reason: Option<String>,
    /// Failures in a row.
    pub attempts: u32,
    /// When the file changed, in milliseconds since 1970.
    pub changed_ms: i64,
    /// When a target acknowledged it last.
    pub acked_ms: Option<i64>,
    pub warning: Option<String>,
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// An item at a target; when it was parked, where it is.
    Item(Stored, i64),
    /// A file with a problem.
    Invalid,
    /// An audio file whose report is not known.
    Unclaimed,
}

/// What to list. Nothing asked for is everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what may be in this state: whether a request is under way is not written down.
    pub state: Option<ItemState>,
    /// Only what contains this, in its id or its file's name.
    pub text: Option<String>,
    pub limit: usize,
}

/// Rows, the latest change first.
pub fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Listed>> {
    let text = filter.text.as_deref().unwrap_or_default();
    connection
        .prepare_cached(
            "SELECT content, kind, target.name, state, due_ms, root, file.name, error, failures,
                    changed_ms, acked_ms, warning
             FROM delivery JOIN item ON item.id = delivery.item
                           JOIN target ON target.id = delivery.target
                           LEFT JOIN file ON file.id = item.source
             WHERE (?1 >> state) & 1
             AND (?2 = '' OR instr(content, ?2) OR instr(CAST(file.name AS TEXT), ?2))
             UNION ALL
             SELECT NULL, root, NULL, NULL, 0, root, name, problem, 0, ctime_ns / 1000000, NULL,
                    NULL
             FROM file WHERE item IS NULL AND iif(problem IS NULL, ?4, ?5)
             AND (?2 = '' OR instr(CAST(name AS TEXT), ?2))
             ORDER BY changed_ms DESC LIMIT ?3",
        )?
        .query_map(
            params![
                stored_states(filter.state),
                text,
                filter.limit as i64,
                filter.state.is_none_or(|state| state == ItemState::Waiting),
                filter.state.is_none_or(|state| state == ItemState::Invalid),
            ],
            listed,
        )?
        .collect()
}

/// The numbers of `delivery.state` that may be in a state, as bits.
fn stored_states(state: Option<ItemState>) -> i64 {
    let bits: &[State] = match state {
        None => return i64::MAX,
        Some(ItemState::Current) => &[State::Current],
        Some(ItemState::Due) => &[State::Due],
        Some(ItemState::Waiting) => &[State::Due, State::WaitsForReport],
        // A file may change, or go, while its last version is under way.
        Some(ItemState::InFlight) => return i64::MAX,
        Some(ItemState::Parked) => &[State::Parked],
        Some(ItemState::Vanished) => &[State::Vanished],
        Some(ItemState::Invalid) => &[],
    };
    bits.iter().map(|state| 1 << *state as i64).sum()
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let root: Option<Root> = row.get(5)?;
    let name: Option<Vec<u8>> = row.get(6)?;
    let reason: Option<String> = row.get(7)?;
    let due_ms = row.get(4)?;
    let standing = match row.get::<_, Option<State>>(3)? {
        None if reason.is_some() => Standing::Invalid,
        None => Standing::Unclaimed,
        Some(state) => Standing::Item(stored(state, due_ms), due_ms),
    };
    Ok(Listed {
        id: row.get(0)?,
        kind: row.get(1)?,
        target: row.get(2)?,
        standing,
        file: root.zip(name).map(|(root, name)| FileRef::from_bytes(root, &name)),
        reason,
        attempts: row.get(8)?,
        changed_ms: row.get(9)?,
        acked_ms: row.get(10)?,
        warning: row.get(11)?,
    })
}

fn stored(state: State, due_ms: i64) -> Stored {
    match state {
        State::Current => Stored::Current,
        State::Due => Stored::Due { due_ms },
        State::WaitsForReport => Stored::WaitsForReport,
        State::Parked => Stored::Parked,
        State::Vanished => Stored::Vanished,
    }
}
