//! `POST /upload`: a pipeline hands over a report, and its audio, and may wait for what comes of it.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::Desk;
use super::account::{self, locate};
use super::refusal::Refusal;
use super::wire::{PairOutcome, Thing, ThingOutcome, Upload, Uploaded};
use crate::clock;
use crate::delivery::ItemState;
use crate::drain::LaneStatuses;
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind};
use crate::intake::{Inspection, NotLooked, inspect};
use crate::outbox::{Retry, Scope};
use crate::watch::Pulse;

/// The longest that somebody may wait.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Takes a pair in, makes it due at once, and says how it stands; when the caller waits, not before
/// nothing more is to come of it.
pub async fn upload(desk: &Desk, asked: Upload) -> Result<Uploaded, Refusal> {
    let report = file(desk, &asked.report, Root::Reports).await?;
    let audio = match &asked.audio {
        Some(path) => Some(file(desk, path, Root::Exports).await?),
        None => None,
    };
    let id = take_report(desk, &report).await?;
    if let Some(audio) = &audio {
        take_audio(desk, audio, &id).await?;
    }
    let scope = Scope { id: Some(id.clone()), ..Scope::default() };
    desk.outbox.retry(scope, Retry::Open, clock::now_ms()).await?;

    let wait = asked.wait.map_or(Duration::ZERO, Duration::from_secs).min(WAIT_MAX);
    let deadline = Instant::now() + wait;
    let (mut changes, mut lanes) = (desk.outbox.changes(), desk.lanes.clone());
    loop {
        // Before asking, so that what changes meanwhile is not missed.
        changes.mark_unchanged();
        // A reload ends lanes, and begins others.
        let mut of_each = lanes.borrow_and_update().clone();
        of_each.iter_mut().for_each(|lane| lane.mark_unchanged());
        let account = account::of_id(desk, &id, false).await?;
        let (uploaded, is_over) = outcome(desk, &id, audio.is_some(), &account.things);
        if is_over {
            return Ok(uploaded);
        }
        tokio::select! {
            change = changes.changed() => change.map_err(|_| Refusal::stopping())?,
            Ok(()) = lanes.changed() => {}
            // What a lane has under way is written down nowhere but in its status.
            Some(()) = any_changed(&mut of_each) => {}
            () = sleep_until(deadline) => return Ok(uploaded),
        }
    }
}

/// Waits for the next change of a lane that has not ended; nothing where all have.
async fn any_changed(lanes: &mut LaneStatuses) -> Option<()> {
    let changes: FuturesUnordered<_> = lanes.iter_mut().map(|lane| lane.changed()).collect();
    changes.filter_map(async |changed| changed.ok()).boxed().next().await
}

/// A file that exists, in the right root.
async fn file(desk: &Desk, path: &Path, root: Root) -> Result<FileRef, Refusal> {
    let file = locate(desk, path).await?;
    let config = desk.settings.borrow().clone();
    if file.root != root {
        return Err(Refusal::bad(
            format!("{file} is not in {}", config.watch.path(root).display()),
            "pass the report first, then the audio",
        ));
    }
    let (looked_at, pairs) = (file.clone(), desk.outbox.pairs().clone());
    let looking = move |_: &Pulse| Ok(inspect(&looked_at, &config, &pairs));
    let look = desk.inquiries.ask(root, Some(&file.name), looking).await;
    let unseen =
        |why: String| Refusal::conflict(format!("{file}: {why}"), "ytv2d status says more");
    match look.map_err(|silence| unseen(silence.to_string()))? {
        Inspection { exists: true, .. } => Ok(file),
        Inspection { problem: Some(why), .. } => Err(unseen(why)),
        _ => Err(Refusal::not_found(
            format!("{} does not exist", path.display()),
            "write the file first, then hand it over",
        )),
    }
}

/// Has a report taken in as it is now, and gives its id.
async fn take_report(desk: &Desk, file: &FileRef) -> Result<ContentId, Refusal> {
    take_in(desk, file).await?;
    let record = desk.outbox.file_record(file.clone()).await?;
    match record.as_ref().and_then(|record| record.item.clone()) {
        Some((_, id)) => Ok(id),
        None => Err(Refusal::conflict(
            format!(
                "{file} cannot be delivered: {}",
                record
                    .and_then(|record| record.problem)
                    .unwrap_or_else(|| "it is not whole, or its name is ignored".to_owned())
            ),
            format!("mend it, and hand it over again; ytv2d why {} says more", file_name(file)),
        )),
    }
}

/// Has an audio file taken in as that of an id.
async fn take_audio(desk: &Desk, file: &FileRef, id: &ContentId) -> Result<(), Refusal> {
    take_in(desk, file).await?;
    let belongs = |record: Option<crate::outbox::FileRecord>| {
        record.and_then(|record| record.item).is_some_and(|(_, owner)| owner == *id)
    };
    if belongs(desk.outbox.file_record(file.clone()).await?) {
        return Ok(());
    }
    // Its name says nothing of this id, or another one: whoever hands it over knows better.
    desk.outbox.pair(file.clone(), id.clone()).await?;
    take_in(desk, file).await?;
    let record = desk.outbox.file_record(file.clone()).await?;
    let problem = record.as_ref().and_then(|record| record.problem.clone());
    if belongs(record) {
        return Ok(());
    }
    Err(Refusal::conflict(
        format!(
            "{file} cannot be delivered: {}",
            problem
                .unwrap_or_else(|| "it is still being written, or its name is ignored".to_owned())
        ),
        "the report is delivered all the same; mend the audio, and hand both over again",
    ))
}

async fn take_in(desk: &Desk, file: &FileRef) -> Result<(), Refusal> {
    let intake = desk.intakes.iter().find(|intake| intake.root == file.root);
    let looked = match intake {
        Some(intake) => intake.take_in(file.name.clone()).await,
        None => Err(NotLooked::Stopping),
    };
    looked.map_err(|error| match error {
        NotLooked::Stopping => Refusal::stopping(),
        error => Refusal::conflict(error.to_string(), "ytv2d status says more"),
    })
}

fn file_name(file: &FileRef) -> String {
    crate::file::Printable(file.name_bytes()).to_string()
}

/// How a pair stands at every target that is served, and whether nothing more is to come of it.
fn outcome(desk: &Desk, id: &ContentId, with_audio: bool, things: &[Thing]) -> (Uploaded, bool) {
    let mut uploaded =
        Uploaded { id: id.to_string(), done: false, targets: std::collections::BTreeMap::new() };
    let mut is_over = true;
    for lane in desk.lane_statuses() {
        let of = |kind| of_thing(things, kind, lane.name);
        let Some(report) = of(Kind::Report) else { continue };
        let audio = if with_audio { of(Kind::Audio) } else { None };
        let states: Vec<ItemState> = [Some(&report), audio.as_ref()]
            .into_iter()
            .flatten()
            .map(|thing| thing.state)
            .collect();
        let done = states.iter().all(|state| *state == ItemState::Current);
        // A person must act before anything more can come of it.
        let is_shut = lane.paused_ms.is_some() || lane.shut.is_some_and(|shut| shut.is_stopped);
        is_over &= done || is_shut || states.into_iter().any(is_final);
        uploaded.targets.insert(lane.name.to_owned(), PairOutcome { done, report, audio });
    }
    uploaded.done = !uploaded.targets.is_empty() && uploaded.targets.values().all(|pair| pair.done);
    (uploaded, is_over)
}

/// Whether nothing more comes of it by itself, and it is not delivered.
fn is_final(state: ItemState) -> bool {
    use ItemState::{Dropped, Invalid, Parked, Vanished};
    matches!(state, Parked | Invalid | Vanished | Dropped)
}

fn of_thing(things: &[Thing], kind: Kind, target: &str) -> Option<ThingOutcome> {
    let thing = things.iter().find(|thing| thing.kind == kind)?;
    let delivery = thing.deliveries.iter().find(|delivery| delivery.target == target)?;
    Some(ThingOutcome {
        state: delivery.state,
        reason: delivery.waits_for.clone(),
        public_url: delivery.public_url.clone(),
    })
}
