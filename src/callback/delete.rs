//! Deletes what the dashboard has deleted: the outbox is told first, so that nothing of it is sent
//! again whatever happens next, and then the files go to the trash.

use std::io;
use std::mem;

use jiff::Timestamp;
use tracing::{info, warn};

use super::Desk;
use super::trash::{Fate, Trash};
use crate::file::{FileRef, Root};
use crate::outbox::{Finding, Found, OutboxError};
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
        let mut ready = Vec::new();
        for burial in &mut burials {
            for file in mem::take(&mut burial.files) {
                match looks.get(&file) {
                    Some(Entry::Other(what, _)) => deleted.errors.push(not_a_file(&file, what)),
                    Some(Entry::File(_)) => {
                        ready.push(file.clone());
                        burial.files.push(file);
                    }
                    None => burial.files.push(file),
                }
            }
        }
        // Before anything is recorded, since this is what a full or a read-only disk refuses.
        let trashes = self.open_trashes(&ready, now).await?;
        self.outbox.bury(burials, now.as_millisecond()).await?;
        self.move_away(trashes, ready, deleted).await;
        Ok(())
    }

    /// The trash of each root that files are to be moved in.
    async fn open_trashes(
        &self,
        files: &[FileRef],
        now: Timestamp,
    ) -> Result<Vec<(Root, Trash)>, Trouble> {
        let day = now.to_zoned(self.settings.borrow().watch.timezone.clone()).date();
        let mut trashes = Vec::new();
        for root in Root::ALL.into_iter().filter(|root| files.iter().any(|f| f.root == *root)) {
            let path = self.settings.borrow().watch.path(root).to_owned();
            let opened = self.questions.ask(root, None, move |_| Trash::open(&path, day)).await;
            trashes.push((root, opened.map_err(|error| Trouble::Trash { root, error })?));
        }
        Ok(trashes)
    }

    async fn move_away(
        &self,
        trashes: Vec<(Root, Trash)>,
        files: Vec<FileRef>,
        deleted: &mut Deleted,
    ) {
        let mut gone = Vec::new();
        for (root, trash) in trashes {
            let files: Vec<FileRef> = files.iter().filter(|f| f.root == root).cloned().collect();
            let moving = self.questions.ask(root, None, move |pulse| {
                let take = |file: FileRef| {
                    pulse.beat();
                    let fate = trash.take(&file.name);
                    (file, fate)
                };
                Ok(files.into_iter().map(take).collect::<Vec<_>>())
            });
            match moving.await {
                Ok(fates) => {
                    for (file, fate) in fates {
                        match fate {
                            Fate::Moved => {
                                info!(%file, "deleted at the dashboard: moved to the trash");
                                deleted.moved += 1;
                                gone.push(file);
                            }
                            Fate::Absent => gone.push(file),
                            Fate::NotAFile(what) => deleted.errors.push(not_a_file(&file, what)),
                            Fate::Failed(error) => self.stays(root, &file, &error, deleted),
                        }
                    }
                }
                Err(error) => self.stays(root, &root, &error, deleted),
            }
        }
        // Whoever looked between the two may have found them. Where this fails, the next look
        // finds them gone.
        let until = crate::clock::now_ms();
        let found = |file| Finding { file, found: Found::Gone(until) };
        let gone: Vec<Finding> = gone.into_iter().map(found).collect();
        if !gone.is_empty() {
            let _found_by_the_intake = self.outbox.record(gone, false, until).await;
        }
    }

    /// What could not be moved is there, and is to be recorded again: as something that is not sent.
    fn stays(
        &self,
        root: Root,
        what: &dyn std::fmt::Display,
        error: &io::Error,
        deleted: &mut Deleted,
    ) {
        warn!(file = %what, %error, "deleted at the dashboard, and cannot be moved to the trash");
        deleted.errors.push(format!("{what}: cannot be moved to the trash: {error}"));
        self.hints[root as usize].add_everything();
    }
}

fn not_a_file(file: &FileRef, what: &str) -> String {
    format!("{file}: is {what}; only regular files are deleted")
}
