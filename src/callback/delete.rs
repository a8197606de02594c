//! Deletes what the dashboard has deleted: the outbox is told first, so that nothing of it is sent
//! again whatever happens next, and then the files go to the trash.

use std::collections::HashMap;
use std::io;
use std::mem;

use jiff::Timestamp;
use tracing::{info, warn};

use super::Desk;
use super::names;
use super::trash::{Fate, Trash};
use crate::file::{FileRef, Printable, Root};
use crate::id::{ContentId, Kind};
use crate::outbox::{Burial, Finding, Found, OutboxError};
use crate::report::IdPolicy;
use crate::watch::{Directory, Entry};

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

/// What is to be buried of a subject that is known.
struct Claim {
    burials: Vec<Burial>,
    was_buried: bool,
}

/// What stands under the names of some files.
type Looks = HashMap<FileRef, Entry>;

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
            let claim = match subject {
                Subject::Id(id) => self.claim_of_id(id, with_audio).await?,
                Subject::Name(name) => self.claim_of_name(name, with_audio).await?,
            };
            match claim {
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

    async fn claim_of_id(
        &self,
        text: &str,
        with_audio: bool,
    ) -> Result<Result<Claim, String>, OutboxError> {
        let shown = Printable(text.as_bytes());
        let id: ContentId = match text.parse() {
            Ok(id) => id,
            Err(error) => return Ok(Err(format!("{shown}: {error}"))),
        };
        for id in self.meanings(id) {
            let mut records = self.outbox.record_of(id.clone()).await?;
            records.retain(|record| with_audio || record.kind == Kind::Report);
            if records.is_empty() {
                continue;
            }
            let was_buried = records.iter().all(|record| record.buried_ms.is_some());
            let kinds = records.iter().map(|record| record.kind).collect();
            let files = records.into_iter().flat_map(|record| record.files);
            let files = files.map(|record| record.file).collect();
            let burials = vec![Burial { id: Some(id), kinds, files }];
            return Ok(Ok(Claim { burials, was_buried }));
        }
        Ok(Err(format!("{shown}: nothing is known of this id")))
    }

    /// The ids by which a dashboard's id may be recorded: itself; without the prefix that older
    /// dashboards give to YouTube's (contract G.2, J.1); or without any, where that is configured.
    fn meanings(&self, id: ContentId) -> Vec<ContentId> {
        let is_bare = self.settings.borrow().ids == IdPolicy::Bare;
        let bare = (is_bare || id.as_str().starts_with("yt:")).then(|| id.bare().parse().ok());
        let bare = bare.flatten().filter(|bare| *bare != id);
        [Some(id), bare].into_iter().flatten().collect()
    }

    async fn claim_of_name(
        &self,
        name: &str,
        with_audio: bool,
    ) -> Result<Result<Claim, String>, Trouble> {
        let shown = Printable(name.as_bytes());
        let files = match names::files(name, with_audio) {
            Ok(files) => files,
            Err(why) => return Ok(Err(format!("{shown}: {why}"))),
        };
        let ignore = self.settings.borrow().watch.ignore.clone();
        let mut burials = Vec::new();
        for file in files.into_iter().filter(|file| !ignore.matches(&file.name)) {
            match self.outbox.file_record(file.clone()).await? {
                Some(record) => {
                    let mut burial = Burial { id: None, kinds: Vec::new(), files: vec![file] };
                    if let Some((kind, id)) = record.item {
                        burial.kinds.push(kind);
                        if kind == Kind::Report && with_audio {
                            let records = self.outbox.record_of(id.clone()).await?;
                            for audio in records.into_iter().filter(|r| r.kind == Kind::Audio) {
                                burial.kinds.push(Kind::Audio);
                                burial.files.extend(audio.files.into_iter().map(|f| f.file));
                            }
                        }
                        burial.id = Some(id);
                    }
                    burials.push(burial);
                }
                None if self.stands(&file).await? => {
                    burials.push(Burial { id: None, kinds: Vec::new(), files: vec![file] });
                }
                None => {}
            }
        }
        Ok(if burials.is_empty() {
            Err(format!("{shown}: there is no such file"))
        } else {
            Ok(Claim { burials, was_buried: false })
        })
    }

    /// Whether anything stands under the name of a file.
    async fn stands(&self, file: &FileRef) -> Result<bool, Trouble> {
        Ok(!self.look_at(file.root, vec![file.clone()]).await?.is_empty())
    }

    async fn look(&self, claims: &[Claim]) -> Result<Looks, Trouble> {
        let mut looks = Looks::new();
        for root in Root::ALL {
            let burials = claims.iter().flat_map(|claim| &claim.burials);
            let files = burials.flat_map(|burial| &burial.files).filter(|file| file.root == root);
            let files: Vec<FileRef> = files.cloned().collect();
            if !files.is_empty() {
                looks.extend(self.look_at(root, files).await?);
            }
        }
        Ok(looks)
    }

    async fn look_at(&self, root: Root, files: Vec<FileRef>) -> Result<Looks, Trouble> {
        let path = self.settings.borrow().watch.path(root).to_owned();
        let looked = self.questions.ask(root, None, move |pulse| {
            let directory = Directory::open(&path)?;
            let mut looks = Looks::new();
            for file in files {
                pulse.beat();
                match directory.look(&file.name) {
                    Ok(Some(entry)) => drop(looks.insert(file, entry)),
                    Ok(None) => {}
                    // No file has it.
                    Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(looks)
        });
        looked.await.map_err(|error| Trouble::Root { root, error })
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
