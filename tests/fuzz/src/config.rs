//! A configuration file: taken, or refused line by line.

use std::path::PathBuf;
use std::sync::LazyLock;

use ytv2d::config::{Config, ConfigFile, explain};

static PLACE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ytv2d.toml");
    (directory, path)
});

pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A file that is named there is read, and there are some without an end.
    if text.contains("/dev") || text.contains("/proc") || text.contains("..") {
        return;
    }
    if let Err(faults) = ConfigFile::parse(text) {
        assert!(!faults.is_empty());
        faults.iter().for_each(|fault| assert!(!fault.0.contains('\n'), "{fault}"));
    }
    std::fs::write(&PLACE.1, text).expect("a file");
    let environment = |name: &str| (name == "INGEST_TOKEN").then(|| "t0k3n-of-the-test".to_owned());
    let said = match Config::load(Some(&PLACE.1), &environment) {
        Ok(config) => format!("{config:?}"),
        Err(faults) => format!("{faults:?}"),
    };
    assert!(!said.contains("t0k3n-of-the-test"), "{said}");
    let _explained = explain(Some(&PLACE.1), &environment);
}
