//! The outbox's schema: its versions, how a file gets from one to the next, and whether a file has
//! the shape that its version says.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::OutboxError;

/// "yt2d": tells this file from any other SQLite database.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"yt2d");

/// Each takes the schema from its index to the next version (`PRAGMA user_version`).
const MIGRATIONS: [&str; 1] = [concat!(include_str!("schema.sql"), include_str!("tally.sql"))];

/// Which version a file says it has; 0 is none yet.
///
/// # Errors
/// [`OutboxError::Foreign`] and [`OutboxError::Newer`].
pub fn version(connection: &Connection, path: &Path) -> Result<usize, OutboxError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let names = shape(connection)?;
    let fresh = application == 0 && version == 0 && names.is_empty();
    if !fresh && application != APPLICATION_ID {
        // With our tables in it, the number is what is wrong.
        return Err(if names == shape_of(MIGRATIONS.len())? {
            OutboxError::corrupt(path, "it does not say what it is")
        } else {
            OutboxError::Foreign(path.to_owned())
        });
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(OutboxError::Newer { path: path.to_owned(), found: version }),
    }
}

/// Whether the tables and indexes are those of a version.
pub fn is_shaped(connection: &Connection, version: usize) -> rusqlite::Result<bool> {
    Ok(shape(connection)? == shape_of(version)?)
}

/// Brings the schema up to date.
pub fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    steps(connection, version, &MIGRATIONS)
}

/// A step is one transaction, its number included, so that a kill leaves the one or the other.
fn steps(connection: &mut Connection, version: usize, steps: &[&str]) -> rusqlite::Result<()> {
    for (step, sql) in steps.iter().enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", (step + 1) as i64)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A line for each column of each table and index. The text of the statements that made them is
/// left out: a comment in them is no part of the shape.
fn shape(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(
            "SELECT concat_ws(' ', s.type, s.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk)
             FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c WHERE s.type = 'table'
             UNION ALL
             SELECT concat_ws(' ', s.type, s.name, s.tbl_name, c.seqno, c.name, c.\"desc\", c.key)
             FROM sqlite_schema s JOIN pragma_index_xinfo(s.name) c WHERE s.type = 'index'
             UNION ALL
             SELECT concat_ws(' ', type, name) FROM sqlite_schema
             WHERE type NOT IN ('table', 'index')
             ORDER BY 1",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn shape_of(version: usize) -> rusqlite::Result<Vec<String>> {
    let mut model = Connection::open_in_memory()?;
    steps(&mut model, 0, &MIGRATIONS[..version])?;
    shape(&model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_version_1(path: &Path) -> Connection {
        let mut connection = Connection::open(path).unwrap();
        steps(&mut connection, 0, &MIGRATIONS[..1]).unwrap();
        connection.execute("INSERT INTO target (id, name) VALUES (7, 'kept')", []).unwrap();
        connection
    }

    #[test]
    fn a_step_that_breaks_off_leaves_the_version_before_it_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        let mut connection = at_version_1(&path);
        let broken = [MIGRATIONS[0], "ALTER TABLE target ADD COLUMN x TEXT; SELECT nonsense"];
        steps(&mut connection, 1, &broken).unwrap_err();
        assert_eq!(version(&connection, &path).unwrap(), 1);
        assert!(is_shaped(&connection, 1).unwrap());

        let mended = [MIGRATIONS[0], "ALTER TABLE target ADD COLUMN x TEXT"];
        steps(&mut connection, 1, &mended).unwrap();
        let row: (i64, String, Option<String>) = connection
            .query_row("SELECT id, name, x FROM target", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .unwrap();
        assert_eq!(row, (7, "kept".to_owned(), None));
        assert!(matches!(version(&connection, &path), Err(OutboxError::Newer { found: 2, .. })));
    }

    #[test]
    fn the_shape_is_that_of_the_columns_and_not_of_the_comments() {
        let rewritten = MIGRATIONS[0].replace("-- A thing to deliver", "-- One thing to deliver");
        assert_ne!(rewritten, MIGRATIONS[0]);
        for (sql, same) in [
            (rewritten.as_str(), true),
            (&MIGRATIONS[0].replace("want_no", "want_mo"), false),
            (&MIGRATIONS[0].replace("DEFAULT 0", "DEFAULT 8"), false),
            (&format!("{} DROP INDEX file_item;", MIGRATIONS[0]), false),
            (&format!("{} CREATE VIEW v AS SELECT 1;", MIGRATIONS[0]), false),
        ] {
            let mut connection = Connection::open_in_memory().unwrap();
            steps(&mut connection, 0, &[sql]).unwrap();
            assert_eq!(is_shaped(&connection, 1).unwrap(), same, "{sql}");
        }
    }
}
