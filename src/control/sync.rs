//! `POST /sync`: looks through the sources, and says how every target stands with them. What differs
//! is on its way then, as it always is.

use std::sync::PoisonError;

use jiff::Timestamp;

use super::Desk;
use super::refusal::Refusal;
use super::rescan;
use super::status::totals;
use super::wire::{Rescanned, Sync, Synced, SyncedTarget, Totals};
use crate::clock;
use crate::delivery::Stored;
use crate::file::Root;
use crate::intake::Surveyor;
use crate::outbox::Scope;

/// Answers when everything was looked through.
pub async fn sync(desk: &Desk, asked: Sync) -> Result<Synced, Refusal> {
    let (roots, of_rows) = sources(desk, asked.from.as_deref())?;
    let before: Vec<(String, Totals)> = desk
        .lane_statuses()
        .into_iter()
        .map(|lane| {
            let ledger = lane.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            (lane.name.to_owned(), totals(&ledger))
        })
        .collect();
    let sources: Vec<Rescanned> = match asked.dry_run {
        true => survey(desk, &roots, asked.since).await,
        false => rescan::through(desk, &roots, false).await?,
    };
    let mut synced = Synced {
        sources,
        targets: std::collections::BTreeMap::new(),
        invalid: {
            let tally = &desk.counts.latest().await?.tally;
            tally.invalid - tally.not_ours
        },
    };
    for (target, totals) in before {
        let since_ms = asked.since.map(|since| since.as_millisecond());
        let scope = Scope { target: Some(target.clone()), since_ms, of_rows, ..Scope::default() };
        let mut found = counted(desk, scope.clone()).await?;
        found.totals = totals;
        if asked.force {
            found.forced = found.current;
            if !asked.dry_run {
                // The counts are of before, so that what is sent again can be told from the rest.
                desk.outbox.resend(scope, clock::now_ms()).await?;
            }
        }
        synced.targets.insert(target, found);
    }
    Ok(synced)
}

/// How the sources differ from what is recorded of them. Nothing is taken in.
async fn survey(desk: &Desk, roots: &[Root], since: Option<Timestamp>) -> Vec<Rescanned> {
    let config = desk.settings.borrow().clone();
    let (outbox, questions) = (&desk.outbox, &desk.questions);
    let surveyor = Surveyor { outbox, questions, config: &config, since };
    let mut found = Vec::new();
    for root in roots {
        found.push(rescan::told(*root, surveyor.survey(*root).await));
    }
    found
}

async fn counted(desk: &Desk, scope: Scope) -> Result<SyncedTarget, Refusal> {
    let mut found = SyncedTarget::default();
    for (stored, count) in desk.outbox.states(scope).await? {
        let place = match stored {
            Stored::Current => &mut found.current,
            Stored::Due { .. } => &mut found.due,
            Stored::WaitsForReport => &mut found.waiting,
            Stored::Parked => &mut found.parked,
            Stored::Dropped => &mut found.dropped,
            Stored::Vanished => continue,
        };
        *place += count;
    }
    Ok(found)
}

/// Which sources a word means, and whether only rows, or only files, are meant.
fn sources(desk: &Desk, from: Option<&str>) -> Result<(Vec<Root>, Option<bool>), Refusal> {
    let has_database = desk.settings.borrow().content_db.is_some();
    let files = Root::ALL.to_vec();
    match from {
        None if !has_database => Ok((files, None)),
        Some("reports") => Ok((files, Some(false))),
        Some("database" | "both") if !has_database => Err(Refusal::bad(
            "there is no database to sync from",
            "name the pipeline's database in content_db.path, and reload",
        )),
        Some("database") => Ok((vec![Root::Rows], Some(true))),
        None | Some("both") => Ok((Root::SOURCES.to_vec(), None)),
        Some(other) => Err(Refusal::bad(
            format!("there is no source {other:?}"),
            "the sources are reports, database and both",
        )),
    }
}
