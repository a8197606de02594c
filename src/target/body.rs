//! The body of an audio upload: a file that is hashed as it leaves, and held back at its last
//! bytes until it is known to be the one that was promised.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::try_unfold;
use reqwest::Body;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::progress::{Broken, Progress};
use super::throttle::Throttle;
use crate::file::FileRef;
use crate::id::Version;
use crate::watch::{OpenedFile, Pulse, Questions};

/// Bytes that are read, hashed and sent at a time: few where they go slowly, so that something is seen
/// to move, and more where waking a thread for each chunk takes longer than sending it.
const CHUNK: (u64, u64) = (128 * 1024, 1024 * 1024);
/// A chunk that has gone within this is a small one.
const SOON: Duration = Duration::from_millis(20);

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
            ahead: None,
            chunk: CHUNK.0,
            given: None,
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
    /// The bytes that are being read while those before them go, and how many they are.
    ahead: Option<(usize, JoinHandle<io::Result<Chunk>>)>,
    chunk: u64,
    /// When the last chunk was given away.
    given: Option<Instant>,
    questions: Questions,
    throttle: Throttle,
    progress: Arc<Progress>,
}

/// What was read at a time.
struct Chunk {
    bytes: Vec<u8>,
    /// Of all bytes so far.
    hasher: blake3::Hasher,
    /// Asked of the last bytes alone.
    is_unchanged: bool,
}

impl Reading {
    /// The next bytes. An error breaks the request off, so that the server never sees its end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.left == 0 {
            self.progress.advance(0);
            return Ok(None);
        }
        if let Some(given) = self.given {
            self.chunk = next_chunk(self.chunk, given.elapsed());
        }
        let turn = self.ahead.as_ref().map_or_else(|| self.turn(), |(size, _)| *size);
        // Whoever waits for a turn has not stalled.
        self.throttle.wait(turn, || self.progress.beat()).await;
        self.progress.reads(true);
        let chunk = match self.ahead.take() {
            Some((_, reading)) => reading.await.expect("a question does not panic"),
            None => self.read(turn).await,
        };
        self.progress.reads(false);
        let Chunk { bytes, hasher, is_unchanged } =
            chunk.map_err(|error| self.broken_off(Broken::Unreadable(error)))?;
        self.hasher = hasher;
        self.left -= bytes.len() as u64;
        self.progress.advance(bytes.len() as u64);
        let is_other =
            || self.left == 0 && Version::from_hash(&self.hasher.finalize()) != self.digest;
        if bytes.is_empty() || !is_unchanged || is_other() {
            return Err(self.broken_off(Broken::Changed));
        }
        self.read_ahead();
        self.given = Some(Instant::now());
        Ok(Some(bytes))
    }

    /// How many bytes to send in the next turn.
    fn turn(&self) -> usize {
        let most = usize::try_from(self.left.min(self.chunk)).unwrap_or(usize::MAX);
        self.throttle.turn(most)
    }

    /// Has the next bytes read while these go; not the last ones, since it is with them that the
    /// file must be unchanged.
    fn read_ahead(&mut self) {
        let turn = self.turn();
        if (turn as u64) < self.left {
            self.ahead = Some((turn, tokio::spawn(self.read(turn))));
        }
    }

    /// So many bytes that stand next in the file, and with the last of them whether it is unchanged.
    fn read(&mut self, size: usize) -> impl Future<Output = io::Result<Chunk>> + Send + 'static {
        // Never more than was announced, however much the file has grown.
        let is_last = self.left <= size as u64;
        let (opened, questions) = (Arc::clone(&self.opened), self.questions.clone());
        let (file, mut hasher) = (self.file.clone(), std::mem::take(&mut self.hasher));
        let reading = move |_: &Pulse| {
            let mut bytes = Vec::with_capacity(size);
            (&opened.file).take(size as u64).read_to_end(&mut bytes)?;
            hasher.update(&bytes);
            let is_unchanged = !is_last || opened.is_unchanged()?;
            Ok(Chunk { bytes, hasher, is_unchanged })
        };
        async move { questions.ask(file.root, Some(&file.name), reading).await }
    }

    fn broken_off(&self, broken: Broken) -> io::Error {
        self.progress.break_off(broken);
        io::Error::other("the upload is broken off, since its file is not as it was")
    }
}

/// How many bytes to send at a time, after so many went within `took`.
fn next_chunk(bytes: u64, took: Duration) -> u64 {
    match took < SOON {
        true => (2 * bytes).min(CHUNK.1),
        false => CHUNK.0,
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
        let bytes: Vec<u8> = (0..500_000_u32).map(|i| i as u8).collect();
        std::fs::write(root.path().join("a.mp3"), &bytes).unwrap();
        let mut reading = body(root.path(), Version::of(&bytes));
        let mut sent = Vec::new();
        while let Some(chunk) = reading.next().await.unwrap() {
            assert!(chunk.len() as u64 <= CHUNK.1);
            sent.extend(chunk);
        }
        assert!(sent == bytes && reading.progress.done() == 500_000);
    }

    /// Reads a file that is changed after its first chunk, and says how many bytes came out.
    async fn torn(change: impl FnOnce(&Path)) -> usize {
        let root = tempfile::tempdir().unwrap();
        let (path, bytes) = (root.path().join("a.mp3"), vec![1; 600_000]);
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
        assert!(grown.await < 600_000);
        assert!(torn(|path| write(path).set_len(300_000).unwrap()).await <= 300_000);
        let overwritten = torn(|path| {
            let mut file = write(path);
            file.seek(std::io::SeekFrom::Start(500_000)).unwrap();
            file.write_all(b"x").unwrap();
        });
        assert!(overwritten.await < 600_000);
    }

    #[test]
    fn chunks_grow_while_they_go_soon_and_are_small_again_when_one_does_not() {
        let (small, large) = CHUNK;
        for (bytes, took, next) in [
            (small, Duration::ZERO, 2 * small),
            (large / 2 + 1, Duration::ZERO, large),
            (large, Duration::ZERO, large),
            (large, SOON, small),
        ] {
            assert_eq!(next_chunk(bytes, took), next, "{bytes} in {took:?}");
        }
    }
}
