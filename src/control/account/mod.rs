//! Everything about one id or file, put together from what is recorded, what lies on the disk, and
//! how the targets are.

mod verdict;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Desk;
use super::refusal::Refusal;
use super::wire::{
    Account, AttemptAccount, DeliveryAccount, FileAccount, Thing, VersionAccount, at,
};
use crate::clock;
use crate::config::{Config, RootPath};
use crate::delivery::state_of;
use crate::drain::{LaneStatus, payload};
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind};
use crate::intake::{Inspection, inspect};
use crate::outbox::{Attempted, DeliveryRecord, FileRecord, ItemRecord};
use crate::watch::Pulse;

/// Everything about an id.
pub async fn of_id(desk: &Desk, id: &ContentId, payload: bool) -> Result<Account, Refusal> {
    let records = desk.outbox.record_of(id.clone()).await?;
    if records.is_empty() {
        let directory = desk.settings.borrow().watch.reports.display().to_string();
        return Err(Refusal::not_found(
            format!("nothing is known of {id}"),
            format!(
                "no report in {directory} has this id; ask about the file itself: ytv2d why PATH"
            ),
        ));
    }
    compose(desk, id.to_string(), Some(id.clone()), records, None, payload).await
}

/// Everything about a file, and about the id that it belongs to.
pub async fn of_path(desk: &Desk, path: &Path, payload: bool) -> Result<Account, Refusal> {
    let file = locate(desk, path).await?;
    let record = desk.outbox.file_record(file.clone()).await?;
    let id = record.as_ref().and_then(|record| record.item.clone()).map(|(_, id)| id);
    let records = match &id {
        Some(id) => desk.outbox.record_of(id.clone()).await?,
        None => Vec::new(),
    };
    compose(desk, file.to_string(), id, records, Some((file, record)), payload).await
}

/// Which file of which root a path means: one that lies right below a root, or a bare name.
pub async fn locate(desk: &Desk, path: &Path) -> Result<FileRef, Refusal> {
    let config = desk.settings.borrow().clone();
    let Some(name) = path.file_name() else {
        return Err(Refusal::bad(
            format!("{} names no file", path.display()),
            "pass the path of a report or of an audio file",
        ));
    };
    let by_ending = match path.extension() {
        Some(ending) if ending.eq_ignore_ascii_case(Root::Exports.extension()) => Root::Exports,
        _ => Root::Reports,
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Some(parent) = parent else { return Ok(FileRef::new(by_ending, name)) };
    let as_written = |root: &Root| parent == &**config.watch.path(*root);
    let root = match [by_ending].into_iter().chain(Root::ALL).find(as_written) {
        Some(root) => Some(root),
        None => {
            let (parent, watch) = (parent.to_owned(), config.watch.clone());
            let looking = move |_: &Pulse| Ok(root_of(&parent, by_ending, |root| watch.path(root)));
            let looked = desk.inquiries.ask(by_ending, Some(name), looking).await;
            looked.map_err(|error| {
                Refusal::conflict(format!("{}: {error}", path.display()), "ytv2d status says more")
            })?
        }
    };
    root.map(|root| FileRef::new(root, name)).ok_or_else(|| {
        Refusal::bad(
            format!("{} is in none of the watched directories", path.display()),
            format!(
                "reports are taken from {} and audio from {}, not from directories below them",
                config.watch.reports.display(),
                config.watch.exports.display()
            ),
        )
    })
}

/// Which root a directory is, however it is written. Blocking.
fn root_of<'a>(directory: &Path, first: Root, path: impl Fn(Root) -> &'a RootPath) -> Option<Root> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = real(directory);
    [first].into_iter().chain(Root::ALL).find(|root| real(path(*root)) == directory)
}

async fn compose(
    desk: &Desk,
    asked: String,
    id: Option<ContentId>,
    records: Vec<ItemRecord>,
    alone: Option<(FileRef, Option<FileRecord>)>,
    with_payload: bool,
) -> Result<Account, Refusal> {
    let config = desk.settings.borrow().clone();
    let mut known: Vec<(FileRef, Option<FileRecord>)> = records
        .iter()
        .flat_map(|record| &record.files)
        .map(|record| (record.file.clone(), Some(record.clone())))
        .collect();
    if let Some(alone) = alone
        && known.iter().all(|(file, _)| *file != alone.0)
    {
        known.insert(0, alone);
    }
    let looks: Vec<FileRef> = known.iter().map(|(file, _)| file.clone()).collect();
    let looks = look(desk, &looks, &config).await;
    let files: Vec<FileAccount> = known
        .iter()
        .zip(looks)
        .map(|((file, record), look)| file_account(file, record.as_ref(), look))
        .collect();
    let lanes: Vec<LaneStatus> = desk.lane_statuses();
    let now_ms = clock::now_ms();
    let things: Vec<Thing> =
        records.iter().map(|record| thing(record, &records, &lanes, now_ms)).collect();
    let payload = match with_payload {
        true => payload_of(desk, &records, config).await?,
        false => None,
    };
    let verdict = verdict::verdict(id.as_ref().map(ContentId::as_str), &files, &things);
    Ok(Account { asked, id: id.map(String::from), verdict, files, things, payload })
}

/// What the report maps to as it is on the disk.
async fn payload_of(
    desk: &Desk,
    records: &[ItemRecord],
    config: Arc<Config>,
) -> Result<Option<serde_json::Value>, Refusal> {
    let Some(report) = records.iter().find(|record| record.kind == Kind::Report) else {
        return Ok(None);
    };
    let Some(parcel) = desk.outbox.preview(report.item).await? else { return Ok(None) };
    let again = "ask again in a moment";
    let FileRef { root, name } = parcel.source.file.clone();
    let packing = move |_: &Pulse| Ok(payload(&parcel, &config));
    let packed = desk.inquiries.ask(root, Some(&name), packing).await;
    let json = packed
        .unwrap_or_else(|silence| Err(silence.to_string()))
        .map_err(|error| Refusal::conflict(error, again))?;
    serde_json::from_slice(&json)
        .map(Some)
        .map_err(|error| Refusal::conflict(error.to_string(), again))
}

/// Looks at files, on threads where a dead mount holds up nobody else.
async fn look(desk: &Desk, files: &[FileRef], config: &Arc<Config>) -> Vec<Inspection> {
    let of_each_root = files.chunk_by(|one, next| one.root == next.root).map(async |files| {
        let (config, pairs) = (Arc::clone(config), desk.outbox.pairs().clone());
        let looking = move |file: &FileRef, _: &Pulse| inspect(file, &config, &pairs);
        let (mut looks, outcome) = desk.inquiries.ask_each(&files.into(), looking).await;
        let silence = match outcome {
            Ok(()) => "the file system has not answered when it was last asked".to_owned(),
            Err(error) => error.to_string(),
        };
        let silent = || Inspection { problem: Some(silence.clone()), ..Inspection::default() };
        looks.resize_with(files.len(), silent);
        looks
    });
    join_all(of_each_root).await.concat()
}

fn file_account(file: &FileRef, record: Option<&FileRecord>, look: Inspection) -> FileAccount {
    let kind = match file.root {
        Root::Reports | Root::Rows => Kind::Report,
        Root::Exports => Kind::Audio,
    };
    let recorded = record.and_then(|record| record.problem.clone());
    FileAccount {
        path: file.to_string(),
        kind,
        exists: look.exists,
        size_bytes: look.size,
        modified_at: look.modified,
        shape: look.shape.map(str::to_owned),
        part: part(kind, record),
        problem: recorded.or(look.problem),
    }
}

/// What a file gives.
fn part(kind: Kind, record: Option<&FileRecord>) -> String {
    let Some(record) = record else { return "it is not taken in".to_owned() };
    match (kind, record.is_source, &record.item) {
        (_, _, None) if record.problem.is_some() => "nothing is delivered of it".to_owned(),
        (Kind::Report, _, None) => "nothing is delivered of it".to_owned(),
        (Kind::Audio, _, None) => {
            format!("audio that {}", record.waits.as_deref().unwrap_or("waits for its report"))
        }
        (Kind::Report, true, _) => match record.summaries.is_empty() {
            true => "gives the record; there is no summary in it".to_owned(),
            false => {
                format!("gives the record, with the summaries {}", record.summaries.join(", "))
            }
        },
        (Kind::Report, false, _) => format!(
            "an older file of the same id: gives only summaries that the newer one lacks (it has \
             {})",
            record.summaries.join(", ")
        ),
        (Kind::Audio, true, _) => "the audio".to_owned(),
        (Kind::Audio, false, _) => "an older audio file of the same id: not delivered".to_owned(),
    }
}

fn thing(record: &ItemRecord, all: &[ItemRecord], lanes: &[LaneStatus], now_ms: i64) -> Thing {
    let report = all.iter().find(|other| other.kind == Kind::Report);
    Thing {
        kind: record.kind,
        wanted: VersionAccount {
            version: record.want.to_string(),
            number: Some(record.want_no),
            at: at(record.changed_ms),
        },
        deliveries: record
            .deliveries
            .iter()
            .map(|delivery| {
                let lane = lanes.iter().find(|lane| lane.name == delivery.target);
                let of_report = report.and_then(|report| {
                    report.deliveries.iter().find(|other| other.target == delivery.target)
                });
                delivery_account(record, delivery, of_report, lane, now_ms)
            })
            .collect(),
    }
}

fn delivery_account(
    record: &ItemRecord,
    delivery: &DeliveryRecord,
    report: Option<&DeliveryRecord>,
    lane: Option<&LaneStatus>,
    now_ms: i64,
) -> DeliveryAccount {
    let in_flight = lane.is_some_and(|lane| lane.is_sending(record.kind, &record.id));
    let state = state_of(delivery.stored, in_flight, now_ms);
    let wait = verdict::wait(state, record, delivery, report, lane);
    DeliveryAccount {
        target: delivery.target.clone(),
        state,
        known: delivery.known.map(|version| VersionAccount {
            version: version.to_string(),
            number: delivery.known_no,
            at: delivery.acked_ms.and_then(at),
        }),
        action: delivery.action,
        summaries: delivery.summaries.clone(),
        public_url: delivery.public_url.clone(),
        warning: delivery.warning.clone(),
        waits_for: wait.what,
        until: wait.until_ms.and_then(at),
        remedy: wait.remedy,
        attempts: delivery.attempts.iter().filter_map(attempt).collect(),
    }
}

fn attempt(attempted: &Attempted) -> Option<AttemptAccount> {
    Some(AttemptAccount {
        at: at(attempted.at_ms)?,
        outcome: attempted.outcome.as_str().to_owned(),
        status: attempted.status,
        words: attempted.words.clone(),
    })
}
