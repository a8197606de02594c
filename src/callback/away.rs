//! Moves the files away that were deleted at the dashboard. One that cannot be moved stays recorded as
//! what it is, by its name and with the reason, and is tried again at the next start and from time to
//! time.

use std::io;

use jiff::Timestamp;
use tracing::{info, warn};

use super::Desk;
use super::delete::not_a_file;
use super::trash::{Fate, Trash};
use crate::clock;
use crate::file::Root;
use crate::outbox::{DeletedFile, Finding, Found, OutboxError};

/// What came of moving some files.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// How many there are in the trash.
    pub count: usize,
    /// What became of the others; a line each.
    pub errors: Vec<String>,
}

impl Desk {
    /// Moves away what was deleted before and is still there.
    pub(super) async fn put_away(&self) -> Result<(), OutboxError> {
        let _turn = self.turn.lock().await;
        for root in Root::ALL {
            let left = self.outbox.deleted(root).await?;
            if left.is_empty() {
                continue;
            }
            match self.open_trash(root, clock::now()).await {
                Ok(trash) => drop(self.move_away(root, trash, left).await),
                Err(error) => {
                    let stays = left.into_iter().filter_map(|file| stays(file, &error)).collect();
                    self.record(stays).await;
                }
            }
        }
        Ok(())
    }

    /// The trash of a root, for what is moved there today.
    pub(super) async fn open_trash(&self, root: Root, now: Timestamp) -> io::Result<Trash> {
        let (path, day) = {
            let watch = &self.settings.borrow().watch;
            (watch.path(root).to_owned(), now.to_zoned(watch.timezone.clone()).date())
        };
        self.questions.ask(root, None, move |_| Trash::open(&path, day)).await
    }

    /// Moves files of a root to its trash, and records what became of them.
    pub(super) async fn move_away(
        &self,
        root: Root,
        trash: Trash,
        files: Vec<DeletedFile>,
    ) -> Moved {
        let moving = files.clone();
        let moving = self.questions.ask(root, None, move |pulse| {
            let take = |deleted: DeletedFile| {
                pulse.beat();
                let fate = trash.take(&deleted.file.name, deleted.stamp);
                (deleted, fate)
            };
            Ok(moving.into_iter().map(take).collect::<Vec<_>>())
        });
        let fates = moving.await.unwrap_or_else(|error| {
            let same = || io::Error::new(error.kind(), error.to_string());
            files.into_iter().map(|deleted| (deleted, Fate::Failed(same()))).collect()
        });
        let (mut moved, mut findings) = (Moved::default(), Vec::new());
        let until = clock::now_ms();
        for (deleted, fate) in fates {
            let file = deleted.file.clone();
            let gone = Finding { file: file.clone(), found: Found::Gone(until) };
            match fate {
                Fate::Moved => {
                    info!(%file, "deleted at the dashboard: moved to the trash");
                    moved.count += 1;
                    findings.push(gone);
                }
                Fate::Absent => findings.push(gone),
                // It is looked at as whatever it is now.
                Fate::NotAFile(what) => {
                    moved.errors.push(not_a_file(&file, what));
                    self.hints.of(root).add_everything();
                }
                Fate::Changed => {
                    moved.errors.push(format!("{file}: has changed meanwhile, and stays"));
                    self.hints.of(root).add_everything();
                }
                Fate::Failed(error) => {
                    moved.errors.push(format!("{file}: cannot be moved to the trash: {error}"));
                    findings.extend(stays(deleted, &error));
                }
            }
        }
        self.record(findings).await;
        moved
    }

    async fn record(&self, findings: Vec<Finding>) {
        if findings.is_empty() {
            return;
        }
        // Where this fails, they are recorded as being on their way, and the next try finds out.
        if let Err(error) = self.outbox.record(findings, false, clock::now_ms()).await {
            warn!(%error, "what became of deleted files is not recorded");
        }
    }
}

/// What is to be recorded of a file that cannot be moved, unless that is recorded already.
fn stays(deleted: DeletedFile, error: &io::Error) -> Option<Finding> {
    let DeletedFile { file, stamp, why } = deleted;
    let now = format!(
        "deleted at the dashboard, and cannot be moved to the trash: {error}: ytv2d must be allowed \
         to write in its directory (under systemd: ReadWritePaths=); it is tried again by itself"
    );
    if now == why {
        return None;
    }
    warn!(%file, %error, "deleted at the dashboard, and cannot be moved to the trash");
    Some(Finding { file, found: Found::Deleted(stamp, now) })
}
