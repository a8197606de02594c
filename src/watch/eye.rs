//! The eye on one root: places the kernel's watch, and knows whether it still looks at what the
//! path leads to.

use std::io;
use std::path::Path;
use std::time::Duration;

use notify::{Config, INotifyWatcher, RecursiveMode, Watcher};
use rustix::fs::{Access, AtFlags, CWD, FileType, StatxFlags, accessat, stat, statx};
use rustix::io::Errno;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Directory, Hints};
use crate::config::RootPath;
use crate::file_system;

/// How long a file system may take to say what lies at a path. A dead mount never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks statx(2) for a number that no other mount is ever given, where the kernel has one (since
/// 6.8). An older one tells mounts apart as well, but a later mount may get the same number.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// Watches one directory, which may come and go.
pub struct Eye {
    path: RootPath,
    hints: Hints,
    watching: Option<Watching>,
    /// A question that has not been answered: no second one is asked meanwhile, since each would
    /// hold up a thread.
    asked: Option<JoinHandle<io::Result<Identity>>>,
    doubtful: bool,
}

struct Watching {
    identity: Identity,
    /// Dropping it ends the watch. Nothing, where there is to be none, or none can be had.
    watcher: Option<INotifyWatcher>,
}

/// What makes a directory this one and no other. The mount is part of it: a file system that was
/// taken away and came back has the same device and inode, and our watch no more.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
    mount: u64,
    /// Whether it may fail to answer.
    is_remote: bool,
}

/// What a look at the root itself found.
#[derive(Debug)]
pub enum Sight {
    /// The same directory as before, watched as it should be.
    Steady,
    /// Another directory than before, or the first: to be looked through.
    New,
    /// The same directory, but watched from now on, or not any more: to be looked through.
    Turned,
    /// It is there, but the kernel's events cannot be had: it must be looked through by the clock.
    Unwatched { error: notify::Error, is_new: bool, was_watched: bool },
    /// It cannot be looked at.
    Lost(io::Error),
}

impl Eye {
    pub fn new(path: &RootPath, hints: Hints) -> Self {
        Self { path: path.clone(), hints, watching: None, asked: None, doubtful: false }
    }

    /// Looks at the root, and places the watch anew where it must be; without `events` there is
    /// none.
    pub async fn check(&mut self, events: bool) -> Sight {
        let identity = match self.identity().await {
            Ok(identity) => identity,
            Err(error) => {
                self.close();
                return Sight::Lost(error);
            }
        };
        let before = self.watching.take().filter(|watching| watching.identity == identity);
        let (is_other, doubtful) = (before.is_none(), std::mem::take(&mut self.doubtful));
        let before = before.and_then(|watching| watching.watcher);
        let was_watched = before.is_some();
        let watcher = match before {
            _ if !events => Ok(None),
            // To place a watch where there is one changes nothing. Where a mount went away and the
            // same one came back, unnoticed, it takes the place of the one that went with it.
            Some(mut watcher) if doubtful => self.place(&mut watcher).map(|()| Some(watcher)),
            Some(watcher) => Ok(Some(watcher)),
            None => self.watcher().map(Some),
        };
        let (watcher, sight) = match watcher {
            Ok(watcher) if is_other => (watcher, Sight::New),
            Ok(watcher) if was_watched != events => (watcher, Sight::Turned),
            Ok(watcher) => (watcher, Sight::Steady),
            Err(error) => (None, Sight::Unwatched { error, is_new: is_other, was_watched }),
        };
        self.watching = Some(Watching { identity, watcher });
        sight
    }

    /// Something was mounted or unmounted: the watch may be gone without a word.
    pub fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Forgets what was seen: the next look finds a new directory, whatever it finds.
    pub fn close(&mut self) {
        self.watching = None;
    }

    /// Whether the last look found a directory.
    pub fn is_open(&self) -> bool {
        self.watching.is_some()
    }

    fn watcher(&self) -> notify::Result<INotifyWatcher> {
        // notify reports paths as they were given to it, so they are told apart by that.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = INotifyWatcher::new(self.hints.handler(&self.path), config)?;
        self.place(&mut watcher)?;
        Ok(watcher)
    }

    fn place(&self, watcher: &mut INotifyWatcher) -> notify::Result<()> {
        watcher.watch(&self.path, RecursiveMode::NonRecursive)
    }

    async fn identity(&mut self) -> io::Result<Identity> {
        let is_local = self.watching.as_ref().is_some_and(|known| !known.identity.is_remote);
        if is_local && !self.doubtful {
            // It answers at once, so no other thread is woken for it.
            return identity(&self.path);
        }
        let path = self.path.clone();
        let mut asked = self
            .asked
            .take()
            .unwrap_or_else(|| tokio::task::spawn_blocking(move || identity(&path)));
        match timeout(PATIENCE, &mut asked).await {
            Ok(answer) => answer.expect("a look does not panic"),
            Err(_) => {
                self.asked = Some(asked);
                Err(io::Error::new(io::ErrorKind::TimedOut, "the file system does not answer"))
            }
        }
    }
}

/// Which directory a path leads to, if it may be read. Nothing is opened: that would be an event.
fn identity(root: &RootPath) -> io::Result<Identity> {
    Directory::open(root)?;
    let path: &Path = root;
    let stat = stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR.into());
    }
    accessat(CWD, path, Access::READ_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
    // Where the kernel cannot tell mounts apart (before 5.8), device and inode have to do.
    let mount = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID | MNT_ID_UNIQUE)
        .map_or(0, |statx| statx.stx_mnt_id);
    let is_remote = file_system::of(path).is_none_or(|system| system.is_remote);
    Ok(Identity { device: stat.st_dev, inode: stat.st_ino, mount, is_remote })
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
        timeout(Duration::from_secs(10), wait).await.expect(name);
    }

    #[tokio::test]
    async fn a_root_that_was_replaced_is_watched_again() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("reports");
        let hints = Hints::default();
        let mut eye = Eye::new(&RootPath::from(&*root), hints.clone());
        assert!(matches!(eye.check(true).await, Sight::Lost(_)));
        std::fs::write(&root, "a file").unwrap();
        assert!(matches!(eye.check(true).await, Sight::Lost(_)));
        std::fs::remove_file(&root).unwrap();

        std::fs::create_dir(&root).unwrap();
        assert!(matches!(eye.check(true).await, Sight::New));
        assert!(matches!(eye.check(true).await, Sight::Steady));
        std::fs::write(root.join("a.json"), "{}").unwrap();
        hinted(&hints, "a.json").await;

        std::fs::rename(&root, parent.path().join("moved")).unwrap();
        std::fs::create_dir(&root).unwrap();
        assert!(matches!(eye.check(true).await, Sight::New));
        std::fs::write(root.join("b.json"), "{}").unwrap();
        hinted(&hints, "b.json").await;
    }

    #[tokio::test]
    async fn a_root_is_looked_at_without_an_event_and_without_a_watch_where_none_is_wanted() {
        let root = tempfile::tempdir().unwrap();
        let hints = Hints::default();
        let mut eye = Eye::new(&RootPath::from(root.path()), hints.clone());
        assert!(matches!(eye.check(false).await, Sight::New));
        assert!(matches!(eye.check(false).await, Sight::Steady));
        std::fs::write(root.path().join("unseen.json"), "{}").unwrap();
        assert!(matches!(eye.check(true).await, Sight::Turned));
        assert!(matches!(eye.check(true).await, Sight::Steady));
        std::fs::write(root.path().join("seen.json"), "{}").unwrap();
        let mut batch = hints.take();
        while !batch.names.contains_key(std::ffi::OsStr::new("seen.json")) {
            hints.wait().await;
            batch = hints.take();
        }
        assert!(!batch.everything && batch.names.len() == 1, "{batch:?}");
        assert!(matches!(eye.check(false).await, Sight::Turned));
    }
}
