//! Compares what a person sees with what was reviewed.

use std::path::Path;

/// Holds a page against `src/cli/snapshots/<name>.txt`, without its colours. After a change that is
/// meant, `UPDATE_SNAPSHOTS=1 cargo test --lib cli` writes the files, for `git diff` to review.
#[track_caller]
pub fn assert_snapshot(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/cli/snapshots/{name}.txt"));
    let seen = anstream::adapter::strip_str(page).to_string();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &seen).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(seen == reviewed, "{name} was reviewed as\n{reviewed}\nand is now\n{seen}");
}
