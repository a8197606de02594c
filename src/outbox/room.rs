//! Room on the outbox's volume: a reserve that is given up when the volume is full, so that what
//! was delivered can still be marked, and since when it is full.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tracing::{error, info};

use super::beside;
use crate::clock;

/// The size of the reserve, in bytes.
const RESERVE: u64 = 4 << 20;

/// Since when the volume is full, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Fullness(Arc<AtomicI64>);

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
        if let Err(error) = make_reserve(outbox) {
            info!(%error, "there is no room for the outbox's reserve");
        }
        Self { outbox: outbox.to_owned(), full: Fullness::default() }
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
        if !self.is_full() || !has_room(&self.outbox) {
            return;
        }
        // A quota does not show in what the volume says of itself, but here.
        if make_reserve(&self.outbox).is_ok() {
            self.full.0.store(NOT_FULL, Ordering::Relaxed);
            info!(outbox = %self.outbox.display(), "the outbox's volume has room again");
        }
    }
}

/// Removes the reserve. Where every write needs new blocks, this alone gives some.
pub fn give_up_reserve(outbox: &Path) {
    let _there_is_none = fs::remove_file(beside(outbox, ".reserve"));
}

fn has_room(outbox: &Path) -> bool {
    let home = outbox.parent().filter(|home| !home.as_os_str().is_empty());
    statvfs(home.unwrap_or(Path::new("."))).is_ok_and(|volume| {
        is_roomy(volume.f_bavail * volume.f_frsize, volume.f_blocks * volume.f_frsize)
    })
}

/// Room for the reserve and as much again, so that it is not given up at once; or a good part of a
/// volume that is small.
fn is_roomy(available: u64, total: u64) -> bool {
    available >= (2 * RESERVE).min(total / 4)
}

fn make_reserve(outbox: &Path) -> io::Result<()> {
    let path = beside(outbox, ".reserve");
    if fs::metadata(&path).is_ok_and(|found| found.len() >= RESERVE) {
        return Ok(());
    }
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|file| match fallocate(&file, FallocateFlags::empty(), 0, RESERVE) {
            Err(rustix::io::Errno::OPNOTSUPP) => fill(file),
            other => Ok(other?),
        });
    if made.is_err() {
        let _nothing_was_made = fs::remove_file(&path);
    }
    made
}

/// Bytes that cannot be compressed, since where blocks are, zeros may take none.
fn fill(mut file: fs::File) -> io::Result<()> {
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut piece = [0; 64 << 10];
    for _ in 0..RESERVE / piece.len() as u64 {
        noise.fill(&mut piece);
        file.write_all(&piece)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_roomy_when_the_reserve_fits_twice_or_it_is_small_and_a_quarter_is_free() {
        const MIB: u64 = 1 << 20;
        for (available, total, roomy) in [
            (0, 1000 * MIB, false),
            (7 * MIB, 1000 * MIB, false),
            (8 * MIB, 1000 * MIB, true),
            (2 * MIB, 16 * MIB, false),
            (4 * MIB, 16 * MIB, true),
        ] {
            assert_eq!(is_roomy(available, total), roomy, "{available} of {total}");
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
    fn bytes_that_take_room_are_written_where_none_can_be_set_aside() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fill(file.reopen().unwrap()).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().len(), RESERVE);
    }
}
