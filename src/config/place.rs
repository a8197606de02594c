//! Where configuration and state lie.

use std::path::{Component, Path, PathBuf, absolute};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Where a configuration is looked for when none is named, the first that exists.
pub const DEFAULT_PLACES: [&str; 2] = ["ytv2d.toml", "/etc/ytv2d/ytv2d.toml"];

/// How long a file system may take to say where a path leads. A dead mount never does, and must not
/// keep the daemon from its start.
const PATIENCE: Duration = Duration::from_secs(3);

/// The RuntimeDirectory of the unit that we ship.
pub(super) const SERVICE_RUNTIME_DIRECTORY: &str = "/run/ytv2d";

/// The configuration file to read: the one named, else the first of [`DEFAULT_PLACES`].
pub fn find(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => DEFAULT_PLACES.iter().map(PathBuf::from).find(|path| path.exists()),
    }
}

/// A relative path under the directory that systemd made for the unit, if it made one. Several
/// directories come separated by colons; the first is the unit's own (systemd.exec(5)).
pub(super) fn under(directories: Option<String>, path: PathBuf) -> PathBuf {
    match directories.as_deref().and_then(|list| list.split(':').next()) {
        Some(directory) if !directory.is_empty() => Path::new(directory).join(path),
        _ => path,
    }
}

/// Whether two paths lead to the same place, be it there already or not.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let (found, real) = mpsc::channel();
    let paths = [one.to_owned(), other.to_owned()];
    thread::spawn(move || found.send(paths.map(|path| path.canonicalize())));
    match real.recv_timeout(PATIENCE) {
        Ok([Ok(one), Ok(other)]) => one == other,
        // What is not there yet has no links in it, as far as one can know.
        _ => plain(one) == plain(other),
    }
}

/// An absolute path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in absolute(path).as_deref().unwrap_or(path).components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("reports")).unwrap();
        std::os::unix::fs::symlink("reports", at("link")).unwrap();
        for (one, other, is) in [
            ("reports", "./reports/", true),
            ("reports", "link", true),
            ("reports", "x/../reports", true),
            ("reports", "exports", false),
            ("absent", "./x/../absent/", true),
            ("absent", "absent/x", false),
        ] {
            assert_eq!(is_same(&at(one), &at(other)), is, "{one} {other}");
        }
        assert!(is_same(Path::new("r"), Path::new("./r")));
        assert!(is_same(Path::new("r"), &std::env::current_dir().unwrap().join("r")));
    }
}
