//! Where a watched directory lies, and which steps on the way there are links.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::path::{Component, Path, PathBuf, absolute};

/// The path of a root. The links that are on it when it is read from the configuration are the
/// operator's word, and may be turned elsewhere by whoever may write there; whatever becomes a link
/// after that is somebody else's doing, and is not followed.
#[derive(Clone, Debug, PartialEq)]
pub struct RootPath {
    path: PathBuf,
    steps: Vec<Step>,
}

/// One name on the way, beginning at the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub name: OsString,
    /// Whether a link that stands there is followed.
    pub follow: bool,
}

impl RootPath {
    /// Looks which of the steps are links at this moment. What is not there is none.
    pub fn new(path: PathBuf) -> Self {
        let mut walked = PathBuf::from("/");
        let mut steps = Vec::new();
        let whole = absolute(&path).unwrap_or_else(|_| path.clone());
        for component in whole.components() {
            let name: &OsStr = match component {
                Component::RootDir | Component::Prefix(_) | Component::CurDir => continue,
                other => other.as_os_str(),
            };
            walked.push(name);
            let follow = walked.is_symlink();
            steps.push(Step { name: name.to_owned(), follow });
        }
        Self { path, steps }
    }

    /// No path: rows of a database lie in no directory.
    pub(super) const fn nowhere() -> Self {
        Self { path: PathBuf::new(), steps: Vec::new() }
    }

    /// The way there from the top, a name at a time.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// As it was written.
impl Deref for RootPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl From<&Path> for RootPath {
    fn from(path: &Path) -> Self {
        Self::new(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_the_beginning_are_known_and_no_others() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        std::fs::create_dir(top.join("directory")).unwrap();
        std::os::unix::fs::symlink("directory", top.join("link")).unwrap();
        for (path, links) in [
            ("directory", &[][..]),
            ("directory/absent", &[]),
            ("link", &["link"]),
            ("link/../link/absent", &["link", "link"]),
        ] {
            let root = RootPath::new(top.join(path));
            let follow = |step: &&Step| step.follow;
            let found: Vec<_> = root.steps().iter().filter(follow).map(|s| &s.name).collect();
            assert_eq!(found, links, "{path}");
            assert_eq!(&*root, top.join(path));
        }
        let relative = RootPath::from(Path::new("src"));
        assert_eq!(&*relative, Path::new("src"));
        assert_eq!(relative.steps().last().unwrap().name, "src");
        assert!(relative.steps().len() > 1);
    }
}
