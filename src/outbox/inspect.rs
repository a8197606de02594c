//! A look at an outbox from outside the daemon, which leaves it as it is.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{OutboxError, beside, file, quarantine};

/// What an outbox is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// There is none yet.
    Absent,
    /// A daemon has it: this process.
    InUse { holder: String },
    /// Nobody has it, and it is whole.
    Sound { bytes: u64 },
}

/// Judges the outbox as a daemon would at its start. Where none runs, it is done on a copy, since
/// SQLite could not read the log beside it without touching the file. Blocking.
///
/// # Errors
/// What a daemon would stop at, or mend.
pub fn inspect(path: &Path) -> Result<Inspected, OutboxError> {
    let at = |source| OutboxError::file(path, source);
    if let Some(holder) = holder(path) {
        return Ok(Inspected::InUse { holder });
    }
    let bytes = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(OutboxError::Directory(path.to_owned())),
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Inspected::Absent),
        Err(error) => return Err(at(error)),
    };
    if let Some(why) = quarantine::suspicion(path) {
        return Err(OutboxError::corrupt(path, why));
    }
    let scratch = tempfile::tempdir().map_err(at)?;
    let copy = scratch.path().join("outbox.db");
    fs::copy(path, &copy).map_err(at)?;
    match fs::copy(beside(path, "-wal"), beside(&copy, "-wal")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    let verdict = file::judge(&copy, path);
    // A daemon that started meanwhile has changed what was copied.
    match holder(path) {
        Some(holder) => Ok(Inspected::InUse { holder }),
        None => verdict.map(|()| Inspected::Sound { bytes }),
    }
}

/// Which process has the lock; nothing where none does, or there is no lock to be seen.
fn holder(path: &Path) -> Option<String> {
    let mut lock = File::open(beside(path, ".lock")).ok()?;
    // Shared, and let go of at once.
    let Err(TryLockError::WouldBlock) = lock.try_lock_shared() else { return None };
    let mut holder = String::new();
    let _unreadable_is_unknown = lock.read_to_string(&mut holder);
    Some(holder.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::lock::Lock;

    fn state(directory: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
        let mut state: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
            .collect();
        state.sort();
        state
    }

    #[test]
    fn an_outbox_is_judged_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        assert_eq!(inspect(&path).unwrap(), Inspected::Absent);
        assert_eq!(state(directory.path()), []);

        drop(file::open(&path).unwrap());
        let before = state(directory.path());
        assert!(matches!(inspect(&path).unwrap(), Inspected::Sound { .. }));
        assert!(state(directory.path()) == before);

        let lock = Lock::take(&path).unwrap();
        let holder = std::process::id().to_string();
        assert_eq!(inspect(&path).unwrap(), Inspected::InUse { holder });
        drop(lock);
        assert!(matches!(inspect(&path).unwrap(), Inspected::Sound { .. }));

        let mut bytes = fs::read(&path).unwrap();
        let _log_that_would_mend_it = fs::remove_file(beside(&path, "-wal"));
        bytes[100..].fill(0x55);
        fs::write(&path, &bytes).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, OutboxError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
