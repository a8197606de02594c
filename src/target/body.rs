//! The body of an audio upload: a file that is hashed as it leaves, and held back at its last
//! bytes until it is known to be the one that was promised.

use std::io;
use std::sync::Arc;

use futures_util::stream::try_unfold;
use reqwest::Body;
use tokio::io::AsyncReadExt;

use super::progress::Progress;
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
    progress: Arc<Progress>,
}

impl AudioBody {
    /// `digest` is that of the bytes which must come.
    pub fn new(
        opened: OpenedFile,
        digest: Version,
        seconds: Option<i64>,
        progress: Arc<Progress>,
    ) -> Self {
        let size = u64::try_from(opened.stamp.size).unwrap_or(0);
        progress.begin(size);
        Self { opened, size, digest, seconds, progress }
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
    pub fn into_stream(self) -> (Body, Arc<Progress>) {
        let progress = self.progress;
        let state = Reading {
            left: self.size,
            file: self.opened,
            reader: None,
            digest: self.digest,
            hasher: blake3::Hasher::new(),
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
    progress: Arc<Progress>,
}

impl Reading {
    /// The next bytes. An error breaks the request off, so that the server never sees its end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.progress.advance(0);
        if self.left == 0 {
            return Ok(None);
        }
        if self.reader.is_none() {
            self.reader = Some(tokio::fs::File::from_std(self.file.file.try_clone()?));
        }
        let Some(reader) = self.reader.as_mut() else { return Ok(None) };
        let mut chunk = Vec::with_capacity(CHUNK.min(usize::try_from(self.left).unwrap_or(CHUNK)));
        // Never more than was announced, however much the file has grown.
        reader.take(self.left.min(CHUNK as u64)).read_buf(&mut chunk).await?;
        if chunk.is_empty() {
            return Err(self.changed());
        }
        self.hasher.update(&chunk);
        self.left -= chunk.len() as u64;
        self.progress.advance(chunk.len() as u64);
        if self.left == 0 {
            let same_bytes = Version::from_hash(&self.hasher.finalize()) == self.digest;
            if !same_bytes || !self.file.is_unchanged()? {
                return Err(self.changed());
            }
        }
        Ok(Some(chunk))
    }

    fn changed(&self) -> io::Error {
        self.progress.break_off();
        io::Error::other("the file changed while it was sent")
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
        let progress = Arc::new(Progress::default());
        let audio = AudioBody::new(opened, digest, None, progress);
        Reading {
            left: audio.size,
            file: audio.opened,
            reader: None,
            digest,
            hasher: blake3::Hasher::new(),
            progress: audio.progress,
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
        assert!(sent == bytes && reading.progress.done() == 300_000);
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
