//! The body of an audio upload: a file that is hashed as it leaves, and held back at its last
//! bytes until it is known to be the one that was promised.

use std::io::{self, Read};
use std::sync::Arc;

use futures_util::stream::try_unfold;
use reqwest::Body;

use super::progress::{Broken, Progress};
use super::throttle::Throttle;
use crate::file::FileRef;
use crate::id::Version;
use crate::watch::{OpenedFile, Pulse, Questions};

/// Bytes that are read, hashed and sent at a time.
const CHUNK: u64 = 64 * 1024;

/// An audio file to be sent.
#[derive(Debug)]
pub struct AudioBody {
    file: FileRef,
    opened: OpenedFile,
    size: u64,
    digest: Version,
    seconds: Option<i64>,
    questions: Questions,
    progress: Arc<Progress>,
}

impl AudioBody {
    /// `digest` is that of the bytes which must come.
    pub fn new(
        file: FileRef,
        opened: OpenedFile,
        digest: Version,
        seconds: Option<i64>,
        questions: Questions,
        progress: Arc<Progress>,
    ) -> Self {
        let size = u64::try_from(opened.stamp.size).unwrap_or(0);
        progress.begin(size);
        Self { file, opened, size, digest, seconds, questions, progress }
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
        let (reading, progress) = self.into_reading(throttle);
        let stream = try_unfold(reading, |mut reading| async move {
            Ok::<_, io::Error>(reading.next().await?.map(|chunk| (chunk, reading)))
        });
        (Body::wrap_stream(stream), progress)
    }

    fn into_reading(self, throttle: Throttle) -> (Reading, Arc<Progress>) {
        let progress = self.progress;
        let reading = Reading {
            left: self.size,
            file: self.file,
            opened: Arc::new(self.opened),
            digest: self.digest,
            hasher: blake3::Hasher::new(),
            questions: self.questions,
            throttle,
            progress: Arc::clone(&progress),
        };
        (reading, progress)
    }
}

struct Reading {
    left: u64,
    file: FileRef,
    opened: Arc<OpenedFile>,
    digest: Version,
    hasher: blake3::Hasher,
    questions: Questions,
    throttle: Throttle,
    progress: Arc<Progress>,
}

impl Reading {
    /// The next bytes. An error breaks the request off, so that the server never sees its end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.left == 0 {
            self.progress.advance(0);
            return Ok(None);
        }
        let most = usize::try_from(self.left.min(CHUNK)).unwrap_or(usize::MAX);
        let turn = self.throttle.turn(most);
        // Whoever waits for a turn has not stalled.
        self.throttle.wait(turn, || self.progress.beat()).await;
        self.progress.reads(true);
        let chunk = self.read(turn as u64).await;
        self.progress.reads(false);
        let (chunk, is_unchanged) =
            chunk.map_err(|error| self.broken_off(Broken::Unreadable(error)))?;
        self.hasher.update(&chunk);
        self.left -= chunk.len() as u64;
        self.progress.advance(chunk.len() as u64);
        let is_other =
            || self.left == 0 && Version::from_hash(&self.hasher.finalize()) != self.digest;
        if chunk.is_empty() || !is_unchanged || is_other() {
            return Err(self.broken_off(Broken::Changed));
        }
        Ok(Some(chunk))
    }

    /// So many bytes that stand next in the file, and with the last of them whether it is unchanged.
    async fn read(&self, size: u64) -> io::Result<(Vec<u8>, bool)> {
        // Never more than was announced, however much the file has grown.
        let is_last = self.left <= size;
        let opened = Arc::clone(&self.opened);
        let reading = move |_: &Pulse| {
            let mut chunk = Vec::with_capacity(size as usize);
            (&opened.file).take(size).read_to_end(&mut chunk)?;
            Ok((chunk, !is_last || opened.is_unchanged()?))
        };
        self.questions.ask(self.file.root, Some(&self.file.name), reading).await
    }

    fn broken_off(&self, broken: Broken) -> io::Error {
        self.progress.break_off(broken);
        io::Error::other("the upload is broken off, since its file is not as it was")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RootPath;
    use crate::file::Root;
    use crate::watch::Directory;
    use std::path::Path;

    fn body(root: &Path, digest: Version) -> Reading {
        let file = FileRef::new(Root::Exports, "a.mp3");
        let opened = Directory::open(&RootPath::from(root)).unwrap().open_file(&file.name).unwrap();
        AudioBody::new(file, opened, digest, None, Questions::default(), Arc::default())
            .into_reading(Throttle::default())
            .0
    }

    #[tokio::test]
    async fn the_bytes_come_whole() {
        let root = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
        std::fs::write(root.path().join("a.mp3"), &bytes).unwrap();
        let mut reading = body(root.path(), Version::of(&bytes));
        let mut sent = Vec::new();
        while let Some(chunk) = reading.next().await.unwrap() {
            assert!(chunk.len() as u64 <= CHUNK);
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
        assert!(matches!(reading.progress.broken_off(), Some(Broken::Changed)));
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
