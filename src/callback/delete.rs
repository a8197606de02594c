//! Deletes what the dashboard has deleted: the outbox is told first, so that nothing of it is sent
//! again whatever happens next, and then the files go to the trash.

use std::io;
use std::mem;

use jiff::Timestamp;
use tracing::warn;

use super::Desk;
use crate::file::{FileRef, Root, Stamp};
use crate::journal::{Happening, News};
use crate::outbox::{Burial, DeletedFile, OutboxError};
use crate::watch::Entry;

/// So many are deleted between two commits.
const GROUP: usize = 64;

/// What the dashboard wants deleted.
#[derive(Clone, Debug)]
pub enum Subject {
    Id(String),
    /// A file's name, or what it has before its ending.
    Name(String),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Files that were moved to the trash.
    pub moved: usize,
    /// What could not be deleted, and why; a line each.
    pub errors: Vec<String>,
    /// How many of the subjects are known.
    pub known: usize,
    /// How many of these had been deleted before.
    pub before: usize,
}

/// Why it has to be asked again later.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error("the {root} cannot be reached: {error}")]
    Root { root: Root, error: io::Error },
    #[error(
        "nothing can be moved to the trash of the {root}: {error}: ytv2d must be allowed to write in \
         that directory (under systemd: ReadWritePaths=)"
    )]
    Trash { root: Root, error: io::Error },
}

impl Desk {
    /// Deletes subjects, with the audio of what is a report. What was done before a trouble stays
    /// done, and to ask for it again is no harm.
    pub async fn delete(
        &self,
        subjects: Vec<Subject>,
        with_audio: bool,
    ) -> (Deleted, Result<(), Trouble>) {
        // Two that delete the same would each count the other's files.
        let _turn = self.turn.lock().await;
        let mut deleted = Deleted::default();
        for group in subjects.chunks(GROUP) {
            if let Err(trouble) = self.delete_group(group, with_audio, &mut deleted).await {
                warn!(%trouble, "what the dashboard has deleted is not deleted here");
                return (deleted, Err(trouble));
            }
        }
        (deleted, Ok(()))
    }

    async fn delete_group(
        &self,
        subjects: &[Subject],
        with_audio: bool,
        deleted: &mut Deleted,
    ) -> Result<(), Trouble> {
        let now = crate::clock::now();
        let mut claims = Vec::new();
        for subject in subjects {
            match self.claim(subject, with_audio).await? {
                Ok(claim) => claims.push(claim),
                Err(why) => deleted.errors.push(why),
            }
        }
        let looks = self.look(&claims).await?;
        deleted.known += claims.len();
        let mut burials = Vec::new();
        for claim in claims {
            let stands = claim
                .burials
                .iter()
                .flat_map(|burial| &burial.files)
                .any(|file| matches!(looks.get(file), Some(Entry::File(_))));
            deleted.before += usize::from(claim.was_buried && !stands);
            burials.extend(claim.burials);
        }
        for burial in &mut burials {
            for file in mem::take(&mut burial.files) {
                match looks.get(&file) {
                    Some(Entry::Other(what, _)) => deleted.errors.push(not_a_file(&file, what)),
                    Some(Entry::File(stamp)) => burial.standing.push((file, *stamp)),
                    None => burial.files.push(file),
                }
            }
        }
        let standing: Vec<(FileRef, Stamp)> =
            burials.iter().flat_map(|burial| burial.standing.clone()).collect();
        // Before anything is recorded, since this is what a full or a read-only disk refuses.
        let mut trashes = Vec::new();
        for root in Root::ALL.into_iter().filter(|root| standing.iter().any(|f| f.0.root == *root))
        {
            let opened = self.open_trash(root, now).await;
            trashes.push((root, opened.map_err(|error| Trouble::Trash { root, error })?));
        }
        self.outbox.bury(burials.clone(), now.as_millisecond()).await?;
        self.tell(&burials, now);
        for (root, trash) in trashes {
            let of_root = standing.iter().filter(|(file, _)| file.root == root);
            let files: Vec<DeletedFile> = of_root
                .map(|(file, stamp)| DeletedFile {
                    file: file.clone(),
                    stamp: *stamp,
                    why: String::new(),
                })
                .collect();
            let moved = self.move_away(root, trash, files).await;
            deleted.moved += moved.count;
            deleted.errors.extend(moved.errors);
        }
        Ok(())
    }

    /// An event for each thing that was deleted; for each file, where nobody knows what it was.
    fn tell(&self, burials: &[Burial], now: Timestamp) {
        for Burial { id, kinds, files, standing } in burials {
            let news = || News {
                content: id.as_ref().map(ToString::to_string),
                words: Some("deleted at the dashboard".to_owned()),
                ..News::new(Happening::Deleted)
            };
            for kind in kinds {
                self.journal.tell(News { kind: Some(*kind), ..news() }, now);
            }
            if kinds.is_empty() {
                for file in files.iter().chain(standing.iter().map(|(file, _)| file)) {
                    let (root, path) = (Some(file.root.to_string()), Some(file.to_string()));
                    self.journal.tell(News { root, path, ..news() }, now);
                }
            }
        }
    }
}

pub(super) fn not_a_file(file: &FileRef, what: &str) -> String {
    format!("{file}: is {what}; only regular files are deleted")
}
