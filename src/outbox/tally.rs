//! How much there is of what. Triggers keep the counts (`tally.sql`), so that asking costs the same
//! however many rows there are.

use rusqlite::{Connection, OptionalExtension, params};

use super::sql::State;
use crate::delivery::ItemState;
use crate::file::Root;
use crate::id::{ContentId, Kind};

/// How many items are in each state at each target, and how many files in each root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub items: Vec<Tallied>,
    /// The item of each target that has been due the longest.
    pub oldest_due: Vec<OldestDue>,
    /// Files that are recorded, in the order of [`Root::ALL`].
    pub files: [usize; 2],
    /// Rows of the old database that are recorded.
    pub rows: usize,
    /// Files, and rows, of which nothing can be delivered.
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

/// What a target has waited for the longest.
#[derive(Clone, Debug, PartialEq)]
pub struct OldestDue {
    pub target: String,
    pub kind: Kind,
    pub id: ContentId,
    /// In milliseconds since 1970.
    pub since_ms: i64,
}

/// So many rows are counted one by one: more would hold up whoever waits for the outbox.
const COUNTED_MAX: usize = 20_000;

const ITEMS: &str = "SELECT target.id, target.name, state, items, warned
    FROM tally JOIN target ON target.id = tally.target WHERE items > 0";
/// What waits for its next try, and what does not, as far as anybody counts.
const LATER: &str = "SELECT count(*) FROM (SELECT 1 FROM delivery
    WHERE target = ?1 AND state = 1 AND due_ms > ?2 LIMIT ?3)";
const NOW: &str = "SELECT count(*) FROM (SELECT 1 FROM delivery
    WHERE target = ?1 AND state = 1 AND due_ms <= ?2 LIMIT ?3)";
const OLDEST: &str = "SELECT kind, content, due_ms
    FROM delivery JOIN item ON item.id = delivery.item
    WHERE target = ?1 AND state = 1 AND due_ms <= ?2 ORDER BY due_ms LIMIT 1";
const FILES: &str = "SELECT root, standing, files FROM file_tally";

/// The counts of a moment.
pub fn tally(connection: &Connection, now_ms: i64) -> rusqlite::Result<Tally> {
    let mut tally = Tally::default();
    let mut items = connection.prepare_cached(ITEMS)?;
    let mut rows = items.query([])?;
    while let Some(row) = rows.next()? {
        let (id, target): (i64, String) = (row.get(0)?, row.get(1)?);
        let (count, warned) = (row.get::<_, i64>(3)? as usize, row.get::<_, i64>(4)? as usize);
        let state = match row.get(2)? {
            State::Current => ItemState::Current,
            State::WaitsForReport => ItemState::Waiting,
            State::Parked => ItemState::Parked,
            State::Vanished => ItemState::Vanished,
            State::Dropped => ItemState::Dropped,
            State::Due => {
                let later = later(connection, id, count, now_ms)?;
                let oldest = connection
                    .prepare_cached(OLDEST)?
                    .query_row(params![id, now_ms], |row| {
                        let (kind, id, since_ms) = (row.get(0)?, row.get(1)?, row.get(2)?);
                        Ok(OldestDue { target: target.clone(), kind, id, since_ms })
                    })
                    .optional()?;
                tally.oldest_due.extend(oldest);
                let (target, state) = (target.clone(), ItemState::Waiting);
                tally.items.push(Tallied { target, state, count: later, warned: 0 });
                let count = count - later;
                tally.items.push(Tallied {
                    target: row.get(1)?,
                    state: ItemState::Due,
                    count,
                    warned,
                });
                continue;
            }
        };
        tally.items.push(Tallied { target, state, count, warned });
    }
    let mut files = connection.prepare_cached(FILES)?;
    let mut rows = files.query([])?;
    while let Some(row) = rows.next()? {
        let (root, count): (Root, usize) = (row.get(0)?, row.get::<_, i64>(2)? as usize);
        match tally.files.get_mut(root as usize) {
            Some(files) => *files += count,
            None => tally.rows += count,
        }
        match row.get(1)? {
            1 => tally.invalid += count,
            2 => {
                tally.invalid += count;
                tally.not_ours += count;
            }
            3 => tally.unclaimed += count,
            _ => {}
        }
    }
    Ok(tally)
}

/// How many of the open items of a target wait for their next try. Where more than [`COUNTED_MAX`] do
/// and as many do not, it is not told apart what the rest does.
fn later(
    connection: &Connection,
    target: i64,
    open: usize,
    now_ms: i64,
) -> rusqlite::Result<usize> {
    let count = |sql| -> rusqlite::Result<usize> {
        let found: i64 = connection
            .prepare_cached(sql)?
            .query_row(params![target, now_ms, COUNTED_MAX as i64], |row| row.get(0))?;
        Ok(open.min(found as usize))
    };
    match count(LATER)? {
        COUNTED_MAX => Ok(open - count(NOW)?),
        few => Ok(few),
    }
}

/// Whether what the triggers keep is what counting gives; if not, where it is not.
#[cfg(test)]
pub fn miscount(connection: &Connection) -> Option<String> {
    let rows = |sql: &str| -> Vec<[i64; 4]> {
        connection
            .prepare_cached(sql)
            .unwrap()
            .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    [
        (
            "SELECT target, state, items, warned FROM tally WHERE items OR warned ORDER BY 1, 2",
            "SELECT target, state, count(*), count(warning) FROM delivery
             GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        (
            "SELECT root, standing, files, 0 FROM file_tally WHERE files ORDER BY 1, 2",
            "SELECT root, standing, count(*), 0 FROM file GROUP BY 1, 2 ORDER BY 1, 2",
        ),
    ]
    .into_iter()
    .map(|(kept, counted)| (rows(kept), rows(counted)))
    .find(|(kept, counted)| kept != counted)
    .map(|(kept, counted)| format!("the tally says {kept:?}, and there are {counted:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::file;

    #[test]
    fn no_count_looks_at_every_row() {
        let directory = tempfile::tempdir().unwrap();
        let connection = file::open(&directory.path().join("outbox.db")).unwrap();
        for sql in [ITEMS, LATER, NOW, OLDEST, FILES] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nulls = vec![None::<i64>; plan.parameter_count()];
            let steps: Vec<String> = plan
                .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(!steps.is_empty());
            for step in steps {
                let is_small = ["tally", "target", "subquery"].iter().any(|of| step.contains(of));
                assert!(!step.starts_with("SCAN") || is_small, "{step}: {sql}");
                assert!(!step.contains("TEMP B-TREE"), "{step}: {sql}");
            }
        }
    }

    #[test]
    fn what_waits_is_told_from_what_is_due_however_many_there_are() {
        let directory = tempfile::tempdir().unwrap();
        let connection = file::open(&directory.path().join("outbox.db")).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF; INSERT INTO target (id, name) VALUES (1, 't');
                 INSERT INTO delivery (target, item, state, due_ms)
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000)
                 SELECT 1, i, 1, i FROM n",
            )
            .unwrap();
        for now_ms in [0, 1, 5_000, 10_000, 15_000, 29_999, 30_000] {
            let later = later(&connection, 1, 30_000, now_ms).unwrap();
            assert_eq!(later as i64, 30_000 - now_ms, "{now_ms}");
        }
        assert_eq!(miscount(&connection), None);
    }
}
