//! The body of an audio upload: a file that is hashed as it leaves, and held back at its last
//! bytes until it is known to be the one that was promised.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::try_unfold;
use reqwest::Body;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::throttle::Throttle;
use crate::id::Version;
use crate::watch::OpenedFile;

/// Bytes that are read, hashed and sent at a time.
const CHUNK: usize = 64 * 1024;

/// An audio file to be sent.
#[derive(Debug)]
pub struct AudioBody {
    opened: OpenedFile,
    size: u64,
    digest: Version,
    seconds: Option<i64>,
}

/// How far an upload has come.
#[derive(Debug)]
pub struct Progress {
    bytes: AtomicU64,
    changed: AtomicBool,
    last: Mutex<Instant>,
}

impl AudioBody {
    /// `digest` is that of the bytes which must come.
    pub fn new(opened: OpenedFile, digest: Version, seconds: Option<i64>) -> Self {
        let size = u64::try_from(opened.stamp.size).unwrap_or(0);
        Self { opened, size, digest, seconds }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Length of the audio.
    pub fn seconds(&self) -> Option<i64> {
        self.seconds
    }

    /// The body, and the means to look at its progress.
    pub fn into_stream(self, throttle: Throttle) -> (Body, Arc<Progress>) {
        let progress = Arc::new(Progress {
            bytes: AtomicU64::new(0),
            changed: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
        });
        let state = Reading {
            left: self.size,
            file: self.opened,
            reader: None,
            digest: self.digest,
            hasher: blake3::Hasher::new(),
            throttle,
            progress: Arc::clone(&progress),
        };
        let stream = try_unfold(state, |mut state| async move {
            Ok::<_, io::Error>(state.next().await?.map(|chunk| (chunk, state)))
        });
        (Body::wrap_stream(stream), progress)
    }
}

struct Reading {
    left: u64,
    file: OpenedFile,
    reader: Option<tokio::fs::File>,
    digest: Version,
    hasher: blake3::Hasher,
    throttle: Throttle,
    progress: Arc<Progress>,
}

impl Reading {
    /// The next bytes. An error breaks the request off, so that the server never sees its end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.progress.moved();
        if self.left == 0 {
            return Ok(None);
        }
        if self.reader.is_none() {
            self.reader = Some(tokio::fs::File::from_std(self.file.file.try_clone()?));
        }
        let Some(reader) = self.reader.as_mut() else { return Ok(None) };
        // Never more than was announced, however much the file has grown.
        let most = CHUNK.min(usize::try_from(self.left).unwrap_or(CHUNK));
        let turn = self.throttle.turn(most);
        // Whoever waits for a turn has not stalled.
        self.throttle.wait(turn, || self.progress.moved()).await;
        let mut chunk = Vec::with_capacity(turn);
        reader.take(turn as u64).read_buf(&mut chunk).await?;
        if chunk.is_empty() {
            return Err(self.changed());
        }
        self.hasher.update(&chunk);
        self.left -= chunk.len() as u64;
        self.progress.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if self.left == 0 {
            let same_bytes = Version::from_hash(&self.hasher.finalize()) == self.digest;
            if !same_bytes || !self.file.is_unchanged()? {
                return Err(self.changed());
            }
        }
        Ok(Some(chunk))
    }

    fn changed(&self) -> io::Error {
        self.progress.changed.store(true, Ordering::Relaxed);
        io::Error::other("the file changed while it was sent")
    }
}

impl Progress {
    /// Bytes that were handed to the connection so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the upload was broken off because the file is another than was promised.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Returns when nothing has moved for `patience`.
    pub async fn stalled(&self, patience: Duration) {
        loop {
            let until = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + patience;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn moved(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Directory;
    use std::ffi::OsStr;
    use std::path::Path;

    fn body(root: &Path, digest: Version) -> Reading {
        let opened = Directory::open(root).unwrap().open_file(OsStr::new("a.mp3")).unwrap();
        let audio = AudioBody::new(opened, digest, None);
        Reading {
            left: audio.size,
            file: audio.opened,
            reader: None,
            digest,
            hasher: blake3::Hasher::new(),
            throttle: Throttle::default(),
            progress: Arc::new(Progress {
                bytes: AtomicU64::new(0),
                changed: AtomicBool::new(false),
                last: Mutex::new(Instant::now()),
            }),
        }
    }

    #[tokio::test]
    async fn the_bytes_come_whole() {
        let root = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
        std::fs::write(root.path().join("a.mp3"), &bytes).unwrap();
        let mut reading = body(root.path(), Version::of(&bytes));
        let mut sent = Vec::new();
        while let Some(chunk) = reading.next().await.unwrap() {
            assert!(chunk.len() <= CHUNK);
            sent.extend(chunk);
        }
        assert!(sent == bytes && reading.progress.bytes() == 300_000);
    }

    /// Reads a file that is changed after its first chunk, and says how many bytes came out.
    async fn torn(change: impl FnOnce(&Path)) -> usize {
        let root = tempfile::tempdir().unwrap();
        let (path, bytes) = (root.path().join("a.mp3"), vec![1; 200_000]);
        std::fs::write(&path, &bytes).unwrap();
        let mut reading = body(root.path(), Version::of(&bytes));
        let mut sent = reading.next().await.unwrap().unwrap().len();
        change(&path);
        loop {
            match reading.next().await {
                Ok(Some(chunk)) => sent += chunk.len(),
                Ok(None) => panic!("a torn file came to its end"),
                Err(_) => break,
            }
        }
        assert!(reading.progress.changed());
        sent
    }

    #[tokio::test]
    async fn a_file_that_changes_on_the_way_never_comes_to_its_end() {
        use std::io::{Seek, Write};
        let write = |path: &Path| std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let grown = torn(|path| {
            let mut file = write(path);
            file.seek(std::io::SeekFrom::End(0)).unwrap();
            file.write_all(b"more").unwrap();
        });
        assert!(grown.await < 200_000);
        assert!(torn(|path| write(path).set_len(100_000).unwrap()).await <= 100_000);
        let overwritten = torn(|path| {
            let mut file = write(path);
            file.seek(std::io::SeekFrom::Start(150_000)).unwrap();
            file.write_all(b"x").unwrap();
        });
        assert!(overwritten.await < 200_000);
    }
}
