//! Empties the trash of what has been kept for long enough: at the start, and every day.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::trash;
use crate::clock;
use crate::config::Config;
use crate::file::Root;
use crate::watch::Questions;

const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sweeps until told to stop; deletions need not be heard of any more for it.
pub async fn sweep(
    settings: watch::Receiver<Arc<Config>>,
    questions: Questions,
    stop: CancellationToken,
) {
    loop {
        for root in Root::ALL {
            let config = Arc::clone(&settings.borrow());
            let (path, now) = (config.watch.path(root).to_owned(), clock::now());
            let sweeping = questions.ask(root, None, move |pulse| {
                trash::sweep(&path, config.trash_keep, &config.watch.timezone, now, pulse)
            });
            let swept = tokio::select! {
                () = stop.cancelled() => return,
                swept = sweeping => swept,
            };
            match swept {
                Ok(0) => {}
                Ok(files) => {
                    info!(%root, files, "the trash is emptied of what was kept long enough")
                }
                Err(error) => warn!(%root, %error,
                    "the trash cannot be emptied; it is tried again tomorrow"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
