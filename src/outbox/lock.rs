//! The lock beside the outbox: one daemon at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::OutboxError;

/// Held for as long as the daemon lives; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the outbox at `path`.
    ///
    /// # Errors
    /// [`OutboxError::Locked`] names the process that holds it.
    pub fn take(path: &Path) -> Result<Self, OutboxError> {
        let lock_path = beside(path);
        let at = |source| OutboxError::File { path: lock_path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unreadable_is_unknown = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "unknown".to_owned(),
                    pid => pid.to_owned(),
                };
                return Err(OutboxError::Locked { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(at(source)),
        }
        file.set_len(0).map_err(at)?;
        file.rewind().map_err(at)?;
        writeln!(file, "{}", std::process::id()).map_err(at)?;
        Ok(Self { _file: file })
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        let first = Lock::take(&path).unwrap();
        let OutboxError::Locked { holder, .. } = Lock::take(&path).unwrap_err() else {
            panic!("not locked")
        };
        assert_eq!(holder, std::process::id().to_string());
        drop(first);
        Lock::take(&path).unwrap();
    }
}
