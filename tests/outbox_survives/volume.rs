//! A small file system of its own, to be filled to the last block.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;

use crate::command;

/// Mounted until it is dropped.
pub struct Volume {
    dir: TempDir,
}

impl Volume {
    /// Makes and mounts one, with a file system of a kind; or with a `quota`, which is full before
    /// the volume is.
    ///
    /// # Errors
    /// Why this machine cannot.
    pub fn new(kind: &str) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (image, place) = (dir.path().join("image"), dir.path().join("volume"));
        fs::create_dir(&place).map_err(|error| error.to_string())?;
        let volume = Self { dir };
        let (image, place) = (image.to_str().unwrap(), place.to_str().unwrap());
        if kind == "tmpfs" {
            command(&["mount", "-t", "tmpfs", "-o", "size=24m", "none", place])?;
            return Ok(volume);
        }
        let (size, make): (u64, &[&str]) = match kind {
            "ext4" => (32, &["mkfs.ext4", "-q", image]),
            "xfs" => (300, &["mkfs.xfs", "-q", image]),
            "btrfs" | "quota" => (128, &["mkfs.btrfs", "-q", image]),
            other => return Err(format!("{other} is not known here")),
        };
        File::create(image)
            .and_then(|file| file.set_len(size << 20))
            .map_err(|error| error.to_string())?;
        command(make)?;
        let file_system = if kind == "quota" { "btrfs" } else { kind };
        command(&["mount", "-t", file_system, "-o", "loop", image, place])?;
        if kind == "quota" {
            // Its quotas are its own: they need no others in the kernel, and bind root too.
            command(&["btrfs", "quota", "enable", place])?;
            command(&["btrfs", "quota", "rescan", "-w", place])?;
            command(&["btrfs", "qgroup", "limit", "24M", place])?;
        }
        Ok(volume)
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    /// Fills it until not even one more byte can be written.
    pub fn fill(&self) {
        let filling = self.path().join("filling");
        fs::create_dir_all(&filling).expect("a directory");
        let big = File::create(filling.join("big")).expect("a file");
        let mut size: u64 = 0;
        for piece in [16 << 20, 1 << 20, 64 << 10, 4 << 10] {
            while fallocate(&big, FallocateFlags::empty(), size, piece).is_ok() {
                size += piece;
            }
        }
        // What is set apart for small things goes too.
        let mut full = 0;
        for n in 0..200_000 {
            match write(&filling.join(n.to_string()), &[b'x'; 900]) {
                Ok(()) => full = 0,
                Err(error) => {
                    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
                    assert!(kinds.contains(&error.kind()), "{error}");
                    full += 1;
                }
            }
            if full == 20 {
                return;
            }
        }
        panic!("the volume does not fill");
    }

    /// Takes away what filled it, at once: btrfs has the room back with its next transaction, which
    /// may be half a minute away.
    pub fn clear(&self) {
        fs::remove_dir_all(self.path().join("filling")).expect("the filling goes");
        let volume = File::open(self.path()).expect("the volume is there");
        rustix::fs::syncfs(volume).expect("the room is had back");
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    File::create(path)?.write_all(bytes)
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Nothing is mounted when the making failed.
        let _ = command(&["umount", "-l", &self.path().to_string_lossy()]);
    }
}
