//! Why audio waits, in words: what is the matter with its report.

use rusqlite::{Connection, OptionalExtension, params};

use super::pairing;
use super::sql::State;
use crate::file::{FileRef, Printable, Root};
use crate::id::{ContentId, Kind};

/// Why audio waits, and by which keys its report may be known.
pub struct Waits {
    pub words: String,
    keys: Vec<String>,
}

impl Waits {
    /// The words, and the report file that may be at fault: every one that is invalid is looked at
    /// for that, which is too much to do for each row of a listing.
    pub fn in_full(self, connection: &Connection) -> rusqlite::Result<String> {
        let culprit = culprit(connection, &self.keys)?;
        Ok(self.words + &culprit)
    }
}

/// Why the audio of an id waits at a target, which has not acknowledged its report.
pub fn for_its_report(
    connection: &Connection,
    target: &str,
    id: &ContentId,
) -> rusqlite::Result<Waits> {
    let report = connection
        .prepare_cached(
            "SELECT state, error, item.id IN (SELECT item FROM grave)
             FROM item JOIN delivery ON delivery.item = item.id
             WHERE kind = ?1 AND content = ?2
             AND delivery.target = (SELECT id FROM target WHERE name = ?3)",
        )?
        .query_row(params![Kind::Report, id, target], |row| {
            Ok((row.get::<_, State>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?))
        })
        .optional()?;
    let error = |error: Option<String>| error.map(|error| format!(": {error}")).unwrap_or_default();
    let mut keys = Vec::new();
    let words = match report {
        Some((State::Parked, why, _)) => {
            format!("waits for its report, which is parked{}", error(why))
        }
        Some((State::Dropped, why, true)) => {
            format!("waits for its report, which was {}", why.as_deref().unwrap_or("deleted"))
        }
        Some((State::Dropped, _, false)) => {
            "waits for its report, which was dropped by order".to_owned()
        }
        Some((State::Due, why, _)) => {
            format!("waits for its report, which is not delivered yet{}", error(why))
        }
        _ => {
            keys.push(id.bare().to_owned());
            "waits for its report, whose file is gone or cannot be delivered".to_owned()
        }
    };
    Ok(Waits { words, keys })
}

/// Why an audio file waits whose report is not known.
pub fn for_a_report(connection: &Connection, file: &FileRef) -> rusqlite::Result<Waits> {
    let row = connection
        .prepare_cached("SELECT id FROM file WHERE root = ?1 AND name = ?2")?
        .query_row(params![file.root, file.name_bytes()], |row| row.get(0))?;
    let keys = pairing::keys_of(connection, row)?;
    // The likeliest reading comes first; the name of a report's file comes last.
    let (id, stem) = (keys.first().map_or("", String::as_str), file.stem());
    let name = FileRef::new(Root::Reports, format!("{stem}.{}", Root::Reports.extension()));
    let id = match id == stem && id.parse::<ContentId>().is_err() {
        true => String::new(),
        false => format!("about {}, or ", Printable(id.as_bytes())),
    };
    Ok(Waits { words: format!("waits for a report {id}in {name}"), keys })
}

/// A report file that cannot be delivered, and whose name has one of these in it.
fn culprit(connection: &Connection, keys: &[String]) -> rusqlite::Result<String> {
    let mut invalid = connection.prepare_cached(
        "SELECT name, problem FROM file INDEXED BY file_problem
         WHERE root = ?1 AND problem IS NOT NULL AND instr(CAST(name AS TEXT), ?2)
         ORDER BY name LIMIT 1",
    )?;
    for key in keys {
        let found = invalid
            .query_row(params![Root::Reports, key], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?))
            })
            .optional()?;
        if let Some((name, problem)) = found {
            let file = FileRef::from_bytes(Root::Reports, &name);
            return Ok(format!("; {file} may be it, and cannot be delivered: {problem}"));
        }
    }
    Ok(String::new())
}
