//! What taking a report or an audio file does to the tables.

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::super::level::{Audio, action, newer};
use super::super::{AudioStored, NewAudio, Place, Record, Report, ReportStored};
use super::call::CallError;
use super::{audio_rows, rows};
use crate::contract::Action;
use crate::server::record::revision;

/// Takes a report with its summaries. What needs no answer goes out behind what is asked before it,
/// in one journey to the server and back: it does one after another on a connection, so that the lock
/// comes first.
pub(super) async fn report(
    db: &Transaction<'_>,
    report: &Report,
    version: Option<i64>,
    now: Timestamp,
) -> Result<ReportStored, CallError> {
    let id = report.video_id.as_str();
    let variants: Vec<&str> = report.summaries.iter().map(|s| s.variant.as_str()).collect();
    let rows::Before { held, audio, latest } = rows::before(db, id, &variants).await?;
    let stored = held.as_ref().and_then(|held| held.version);
    if let (Some(held), Some(newer)) = (&held, newer(stored, version)) {
        return Ok(ReportStored {
            action: Action::Superseded,
            summaries: 0,
            title: held.record.title.clone(),
            superseded_by: Some(newer),
        });
    }

    let held = held.map(|held| held.record);
    let record = Record::after(report, held.as_ref(), audio.map(|audio| audio.link()), now);
    let version = version.or(stored);
    // A number may have outlived the row that it was for.
    let is_numbered_anew = held.is_none() || version != stored;
    let texts: Vec<_> = report
        .summaries
        .iter()
        .zip(latest)
        .filter(|(summary, latest)| !latest.as_ref().is_some_and(|latest| latest.is(summary)))
        .map(|(summary, latest)| {
            (summary, revision(summary.revision, latest.map(|latest| latest.revision)))
        })
        .collect();
    let written = rows::put(db, &record, is_numbered_anew.then_some(version), &texts, now).await?;
    let changed = written.is_some() || !texts.is_empty();
    Ok(ReportStored {
        action: action(held.is_some(), changed),
        summaries: i64::try_from(report.summaries.len()).unwrap_or(i64::MAX),
        title: written.unwrap_or(record.title),
        superseded_by: None,
    })
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
