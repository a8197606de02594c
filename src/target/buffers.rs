//! A few buffers that are used over and over. Each comes back by itself when whoever was given its
//! bytes lets go of them, so that a whole upload takes no more memory than they do.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;

/// Buffers begin with a page. What an allocator gives begins 16 bytes after one, and the kernel copies
/// more slowly to there, as BLAKE3 hashes more slowly from there.
const PAGE: usize = 4096;

/// Those that are not in use.
#[derive(Debug)]
pub struct Buffers {
    size: usize,
    /// How many may still be made: a small file does not need them all.
    unmade: usize,
    home: Sender<Box<[u8]>>,
    returned: Receiver<Box<[u8]>>,
}

/// One that is in use.
#[derive(Debug)]
pub struct Buffer {
    /// A page more than it is for.
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    home: Sender<Box<[u8]>>,
}

impl Buffers {
    /// So many at the most, of so many bytes each.
    pub fn new(count: usize, size: usize) -> Self {
        let (home, returned) = channel();
        Self { size, unmade: count, home, returned }
    }

    /// An empty one. Where all are in use, this waits until one is not.
    pub fn take(&mut self) -> Buffer {
        let bytes = self.returned.try_recv().unwrap_or_else(|_| self.make_or_wait());
        let start = bytes.as_ptr().align_offset(PAGE);
        Buffer { bytes, start, end: start, home: self.home.clone() }
    }

    fn make_or_wait(&mut self) -> Box<[u8]> {
        match self.unmade.checked_sub(1) {
            Some(unmade) => {
                self.unmade = unmade;
                vec![0; self.size + PAGE].into()
            }
            None => self.returned.recv().expect("its other end is here"),
        }
    }
}

impl Buffer {
    /// Reads until it is full or there is no more to read.
    ///
    /// # Errors
    /// The reader's own.
    pub fn fill(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let full = self.start + self.bytes.len() - PAGE;
        while self.end < full {
            match reader.read(&mut self.bytes[self.end..full]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What was read, for whoever sends it.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Whoever used them may be gone.
        let _unwanted = self.home.send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &mut Buffers, mut from: &[u8]) -> Bytes {
        let mut buffer = buffers.take();
        buffer.fill(&mut from).unwrap();
        buffer.into_bytes()
    }

    #[test]
    fn a_buffer_comes_back_when_the_last_of_its_bytes_is_let_go_of() {
        let mut buffers = Buffers::new(2, 4);
        let (one, mut two) = (filled(&mut buffers, b"one"), filled(&mut buffers, b"twofold"));
        assert!(one == "one" && two == "twof");
        assert!(one.as_ptr().addr() % PAGE == 0 && two.as_ptr().addr() % PAGE == 0);
        let (address, half) = (two.as_ptr(), two.split_to(2));
        drop(half);
        assert!(buffers.returned.try_recv().is_err(), "the other half is in use");
        std::thread::scope(|scope| {
            let third = scope.spawn(|| filled(&mut buffers, b"3"));
            drop(two);
            let third = third.join().unwrap();
            assert!(third == "3" && third.as_ptr() == address && one == "one");
        });
    }

    #[test]
    fn bytes_outlive_the_buffers() {
        let bytes = filled(&mut Buffers::new(1, 4), b"kept");
        assert_eq!(bytes, "kept");
    }
}
