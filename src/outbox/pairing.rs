//! Which content an audio file belongs to: its name says so only together with the reports that are
//! known (contract B.3).

use rusqlite::{Connection, OptionalExtension, params};

use crate::file::Root;
use crate::id::ContentId;

/// Keeps what the name of an audio file may mean, the likeliest first.
pub fn remember(connection: &Connection, file: i64, keys: &[String]) -> rusqlite::Result<()> {
    forget(connection, file)?;
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO audio_key (key, file, place) VALUES (?1, ?2, ?3)")?;
    for (place, key) in keys.iter().enumerate() {
        insert.execute(params![key, file, place as i64])?;
    }
    Ok(())
}

/// The file is none any more whose name means anything.
pub fn forget(connection: &Connection, file: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM audio_key WHERE file = ?1")?.execute([file]).map(drop)
}

/// What the name of an audio file may mean, the likeliest first.
pub fn keys_of(connection: &Connection, file: i64) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT key FROM audio_key WHERE file = ?1 ORDER BY place")?
        .query_map([file], |row| row.get(0))?
        .collect()
}

/// The audio files whose name may mean a report, by its id or by the stem of its file.
pub fn candidates(
    connection: &Connection,
    id: &ContentId,
    stem: &str,
) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT DISTINCT file FROM audio_key WHERE key IN (?1, ?2, ?3)")?
        .query_map(params![id.bare(), id, stem], |row| row.get(0))?
        .collect()
}

/// The content that an audio file belongs to: that of the likeliest report that is there; else the
/// one that it `has`; else that of a report that was there.
pub fn content_of(
    connection: &Connection,
    keys: &[String],
    has: Option<ContentId>,
) -> rusqlite::Result<Option<ContentId>> {
    for key in keys {
        let found = match by_id(connection, key)? {
            Some((content, true)) => Some(content),
            _ => by_file(connection, key)?,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    if has.is_some() {
        return Ok(has);
    }
    for key in keys {
        if let Some((content, _)) = by_id(connection, key)? {
            return Ok(Some(content));
        }
    }
    Ok(None)
}

/// The report whose id this is, with its prefix or without, and whether a file stands for it.
fn by_id(connection: &Connection, key: &str) -> rusqlite::Result<Option<(ContentId, bool)>> {
    let exact = connection
        .prepare_cached(
            "SELECT content, source IS NOT NULL FROM item WHERE kind = 0 AND content = ?1",
        )?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // Audio that was handed over with its report has the whole id for a key.
    if key.contains(':') || matches!(exact, Some((_, true))) {
        return Ok(exact);
    }
    let prefixed = connection
        .prepare_cached(
            "SELECT content, source IS NOT NULL FROM item INDEXED BY item_bare
             WHERE kind = 0 AND instr(content, ':')
             AND substr(content, instr(content, ':') + 1) = ?1
             ORDER BY source IS NULL, id LIMIT 1",
        )?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match prefixed {
        Some((_, true)) => prefixed,
        _ => exact.or(prefixed),
    })
}

/// The report in the file with this stem, whose ending may be in capitals.
fn by_file(connection: &Connection, stem: &str) -> rusqlite::Result<Option<ContentId>> {
    let ending = Root::Reports.extension();
    // Capitals come before small letters.
    let (first, last) = (format!("{stem}.{}", ending.to_uppercase()), format!("{stem}.{ending}"));
    let mut between = connection.prepare_cached(
        "SELECT content, file.name FROM file JOIN item ON item.id = file.item
         WHERE file.root = 0 AND file.name BETWEEN ?1 AND ?2",
    )?;
    let mut rows = between.query(params![first.as_bytes(), last.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let name: Vec<u8> = row.get(1)?;
        let (head, tail) = name.split_at(stem.len().min(name.len()));
        if head == stem.as_bytes() && tail.eq_ignore_ascii_case(&last.as_bytes()[stem.len()..]) {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}
