//! What a subject comes to: the items that are known of it, and their files.

use std::collections::HashMap;
use std::io;

use super::Desk;
use super::delete::{Subject, Trouble};
use super::names;
use crate::file::{FileRef, Printable, Root};
use crate::id::{ContentId, Kind};
use crate::outbox::{Burial, OutboxError};
use crate::report::IdPolicy;
use crate::watch::{Directory, Entry};

/// What is to be buried of a subject that is known.
pub(super) struct Claim {
    pub burials: Vec<Burial>,
    /// All of it was deleted before.
    pub was_buried: bool,
}

/// What stands under the names of some files.
pub(super) type Looks = HashMap<FileRef, Entry>;

impl Desk {
    /// What is claimed of a subject, or why there is nothing to delete.
    pub(super) async fn claim(
        &self,
        subject: &Subject,
        with_audio: bool,
    ) -> Result<Result<Claim, String>, Trouble> {
        match subject {
            Subject::Id(id) => Ok(self.claim_of_id(id, with_audio).await?),
            Subject::Name(name) => self.claim_of_name(name, with_audio).await,
        }
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
            // A row of the old database is none of ours to move; it does not open the grave either.
            let files =
                files.map(|record| record.file).filter(|file| file.root != Root::Rows).collect();
            let burials = vec![Burial { id: Some(id), kinds, files, standing: Vec::new() }];
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
                    let mut burial = unknown(file);
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
                    burials.push(unknown(file));
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

    /// What stands under the names of all files that are claimed.
    pub(super) async fn look(&self, claims: &[Claim]) -> Result<Looks, Trouble> {
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
}

/// A file of which no id is known.
fn unknown(file: FileRef) -> Burial {
    Burial { id: None, kinds: Vec::new(), files: vec![file], standing: Vec::new() }
}
