//! Moves a corrupt outbox aside: with its log, so that neither is ever paired with another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::beside;

/// How many are kept.
const KEPT: usize = 3;
/// What belongs to the file. Itself first: a log that is left behind alone is known for what it is,
/// and a file without its log is not.
const PARTS: [&str; 5] = ["", "-wal", "-journal", "-shm", SUSPECT];
/// Beside an outbox that was found corrupt while it was in use.
const SUSPECT: &str = ".suspect";

/// Leaves word for the next start, whose own check may not come upon it.
pub fn suspect(path: &Path, why: &str) {
    if let Err(error) = fs::write(beside(path, SUSPECT), why) {
        tracing::warn!(%error, "no word of the corruption can be left for the next start");
    }
}

/// The word that was left.
pub fn suspicion(path: &Path) -> Option<String> {
    fs::read(beside(path, SUSPECT)).ok().map(|why| String::from_utf8_lossy(&why).into_owned())
}

/// Moves everything that belongs to the outbox into a directory beside it, and gives that.
pub fn aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let home = home(path);
    // First, since the room may be needed.
    let mut former = former(home)?;
    former.sort();
    for old in former.iter().rev().skip(KEPT - 1) {
        fs::remove_dir_all(old)?;
    }
    let to = fresh(home, now)?;
    for part in PARTS {
        let from = beside(path, part);
        let name = from.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        match fs::rename(&from, to.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::File::open(home)?.sync_all()?;
    Ok(to)
}

/// Whether one of the outboxes that lay here was moved aside.
pub fn has_happened(path: &Path) -> bool {
    former(home(path)).is_ok_and(|former| !former.is_empty())
}

fn home(path: &Path) -> &Path {
    match path.parent() {
        Some(home) if !home.as_os_str().is_empty() => home,
        _ => Path::new("."),
    }
}

fn fresh(home: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut nth = 1;
    loop {
        let to = home.join(match nth {
            1 => format!("corrupt-{stamp}"),
            nth => format!("corrupt-{stamp}-{nth}"),
        });
        match fs::create_dir(&to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => nth += 1,
            other => return other.map(|()| to),
        }
    }
}

fn former(home: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(is_ours) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether a directory's name is one that we gave. Nothing else is ever removed.
fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("corrupt-") else { return false };
    let (stamp, nth) = rest.split_once('-').unwrap_or((rest, "2"));
    let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "00000000T000000Z" && !nth.is_empty() && nth.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_with_its_log_and_the_newest_three_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("outbox.db");
        let now: Timestamp = "2025-10-20T09:15:00Z".parse().unwrap();
        for n in 0..5 {
            fs::write(&path, format!("file {n}")).unwrap();
            fs::write(beside(&path, "-wal"), format!("log {n}")).unwrap();
            suspect(&path, "because");
            assert_eq!(suspicion(&path).as_deref(), Some("because"));
            // Two in the same second, too.
            let to = aside(&path, now + jiff::SignedDuration::from_secs(n / 2)).unwrap();
            assert_eq!(fs::read_to_string(to.join("outbox.db")).unwrap(), format!("file {n}"));
            assert_eq!(fs::read_to_string(to.join("outbox.db-wal")).unwrap(), format!("log {n}"));
            assert_eq!(suspicion(&path), None);
            assert!(!path.exists() && !beside(&path, "-wal").exists());
        }
        let mut kept = former(home.path()).unwrap();
        kept.sort();
        let names: Vec<_> = kept.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(
            names,
            ["corrupt-20251020T091501Z", "corrupt-20251020T091501Z-2", "corrupt-20251020T091502Z"]
        );
    }

    #[test]
    fn only_a_directory_that_we_named_counts_as_ours() {
        for (name, ours) in [
            ("corrupt-20251020T091501Z", true),
            ("corrupt-20251020T091501Z-2", true),
            ("corrupt-20251020T091501Z-", false),
            ("corrupt-20251020T091501Z-old", false),
            ("corrupt-2025", false),
            ("corrupt-files", false),
            ("20251020T091501Z", false),
        ] {
            assert_eq!(is_ours(name), ours, "{name}");
        }
    }
}
