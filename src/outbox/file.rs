//! The outbox's SQLite file: how it is opened, and what is done when it is not sound.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tracing::{error, info};

use super::fault::{Fault, fault};
use super::{OutboxError, beside, known, quarantine, register, schema};
use crate::clock;
use crate::file::Root;

/// The first SQLite without the race that can corrupt a database in WAL mode (`faults.md` 0.4).
const SQLITE_FLOOR: i32 = 3_051_003;

/// Up to this size, in bytes, every index is compared with its table at the start; that of a larger
/// file would take longer than everything else does.
const FULL_CHECK: u64 = 8 << 20;

/// Opens the outbox, creating it where there is none, and brings its schema up to date. A corrupt
/// one is moved aside and begun anew: the files on the disk are the truth, and the price is that
/// what was delivered is sent again.
///
/// # Errors
/// [`OutboxError::Newer`] and [`OutboxError::Foreign`] leave the file as it is.
pub fn open(path: &Path) -> Result<Connection, OutboxError> {
    if rusqlite::version_number() < SQLITE_FLOOR {
        return Err(OutboxError::OldSqlite(rusqlite::version()));
    }
    let connection = match open_sound(path) {
        Err(OutboxError::Corrupt { why, .. }) => {
            let to = quarantine::aside(path, clock::now())
                .map_err(|source| OutboxError::file(path, source))?;
            error!(outbox = %path.display(), moved_to = %to.display(), why,
                "the outbox was corrupt: it is moved aside and rebuilt from the files; what was \
                 delivered before is sent again, but for what was deleted at the dashboard");
            open_sound(path)?
        }
        outcome => outcome?,
    };
    // What was due is due again, and not to be adopted as delivered: not by a later start either,
    // when this one is killed before it has said so.
    if quarantine::has_happened(path) {
        for root in Root::SOURCES {
            known::end_first_run(&connection, root)?;
        }
    }
    Ok(connection)
}

/// Opens the outbox if it is sound.
fn open_sound(path: &Path) -> Result<Connection, OutboxError> {
    if let Some(why) = quarantine::suspicion(path) {
        return Err(OutboxError::corrupt(path, why));
    }
    ensure(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // EXCLUSIVE before WAL means no shared memory, which a full copy-on-write volume would turn
    // into a fatal signal (`faults.md` 0.3). The log is left in place when the connection closes:
    // its blocks are what a delivery is marked in on a full volume (`faults.md` 0.5).
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A statement has one plan, whatever its values are: it need not be prepared again for each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;",
    )?;
    // Nothing is written before this has passed.
    let version = check(&connection, path).map_err(|error| blame(path, error))?;
    prepare(&connection).map_err(|error| blame(path, error))?;
    if version == 0 {
        info!(outbox = %path.display(), "a new outbox is begun");
    }
    schema::migrate(&mut connection, version)?;
    register::level(&connection, path, version == 0)?;
    Ok(connection)
}

/// Sees to it that a regular file is there, and that it is ours to write.
fn ensure(path: &Path) -> Result<(), OutboxError> {
    let found = fs::metadata(path).ok();
    match &found {
        // What a container's mount of a file makes when the file is not there. A full one is
        // somebody's, and not moved.
        Some(found) if found.is_dir() => {
            let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            return Err(if is_empty {
                OutboxError::corrupt(path, "it is a directory")
            } else {
                OutboxError::Directory(path.to_owned())
            });
        }
        Some(found) if !found.is_file() => {
            let source = std::io::Error::other("is no regular file");
            return Err(OutboxError::file(path, source));
        }
        _ => {}
    }
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if has_log && found.is_none_or(|found| found.len() == 0) {
        return Err(OutboxError::corrupt(path, "it is empty, and its log is not"));
    }
    // Created here, since SQLite would let everybody read it.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OutboxError::file(path, source))?;
    Ok(())
}

/// Judges a copy of the outbox at `path`, as its opening would.
pub fn judge(copy: &Path, path: &Path) -> Result<(), OutboxError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags)?;
    check(&connection, path).map(drop).map_err(|error| blame(path, error))
}

/// Whether the file is sound, and which version it has.
fn check(connection: &Connection, path: &Path) -> Result<usize, OutboxError> {
    let version = schema::version(connection, path)?;
    if version == 0 {
        return Ok(version);
    }
    if !schema::is_shaped(connection, version)? {
        return Err(OutboxError::corrupt(path, "its tables are not those of its version"));
    }
    // The file system lets us write, so it is the file's header that does not.
    if connection.is_readonly("main")? {
        return Err(OutboxError::corrupt(path, "it says of itself that it is not to be written"));
    }
    let size = |suffix| fs::metadata(beside(path, suffix)).map_or(0, |file| file.len());
    let pragma =
        if size("") + size("-wal") < FULL_CHECK { "integrity_check" } else { "quick_check" };
    let verdict: String = connection
        .query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0))
        .map_err(OutboxError::from)?;
    if verdict != "ok" {
        return Err(OutboxError::corrupt(path, verdict.replace('\n', " ")));
    }
    let orphans: i64 =
        connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if orphans > 0 {
        return Err(OutboxError::corrupt(path, format!("{orphans} rows point nowhere")));
    }
    Ok(version)
}

fn prepare(connection: &Connection) -> Result<(), OutboxError> {
    connection.set_prepared_statement_cache_capacity(64);
    // FULL, since a parked item or an operator's word cannot be found again on the disk. What can be
    // is committed without waiting for it (see `writer`). The cache is what an idle daemon holds on
    // to of a burst, and the kernel keeps the file's pages anyway.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -512;
         PRAGMA foreign_keys = ON;
         PRAGMA journal_size_limit = 4194304;",
    )?;
    Ok(())
}

/// The statements of the opening are known to be good: when SQLite does not understand one, the file
/// has told it so.
fn blame(path: &Path, error: OutboxError) -> OutboxError {
    match &error {
        OutboxError::Sqlite(inner) if matches!(fault(inner), Fault::Corrupt | Fault::Statement) => {
            OutboxError::corrupt(path, inner.to_string())
        }
        _ => error,
    }
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

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
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
        let names = names(directory.path());
        assert!(!names.iter().any(|name| name.ends_with("-shm")), "{names:?}");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_log_is_left_in_place_with_all_its_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        let size = || fs::metadata(beside(&path, "-wal")).unwrap().len();
        let connection = open(&path).unwrap();
        let before = size();
        assert!(before > 0);
        drop(connection);
        assert_eq!(size(), before);
        drop(open(&path).unwrap());
        assert_eq!(size(), before);
    }

    #[test]
    fn another_programs_database_and_a_newer_schema_are_left_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let foreign = directory.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let before = fs::read(&foreign).unwrap();
        assert!(matches!(open(&foreign), Err(OutboxError::Foreign(_))));
        assert_eq!(fs::read(&foreign).unwrap(), before);

        let newer = directory.path().join("newer.db");
        open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let before = (fs::read(&newer).unwrap(), fs::read(beside(&newer, "-wal")).unwrap());
        assert!(matches!(open(&newer), Err(OutboxError::Newer { found: 99, .. })));
        let after = (fs::read(&newer).unwrap(), fs::read(beside(&newer, "-wal")).unwrap());
        assert!(before == after);
    }

    #[test]
    fn what_is_not_sound_is_moved_aside_and_begun_anew() {
        type Harm = fn(&Path);
        let cases: [(&str, Harm); 10] = [
            ("garbage", |path| {
                fold(path);
                fs::write(path, "not a database".repeat(1000)).unwrap();
            }),
            ("zeros", |path| {
                fold(path);
                fs::write(path, [0; 8192]).unwrap();
            }),
            ("empty, with a log", |path| fs::write(path, "").unwrap()),
            ("gone, with a log", |path| fs::remove_file(path).unwrap()),
            ("an empty directory", |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }),
            ("cut off", |path| {
                fold(path);
                OpenOptions::new().write(true).open(path).unwrap().set_len(9000).unwrap();
            }),
            ("a column of another name", |path| {
                let connection = Connection::open(path).unwrap();
                connection.execute_batch("ALTER TABLE file RENAME made_ms TO made").unwrap();
            }),
            ("a number that is not ours over tables that are", |path| {
                let connection = Connection::open(path).unwrap();
                connection.pragma_update(None, "application_id", 5).unwrap();
            }),
            ("a header that says not to be written", |path| patch(path, 18, &[3])),
            ("suspected", |path| quarantine::suspect(path, "it said so")),
        ];
        for (what, harm) in cases {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("outbox.db");
            let connection = open(&path).unwrap();
            connection.execute("INSERT INTO target (name) VALUES ('t')", []).unwrap();
            drop(connection);
            harm(&path);
            let connection = open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
            let targets = connection.query_row("SELECT count(*) FROM target", [], |r| r.get(0));
            assert_eq!(targets, Ok(0), "{what}");
            drop(connection);
            let aside: Vec<_> = names(directory.path())
                .into_iter()
                .filter(|name| name.starts_with("corrupt-"))
                .collect();
            assert_eq!(aside.len(), 1, "{what}: {aside:?}");

            // A kill before the new one was begun.
            fs::remove_file(&path).unwrap();
            fs::remove_file(beside(&path, "-wal")).unwrap();
            let connection = open(&path).unwrap_or_else(|error| panic!("{what}, again: {error}"));
            for root in Root::SOURCES {
                assert!(!known::is_first_run(&connection, root).unwrap(), "{what}: adopts");
            }
        }
    }

    #[test]
    fn a_directory_with_something_in_it_and_a_device_are_not_moved() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("photo.jpg"), "").unwrap();
        assert!(matches!(open(directory.path()), Err(OutboxError::Directory(_))));
        assert!(matches!(open(Path::new("/dev/null")), Err(OutboxError::File { .. })));
    }

    /// Brings everything from the log into the file: a whole log would make the file whole again.
    fn fold(path: &Path) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    }

    fn patch(path: &Path, at: u64, bytes: &[u8]) {
        use std::os::unix::fs::FileExt;
        fold(path);
        OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
    }
}
