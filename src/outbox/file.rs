//! The outbox's SQLite file: how it is opened, and its migrations.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::OutboxError;

/// "yt2d": tells this file from any other SQLite database.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"yt2d");

/// Each takes the schema from its index to the next version (`PRAGMA user_version`).
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The first SQLite without the race that can corrupt a database in WAL mode (`faults.md` 0.4).
const SQLITE_FLOOR: i32 = 3_051_003;

/// Opens the outbox, creating it where there is none, and brings its schema up to date.
///
/// # Errors
/// [`OutboxError::Newer`] and [`OutboxError::Foreign`] leave the file as it is.
pub fn open(path: &Path) -> Result<Connection, OutboxError> {
    if rusqlite::version_number() < SQLITE_FLOOR {
        return Err(OutboxError::OldSqlite(rusqlite::version()));
    }
    // Created here, since SQLite would let everybody read it.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OutboxError::File { path: path.to_owned(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), OutboxError> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // EXCLUSIVE before WAL means no shared memory, which a full copy-on-write volume would turn
    // into a fatal signal (`faults.md` 0.3). FULL, since a parked item or an operator's word
    // cannot be found again on the disk.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA journal_size_limit = 4194304;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;",
    )?;
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OutboxError> {
    let pragma = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0))
    };
    let (application, version) =
        (pragma(connection, "application_id")?, pragma(connection, "user_version")?);
    let tables: i32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = application == 0 && version == 0 && tables == 0;
    if !fresh && application != APPLICATION_ID {
        return Err(OutboxError::Foreign(path.to_owned()));
    }
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(OutboxError::Newer { path: path.to_owned(), found: version });
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", (step + 1) as i64)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> String {
        let value: rusqlite::types::Value =
            connection.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_file_is_opened_durable_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        let connection = open(&path).unwrap();
        for (name, value) in [
            ("journal_mode", "wal"),
            ("locking_mode", "exclusive"),
            ("synchronous", "2"),
            ("foreign_keys", "1"),
            ("mmap_size", "0"),
        ] {
            assert_eq!(pragma(&connection, name), value, "{name}");
        }
        let names: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(!names.iter().any(|name| name.ends_with("-shm")), "{names:?}");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_programs_database_and_a_newer_schema_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let foreign = directory.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(open(&foreign), Err(OutboxError::Foreign(_))));

        let newer = directory.path().join("newer.db");
        open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&newer), Err(OutboxError::Newer { found: 99, .. })));
    }
}
