//! What taking a report or an audio file does to the tables.

use std::io;

use jiff::Timestamp;
use rusqlite::Connection;

use super::super::level::{Audio, action, newer};
use super::super::{AudioStored, Link, NewAudio, Placement, Record, Report, ReportStored, Summary};
use super::rows;
use super::writer::CallError;
use crate::contract::Action;
use crate::server::record::revision;

/// Takes a report with its summaries.
pub(super) fn report(
    db: &Connection,
    report: &Report,
    version: Option<i64>,
    now: Timestamp,
) -> Result<ReportStored, CallError> {
    let id = report.video_id.as_str();
    let held = rows::content(db, id)?;
    let stored = held.as_ref().and_then(|held| held.version);
    if let (Some(held), Some(newer)) = (&held, newer(stored, version)) {
        return Ok(ReportStored {
            action: Action::Superseded,
            summaries: 0,
            title: held.record.title.clone(),
            superseded_by: Some(newer),
        });
    }

    let audio = rows::audio(db, id)?.map(|audio| audio.link());
    let held_record = held.as_ref().map(|held| &held.record);
    let record = Record::after(report, held_record, audio, now);
    let mut changed = held_record != Some(&record);
    let version = version.or(stored);
    if changed || version != stored {
        rows::put_content(db, &record, version, now)?;
    }
    for summary in &report.summaries {
        changed |= put_summary(db, id, summary, now)?;
    }
    Ok(ReportStored {
        action: action(held.is_some(), changed),
        summaries: i64::try_from(report.summaries.len()).unwrap_or(i64::MAX),
        title: rows::title(db, id)?,
        superseded_by: None,
    })
}

/// Makes a text its variant's latest; says whether it was not already.
fn put_summary(
    db: &Connection,
    id: &str,
    summary: &Summary,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let latest = rows::latest(db, id, &summary.variant)?;
    if latest.as_ref().is_some_and(|latest| latest.is(summary)) {
        return Ok(false);
    }
    if latest.is_some() {
        rows::retire_summary(db, id, &summary.variant)?;
    }
    let revision = revision(summary.revision, latest.map(|latest| latest.revision));
    rows::add_summary(db, id, summary, revision, now)?;
    Ok(true)
}

/// Takes an audio file and links it to its record.
pub(super) fn audio(
    db: &Connection,
    new: &NewAudio,
    version: Option<i64>,
    place: impl FnOnce(Placement) -> io::Result<()>,
    now: Timestamp,
) -> Result<AudioStored, CallError> {
    let id = new.video_id.as_str();
    let held = rows::audio(db, id)?;
    let held = held.as_ref();
    if let Some((held, newer)) = held.and_then(|held| Some((held, newer(held.version, version)?))) {
        return Ok(AudioStored {
            action: Action::Superseded,
            file_name: held.file_name.clone(),
            linked: rows::content(db, id)?.is_some(),
            superseded_by: Some(newer),
        });
    }

    let mut audio = Audio::after(new, held, version);
    if held.is_none() {
        audio.file_name = free_name(db, new)?;
    }
    if held != Some(&audio) {
        rows::put_audio(db, id, &audio, new.bytes, now)?;
    }

    let linked = link(db, id, &audio.link(), now)?;
    place(audio.placement(new, held)).map_err(CallError::Media)?;
    Ok(AudioStored {
        action: audio.action(held),
        file_name: audio.file_name,
        linked,
        superseded_by: None,
    })
}

/// Writes into the record of an id where its audio is; says whether there is a record.
pub(super) fn link(
    db: &Connection,
    id: &str,
    audio: &Link,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let Some(content) = rows::content(db, id)? else { return Ok(false) };
    let record = content.record.clone().linked(audio);
    if record != content.record {
        rows::put_content(db, &record, content.version, now)?;
    }
    Ok(true)
}

/// The contract's name, if no other id has it.
fn free_name(db: &Connection, new: &NewAudio) -> rusqlite::Result<String> {
    match &new.names.contract {
        Some(name) if !rows::audio_name_taken(db, name)? => Ok(name.clone()),
        _ => Ok(new.names.own.clone()),
    }
}
