//! What is recorded of the files, for whoever looks at them again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::model::DeletedFile;
use crate::file::{FileRef, READ_ANEW, Root, Stamp};

/// The numbers of `file.cure`.
pub const ANOTHER_FILE: i64 = 0;
pub const CIRCUMSTANCES: i64 = 1;
pub const NOTHING_NEEDED: i64 = 2;
pub const MOVE: i64 = 3;

pub fn stamps(
    connection: &Connection,
    root: Root,
    after: Option<&[u8]>,
    limit: usize,
) -> rusqlite::Result<Vec<(FileRef, Stamp)>> {
    connection
        .prepare_cached(
            "SELECT size, mtime_ns, ctime_ns, inode, name FROM file
             WHERE root = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
        )?
        .query_map(params![root, after.unwrap_or_default(), limit as i64], |row| {
            let name = OsString::from_vec(row.get(4)?);
            Ok((FileRef::new(root, name), stamp_of(row)?))
        })?
        .collect()
}

pub fn stamp(connection: &Connection, file: &FileRef) -> rusqlite::Result<Option<Stamp>> {
    connection
        .prepare_cached(
            "SELECT size, mtime_ns, ctime_ns, inode FROM file WHERE root = ?1 AND name = ?2",
        )?
        .query_row(params![file.root, file.name_bytes()], stamp_of)
        .optional()
}

/// Reads a stamp from the first four columns.
pub fn stamp_of(row: &Row<'_>) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        size: row.get(0)?,
        mtime_ns: row.get(1)?,
        ctime_ns: row.get(2)?,
        inode: row.get(3)?,
    })
}

pub fn is_first_run(connection: &Connection, root: Root) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM first_run WHERE root = ?1)")?
        .query_row(params![root], |row| row.get(0))
}

pub fn end_first_run(connection: &Connection, root: Root) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO first_run (root) VALUES (?1)")?
        .execute(params![root])
        .map(drop)
}

/// What is recorded to be wrong with a file.
pub fn problem(connection: &Connection, file: &FileRef) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT problem FROM file WHERE root = ?1 AND name = ?2")?
        .query_row(params![file.root, file.name_bytes()], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Circumstances may have changed: forgets the stamps of the files that they kept from being
/// delivered, so that the next look is one at a changed file.
pub fn lift_obstacles(connection: &Connection, root: Root) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE file SET ctime_ns = ?2 WHERE root = ?1 AND problem IS NOT NULL AND cure = 1",
        )?
        .execute(params![root, READ_ANEW])
}

/// The files of a root are to be read by these rules. If they were read by others, all of their
/// stamps are forgotten, so that the next look is one at changed files. Says how many that are.
pub fn read_by(connection: &Connection, root: Root, rules: &str) -> rusqlite::Result<usize> {
    let is_news = connection
        .prepare_cached(
            "INSERT INTO reading (root, rules) VALUES (?1, ?2)
             ON CONFLICT (root) DO UPDATE SET rules = excluded.rules WHERE rules <> excluded.rules",
        )?
        .execute(params![root, rules])?;
    if is_news == 0 {
        return Ok(0);
    }
    connection
        .prepare_cached("UPDATE file SET ctime_ns = ?2 WHERE root = ?1 AND cure <> ?3")?
        .execute(params![root, READ_ANEW, MOVE])
}

/// The files of a root that were deleted at the dashboard, and are to be moved away.
pub fn deleted(connection: &Connection, root: Root) -> rusqlite::Result<Vec<DeletedFile>> {
    connection
        .prepare_cached(
            "SELECT size, mtime_ns, ctime_ns, inode, name, problem FROM file
             WHERE root = ?1 AND problem IS NOT NULL AND cure = ?2",
        )?
        .query_map(params![root, MOVE], |row| {
            let name: Vec<u8> = row.get(4)?;
            Ok(DeletedFile {
                file: FileRef::from_bytes(root, &name),
                stamp: stamp_of(row)?,
                why: row.get(5)?,
            })
        })?
        .collect()
}
