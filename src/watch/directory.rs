//! A directory whose files are looked at and opened by name, never by following a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, RenameFlags, Stat, fstat, mkdirat, openat,
    renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::names::Names;
use crate::config::RootPath;
use crate::file::{Printable, Stamp};

/// The word for a symbolic link.
pub const A_LINK: &str = "a symbolic link";
/// So many bytes of a directory are asked for at a time.
const LISTED_AT_ONCE: usize = 64 << 10;

/// An open directory. It stays the same one whatever happens to its path.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
}

/// What stands under a name, without following it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry {
    File(Stamp),
    /// Anything else, in a word, with a stamp that tells whether it was replaced.
    Other(&'static str, Stamp),
}

/// A regular file, and its stamp as it was when it was opened.
#[derive(Debug)]
pub struct OpenedFile {
    pub file: File,
    pub stamp: Stamp,
}

impl Directory {
    /// Finds a root, name by name, since openat2(2) is not to be had under RestrictSUIDSGID
    /// (`faults.md` 7.3). It is not opened for reading: whoever watches it would be woken by that.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotADirectory`], which says so, where a link has taken the place of what was
    /// none before.
    pub fn open(root: &RootPath) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let mut fd = openat(CWD, "/", flags, Mode::empty())?;
        let mut walked = PathBuf::from("/");
        for step in root.steps() {
            let follow = match step.follow() {
                Some(follow) => follow,
                None => step.seen(is_link(&fd, &step.name)?),
            };
            let links = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
            walked.push(&step.name);
            fd = match openat(&fd, &step.name, flags | links, Mode::empty()) {
                Err(Errno::NOTDIR | Errno::LOOP) if is_link(&fd, &step.name) == Ok(true) => {
                    return Err(become_a_link(&walked));
                }
                found => found?,
            };
        }
        Ok(Self { fd })
    }

    /// Makes an empty file in it. What has the name already, a link or anything else, is an error.
    pub fn make_file(&self, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(())
    }

    /// Opens a directory in it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when nothing stands there, and others where it is no directory:
    /// a link to one is none.
    pub fn below(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self { fd: openat(&self.fd, name, flags, Mode::empty())? })
    }

    /// The same, and makes it where nothing stands there.
    pub fn make_below(&self, name: &OsStr) -> io::Result<Self> {
        match mkdirat(&self.fd, name, Mode::RWXU | Mode::RWXG) {
            Ok(()) | Err(Errno::EXIST) => self.below(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves what stands under a name to another directory of the same file system, and says
    /// whether it did: what has the other name there already is not replaced.
    pub fn move_to(&self, name: &OsStr, to: &Directory, other: &OsStr) -> io::Result<bool> {
        match renameat_with(&self.fd, name, &to.fd, other, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => return Ok(false),
            // Not every network file system can be told not to replace.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        if to.look(other)?.is_some() {
            return Ok(false);
        }
        renameat(&self.fd, name, &to.fd, other)?;
        Ok(true)
    }

    /// Removes what stands under a name, and is no directory.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Removes an empty directory in it.
    pub fn remove_below(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// The names in it that `ours` accepts, in the order of their bytes. One unreadable entry
    /// fails the whole list: a list with holes would read as deletions.
    pub fn names(&self, ours: impl Fn(&OsStr) -> bool) -> io::Result<Names> {
        let mut names = Names::default();
        let mut room = Vec::with_capacity(LISTED_AT_ONCE);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(&self.fd, ".", flags, Mode::empty())?;
        let mut entries = RawDir::new(readable, room.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if ours(name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// What stands under a name; nothing when nothing does.
    pub fn look(&self, name: &OsStr) -> io::Result<Option<Entry>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(entry(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when nothing stands there, [`io::ErrorKind::InvalidInput`] when
    /// it is not a regular file: a link, or a FIFO, which must not hold anyone up.
    pub fn open_file(&self, name: &OsStr) -> io::Result<OpenedFile> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let not_a_file = || io::Error::from(io::ErrorKind::InvalidInput);
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NXIO) => return Err(not_a_file()),
            other => other?,
        };
        match entry(&fstat(&fd)?) {
            Entry::File(stamp) => Ok(OpenedFile { file: File::from(fd), stamp }),
            Entry::Other(..) => Err(not_a_file()),
        }
    }
}

impl OpenedFile {
    /// Whether the file is still as it was when it was opened.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        Ok(Stamp::from(&fstat(&self.file)?) == self.stamp)
    }
}

fn become_a_link(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotADirectory,
        format!(
            "{} has become a symbolic link, and was none when ytv2d first saw it, so that it is not \
             followed: put the directory back, or restart ytv2d if the link is yours",
            Printable(path.as_os_str().as_bytes())
        ),
    )
}

fn is_link(directory: &OwnedFd, name: &OsStr) -> Result<bool, Errno> {
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn entry(stat: &Stat) -> Entry {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind == FileType::RegularFile {
        return Entry::File(Stamp::from(stat));
    }
    // What goes on in a directory or a FIFO is no news: only another one in its place is. The kind
    // stands where a file has its size, since the number of an inode is soon used again.
    let size = i64::from(kind.as_raw_mode());
    let stamp = Stamp { size, mtime_ns: 0, ctime_ns: 0, inode: Stamp::from(stat).inode };
    match kind {
        FileType::Directory => Entry::Other("a directory", stamp),
        FileType::Symlink => Entry::Other(A_LINK, stamp),
        FileType::Fifo => Entry::Other("a FIFO", stamp),
        FileType::Socket => Entry::Other("a socket", stamp),
        _ => Entry::Other("a device", stamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("plain"), "x").unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();

        let directory = Directory::open(&RootPath::from(root.path())).unwrap();
        assert!(directory.open_file(name("plain")).unwrap().is_unchanged().unwrap());
        for (other, word) in [
            ("directory", "a directory"),
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
            ("fifo", "a FIFO"),
        ] {
            let error = directory.open_file(name(other)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{other}");
            let entry = directory.look(name(other)).unwrap().unwrap();
            assert!(matches!(entry, Entry::Other(found, _) if found == word), "{entry:?}");
        }
        assert_eq!(directory.look(name("absent")).unwrap(), None);
        let error = directory.open_file(name("absent")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_step_that_has_become_a_link_is_not_taken_and_one_that_was_one_is() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        for name in ["a/b", "outside/b", "operators"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::os::unix::fs::symlink("operators", at("link")).unwrap();
        let below = RootPath::new(at("a/b"));
        let linked = RootPath::new(at("link"));
        let open = |root: &RootPath| Directory::open(root).map(drop);
        assert!(open(&below).is_ok() && open(&linked).is_ok());
        std::fs::rename(at("a"), at("moved")).unwrap();
        assert_eq!(open(&below).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::os::unix::fs::symlink("outside", at("a")).unwrap();
        let error = open(&below).unwrap_err();
        assert!(error.to_string().contains("/a has become a symbolic link"), "{error}");
        std::fs::remove_file(at("a")).unwrap();
        std::fs::write(at("a"), "").unwrap();
        let error = open(&below).unwrap_err();
        assert!(!error.to_string().contains("link"), "{error}");
        std::fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("outside", at("link")).unwrap();
        assert!(open(&linked).is_ok());
        assert!(open(&RootPath::new("/".into())).is_ok());
    }

    #[test]
    fn a_link_that_appears_where_nothing_was_is_taken() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        std::fs::create_dir(at("volume")).unwrap();
        let root = RootPath::new(at("share/reports"));
        let open = || Directory::open(&root).map(drop);
        assert_eq!(open().unwrap_err().kind(), io::ErrorKind::NotFound);
        std::os::unix::fs::symlink("volume", at("share")).unwrap();
        assert_eq!(open().unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::create_dir(at("volume/reports")).unwrap();
        open().unwrap();
        std::fs::rename(at("volume/reports"), at("moved")).unwrap();
        std::os::unix::fs::symlink(at("moved"), at("volume/reports")).unwrap();
        assert!(open().unwrap_err().to_string().contains("has become a symbolic link"));
    }

    #[test]
    fn what_goes_on_in_what_is_no_file_does_not_make_it_another() {
        let root = tempfile::tempdir().unwrap();
        let (directory, inside) =
            (Directory::open(&RootPath::from(root.path())).unwrap(), root.path().join("x"));
        let look = || directory.look(name("x")).unwrap().unwrap();
        std::fs::create_dir(&inside).unwrap();
        let before = look();
        std::fs::write(inside.join("y"), "x").unwrap();
        assert_eq!(look(), before);
        std::fs::remove_dir_all(&inside).unwrap();
        std::os::unix::fs::symlink("nowhere", &inside).unwrap();
        let (Entry::Other(_, now), Entry::Other(_, before)) = (look(), before) else { panic!() };
        assert_ne!(now, before);
    }

    #[test]
    fn a_change_while_a_file_is_open_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("f"), "one").unwrap();
        let opened =
            Directory::open(&RootPath::from(root.path())).unwrap().open_file(name("f")).unwrap();
        std::fs::write(root.path().join("f"), "two").unwrap();
        assert!(!opened.is_unchanged().unwrap());
    }

    #[test]
    fn names_come_sorted_and_filtered() {
        let root = tempfile::tempdir().unwrap();
        for file in ["b.json", "a.json", "c.txt"] {
            std::fs::write(root.path().join(file), "").unwrap();
        }
        let directory = Directory::open(&RootPath::from(root.path())).unwrap();
        let names = directory.names(|name| name.as_bytes().ends_with(b".json")).unwrap();
        assert!(names.iter().eq(["a.json", "b.json"]));
    }
}
