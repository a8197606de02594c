//! A file that is read and hashed ahead of what is sent of it. One thread does so for the whole of
//! it, since a thread for each chunk takes longer to wake than a chunk takes to send.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::buffers::Buffers;
use crate::file::FileRef;
use crate::id::Version;
use crate::watch::{OpenedFile, Pulse, Questions};

/// Bytes that are read at a time: many enough that waking the sender for each lot is a small part of
/// the work, and few enough to be still at hand in the processor's caches when they are sent.
pub(super) const CHUNK: usize = 256 << 10;
/// So many chunks are in memory: hyper gathers two before it writes, one waits, and one is being read.
pub(super) const BUFFERS: usize = 4;

/// What comes of a file.
#[derive(Debug)]
pub enum Piece {
    /// The bytes that stand next in it.
    Bytes(Bytes),
    /// There are no more, or as many as were asked for, and this is what they all come to.
    End(Version),
}

/// Gives the first `size` bytes of a file piece by piece, and then the end or an error.
pub fn read_ahead(
    file: FileRef,
    opened: Arc<OpenedFile>,
    size: u64,
    questions: Questions,
) -> UnboundedReceiver<io::Result<Piece>> {
    // It never holds more than there are buffers.
    let (pieces, received) = unbounded_channel();
    let given = pieces.clone();
    let reading = move |pulse: &Pulse| {
        let give = |bytes| given.send(Ok(Piece::Bytes(bytes))).is_ok();
        read(&opened, size, pulse, give)
    };
    // A task of its own: a thread that hangs is counted even when nobody sends any more.
    tokio::spawn(async move {
        let end = questions.ask(file.root, Some(&file.name), reading).await;
        let _unwanted = pieces.send(end.map(Piece::End));
    });
    received
}

/// Reads until `give` says that nobody wants any more, or to the end.
fn read(
    opened: &OpenedFile,
    size: u64,
    pulse: &Pulse,
    give: impl Fn(Bytes) -> bool,
) -> io::Result<Version> {
    let mut file = pulse.of((&opened.file).take(size));
    let (mut buffers, mut hasher) = (Buffers::new(BUFFERS, CHUNK), blake3::Hasher::new());
    while hasher.count() < size {
        // A target that takes its time is not the file system's fault.
        let mut buffer = pulse.rest(|| buffers.take());
        buffer.fill(&mut file)?;
        let is_short = buffer.as_ref().is_empty();
        hasher.update(buffer.as_ref());
        if is_short || !give(buffer.into_bytes()) {
            break;
        }
    }
    Ok(Version::from_hash(&hasher.finalize()))
}
