//! How the file is opened and which tables it has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// "YTVI": says whose file it is, also to `file(1)`.
const APPLICATION_ID: i64 = 0x5954_5649;

/// The oldest SQLite without the WAL-reset corruption race.
const SQLITE_FLOOR: i32 = 3_051_003;

/// Step n takes a file from `user_version` n to n + 1. A step that was released never changes.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// Before the first read: without shared memory only if the lock is exclusive before the WAL is
/// opened, and a file that was in use before is in WAL mode from the start.
const ALONE: &str = "PRAGMA locking_mode = EXCLUSIVE";

/// The WAL is never cut to nothing, since on a full disk it is the room that is left to write in.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA journal_size_limit = 4194304;
    PRAGMA mmap_size = 0;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
";

/// Why a file cannot be the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is the database of another program", .0.display())]
    Foreign(PathBuf),
    #[error("{} was written by a newer ytv2-ingest (schema {found}, this one knows {known})", .path.display())]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    #[error("the SQLite library {0} is too old: 3.51.3 is the first that keeps its WAL safe")]
    Library(&'static str),
    #[error("the database cannot be opened")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database's thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// Opens or makes the file, and leaves a foreign or newer one as it was.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_FLOOR {
        return Err(OpenError::Library(rusqlite::version()));
    }
    open_checked(path).map_err(|error| match error {
        OpenError::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            OpenError::InUse(path.to_owned())
        }
        OpenError::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            OpenError::Foreign(path.to_owned())
        }
        other => other,
    })
}

fn open_checked(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    // For a process that is just ending. Any other will not let go.
    db.busy_timeout(Duration::from_secs(2))?;
    db.execute_batch(ALONE)?;
    let number = |db: &Connection, what: &str| db.query_row(what, [], |row| row.get::<_, i64>(0));
    let owner = number(&db, "PRAGMA application_id")?;
    let tables = number(&db, "SELECT count(*) FROM sqlite_schema")?;
    if owner != APPLICATION_ID && (owner != 0 || tables != 0) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let found = usize::try_from(number(&db, "PRAGMA user_version")?).unwrap_or(usize::MAX);
    if found > MIGRATIONS.len() {
        let path = path.to_owned();
        return Err(OpenError::Newer { path, found, known: MIGRATIONS.len() });
    }
    db.execute_batch(PRAGMAS)?;
    // Or whatever could use an index of a part of the rows is planned anew with each value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(64);
    for (step, tables) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = db.transaction()?;
        transaction.execute_batch(tables)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or(0))?;
        transaction.commit()?;
    }
    Ok(db)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::sql;
    use super::*;
    use crate::contract::VISIBLE_VARIANTS;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        (dir, path)
    }

    #[test]
    fn a_file_opens_again_and_is_held_alone_without_shared_memory() {
        let (dir, path) = file();
        drop(open(&path).unwrap());
        let first = open(&path).unwrap();
        first.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
        assert!(matches!(open(&path), Err(OpenError::InUse(_))));
        assert!(!dir.path().join("store.db-shm").exists());
        let level: i64 = first.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!(level, 2);
    }

    #[test]
    fn a_statement_is_planned_once_whatever_it_is_asked() {
        let (_dir, path) = file();
        let db = open(&path).unwrap();
        for (id, times) in [("a", 1), ("b", 2), ("c", 3)] {
            let key = rusqlite::named_params! {":video_id": id, ":variant": "audio"};
            let mut latest = db.prepare_cached(sql::LATEST_SUMMARY).unwrap();
            assert!(!latest.exists(key).unwrap());
            assert_eq!(latest.get_status(StatementStatus::Run), times);
            assert_eq!(latest.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn what_makes_a_record_visible_is_said_once_more_and_no_different() {
        let names = VISIBLE_VARIANTS.map(|name| format!("'{name}'")).join(", ");
        let blanks_alike = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = blanks_alike(MIGRATIONS[2]).matches(&format!("IN ({names})")).count();
        assert_eq!(said, 2);
    }

    #[test]
    fn a_file_of_an_older_generation_knows_its_visible_records_again() {
        let (_dir, path) = file();
        let db = Connection::open(&path).unwrap();
        for (step, tables) in MIGRATIONS[..2].iter().enumerate() {
            db.execute_batch(tables).unwrap();
            db.pragma_update(None, "user_version", step as i64 + 1).unwrap();
        }
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        for (id, variant, html) in [
            ("shown", "audio", Some("h")),
            ("hidden", "audio", None),
            ("unlisted", "adaptive", Some("h")),
        ] {
            db.execute(
                "INSERT INTO content (video_id, title, channel_name, indexed_at, has_audio,
                                      created_at, updated_at) VALUES (?1, '', '', 0, 0, 0, 0)",
                [id],
            )
            .unwrap();
            let columns = "video_id, variant, revision, is_latest, text, html, created_at";
            let add = format!(
                "INSERT INTO content_summaries ({columns}) VALUES (?1, ?2, 1, 1, '', ?3, 0)"
            );
            db.execute(&add, rusqlite::params![id, variant, html]).unwrap();
        }
        drop(db);
        let db = open(&path).unwrap();
        let visible = "SELECT group_concat(video_id) FROM content WHERE visible = 1";
        let visible: String = db.query_row(visible, [], |row| row.get(0)).unwrap();
        assert_eq!(visible, "shown");
    }

    #[test]
    fn the_file_of_another_program_is_left_as_it_was() {
        let (_dir, path) = file();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(open(&path), Err(OpenError::Foreign(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);

        std::fs::write(&path, "this has never been a database".repeat(50)).unwrap();
        assert!(matches!(open(&path), Err(OpenError::Foreign(_))));
    }

    #[test]
    fn a_file_from_the_future_is_refused() {
        let (_dir, path) = file();
        open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&path), Err(OpenError::Newer { found: 99, .. })));
    }
}
