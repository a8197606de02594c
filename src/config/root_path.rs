//! Where a watched directory lies, and which steps on the way there are links.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::{Arc, OnceLock};

/// The path of a root. The links that are on it when it is first walked are the operator's word, and
/// may be turned elsewhere by whoever may write there; what was a directory and becomes a link after
/// that is somebody else's doing, and is not followed. What is not there yet may still come as
/// either, since a NAS puts its links in place after its programs have begun.
///
/// All clones learn of it together.
#[derive(Clone, Debug)]
pub struct RootPath {
    path: PathBuf,
    steps: Arc<[Step]>,
}

/// One name on the way, beginning at the top.
#[derive(Debug)]
pub struct Step {
    pub name: OsString,
    was_link: OnceLock<bool>,
}

impl Step {
    /// Whether a link that stands there is followed; nothing while nothing was ever seen there.
    pub fn follow(&self) -> Option<bool> {
        self.was_link.get().copied()
    }

    /// Something was seen there, a link or not. What was seen first is what counts, and is returned.
    pub fn seen(&self, is_link: bool) -> bool {
        *self.was_link.get_or_init(|| is_link)
    }
}

impl RootPath {
    /// Asks no file system: it may not answer.
    pub fn new(path: PathBuf) -> Self {
        let whole = absolute(&path).unwrap_or_else(|_| path.clone());
        let names = whole.components().filter_map(|component| match component {
            Component::RootDir | Component::Prefix(_) | Component::CurDir => None,
            other => Some(other.as_os_str()),
        });
        let step = |name: &OsStr| Step { name: name.to_owned(), was_link: OnceLock::new() };
        let steps = names.map(step).collect();
        Self { path, steps }
    }

    /// The way there from the top, a name at a time.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// The same words, whatever was seen there.
impl PartialEq for RootPath {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
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
    fn a_path_is_taken_step_by_step_and_what_was_seen_first_counts_for_all_clones() {
        let root = RootPath::new("/volume/../link/./reports".into());
        let names: Vec<_> = root.steps().iter().map(|step| &step.name).collect();
        assert_eq!(names, ["volume", "..", "link", "reports"]);
        let link = |root: &RootPath| root.steps()[2].follow();
        let clone = root.clone();
        assert_eq!(link(&clone), None);
        assert!(root.steps()[2].seen(true) && clone.steps()[2].seen(false));
        assert_eq!(link(&clone), Some(true));
        assert_eq!(root.steps()[3].follow(), None);

        let relative = RootPath::from(Path::new("src"));
        assert_eq!(&*relative, Path::new("src"));
        assert_eq!(relative.steps().last().unwrap().name, "src");
        assert!(relative.steps().len() > 1);
    }
}
