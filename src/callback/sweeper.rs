//! Looks after the trash: at the start and from time to time what should be there is put there, and
//! every day what has been kept for long enough is thrown away.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Desk;
use super::trash;
use crate::clock;
use crate::file::Root;
use crate::outbox::OutboxError;

/// Between two tries to move away what could not be moved.
const AGAIN: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Works until told to stop; deletions need not be heard of any more for it.
///
/// # Errors
/// Those of the outbox.
pub async fn sweep(desk: Arc<Desk>, stop: CancellationToken) -> Result<(), OutboxError> {
    let mut next = Instant::now();
    loop {
        let work = async {
            desk.put_away().await?;
            if Instant::now() >= next {
                desk.throw_away().await;
                next = Instant::now() + DAY;
            }
            Ok::<_, OutboxError>(())
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            done = work => done?,
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

impl Desk {
    async fn throw_away(&self) {
        for root in Root::ALL {
            let config = Arc::clone(&self.settings.borrow());
            let (path, now) = (config.watch.path(root).to_owned(), clock::now());
            let sweeping = self.questions.ask(root, None, move |pulse| {
                trash::sweep(&path, config.trash_keep, &config.watch.timezone, now, pulse)
            });
            match sweeping.await {
                Ok(0) => {}
                Ok(files) => {
                    info!(%root, files, "the trash is emptied of what was kept long enough")
                }
                Err(error) => warn!(%root, %error,
                    "the trash cannot be emptied; it is tried again tomorrow"),
            }
        }
    }
}
