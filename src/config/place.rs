//! Where configuration and state lie.

use std::path::{Path, PathBuf};

/// Where a configuration is looked for when none is named, the first that exists.
pub const DEFAULT_PLACES: [&str; 2] = ["ytv2d.toml", "/etc/ytv2d/ytv2d.toml"];

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
