//! The lock beside the outbox: one daemon at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{OutboxError, beside};

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
        let lock_path = beside(path, ".lock");
        let at = |source| OutboxError::file(&lock_path, source);
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
        let _full_disk_keeps_nobody_out = sign(&mut file);
        Ok(Self { _file: file })
    }
}

/// Writes down who holds it, over what stood there, whose block there is.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    let end = file.stream_position()?;
    file.set_len(end)
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

    #[test]
    fn the_lock_file_of_a_process_that_died_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.db");
        let lock_path = beside(&path, ".lock");
        std::fs::write(&lock_path, "4194305 and more\n").unwrap();
        let _lock = Lock::take(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&lock_path).unwrap(),
            format!("{}\n", std::process::id())
        );
    }
}
