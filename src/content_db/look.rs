//! A look into a SQLite file that belongs to another program: nothing is created, changed or left
//! behind beside it, and nobody is kept waiting for longer than a short read takes.
//!
//! SQLite's own `mode=ro` is not enough in WAL mode: it makes the files `-wal` and `-shm` where
//! they are missing, and refuses where it may not. So the log is read with an index in our own
//! memory and without SQLite's locks, which is sound as long as nothing moved the pages meanwhile:
//! that is looked at afterwards, and otherwise the look is taken again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::ContentDbError;
use crate::clock;

/// How long a locked or busily rewritten file is tried.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(25);

/// The kernel stamps files by a clock that ticks every few milliseconds. A file that was written
/// less long ago than this could be written again under the same stamp.
const TICK: Duration = Duration::from_millis(20);

/// A process loses its POSIX locks on a file when it closes any descriptor of it, so there is only
/// one look at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `read` on the file as it is at one moment. Blocking, and for no longer than a few seconds.
pub fn look<T>(
    path: &Path,
    read: impl Fn(&Connection) -> Result<T, ContentDbError>,
) -> Result<T, ContentDbError> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // SQLite names the log after what a link points to.
    let real = fs::canonicalize(path).map_err(|error| ContentDbError::file(path, error))?;
    let start = Instant::now();
    loop {
        if let Some(found) = attempt(path, &real, &read)? {
            return Ok(found);
        }
        if start.elapsed() >= PATIENCE {
            return Err(ContentDbError::Busy {
                path: path.to_owned(),
                seconds: PATIENCE.as_secs(),
            });
        }
        thread::sleep(PAUSE);
    }
}

/// One try. `None`: it was locked, or has changed meanwhile.
fn attempt<T>(
    path: &Path,
    real: &Path,
    read: impl Fn(&Connection) -> Result<T, ContentDbError>,
) -> Result<Option<T>, ContentDbError> {
    let at = |error| ContentDbError::file(path, error);
    let file = File::open(real).map_err(at)?;
    // Whoever closes the database last deletes its log, and whoever has it to himself writes to
    // it: neither can while we hold this, and all others can do whatever they like.
    match fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {}
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => return Ok(None),
        Err(error) => return Err(at(error.into())),
    }
    let how = How::of(path, &file, real)?;
    let before = Marks::of(real).map_err(at)?;
    if how != How::Locking && before.is_fresh(clock::now()) {
        return Ok(None);
    }
    let outcome = how
        .open(real)
        .map_err(|error| ContentDbError::sqlite(path, error))
        .and_then(|connection| read(&connection));
    let moved = how != How::Locking && Marks::of(real).map_err(at)? != before;
    match outcome {
        _ if moved => Ok(None),
        Err(ContentDbError::Sqlite { source, .. })
            if source.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
        {
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// How the file is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A rollback journal: SQLite's own locks do.
    Locking,
    /// WAL mode, and no log: all there is stands in the file.
    Still,
    /// WAL mode, with a log.
    Log,
}

impl How {
    fn of(path: &Path, file: &File, real: &Path) -> Result<Self, ContentDbError> {
        // https://www.sqlite.org/fileformat2.html: the magic string, then at 19 the version that a
        // reader must know: 1 for a rollback journal, 2 for WAL.
        let mut header = [0; 20];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(ContentDbError::NotADatabase(path.to_owned()));
            }
            Err(error) => return Err(ContentDbError::file(path, error)),
        }
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(ContentDbError::NotADatabase(path.to_owned()));
        }
        match header[19] {
            0 | 1 => Ok(How::Locking),
            2 => {
                let has_log = fs::metadata(log_of(real)).is_ok_and(|log| log.len() > 0);
                Ok(if has_log { How::Log } else { How::Still })
            }
            _ => Err(ContentDbError::Newer(path.to_owned())),
        }
    }

    fn open(self, real: &Path) -> rusqlite::Result<Connection> {
        let extra = match self {
            How::Locking => "",
            How::Still => "&immutable=1",
            // Without locks there is no shared memory either.
            How::Log => "&vfs=unix-none",
        };
        let name = percent_encode(real.as_os_str().as_bytes(), NON_ALPHANUMERIC);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(format!("file:{name}?mode=ro{extra}"), flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
        if self == How::Log {
            // Before the first read, so that the log's index is kept in our own memory.
            connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
        }
        Ok(connection)
    }
}

/// What changes when the pages of a file, or those of its log, are moved or overwritten. What is
/// only added to a log is nothing to a reader who has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Marks {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The first bytes of the log, with the salts that each new beginning of it changes.
    log: Option<[u8; 32]>,
}

impl Marks {
    fn of(real: &Path) -> std::io::Result<Self> {
        let file = fs::metadata(real)?;
        let mut header = [0; 32];
        let log = File::open(log_of(real)).and_then(|log| log.read_exact_at(&mut header, 0));
        Ok(Self {
            inode: file.ino(),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            log: log.is_ok().then_some(header),
        })
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        let modified = i128::from(self.modified.0) * 1_000_000_000 + i128::from(self.modified.1);
        (now.as_nanosecond() - modified).unsigned_abs() < TICK.as_nanos()
    }
}

/// Where SQLite keeps the log of a database.
pub fn log_of(real: &Path) -> PathBuf {
    let mut name = real.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
