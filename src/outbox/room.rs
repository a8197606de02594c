//! Room on the outbox's volume: a reserve that is given up when the volume is full, so that what
//! was delivered can still be marked, and since when it is full.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tracing::{error, info};

use super::fault::{Fault, fault, may_lack_room};
use super::{beside, is_full};
use crate::clock;

/// The size of the reserve, in bytes; on a small volume it is less.
const RESERVE: u64 = 4 << 20;

/// Since when the volume is full, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Fullness(Arc<AtomicI64>);

/// So much fits where a write failed for another reason than want of room, in bytes. More than a
/// write of SQLite's, which may have left a little.
const PROBE: u64 = 1 << 20;

/// Stands for "not full": no clock says so.
const NOT_FULL: i64 = 0;

impl Fullness {
    pub fn since(&self) -> Option<Timestamp> {
        let since = self.0.load(Ordering::Relaxed);
        (since != NOT_FULL).then(|| Timestamp::from_millisecond(since).unwrap_or(Timestamp::MAX))
    }
}

/// The writer's own view of it.
#[derive(Debug)]
pub struct Room {
    outbox: PathBuf,
    full: Fullness,
}

impl Room {
    pub fn new(outbox: &Path) -> Self {
        let mut room = Self { outbox: outbox.to_owned(), full: Fullness::default() };
        // What was given up before stays for what it was given up for.
        if lacks_room(outbox) {
            room.make();
        }
        room
    }

    pub fn fullness(&self) -> Fullness {
        self.full.clone()
    }

    pub fn is_full(&self) -> bool {
        self.full.since().is_some()
    }

    /// Makes what room there can be made, and says once that the volume is full.
    pub fn make(&mut self) {
        give_up_reserve(&self.outbox);
        if !self.is_full() {
            self.full.0.store(clock::now_ms(), Ordering::Relaxed);
            error!(outbox = %self.outbox.display(),
                "the outbox's volume is full: nothing new is taken in until there is room on it; \
                 what is recorded goes on being delivered");
        }
    }

    /// Finds out whether a full volume has room again.
    pub fn look(&mut self) {
        if self.is_full() && !lacks_room(&self.outbox) {
            self.full.0.store(NOT_FULL, Ordering::Relaxed);
            info!(outbox = %self.outbox.display(), "the outbox's volume has room again");
        }
    }
}

/// What an error means for the outbox at this place: a write that failed while nothing can be
/// written beside it has found no room.
pub fn fault_at(outbox: &Path, error: &rusqlite::Error) -> Fault {
    match fault(error) {
        Fault::Disk if may_lack_room(error) && nothing_fits(outbox) => Fault::Full,
        fault => fault,
    }
}

fn nothing_fits(outbox: &Path) -> bool {
    let path = beside(outbox, ".probe");
    // A kill may have left it.
    let _there_is_none = fs::remove_file(&path);
    let written = create(&path).and_then(|file| fill(file, PROBE));
    let _nothing_was_made = fs::remove_file(path);
    written.is_err_and(|error| is_full(&error))
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes the reserve. Where every write needs new blocks, this alone gives some.
pub fn give_up_reserve(outbox: &Path) {
    let _there_is_none = fs::remove_file(beside(outbox, ".reserve"));
}

/// Whether there is no room for the reserve. Whatever else keeps it from being made, a file system
/// that knows no such thing say, is no reason to stand still.
fn lacks_room(outbox: &Path) -> bool {
    match make_reserve(outbox) {
        Ok(()) => false,
        Err(error) if is_full(&error) => true,
        Err(error) => {
            info!(%error, "the outbox has no reserve for a full volume");
            false
        }
    }
}

fn make_reserve(outbox: &Path) -> io::Result<()> {
    let path = beside(outbox, ".reserve");
    if fs::exists(&path)? {
        return Ok(());
    }
    let home = outbox.parent().filter(|home| !home.as_os_str().is_empty());
    let volume = statvfs(home.unwrap_or(Path::new(".")))?;
    let size = reserve_of(volume.f_blocks * volume.f_frsize);
    // As much again is left, so that the reserve is not given up at once.
    if volume.f_bavail * volume.f_frsize < 2 * size {
        return Err(io::ErrorKind::StorageFull.into());
    }
    // A quota does not show in what the volume says of itself, but here.
    let made =
        create(&path).and_then(|file| match fallocate(&file, FallocateFlags::empty(), 0, size) {
            Err(error) if !is_full(&error.into()) => fill(file, size),
            outcome => Ok(outcome?),
        });
    if made.is_err() {
        let _nothing_was_made = fs::remove_file(&path);
    }
    made
}

/// The size of the reserve on a volume of so many bytes.
fn reserve_of(total: u64) -> u64 {
    RESERVE.min(total / 16)
}

/// Bytes that cannot be compressed, since where blocks are, zeros may take none.
fn fill(mut file: fs::File, size: u64) -> io::Result<()> {
    io::copy(&mut blake3::Hasher::new().finalize_xof().take(size), &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_small_part_of_a_small_volume() {
        const MIB: u64 = 1 << 20;
        for (total, reserve) in
            [(1000 * MIB, 4 * MIB), (64 * MIB, 4 * MIB), (16 * MIB, MIB), (0, 0)]
        {
            assert_eq!(reserve_of(total), reserve, "{total}");
        }
    }

    #[test]
    fn the_reserve_is_given_up_on_a_full_volume_and_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = directory.path().join("outbox.db");
        let reserve = beside(&outbox, ".reserve");
        let mut room = Room::new(&outbox);
        assert_eq!(fs::metadata(&reserve).unwrap().len(), RESERVE);
        assert!(room.fullness().since().is_none());
        room.make();
        assert!(!reserve.exists() && room.fullness().since().is_some());
        room.look();
        assert_eq!(fs::metadata(&reserve).unwrap().len(), RESERVE);
        assert!(room.fullness().since().is_none());
    }

    #[test]
    fn a_write_that_failed_where_there_is_room_is_the_disks_fault() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = directory.path().join("outbox.db");
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_WRITE);
        let error = rusqlite::Error::SqliteFailure(failure, None);
        assert_eq!(fault_at(&outbox, &error), Fault::Disk);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn bytes_that_take_room_are_written_where_none_can_be_set_aside() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fill(file.reopen().unwrap(), RESERVE).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().len(), RESERVE);
    }
}
