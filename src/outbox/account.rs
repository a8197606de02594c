//! Everything that is recorded of one id, or of one file.

use rusqlite::{Connection, params};

use super::grave;
use super::history::{self, Attempted};
use super::known::stamp_of;
use super::listing::stored;
use super::summaries;
use super::waiting;
use crate::contract::Action;
use crate::delivery::Stored;
use crate::file::{FileRef, Root, Stamp};
use crate::id::{ContentId, Kind, Version};

/// So many attempts of each item are told at the most.
const ATTEMPTS: usize = 10;

/// What is recorded of a report, or of an audio file, as a thing to deliver.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemRecord {
    /// Its row.
    pub item: i64,
    pub kind: Kind,
    pub id: ContentId,
    pub want: Version,
    pub want_no: i64,
    /// When the file that made it so changed, in milliseconds since 1970.
    pub changed_ms: i64,
    /// When it was deleted at the dashboard, in milliseconds since 1970.
    pub buried_ms: Option<i64>,
    /// The file that gives the fields, or the bytes, comes first.
    pub files: Vec<FileRecord>,
    pub deliveries: Vec<DeliveryRecord>,
}

/// What is recorded of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRecord {
    pub file: FileRef,
    pub stamp: Stamp,
    /// It gives the fields, or the bytes, of its item.
    pub is_source: bool,
    /// The item that it belongs to.
    pub item: Option<(Kind, ContentId)>,
    /// The summaries in it.
    pub summaries: Vec<String>,
    /// Why nothing is delivered of it.
    pub problem: Option<String>,
    /// What audio waits for whose report is not known.
    pub waits: Option<String>,
}

/// How one target stands with an item. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRecord {
    pub target: String,
    /// Since when nothing is sent there, by order.
    pub paused_ms: Option<i64>,
    pub stored: Stored,
    /// When to try; since when it is parked or dropped.
    pub due_ms: i64,
    pub failures: u32,
    pub error: Option<String>,
    /// What audio waits for whose report the target has not acknowledged.
    pub waits: Option<String>,
    pub known: Option<Version>,
    pub known_no: Option<i64>,
    pub acked_ms: Option<i64>,
    /// What that was there.
    pub action: Option<Action>,
    pub summaries: Vec<String>,
    pub public_url: Option<String>,
    pub warning: Option<String>,
    /// The latest first.
    pub attempts: Vec<Attempted>,
}

/// The report and the audio of an id, as far as there are any.
pub fn of_id(connection: &Connection, id: &ContentId) -> rusqlite::Result<Vec<ItemRecord>> {
    let mut records: Vec<ItemRecord> = connection
        .prepare_cached(
            "SELECT id, kind, content, want, want_no, changed_ms FROM item
             WHERE kind IN (0, 1) AND content = ?1 ORDER BY kind",
        )?
        .query_map(params![id], |row| {
            Ok(ItemRecord {
                item: row.get(0)?,
                kind: row.get(1)?,
                id: row.get(2)?,
                want: row.get(3)?,
                want_no: row.get(4)?,
                changed_ms: row.get(5)?,
                buried_ms: None,
                files: Vec::new(),
                deliveries: Vec::new(),
            })
        })?
        .collect::<Result<_, _>>()?;
    for record in &mut records {
        record.buried_ms = grave::buried_ms(connection, record.item)?;
        record.files = files(connection, "file.item = ?1", params![record.item])?;
        record.files.sort_by_key(|file| !file.is_source);
        record.deliveries = deliveries(connection, record.item, id)?;
    }
    Ok(records)
}

/// The ids that have a report, in their order, from after one on.
pub fn ids(
    connection: &Connection,
    after: Option<&ContentId>,
    limit: usize,
) -> rusqlite::Result<Vec<ContentId>> {
    connection
        .prepare_cached(
            "SELECT content FROM item WHERE kind = 0 AND content > ?1 ORDER BY content LIMIT ?2",
        )?
        .query_map(params![after.map_or("", ContentId::as_str), limit as i64], |row| row.get(0))?
        .collect()
}

/// What is recorded of a file.
pub fn of_file(connection: &Connection, file: &FileRef) -> rusqlite::Result<Option<FileRecord>> {
    let (root, name) = (file.root, file.name_bytes());
    let found = files(connection, "file.root = ?1 AND file.name = ?2", params![root, name])?;
    Ok(found.into_iter().next())
}

fn files(
    connection: &Connection,
    which: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<FileRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT file.size, file.mtime_ns, file.ctime_ns, file.inode, root, name,
                    file.id IS item.source, item.kind, item.content, file.variants, problem
             FROM file LEFT JOIN item ON item.id = file.item WHERE {which}"
        ))?
        .query_map(params, |row| {
            let name: Vec<u8> = row.get(5)?;
            let kind: Option<Kind> = row.get(7)?;
            Ok(FileRecord {
                stamp: stamp_of(row)?,
                file: FileRef::from_bytes(row.get(4)?, &name),
                is_source: row.get(6)?,
                item: kind.zip(row.get(8)?),
                summaries: summaries::unpack(row.get_ref(9)?.as_blob_or_null()?)
                    .into_keys()
                    .collect(),
                problem: row.get(10)?,
                waits: None,
            })
        })?
        .map(|record| {
            let mut record = record?;
            let is_unclaimed = record.item.is_none() && record.problem.is_none();
            if is_unclaimed && record.file.root == Root::Exports {
                record.waits =
                    Some(waiting::for_a_report(connection, &record.file)?.in_full(connection)?);
            }
            Ok(record)
        })
        .collect()
}

fn deliveries(
    connection: &Connection,
    item: i64,
    id: &ContentId,
) -> rusqlite::Result<Vec<DeliveryRecord>> {
    let mut targets = Vec::new();
    let mut records: Vec<DeliveryRecord> = connection
        .prepare_cached(
            "SELECT target.id, target.name, paused_ms, state, due_ms, failures, error, known,
                    known_no, acked_ms, taken, public_url, warning, action
             FROM delivery JOIN target ON target.id = delivery.target
             WHERE delivery.item = ?1 ORDER BY target.id",
        )?
        .query_map(params![item], |row| {
            targets.push(row.get(0)?);
            let due_ms = row.get(4)?;
            Ok(DeliveryRecord {
                target: row.get(1)?,
                paused_ms: row.get(2)?,
                stored: stored(row.get(3)?, due_ms),
                due_ms,
                failures: row.get(5)?,
                error: row.get(6)?,
                waits: None,
                known: row.get(7)?,
                known_no: row.get(8)?,
                acked_ms: row.get(9)?,
                summaries: summaries::unpack(row.get_ref(10)?.as_blob_or_null()?)
                    .into_keys()
                    .collect(),
                public_url: row.get(11)?,
                warning: row.get(12)?,
                action: row.get(13)?,
                attempts: Vec::new(),
            })
        })?
        .collect::<Result<_, _>>()?;
    for (record, target) in records.iter_mut().zip(targets) {
        record.attempts = history::of(connection, target, item, ATTEMPTS)?;
        if record.stored == Stored::WaitsForReport {
            record.waits =
                Some(waiting::for_its_report(connection, &record.target, id)?.in_full(connection)?);
        }
    }
    Ok(records)
}
