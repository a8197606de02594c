//! What became of the latest attempts.

use rusqlite::{Connection, params};

use super::model::{Outcome, Settlement};

/// So many attempts are kept, whosever they were.
const KEPT: i64 = 5_000;
/// So many of the oldest make room together.
const ROOM: i64 = 64;

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// In milliseconds since 1970.
    pub at_ms: i64,
    pub outcome: Ended,
    /// Of HTTP; nothing where no answer came.
    pub status: Option<u16>,
    /// The target's words, or ours about why there are none.
    pub words: Option<String>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    Delivered,
    Failed,
    Parked,
    /// The target holds a version with a greater number.
    Superseded,
    /// Its file had changed.
    Changed,
}

impl Ended {
    pub const ALL: [Ended; 5] =
        [Ended::Delivered, Ended::Failed, Ended::Parked, Ended::Superseded, Ended::Changed];

    /// The word of the socket.
    pub fn as_str(self) -> &'static str {
        match self {
            Ended::Delivered => "delivered",
            Ended::Failed => "failed",
            Ended::Parked => "parked",
            Ended::Superseded => "superseded",
            Ended::Changed => "changed",
        }
    }
}

impl From<&Outcome> for Ended {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered { .. } => Ended::Delivered,
            Outcome::Failed { .. } | Outcome::Untouched { .. } => Ended::Failed,
            Outcome::Parked { .. } => Ended::Parked,
            Outcome::Superseded { .. } => Ended::Superseded,
            Outcome::Changed { .. } => Ended::Changed,
        }
    }
}

/// Keeps an attempt; the oldest make room.
pub fn keep(connection: &Connection, settlement: &Settlement) -> rusqlite::Result<()> {
    let ended = Ended::from(&settlement.outcome);
    let words = match &settlement.outcome {
        Outcome::Delivered { warning, .. } => warning.as_deref(),
        Outcome::Failed { error, .. }
        | Outcome::Untouched { error, .. }
        | Outcome::Parked { error } => Some(error.as_str()),
        Outcome::Superseded { .. } | Outcome::Changed { .. } => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO attempt (target, item, at_ms, outcome, status, words)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            settlement.target,
            settlement.item,
            settlement.at_ms,
            ended as i64,
            settlement.status,
            words
        ])?;
    let id = connection.last_insert_rowid();
    if id % ROOM == 0 {
        connection
            .prepare_cached("DELETE FROM attempt WHERE id <= ?1")?
            .execute(params![id - KEPT])?;
    }
    Ok(())
}

/// The attempts at an item for a target, the latest first.
pub fn of(
    connection: &Connection,
    target: i64,
    item: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Attempted>> {
    connection
        .prepare_cached(
            "SELECT at_ms, outcome, status, words FROM attempt
             WHERE item = ?2 AND target = ?1 ORDER BY id DESC LIMIT ?3",
        )?
        .query_map(params![target, item, limit as i64], |row| {
            let outcome: i64 = row.get(1)?;
            Ok(Attempted {
                at_ms: row.get(0)?,
                outcome: *usize::try_from(outcome)
                    .ok()
                    .and_then(|number| Ended::ALL.get(number))
                    .ok_or(rusqlite::Error::IntegralValueOutOfRange(1, outcome))?,
                status: row.get(2)?,
                words: row.get(3)?,
            })
        })?
        .collect()
}
