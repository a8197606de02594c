//! The body of an audio upload: a file that is hashed as it leaves, and held back at its last
//! bytes until it is known to be the one that was promised.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use reqwest::Body;
use tokio::sync::mpsc::UnboundedReceiver;

use super::ahead::{Piece, read_ahead};
use super::progress::{Broken, Progress};
use super::throttle::Throttle;
use crate::file::FileRef;
use crate::id::Version;
use crate::watch::{OpenedFile, Questions};

/// The most bytes that go in one turn, so that on a slow line something is seen to move.
const TURN: usize = 128 << 10;

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
            ahead: None,
            bytes: Bytes::new(),
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
    /// What is read of the file, from the first time on that some of it is wanted.
    ahead: Option<UnboundedReceiver<io::Result<Piece>>>,
    /// Those that were read and not sent.
    bytes: Bytes,
    questions: Questions,
    throttle: Throttle,
    progress: Arc<Progress>,
}

impl Reading {
    /// The next bytes. An error breaks the request off, so that the server never sees its end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            self.progress.advance(0);
            return Ok(None);
        }
        if self.bytes.is_empty() {
            self.bytes = match self.piece().await? {
                Piece::Bytes(bytes) => bytes,
                Piece::End(_) => return Err(self.broken_off(Broken::Changed)),
            };
        }
        let turn = self.throttle.turn(self.bytes.len().min(TURN));
        // Whoever waits for a turn has not stalled.
        self.throttle.wait(turn, || self.progress.beat()).await;
        let is_last = self.left == turn as u64;
        if is_last && !self.is_as_promised().await? {
            return Err(self.broken_off(Broken::Changed));
        }
        self.left -= turn as u64;
        self.progress.advance(turn as u64);
        Ok(Some(self.bytes.split_to(turn)))
    }

    /// What comes next of the file.
    async fn piece(&mut self) -> io::Result<Piece> {
        let ahead = self.ahead.get_or_insert_with(|| {
            let (file, opened) = (self.file.clone(), Arc::clone(&self.opened));
            read_ahead(file, opened, self.left, self.questions.clone())
        });
        self.progress.reads(true);
        let piece = ahead.recv().await.expect("an end or an error comes last");
        self.progress.reads(false);
        piece.map_err(|error| self.broken_off(Broken::Unreadable(error)))
    }

    /// Whether the bytes were those that must come, and the file is still unchanged after them.
    async fn is_as_promised(&mut self) -> io::Result<bool> {
        if !matches!(self.piece().await?, Piece::End(digest) if digest == self.digest) {
            return Ok(false);
        }
        let opened = Arc::clone(&self.opened);
        self.progress.reads(true);
        let asking = self
            .questions
            .ask(self.file.root, Some(&self.file.name), move |_| opened.is_unchanged());
        let is_unchanged = asking.await;
        self.progress.reads(false);
        is_unchanged.map_err(|error| self.broken_off(Broken::Unreadable(error)))
    }

    fn broken_off(&self, broken: Broken) -> io::Error {
        self.progress.break_off(broken);
        io::Error::other("the upload is broken off, since its file is not as it was")
    }
}

#[cfg(test)]
mod tests {
    use super::super::ahead::{BUFFERS, CHUNK};
    use super::*;
    use crate::config::RootPath;
    use crate::file::Root;
    use crate::watch::Directory;
    use std::fs::{self, File};
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;
    use std::time::Duration;

    /// It is read ahead as a whole.
    const SHORT: usize = 600_000;
    /// Of it no more is read ahead than some.
    const LONG: usize = 3 * BUFFERS * CHUNK;

    fn opened(root: &Path) -> (FileRef, OpenedFile) {
        let file = FileRef::new(Root::Exports, "a.mp3");
        let opened = Directory::open(&RootPath::from(root)).unwrap().open_file(&file.name).unwrap();
        (file, opened)
    }

    fn body(root: &Path, digest: Version) -> Reading {
        let (file, opened) = opened(root);
        AudioBody::new(file, opened, digest, None, Questions::default(), Arc::default())
            .into_reading(Throttle::default())
            .0
    }

    /// A directory with a file of these bytes.
    fn holding(bytes: &[u8]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.mp3"), bytes).unwrap();
        root
    }

    /// Reads on until the request is broken off, and says how many bytes came out.
    async fn to_the_break(reading: &mut Reading) -> usize {
        let mut sent = 0;
        loop {
            match reading.next().await {
                Ok(Some(bytes)) => sent += bytes.len(),
                Ok(None) => panic!("a torn file came to its end"),
                Err(_) => return sent,
            }
        }
    }

    #[tokio::test]
    async fn the_bytes_come_whole() {
        for size in [1, CHUNK - 1, CHUNK, CHUNK + 1, SHORT, LONG + 1] {
            let bytes: Vec<u8> = (0..size).map(|i| (i / 3) as u8).collect();
            let root = holding(&bytes);
            let mut reading = body(root.path(), Version::of(&bytes));
            let mut sent = Vec::new();
            while let Some(bytes) = reading.next().await.unwrap() {
                assert!(bytes.len() <= TURN);
                sent.extend(bytes);
            }
            assert!(sent == bytes && reading.progress.done() == size as u64, "{size}");
        }
    }

    /// Reads a file that is changed after its first bytes, and says how many of them came out.
    async fn torn(size: usize, change: impl FnOnce(&Path)) -> usize {
        let bytes = vec![1; size];
        let root = holding(&bytes);
        let mut reading = body(root.path(), Version::of(&bytes));
        let sent = reading.next().await.unwrap().unwrap().len();
        change(&root.path().join("a.mp3"));
        let sent = sent + to_the_break(&mut reading).await;
        assert!(matches!(reading.progress.broken_off(), Some(Broken::Changed)));
        sent
    }

    #[tokio::test]
    async fn a_file_that_changes_on_the_way_never_comes_to_its_end() {
        fn write(path: &Path, at: SeekFrom, bytes: &[u8]) {
            let mut file = File::options().write(true).open(path).unwrap();
            file.seek(at).unwrap();
            file.write_all(bytes).unwrap();
        }
        let cut = |path: &Path, to: usize| {
            File::options().write(true).open(path).unwrap().set_len(to as u64).unwrap();
        };
        for size in [SHORT, LONG] {
            let grown = torn(size, |path| write(path, SeekFrom::End(0), b"more"));
            assert!(grown.await < size, "grown from {size}");
            assert!(torn(size, |path| cut(path, size / 2)).await < size, "cut from {size}");
            let overwritten = torn(size, |path| write(path, SeekFrom::End(-100_000), b"x"));
            assert!(overwritten.await < size, "overwritten in {size}");
        }
        assert!(torn(LONG, |path| cut(path, LONG / 2)).await <= LONG / 2);
    }

    #[tokio::test]
    async fn a_file_that_is_another_than_was_promised_never_comes_to_its_end() {
        let root = holding(&[1; SHORT]);
        let mut reading = body(root.path(), Version::of(&[2; SHORT]));
        assert!(to_the_break(&mut reading).await < SHORT);
        assert!(matches!(reading.progress.broken_off(), Some(Broken::Changed)));
    }

    #[tokio::test]
    async fn turns_are_as_short_as_the_rate_asks_and_a_change_before_the_last_breaks_off() {
        let bytes = [1; 250_000];
        let root = holding(&bytes);
        let mut reading = body(root.path(), Version::of(&bytes));
        reading.throttle.set(&"400kB/s".parse().unwrap(), &jiff::tz::TimeZone::UTC);
        for _ in 0..2 {
            assert_eq!(reading.next().await.unwrap().unwrap().len(), 100_000);
        }
        // It was read as a whole long ago.
        fs::write(root.path().join("a.mp3"), b"another").unwrap();
        assert_eq!(to_the_break(&mut reading).await, 0);
        assert!(matches!(reading.progress.broken_off(), Some(Broken::Changed)));
    }

    #[tokio::test]
    async fn however_long_they_take_to_go_only_so_many_bytes_are_held() {
        let bytes = vec![1; LONG];
        let root = holding(&bytes);
        let mut reading = body(root.path(), Version::of(&bytes));
        let mut held = Vec::new();
        for _ in 0..BUFFERS * CHUNK / TURN {
            held.push(reading.next().await.unwrap().unwrap());
        }
        let opened = Arc::clone(&reading.opened);
        let chunks_read = || (&opened.file).stream_position().unwrap().div_ceil(CHUNK as u64);
        assert_eq!(chunks_read(), BUFFERS as u64);
        held.truncate(held.len() - CHUNK / TURN);
        held.push(reading.next().await.unwrap().unwrap());
        assert_eq!(chunks_read(), BUFFERS as u64 + 1);
    }

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_breaks_off_and_is_not_asked_again() {
        let root = holding(&[1; SHORT]);
        let (file, opened) = opened(root.path());
        let (never_written, holds) = std::io::pipe().unwrap();
        let opened =
            OpenedFile { file: std::os::fd::OwnedFd::from(never_written).into(), ..opened };
        let questions = Questions::new(Duration::from_millis(80));
        let digest = Version::of(&[1; SHORT]);
        let body =
            AudioBody::new(file.clone(), opened, digest, None, questions.clone(), Arc::default());
        let (mut reading, progress) = body.into_reading(Throttle::default());
        assert_eq!(to_the_break(&mut reading).await, 0);
        let Some(Broken::Unreadable(error)) = progress.broken_off() else { panic!("it hangs") };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let again = questions.ask(file.root, Some(&file.name), |_| Ok(())).await;
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(holds);
    }
}
