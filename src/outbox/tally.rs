//! How much there is of what.

use rusqlite::{Connection, params};

use super::listing::stored;
use crate::delivery::{ItemState, state_of};

/// How many items are in each state at each target, and how many files at none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub items: Vec<Tallied>,
    /// Files of which nothing can be delivered.
    pub invalid: usize,
    /// Those of them that are none of the files that are delivered: no reason to worry.
    pub not_ours: usize,
    /// Audio files whose report is not known.
    pub unclaimed: usize,
}

/// Items of one target that are in one state.
#[derive(Clone, Debug, PartialEq)]
pub struct Tallied {
    pub target: String,
    pub state: ItemState,
    pub count: usize,
    /// How many of them were acknowledged with a reservation.
    pub warned: usize,
}

/// Counts what there is at a moment, without looking at single rows.
pub fn tally(connection: &Connection, now_ms: i64) -> rusqlite::Result<Tally> {
    let items = connection
        .prepare_cached(
            "SELECT target.name, state, due_ms > ?1, count(*), count(warning)
             FROM delivery JOIN target ON target.id = delivery.target GROUP BY 1, 2, 3",
        )?
        .query_map(params![now_ms], |row| {
            let due_ms = if row.get(2)? { i64::MAX } else { i64::MIN };
            Ok(Tallied {
                target: row.get(0)?,
                state: state_of(stored(row.get(1)?, due_ms), false, now_ms),
                count: row.get::<_, i64>(3)? as usize,
                warned: row.get::<_, i64>(4)? as usize,
            })
        })?
        .collect::<Result<_, _>>()?;
    let (invalid, unclaimed, not_ours): (i64, i64, i64) = connection
        .prepare_cached(
            "SELECT count(problem), count(*) - count(problem), count(iif(cure = 2, 1, NULL))
             FROM file WHERE item IS NULL",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Tally {
        items,
        invalid: invalid as usize,
        not_ours: not_ours as usize,
        unclaimed: unclaimed as usize,
    })
}
