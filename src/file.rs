//! How a file on the NAS is named and recognised without being read.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// Where things to deliver come from: one of the two directories that are watched, or the old content
/// database, whose rows go by their keys as files do by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    Reports,
    Exports,
    Rows,
}

impl Root {
    /// The directories.
    pub const ALL: [Root; 2] = [Root::Reports, Root::Exports];
    /// The directories, and the database.
    pub const SOURCES: [Root; 3] = [Root::Reports, Root::Exports, Root::Rows];

    /// The word of the configuration, the log and the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Root::Reports => "reports",
            Root::Exports => "exports",
            Root::Rows => "database",
        }
    }

    /// The ending of the names that are ours in this root, in small letters or in capitals, as a
    /// share of another machine may have them. Rows have none.
    pub fn extension(self) -> &'static str {
        match self {
            Root::Reports => "json",
            Root::Exports => "mp3",
            Root::Rows => "",
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file right below a root. Names are bytes: any that the file system allows, UTF-8 or not.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileRef {
    pub root: Root,
    pub name: OsString,
}

impl FileRef {
    pub fn new(root: Root, name: impl Into<OsString>) -> Self {
        Self { root, name: name.into() }
    }

    /// From the bytes of a name, as the outbox keeps them.
    pub fn from_bytes(root: Root, name: &[u8]) -> Self {
        Self { root, name: OsStr::from_bytes(name).to_owned() }
    }

    pub fn name_bytes(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The name without its ending, made readable where it is not UTF-8.
    pub fn stem(&self) -> String {
        std::path::Path::new(&self.name)
            .file_stem()
            .unwrap_or(&self.name)
            .to_string_lossy()
            .into_owned()
    }
}

/// The path as people see it, `reports/<name>`, with every byte that could disturb a terminal or a
/// log line escaped.
impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.root, Printable(self.name_bytes()))
    }
}

impl fmt::Debug for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows bytes of foreign origin: control characters, invisible format characters and bytes that
/// are not UTF-8 come out escaped, everything else as it is.
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut rest = chunk.valid();
            // Most of a name is plain, and goes as it is: quotes and backslashes as well, since nothing
            // here is quoted.
            let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
            while let Some(odd) = rest.bytes().position(|byte| !is_plain(byte)) {
                let (plain, other) = rest.split_at(odd);
                f.write_str(plain)?;
                let mut others = other.chars();
                // `escape_debug` knows what is printable, bidi overrides included.
                others.next().map_or(Ok(()), |odd| write!(f, "{}", odd.escape_debug()))?;
                rest = others.as_str();
            }
            f.write_str(rest)?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Stands for the time of change of a file that is to be read again though it did not change.
pub const READ_ANEW: i64 = 0;

/// What `stat` says of a file that changes whenever its content may have: unchanged, and the file
/// need not be read again. The device is left out, since a remount may renumber it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes.
    pub size: i64,
    /// Nanoseconds since 1970. Anyone may set it to anything.
    pub mtime_ns: i64,
    /// Nanoseconds since 1970. Only the kernel sets it.
    pub ctime_ns: i64,
    pub inode: i64,
}

impl Stamp {
    /// When the file last changed in any way, in milliseconds since 1970.
    pub fn changed_ms(&self) -> i64 {
        self.ctime_ns / 1_000_000
    }
}

impl From<&rustix::fs::Stat> for Stamp {
    fn from(stat: &rustix::fs::Stat) -> Self {
        // A time outside of what 64 bits of nanoseconds hold (1677 to 2262) is no time that a
        // comparison could need.
        let ns = |seconds: i64, nanoseconds: u64| {
            seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds as i64)
        };
        Self {
            size: stat.st_size,
            mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
            ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
            inode: stat.st_ino as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_without_anything_that_could_disturb_a_terminal() {
        for (bytes, shown) in [
            (&b"plain name.json"[..], "plain name.json"),
            ("naïve 文.json".as_bytes(), "naïve 文.json"),
            (b"a\nb", "a\\nb"),
            (b"a\x1b[31mb", "a\\u{1b}[31mb"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
            ("a\u{9b}b".as_bytes(), "a\\u{9b}b"),
            (b"a\xffb", "a\\xffb"),
            (b"it's \"x\"", "it's \"x\""),
            ("na\u{ef}ve 'x' \\ \u{200b}y".as_bytes(), "na\u{ef}ve 'x' \\ \\u{200b}y"),
        ] {
            assert_eq!(Printable(bytes).to_string(), shown);
        }
    }

    #[test]
    fn a_stem_loses_only_the_last_ending() {
        assert_eq!(FileRef::new(Root::Reports, "a.b.json").stem(), "a.b");
        assert_eq!(FileRef::from_bytes(Root::Reports, b"x\xff.json").stem(), "x\u{fffd}");
    }
}
