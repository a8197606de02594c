//! Where deleted files go: `.ytv2d-trash/<day>/` below the root that they were in, until they have
//! been kept for long enough. Everything goes by open directories, and no link is followed.
//!
//! Blocking.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config::RootPath;
use crate::file::Stamp;
use crate::watch::{Directory, Entry, Pulse};

/// Hidden, so that nobody takes it for a part of the archive.
const TRASH: &str = ".ytv2d-trash";

/// So many files of one name may be deleted in a day.
const SAME_NAME_MAX: usize = 1000;

/// A root with the folder of a day in its trash, both open.
pub struct Trash {
    root: Directory,
    day: Directory,
}

/// What became of a file that was to go to the trash.
#[derive(Debug)]
pub enum Fate {
    Moved,
    /// Nothing stands there.
    Absent,
    /// It is another one, or says something else by now.
    Changed,
    /// It is no regular file; what it is, in a word.
    NotAFile(&'static str),
    Failed(io::Error),
}

impl Trash {
    /// Opens the trash of a root, and makes what is missing of it.
    pub fn open(root: &RootPath, day: Date) -> io::Result<Self> {
        let root = Directory::open(root)?;
        let trash = root.make_below(OsStr::new(TRASH))?;
        let day = trash.make_below(OsStr::new(&day.to_string()))?;
        Ok(Self { root, day })
    }

    /// Moves a file there that was once seen like this. Its owner, rights or links may have changed.
    pub fn take(&self, name: &OsStr, seen: Stamp) -> Fate {
        match self.root.look(name) {
            Ok(Some(Entry::File(now))) if (Stamp { ctime_ns: seen.ctime_ns, ..now }) == seen => {}
            Ok(Some(Entry::File(_))) => return Fate::Changed,
            Ok(Some(Entry::Other(what, _))) => return Fate::NotAFile(what),
            Ok(None) => return Fate::Absent,
            Err(error) => return Fate::Failed(error),
        }
        for number in 0..SAME_NAME_MAX {
            let mut other = name.to_owned();
            if number > 0 {
                other.push(format!(".{number}"));
            }
            match self.root.move_to(name, &self.day, &other) {
                Ok(true) => return Fate::Moved,
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Fate::Absent,
                Err(error) => return Fate::Failed(error),
            }
        }
        Fate::Failed(io::ErrorKind::AlreadyExists.into())
    }
}

/// Removes what has been kept for long enough, and says how many files that were.
pub fn sweep(
    root: &RootPath,
    keep: Duration,
    zone: &TimeZone,
    now: Timestamp,
    pulse: &Pulse,
) -> io::Result<usize> {
    let trash = match Directory::open(root).and_then(|root| root.below(OsStr::new(TRASH))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        trash => trash?,
    };
    let mut removed = 0;
    for name in trash.names(|name| is_over(name, keep, zone, now))?.iter() {
        let day = match trash.below(name) {
            // A file, or a link, that only has the name of a day is not ours.
            Err(error) if is_no_directory(&error) => continue,
            day => day?,
        };
        for file in files(&day)? {
            pulse.beat();
            day.remove(&file)?;
            removed += 1;
        }
        match trash.remove_below(name) {
            // Somebody made a directory in it, which is theirs.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            done => done?,
        }
    }
    Ok(removed)
}

fn files(day: &Directory) -> io::Result<Vec<OsString>> {
    let all = day.names(|name| name.as_bytes() != b"." && name.as_bytes() != b"..")?;
    let mut files = Vec::new();
    for name in all.iter() {
        if !matches!(day.look(name)?, None | Some(Entry::Other("a directory", _))) {
            files.push(name.to_owned());
        }
    }
    Ok(files)
}

fn is_no_directory(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOTDIR | Errno::LOOP))
}

/// Whether a folder is that of a day which ended so long ago.
fn is_over(name: &OsStr, keep: Duration, zone: &TimeZone, now: Timestamp) -> bool {
    let end = || {
        let text = name.to_str().filter(|text| text.len() == 10)?;
        let next: Date = text.parse::<Date>().ok()?.tomorrow().ok()?;
        let end = next.to_zoned(zone.clone()).ok()?.timestamp();
        end.checked_add(SignedDuration::try_from(keep).ok()?).ok()
    };
    end().is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> Timestamp {
        "2026-03-31T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_day_is_over_when_its_last_file_has_been_kept_long_enough() {
        for (name, days, over) in [
            ("2026-03-01", 30, false),
            ("2026-02-28", 30, true),
            ("2026-03-31", 1, false),
            ("2026-03-30", 1, false),
            ("2026-03-29", 1, true),
            ("2026-3-1", 1, false),
            ("20260301", 1, false),
            ("2026-02-31", 1, false),
            ("photos", 1, false),
            ("..", 1, false),
            ("9999-12-31", 1, false),
        ] {
            let keep = DAY * days;
            assert_eq!(is_over(OsStr::new(name), keep, &TimeZone::UTC, now()), over, "{name}");
        }
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let second = Duration::from_secs(1);
        let midnight: Timestamp = "2026-03-30T22:00:01Z".parse().unwrap();
        assert!(is_over(OsStr::new("2026-03-30"), second, &berlin, midnight));
        assert!(!is_over(OsStr::new("2026-03-30"), second, &TimeZone::UTC, midnight));
    }

    #[test]
    fn only_what_lies_in_the_folders_of_our_trash_is_swept() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "").unwrap();
        let root = tempfile::tempdir().unwrap();
        assert_eq!(
            sweep(&RootPath::from(root.path()), DAY, &TimeZone::UTC, now(), &Pulse::start())
                .unwrap(),
            0
        );
        let trash = root.path().join(TRASH);
        for day in ["2026-01-01", "2026-01-02", "2026-03-31", "photos"] {
            fs::create_dir_all(trash.join(day)).unwrap();
            fs::write(trash.join(day).join("a.json"), "").unwrap();
        }
        fs::write(root.path().join("2026-01-01"), "").unwrap();
        symlink(outside.path(), trash.join("2026-01-03")).unwrap();
        fs::write(trash.join("2026-01-04"), "").unwrap();
        symlink(outside.path().join("precious"), trash.join("2026-01-01/link")).unwrap();
        fs::create_dir(trash.join("2026-01-02/theirs")).unwrap();

        let removed =
            sweep(&RootPath::from(root.path()), DAY, &TimeZone::UTC, now(), &Pulse::start())
                .unwrap();
        assert_eq!(removed, 3, "two files and a link");
        let left = Directory::open(&RootPath::from(&*trash))
            .unwrap()
            .names(|name| name != "." && name != "..")
            .unwrap();
        let left: Vec<_> = left.iter().collect();
        assert_eq!(left, ["2026-01-02", "2026-01-03", "2026-01-04", "2026-03-31", "photos"]);
        assert!(outside.path().join("precious").exists());
        assert!(root.path().join("2026-01-01").exists());
        assert!(trash.join("2026-01-02/theirs").exists());

        fs::remove_dir_all(&trash).unwrap();
        symlink(outside.path(), &trash).unwrap();
        fs::create_dir(outside.path().join("2026-01-01")).unwrap();
        sweep(&RootPath::from(root.path()), DAY, &TimeZone::UTC, now(), &Pulse::start())
            .unwrap_err();
        assert!(outside.path().join("2026-01-01").exists());
        assert!(Trash::open(&RootPath::from(root.path()), "2026-03-31".parse().unwrap()).is_err());
    }

    #[test]
    fn what_has_the_name_of_another_lies_beside_it_and_only_files_are_taken() {
        let root = tempfile::tempdir().unwrap();
        let day = "2026-03-31".parse().unwrap();
        let seen = |name: &str| match Directory::open(&RootPath::from(root.path()))
            .unwrap()
            .look(OsStr::new(name))
        {
            Ok(Some(Entry::File(stamp) | Entry::Other(_, stamp))) => stamp,
            other => panic!("{other:?}"),
        };
        for text in ["one", "two", "three"] {
            fs::write(root.path().join("a.json"), text).unwrap();
            let stamp = seen("a.json");
            let trash = Trash::open(&RootPath::from(root.path()), day).unwrap();
            assert!(matches!(trash.take(OsStr::new("a.json"), stamp), Fate::Moved));
            assert!(matches!(trash.take(OsStr::new("a.json"), stamp), Fate::Absent));
        }
        let kept = |name: &str| fs::read_to_string(root.path().join(TRASH).join(name)).unwrap();
        assert_eq!(kept("2026-03-31/a.json"), "one");
        assert_eq!(kept("2026-03-31/a.json.1"), "two");
        assert_eq!(kept("2026-03-31/a.json.2"), "three");

        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("link.json")).unwrap();
        fs::create_dir(root.path().join("directory.json")).unwrap();
        let trash = Trash::open(&RootPath::from(root.path()), day).unwrap();
        for (name, word) in [("link.json", "a symbolic link"), ("directory.json", "a directory")] {
            let fate = trash.take(OsStr::new(name), seen(name));
            assert!(matches!(fate, Fate::NotAFile(what) if what == word), "{fate:?}");
        }

        fs::write(root.path().join("b.json"), "as it was seen").unwrap();
        let stamp = seen("b.json");
        fs::write(root.path().join("b.json"), "something new").unwrap();
        assert!(matches!(trash.take(OsStr::new("b.json"), stamp), Fate::Changed));
        assert!(root.path().join("b.json").exists());
    }
}
