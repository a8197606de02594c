//! A look at one file that somebody has finished writing, without any watching.

use std::sync::Arc;

use super::look::{self, Outcome, Rules};
use crate::config::Config;
use crate::file::FileRef;
use crate::outbox::{Finding, Found, Pairs};
use crate::watch::{Directory, JustRead, Pulse};

/// Reads a file as an intake would. Blocking.
///
/// # Errors
/// Why nothing can be delivered of it, in words.
pub fn read_once(file: &FileRef, config: &Arc<Config>, pairs: &Pairs) -> Result<Finding, String> {
    if !look::is_ours(file.root, &file.name, &config.watch.ignore, pairs) {
        return Err(format!("{file}: its name is one that is ignored"));
    }
    let rules = Rules {
        root: file.root,
        quiet: config.watch.audio_quiet,
        report_limit: config.report_limit,
        timezone: config.watch.timezone.clone(),
        ids: config.ids,
        adopting: false,
        events: true,
        pairs: pairs.clone(),
        just_read: JustRead::default(),
    };
    let failed = |why: String| format!("{file}: {why}");
    let directory = Directory::open(config.watch.path(file.root))
        .map_err(|error| failed(format!("its directory cannot be read: {error}")))?;
    match look::read(&directory, file, &rules, &Pulse::start()) {
        Outcome::Found(
            Found::Problem(_, why)
            | Found::Obstacle(_, why)
            | Found::NotOurs(_, why)
            | Found::Deleted(_, why),
        )
        | Outcome::Unfinished(_, why) => Err(failed(why)),
        Outcome::Found(found) => Ok(Finding { file: file.clone(), found }),
        Outcome::Moving => Err(failed("it is not there, or is being written".to_owned())),
        Outcome::Failed(error) => Err(failed(format!("it cannot be read: {error}"))),
    }
}
