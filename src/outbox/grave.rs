//! What was deleted at the dashboard: it stays away until a file says something new of it.
//!
//! A grave remembers what the files of an item said. Of several files that were deleted, any that
//! comes back says nothing new, alone or beside others.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::level;
use super::model::{Finding, Found};
use super::sql::State;
use super::summaries;
use crate::file::{FileRef, Root, Stamp};
use crate::id::{ContentId, Kind, Version};

/// Why a file is still there that was deleted a moment ago.
const TO_MOVE: &str = "deleted at the dashboard: it is to be moved to the trash";

/// What is deleted in one go: an id's report, its audio or both, and the files that are taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct Burial {
    /// Nothing, where no id is known of the files.
    pub id: Option<ContentId>,
    pub kinds: Vec<Kind>,
    /// Those that are there no more.
    pub files: Vec<FileRef>,
    /// Those that are, as they were seen: they are to be moved away.
    pub standing: Vec<(FileRef, Stamp)>,
}

/// One grave, by itself: what has to be known of a deletion where nothing else is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grave {
    pub kind: Kind,
    pub id: ContentId,
    /// In milliseconds since 1970.
    pub buried_ms: i64,
    /// Digests of whatever its files said.
    pub held: BTreeSet<Version>,
}

/// Records that files are gone, or are to be moved away, and that their items are not to be sent any
/// more. What targets were known to hold of them is forgotten, since it was deleted there. Gives the
/// graves that were dug.
pub fn bury(
    connection: &Connection,
    burials: &[Burial],
    now_ms: i64,
) -> rusqlite::Result<Vec<Grave>> {
    let mut graves = Vec::new();
    for burial in burials {
        let mut items = Vec::new();
        for kind in &burial.kinds {
            let Some(id) = &burial.id else { continue };
            // While the rows of its files are there to tell.
            if let Some(item) = item(connection, *kind, id)? {
                let (kind, id) = (*kind, id.clone());
                let held = held_by_files(connection, item)?;
                items.push((item, Grave { kind, id, buried_ms: now_ms, held }));
            }
        }
        let gone = burial.files.iter().map(|file| (file, Found::Gone(now_ms)));
        let standing = burial
            .standing
            .iter()
            .map(|(file, stamp)| (file, Found::Deleted(*stamp, TO_MOVE.to_owned())));
        let findings: Vec<Finding> = gone
            .chain(standing)
            .map(|(file, found)| Finding { file: file.clone(), found })
            .collect();
        level::record(connection, &findings, false, now_ms)?;
        for (item, grave) in items {
            dig(connection, item, &grave)?;
            graves.push(grave);
        }
        if let Some(id) = &burial.id
            && burial.kinds.contains(&Kind::Report)
            && !burial.kinds.contains(&Kind::Audio)
        {
            orphan_audio(connection, id)?;
        }
    }
    Ok(graves)
}

/// All graves.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Grave>> {
    connection
        .prepare_cached(
            "SELECT kind, content, buried_ms, held FROM grave JOIN item ON item.id = grave.item
             ORDER BY grave.item",
        )?
        .query_map([], |row| {
            let held = serde_json::from_str(row.get_ref(3)?.as_str()?).unwrap_or_default();
            Ok(Grave { kind: row.get(0)?, id: row.get(1)?, buried_ms: row.get(2)?, held })
        })?
        .collect()
}

/// Digs graves in an outbox that knows nothing yet. Of two of the same item the latter counts.
pub fn restore(connection: &Connection, graves: &[Grave]) -> rusqlite::Result<()> {
    for grave in graves {
        let item = level::item(connection, grave.kind, &grave.id, grave.buried_ms)?;
        dig(connection, item.id, grave)?;
    }
    Ok(())
}

/// The words for a deletion, as SQL: NULL where there was none.
pub fn reason(buried_ms: &str) -> String {
    format!("strftime('deleted at the dashboard on %Y-%m-%d', {buried_ms} / 1000, 'unixepoch')")
}

/// Since when an item lies in its grave, in milliseconds since 1970.
pub fn buried_ms(connection: &Connection, item: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT buried_ms FROM grave WHERE item = ?1")?
        .query_row([item], |row| row.get(0))
        .optional()
}

/// Whether an item was deleted, and all of this lies in its grave. If it was and something of this is
/// new, the grave is opened. Only a file opens one: the row of an old database may always have said
/// something else than the file did, and a database that is restored is no word of a person.
pub fn keeps(
    connection: &Connection,
    item: i64,
    source: i64,
    digests: impl IntoIterator<Item = Version>,
) -> rusqlite::Result<bool> {
    let Some(held) = held(connection, item)? else { return Ok(false) };
    let is_row: bool = connection
        .prepare_cached("SELECT root = ?2 FROM file WHERE id = ?1")?
        .query_row(params![source, Root::Rows], |row| row.get(0))?;
    if is_row {
        return Ok(true);
    }
    let keeps = digests.into_iter().all(|digest| held.contains(&digest));
    if !keeps {
        connection.prepare_cached("DELETE FROM grave WHERE item = ?1")?.execute([item])?;
    }
    Ok(keeps)
}

fn item(connection: &Connection, kind: Kind, id: &ContentId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM item WHERE kind = ?1 AND content = ?2")?
        .query_row(params![kind, id], |row| row.get(0))
        .optional()
}

/// What lies in the grave of an item; nothing, when it has none.
fn held(connection: &Connection, item: i64) -> rusqlite::Result<Option<BTreeSet<Version>>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT held FROM grave WHERE item = ?1")?
        .query_row([item], |row| row.get(0))
        .optional()?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or_default()))
}

/// What the files of an item say: the fields, or the bytes, and each summary.
fn held_by_files(connection: &Connection, item: i64) -> rusqlite::Result<BTreeSet<Version>> {
    let mut held = held(connection, item)?.unwrap_or_default();
    let mut files =
        connection.prepare_cached("SELECT digest, variants FROM file WHERE item = ?1")?;
    let mut rows = files.query([item])?;
    while let Some(row) = rows.next()? {
        held.extend(row.get::<_, Option<Version>>(0)?);
        held.extend(summaries::unpack(row.get_ref(1)?.as_blob_or_null()?).into_values());
    }
    Ok(held)
}

fn dig(connection: &Connection, item: i64, grave: &Grave) -> rusqlite::Result<()> {
    let held = serde_json::to_string(&grave.held).expect("digests are JSON");
    connection
        .prepare_cached(
            "INSERT INTO grave (item, buried_ms, held) VALUES (?1, ?2, ?3)
             ON CONFLICT (item) DO UPDATE SET held = excluded.held",
        )?
        .execute(params![item, grave.buried_ms, held])?;
    connection
        .prepare_cached(&format!(
            "UPDATE delivery SET state = ?2, due_ms = ?3, failures = 0, strikes = 0, error = {},
                    known = NULL, known_no = NULL, acked_ms = NULL, action = NULL, fields = NULL,
                    taken = NULL, public_url = NULL, warning = NULL
             WHERE item = ?1",
            reason("?3")
        ))?
        .execute(params![item, State::Dropped, grave.buried_ms])
        .map(drop)
}

/// The audio of a report that is not there any more goes when, and if, the report does.
fn orphan_audio(connection: &Connection, id: &ContentId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE delivery SET state = iif(state IN (0, 1), ?3, state), known = NULL,
                    known_no = NULL, public_url = NULL, failures = 0, strikes = 0
             WHERE item = (SELECT id FROM item WHERE kind = ?1 AND content = ?2
                           AND source IS NOT NULL)",
        )?
        .execute(params![Kind::Audio, id, State::WaitsForReport])
        .map(drop)
}
