//! The canary: a hidden file of our own, whose event must come.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::{Directory, Hints, Questions};
use crate::config::RootPath;
use crate::file::Root;

/// The name of the probe file. It begins with a dot, and is gone at once.
pub const CANARY: &str = ".ytv2d-canary";

/// How long its event may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a canary.
#[derive(Debug)]
pub enum Canary {
    Seen,
    /// Its event did not come: events cannot be relied on here.
    Unseen,
    /// It could not be written, which proves nothing.
    NotWritten(io::Error),
}

impl Canary {
    /// Writes a probe file into a watched directory, and waits for its event.
    ///
    /// It proves that this kernel's own writes are told of, and the watch lives. What another
    /// machine writes into a shared directory no canary can prove: that a look finds out, which
    /// sees changes that no event told of.
    pub async fn send(root: Root, path: &RootPath, hints: &Hints, questions: &Questions) -> Self {
        let mut seen = hints.canary();
        seen.mark_unchanged();
        let path = path.clone();
        let written = questions.ask(root, None, move |_| {
            // What a killed daemon left behind is in the way; so is whatever somebody put there for
            // us to follow or to wait for.
            let (directory, name) = (Directory::open(&path)?, OsStr::new(CANARY));
            match directory.remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            directory.make_file(name)?;
            directory.remove(name)
        });
        if let Err(error) = written.await {
            return Self::NotWritten(error);
        }
        match timeout(PATIENCE, seen.changed()).await {
            Ok(_) => Self::Seen,
            Err(_) => Self::Unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::watch::{Eye, Sight};

    async fn send(path: &Path, hints: &Hints) -> Canary {
        Canary::send(Root::Reports, &RootPath::from(path), hints, &Questions::default()).await
    }

    #[tokio::test]
    async fn a_canary_is_seen_where_events_come_and_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let hints = Hints::default();
        let mut eye = Eye::new(&RootPath::from(root.path()), hints.clone());
        assert!(matches!(eye.check(true).await, Sight::New));
        assert!(matches!(send(root.path(), &hints).await, Canary::Seen));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(hints.take().names.is_empty(), "it is no hint");
    }

    #[tokio::test]
    async fn what_lies_in_its_place_is_neither_followed_nor_waited_for() {
        let (root, outside) =
            (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        std::fs::write(&outside, "precious").unwrap();
        let (place, hints) = (root.path().join(CANARY), Hints::default());
        let mut eye = Eye::new(&RootPath::from(root.path()), hints.clone());
        assert!(matches!(eye.check(true).await, Sight::New));
        std::os::unix::fs::symlink(outside.path(), &place).unwrap();
        assert!(matches!(send(root.path(), &hints).await, Canary::Seen));
        assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
        let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &place, fifo, mode, 0).unwrap();
        assert!(matches!(send(root.path(), &hints).await, Canary::Seen));
        std::fs::create_dir(&place).unwrap();
        assert!(matches!(send(root.path(), &hints).await, Canary::NotWritten(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_canary_that_nobody_sees_is_unseen() {
        let root = tempfile::tempdir().unwrap();
        let outcome = send(root.path(), &Hints::default()).await;
        assert!(matches!(outcome, Canary::Unseen), "{outcome:?}");
        let outcome = send(&root.path().join("absent"), &Hints::default()).await;
        assert!(matches!(outcome, Canary::NotWritten(_)), "{outcome:?}");
    }
}
