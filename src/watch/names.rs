//! The names in a directory, however many there are: in one piece of memory, which goes back to the
//! system whole.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

/// So many bytes are asked for at the beginning, twice. They are there only as they are written to,
/// and more than an allocator ever keeps for itself: glibc's gives back whatever is larger than 32 MB,
/// and of less it would hold on to the room of a look for each thread that ever made one.
const ROOM: usize = 33 << 20;

/// Names, of which the first is the next to be dealt with.
#[derive(Debug)]
pub struct Names {
    bytes: Vec<u8>,
    /// Where in the bytes each of them lies.
    places: Vec<Range<usize>>,
    /// How many of them were dealt with.
    passed: usize,
}

impl Default for Names {
    fn default() -> Self {
        let places = Vec::with_capacity(ROOM / size_of::<Range<usize>>());
        Self { bytes: Vec::with_capacity(ROOM), places, passed: 0 }
    }
}

impl Names {
    pub fn push(&mut self, name: &OsStr) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        self.places.push(start..self.bytes.len());
    }

    /// Brings those that are left into the order of their bytes.
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        self.places[self.passed..].sort_unstable_by_key(|place| &bytes[place.clone()]);
    }

    /// The next one.
    pub fn peek(&self) -> Option<&OsStr> {
        self.iter().next()
    }

    /// The next one is dealt with.
    pub fn pass(&mut self) {
        self.passed += 1;
    }

    /// Those that are left.
    pub fn iter(&self) -> impl Iterator<Item = &OsStr> {
        let places = self.places.get(self.passed..).unwrap_or_default();
        places.iter().map(|place| OsStr::from_bytes(&self.bytes[place.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_their_bytes_and_each_once() {
        let mut names = Names::default();
        for name in [&b"b"[..], b"a\xff", b"B", b"", b"a"] {
            names.push(OsStr::from_bytes(name));
        }
        names.sort();
        let mut passed = Vec::new();
        while let Some(name) = names.peek() {
            passed.push(name.as_bytes().to_vec());
            names.pass();
        }
        assert_eq!(passed, [&b""[..], b"B", b"a", b"a\xff", b"b"]);
        names.pass();
        assert_eq!((names.peek(), names.iter().count()), (None, 0));
    }
}
