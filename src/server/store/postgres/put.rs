//! What taking a report or an audio file does to the tables.

use std::sync::Arc;

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::super::level::{Audio, action, newer};
use super::super::{AudioStored, NewAudio, Place, Record, Report, ReportStored};
use super::before::{Before, Busy};
use super::call::CallError;
use super::writes::{Text, Writes};
use super::{audio_rows, before, rows, writes};
use crate::contract::Action;
use crate::server::record::revision;

/// A report on its way in.
pub(super) struct Sent {
    pub(super) report: Report,
    pub(super) version: Option<i64>,
    pub(super) now: Timestamp,
}

/// Takes a report with its summaries, after whoever else writes its id.
pub(super) async fn report(
    db: &Transaction<'_>,
    sent: Arc<Sent>,
) -> Result<ReportStored, CallError> {
    let stored = reports(db, &[sent], Busy::Wait).await?.pop().flatten();
    stored.ok_or(CallError::Unexpected("the id could not be locked"))
}

/// Takes reports, each of another id, with their summaries; none of an id that somebody else writes.
pub(super) async fn free_reports(
    db: &Transaction<'_>,
    sent: &[Arc<Sent>],
) -> Result<Vec<Option<ReportStored>>, CallError> {
    reports(db, sent, Busy::Leave).await
}

async fn reports(
    db: &Transaction<'_>,
    sent: &[Arc<Sent>],
    busy: Busy,
) -> Result<Vec<Option<ReportStored>>, CallError> {
    let before = before::before(db, sent, busy).await?;
    let mut news = Writes::default();
    let mut stored: Vec<_> = sent
        .iter()
        .zip(before)
        .map(|(sent, before)| before.map(|before| take(sent, before, &mut news)))
        .collect();
    let mut titles = writes::put(db, &news).await?;
    for (sent, stored) in sent.iter().zip(stored.iter_mut().flatten()) {
        if let Some(title) = titles.remove(&sent.report.video_id) {
            stored.title = title;
            // So it did not say it all already.
            if stored.action == Action::Unchanged {
                stored.action = Action::Updated;
            }
        }
    }
    Ok(stored)
}

/// What becomes of a report, as far as can be said before its record is written, and what there is
/// to write.
fn take<'a>(sent: &'a Sent, before: Before, writes: &mut Writes<'a>) -> ReportStored {
    let Sent { report, version, now } = sent;
    let Before { held, audio, latest } = before;
    let id = report.video_id.as_str();
    let stored = held.as_ref().and_then(|held| held.version);
    if let (Some(held), Some(newer)) = (&held, newer(stored, *version)) {
        return ReportStored {
            action: Action::Superseded,
            summaries: 0,
            title: held.record.title.clone(),
            superseded_by: Some(newer),
        };
    }

    let held = held.map(|held| held.record);
    let record = Record::after(report, held.as_ref(), audio.map(|audio| audio.link()), *now);
    match version.or(stored) {
        // A number may have outlived the row that it was for.
        Some(version) if held.is_none() || Some(version) != stored => {
            writes.numbers.push((id, version))
        }
        None if held.is_none() => writes.unnumbered.push(id),
        _ => {}
    }
    let before = writes.texts.len();
    for (summary, latest) in report.summaries.iter().zip(latest) {
        if !latest.as_ref().is_some_and(|latest| latest.is(summary)) {
            writes.texts.push(Text {
                video_id: id,
                summary,
                revision: revision(summary.revision, latest.as_ref().map(|l| l.revision)),
                replaces: latest.is_some_and(|latest| latest.is_latest),
                now: *now,
            });
        }
    }
    let stored = ReportStored {
        action: action(held.is_some(), writes.texts.len() > before),
        summaries: i64::try_from(report.summaries.len()).unwrap_or(i64::MAX),
        title: record.title.clone(),
        superseded_by: None,
    };
    writes.records.push(record);
    stored
}

/// Takes an audio file and links it to its record.
pub(super) async fn audio(
    db: &Transaction<'_>,
    new: &NewAudio,
    version: Option<i64>,
    place: Place,
    now: Timestamp,
) -> Result<AudioStored, CallError> {
    let id = new.video_id.as_str();
    rows::lock(db, id).await?;
    let held = audio_rows::audio(db, id).await?;
    let held = held.as_ref();
    if let Some((held, newer)) = held.and_then(|held| Some((held, newer(held.version, version)?))) {
        return Ok(AudioStored {
            action: Action::Superseded,
            file_name: held.file_name.clone(),
            linked: audio_rows::link_audio(db, id, &held.link()).await?,
            superseded_by: Some(newer),
        });
    }

    let mut audio = Audio::after(new, held, version);
    match held {
        None => add(db, new, &mut audio, now).await?,
        Some(held) if *held != audio => {
            audio_rows::update_audio(db, id, &audio, new.bytes, now).await?
        }
        Some(_) => {}
    }
    let linked = audio_rows::link_audio(db, id, &audio.link()).await?;
    place(audio.placement(new, held)).await.map_err(CallError::Media)?;
    Ok(AudioStored {
        action: audio.action(held),
        file_name: audio.file_name,
        linked,
        superseded_by: None,
    })
}

/// Adds the row under the contract's name, or under the id's own if that is another's.
async fn add(
    db: &Transaction<'_>,
    new: &NewAudio,
    audio: &mut Audio,
    now: Timestamp,
) -> Result<(), CallError> {
    for name in new.names.contract.iter().chain([&new.names.own]) {
        audio.file_name.clone_from(name);
        audio_rows::lock_name(db, name).await?;
        if audio_rows::add_audio(db, &new.video_id, audio, new.bytes, now).await? {
            return Ok(());
        }
    }
    Err(CallError::Unexpected("no file name is free"))
}
