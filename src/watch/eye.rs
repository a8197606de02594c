//! The eye on one root: places the kernel's watch, and knows whether it still looks at what the
//! path leads to.

use std::io;
use std::path::{Path, PathBuf};

use notify::{Config, INotifyWatcher, RecursiveMode, Watcher};

use super::{Directory, Hints};

/// Watches one directory, which may come and go.
pub struct Eye {
    path: PathBuf,
    hints: Hints,
    watching: Option<Watching>,
}

struct Watching {
    /// Dropping it ends the watch.
    _watcher: INotifyWatcher,
    identity: (u64, u64),
}

/// What a look at the root itself found.
#[derive(Debug)]
pub enum Sight {
    /// The same directory as before, watched.
    Steady,
    /// Another directory than before, or the first: watched from now on, and to be looked through.
    New,
    /// It is there, but the kernel's events cannot be had: it must be looked through by the clock.
    Unwatched(notify::Error),
    /// It cannot be looked at.
    Lost(io::Error),
}

impl Eye {
    pub fn new(path: &Path, hints: Hints) -> Self {
        Self { path: path.to_owned(), hints, watching: None }
    }

    /// Looks at the root, and places the watch anew where it must be.
    pub fn check(&mut self) -> Sight {
        let identity = match Directory::open(&self.path).and_then(|root| root.identity()) {
            Ok(identity) => identity,
            Err(error) => {
                self.watching = None;
                return Sight::Lost(error);
            }
        };
        if self.watching.as_ref().is_some_and(|watching| watching.identity == identity) {
            return Sight::Steady;
        }
        self.watching = None;
        match self.place() {
            Ok(watcher) => {
                self.watching = Some(Watching { _watcher: watcher, identity });
                Sight::New
            }
            Err(error) => Sight::Unwatched(error),
        }
    }

    fn place(&self) -> notify::Result<INotifyWatcher> {
        // notify reports paths as they were given to it, so they are told apart by that.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = INotifyWatcher::new(self.hints.handler(&self.path), config)?;
        watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for a hint about a file; one about everything, such as the moving away of the root
    /// itself leaves behind, is about the file too.
    async fn hinted(hints: &Hints, name: &str) {
        let about_it = || {
            let batch = hints.take();
            batch.everything || batch.names.contains_key(std::ffi::OsStr::new(name))
        };
        let wait = async {
            while !about_it() {
                hints.wait().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.expect(name);
    }

    #[tokio::test]
    async fn a_root_that_was_replaced_is_watched_again() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("reports");
        let hints = Hints::default();
        let mut eye = Eye::new(&root, hints.clone());
        assert!(matches!(eye.check(), Sight::Lost(_)));

        std::fs::create_dir(&root).unwrap();
        assert!(matches!(eye.check(), Sight::New));
        assert!(matches!(eye.check(), Sight::Steady));
        std::fs::write(root.join("a.json"), "{}").unwrap();
        hinted(&hints, "a.json").await;

        std::fs::rename(&root, parent.path().join("moved")).unwrap();
        std::fs::create_dir(&root).unwrap();
        assert!(matches!(eye.check(), Sight::New));
        std::fs::write(root.join("b.json"), "{}").unwrap();
        hinted(&hints, "b.json").await;
    }
}
