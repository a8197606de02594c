//! What an operator orders: try again, send again, forget, adopt, pause, and pair.

use rusqlite::{Connection, Row, ToSql, named_params, params};

use super::level;
use super::listing::stored;
use crate::delivery::Stored;
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind};

/// So many ids are named in an answer at the most.
const NAMED_MAX: usize = 1000;

/// Which deliveries an order concerns. Nothing asked for is everything.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub id: Option<ContentId>,
    pub kind: Option<Kind>,
    /// A target's name.
    pub target: Option<String>,
    /// Only those whose last failure contains this.
    pub reason: Option<String>,
    /// Only what changed at this moment or later, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Only what rows of the old database give, or only what files do.
    pub of_rows: Option<bool>,
}

/// What an order concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ordered {
    /// How many deliveries.
    pub changed: usize,
    /// Their ids, each once, the first thousand.
    pub ids: Vec<String>,
}

/// Which of the deliveries that are not level to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Whatever is due, waits for another try, is parked or was dropped.
    Open,
    /// What waits for another try, or is due.
    Due,
    Parked,
    Dropped,
}

impl Scope {
    /// The condition that a delivery and its item meet. What is not asked for is left out, so that
    /// one id is found by its index.
    fn condition(&self) -> String {
        let mut condition = "item.id = delivery.item".to_owned();
        if self.id.is_some() {
            condition.push_str(" AND item.kind IN (0, 1) AND item.content = :id");
        }
        if self.kind.is_some() {
            condition.push_str(" AND item.kind = :kind");
        }
        if self.target.is_some() {
            condition
                .push_str(" AND delivery.target = (SELECT id FROM target WHERE name = :target)");
        }
        if self.reason.is_some() {
            condition.push_str(" AND instr(coalesce(delivery.error, ''), :reason)");
        }
        if self.since_ms.is_some() {
            condition.push_str(" AND item.changed_ms >= :since");
        }
        if let Some(of_rows) = self.of_rows {
            let not = if of_rows { "" } else { "NOT " };
            condition.push_str(&format!(
                " AND {not}EXISTS (SELECT 1 FROM file WHERE file.id = item.source AND file.root = 2)"
            ));
        }
        condition
    }

    /// The same for what would be sent then. What was deleted at the dashboard is sent when it is
    /// named, and not among others.
    fn sendable(&self) -> String {
        let mut condition = self.condition();
        condition.push_str(" AND item.source IS NOT NULL");
        if self.id.is_none() {
            condition.push_str(" AND item.id NOT IN (SELECT item FROM grave)");
        }
        condition
    }
}

/// What is named is to be sent, whether it was deleted at the dashboard or not; or as soon as its
/// file is back.
fn exhume(connection: &Connection, scope: &Scope) -> rusqlite::Result<()> {
    let Some(id) = &scope.id else { return Ok(()) };
    let items = connection
        .prepare_cached(
            "DELETE FROM grave WHERE item IN (
                 SELECT id FROM item WHERE content = ?1 AND kind IN (0, 1)) RETURNING item",
        )?
        .query_map([id], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    // Why it was not sent is no failure to be told of.
    let mut forget = connection.prepare_cached(
        "UPDATE delivery SET error = NULL,
                state = iif((SELECT source FROM item WHERE id = ?1) IS NULL, 4, state)
         WHERE item = ?1",
    )?;
    items.into_iter().try_for_each(|item| forget.execute([item]).map(std::mem::drop))
}

/// What an order gives back of a delivery.
const CONTENT: &str = "(SELECT content FROM item WHERE id = delivery.item)";

/// The state of what is to be sent: audio waits for its report's acknowledgement.
const OPEN: &str = "
    iif(item.kind = 1 AND NOT EXISTS (
            SELECT 1 FROM delivery other JOIN item report ON report.id = other.item
            WHERE other.target = delivery.target AND report.kind = 0
            AND report.content = item.content AND other.known IS NOT NULL), 2, 1)";

/// Tries again at once, as if it had never failed.
pub fn retry(
    connection: &Connection,
    scope: &Scope,
    which: Retry,
    now_ms: i64,
) -> rusqlite::Result<Ordered> {
    let states = match which {
        Retry::Open => "1, 3, 5",
        Retry::Due => "1",
        Retry::Parked => "3",
        Retry::Dropped => "5",
    };
    if matches!(which, Retry::Open | Retry::Dropped) {
        exhume(connection, scope)?;
    }
    change(
        connection,
        &format!(
            "UPDATE delivery SET state = {OPEN}, due_ms = :now, failures = 0, strikes = 0
             FROM item WHERE {} AND delivery.state IN ({states}) RETURNING {CONTENT}",
            scope.sendable()
        ),
        scope,
        now_ms,
    )
}

/// How many deliveries are in each state.
pub fn states(connection: &Connection, scope: &Scope) -> rusqlite::Result<Vec<(Stored, usize)>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT state, due_ms, count(*) FROM delivery JOIN item ON {} GROUP BY state",
        scope.condition()
    ))?;
    let params = named_params! {
        ":id": scope.id, ":target": scope.target, ":reason": scope.reason, ":since": scope.since_ms,
    };
    let params: Vec<(&str, &dyn ToSql)> = params
        .iter()
        .copied()
        .filter(|(name, _)| matches!(statement.parameter_index(name), Ok(Some(_))))
        .collect();
    statement
        .query_map(params.as_slice(), |row| {
            let count: i64 = row.get(2)?;
            Ok((stored(row.get(0)?, row.get(1)?), count as usize))
        })?
        .collect()
}

/// Forgets what is to be sent until its file changes.
pub fn drop(connection: &Connection, scope: &Scope, now_ms: i64) -> rusqlite::Result<Ordered> {
    change(
        connection,
        &format!(
            "UPDATE delivery SET state = 5, due_ms = :now, failures = 0, strikes = 0
             FROM item WHERE {} AND delivery.state IN (1, 2, 3) RETURNING {CONTENT}",
            scope.condition()
        ),
        scope,
        now_ms,
    )
}

/// Sends again what a target holds already: what it is known to hold is forgotten, for a dashboard
/// that lost it, or that was wrongly said to have it.
pub fn resend(connection: &Connection, scope: &Scope, now_ms: i64) -> rusqlite::Result<Ordered> {
    exhume(connection, scope)?;
    // Audio goes after its report, which is not acknowledged any more, unless it goes alone.
    let state = if scope.kind == Some(Kind::Audio) { OPEN } else { "iif(item.kind = 1, 2, 1)" };
    change(
        connection,
        &format!(
            "UPDATE delivery SET known = NULL, fields = NULL, taken = NULL, failures = 0,
                    strikes = 0, error = NULL, due_ms = :now, state = {state}
             FROM item WHERE {} RETURNING {CONTENT}",
            scope.sendable()
        ),
        scope,
        now_ms,
    )
}

fn change(
    connection: &Connection,
    sql: &str,
    scope: &Scope,
    now_ms: i64,
) -> rusqlite::Result<Ordered> {
    let mut statement = connection.prepare_cached(sql)?;
    let params = named_params! {
        ":id": scope.id, ":kind": scope.kind, ":target": scope.target,
        ":reason": scope.reason, ":now": now_ms,
        ":since": scope.since_ms,
    };
    // Not every order asks for all of them.
    let params: Vec<(&str, &dyn ToSql)> = params
        .iter()
        .copied()
        .filter(|(name, _)| matches!(statement.parameter_index(name), Ok(Some(_))))
        .collect();
    let rows = statement.query_map(params.as_slice(), |row: &Row<'_>| row.get::<_, String>(0))?;
    let mut ordered = Ordered::default();
    for id in rows {
        ordered.add(id?);
    }
    Ok(ordered)
}

impl Ordered {
    fn add(&mut self, id: String) {
        self.changed += 1;
        // An id's report and audio, at several targets, come one after the other.
        if self.ids.len() < NAMED_MAX && self.ids.last() != Some(&id) && !self.ids.contains(&id) {
            self.ids.push(id);
        }
    }
}

/// Takes what was never acknowledged as delivered, for a dashboard that has it already. Only says
/// what that would be when it is a trial.
pub fn adopt(
    connection: &Connection,
    target: Option<&str>,
    trial: bool,
) -> rusqlite::Result<Ordered> {
    let open: Vec<(i64, i64, ContentId)> = connection
        .prepare_cached(
            "SELECT delivery.target, item.id, content
             FROM delivery JOIN item ON item.id = delivery.item
             WHERE delivery.state IN (1, 2, 3) AND delivery.known IS NULL
             AND item.source IS NOT NULL
             AND (?1 IS NULL OR delivery.target = (SELECT id FROM target WHERE name = ?1))
             ORDER BY content, kind",
        )?
        .query_map(params![target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut ordered = Ordered::default();
    for (target, item, content) in open {
        if !trial {
            level::adopt(connection, target, item)?;
        }
        ordered.add(content.to_string());
    }
    Ok(ordered)
}

/// Has the files looked at again of which nothing could be delivered; one of them, by its name, or
/// those whose problem contains something.
pub fn reread(
    connection: &Connection,
    name: Option<&[u8]>,
    reason: Option<&str>,
) -> rusqlite::Result<Vec<FileRef>> {
    connection
        .prepare_cached(
            "UPDATE file SET ctime_ns = 0
             WHERE item IS NULL AND problem IS NOT NULL AND cure <> 3
             AND (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR instr(problem, ?2))
             RETURNING root, name",
        )?
        .query_map(params![name, reason], |row| {
            let name: Vec<u8> = row.get(1)?;
            Ok(FileRef::from_bytes(row.get(0)?, &name))
        })?
        .collect()
}

/// Sets when a pause began, or that there is none; of one target or of all. Says how many changed.
pub fn pause(
    connection: &Connection,
    target: Option<&str>,
    since_ms: Option<i64>,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE target SET paused_ms = ?2
             WHERE (?1 IS NULL OR name = ?1) AND (paused_ms IS NULL) <> (?2 IS NULL)",
        )?
        .execute(params![target, since_ms])
}

/// The targets that are paused, and since when.
pub fn paused(connection: &Connection) -> rusqlite::Result<Vec<(i64, i64)>> {
    connection
        .prepare_cached("SELECT id, paused_ms FROM target WHERE paused_ms IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Remembers that an audio file was handed over with the report of an id, and has it read with that
/// in mind.
pub fn pair(connection: &Connection, file: &FileRef, content: &ContentId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO pair (name, content) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET content = excluded.content",
        )?
        .execute(params![file.name_bytes(), content])?;
    connection
        .prepare_cached("UPDATE file SET ctime_ns = 0 WHERE root = ?1 AND name = ?2")?
        .execute(params![Root::Exports, file.name_bytes()])
        .map(|_| ())
}
