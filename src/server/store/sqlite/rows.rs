//! Rows become values, and values rows.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};

use super::super::level::Audio;
use super::super::{Held, HeldSummary, Record, Summary};
use super::sql;
use crate::id::Version;

/// A row of `content` and its version.
pub(super) struct Content {
    pub(super) record: Record,
    pub(super) version: Option<i64>,
}

/// The latest text of a variant.
pub(super) struct Latest {
    text: String,
    html: Option<String>,
    /// The variant's highest revision.
    pub(super) revision: i64,
}

impl Latest {
    pub(super) fn is(&self, summary: &Summary) -> bool {
        self.text == summary.text && self.html == summary.html
    }
}

pub(super) fn any(db: &Connection) -> Result<()> {
    db.prepare_cached(sql::ANY)?.query_row([], |_| Ok(()))
}

pub(super) fn content(db: &Connection, video_id: &str) -> Result<Option<Content>> {
    let read = |row: &Row<'_>| {
        Ok(Content {
            record: Record {
                video_id: row.get("video_id")?,
                title: row.get("title")?,
                channel_name: row.get("channel_name")?,
                indexed_at: time(row, "indexed_at")?,
                duration_seconds: row.get("duration_seconds")?,
                thumbnail_url: row.get("thumbnail_url")?,
                canonical_url: row.get("canonical_url")?,
                subcategories_json: row.get("subcategories_json")?,
                analysis_json: row.get("analysis_json")?,
                topics_json: row.get("topics_json")?,
                has_audio: row.get("has_audio")?,
            },
            version: row.get("version")?,
        })
    };
    db.prepare_cached(sql::CONTENT)?
        .query_row(named_params! {":video_id": video_id}, read)
        .optional()
}

pub(super) fn put_content(
    db: &Connection,
    record: &Record,
    version: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    db.prepare_cached(sql::PUT_CONTENT)?
        .execute(named_params! {
            ":video_id": record.video_id,
            ":title": record.title,
            ":channel_name": record.channel_name,
            ":indexed_at": record.indexed_at.as_microsecond(),
            ":duration_seconds": record.duration_seconds,
            ":thumbnail_url": record.thumbnail_url,
            ":canonical_url": record.canonical_url,
            ":subcategories_json": record.subcategories_json,
            ":analysis_json": record.analysis_json,
            ":topics_json": record.topics_json,
            ":has_audio": record.has_audio,
            ":version": version,
            ":now": now.as_microsecond(),
        })
        .map(drop)
}

pub(super) fn title(db: &Connection, video_id: &str) -> Result<String> {
    db.prepare_cached(sql::TITLE)?
        .query_row(named_params! {":video_id": video_id}, |row| row.get(0))
}

pub(super) fn latest(db: &Connection, video_id: &str, variant: &str) -> Result<Option<Latest>> {
    let key = named_params! {":video_id": video_id, ":variant": variant};
    let read =
        |row: &Row<'_>| Ok(Latest { text: row.get(0)?, html: row.get(1)?, revision: row.get(2)? });
    db.prepare_cached(sql::LATEST_SUMMARY)?.query_row(key, read).optional()
}

/// What was its variant's latest text no longer is.
pub(super) fn retire_summary(db: &Connection, video_id: &str, variant: &str) -> Result<()> {
    db.prepare_cached(sql::RETIRE_SUMMARY)?
        .execute(named_params! {":video_id": video_id, ":variant": variant})
        .map(drop)
}

/// Adds a text as its variant's latest.
pub(super) fn add_summary(
    db: &Connection,
    video_id: &str,
    summary: &Summary,
    revision: i64,
    now: Timestamp,
) -> Result<()> {
    db.prepare_cached(sql::ADD_SUMMARY)?
        .execute(named_params! {
            ":video_id": video_id,
            ":variant": summary.variant,
            ":revision": revision,
            ":text": summary.text,
            ":html": summary.html,
            ":now": now.as_microsecond(),
        })
        .map(drop)
}

/// A record with the latest summary of each variant.
pub(super) fn held(db: &Connection, video_id: &str) -> Result<Option<Held>> {
    let Some(Content { record, .. }) = content(db, video_id)? else { return Ok(None) };
    let read = |row: &Row<'_>| {
        Ok(HeldSummary {
            variant: row.get("variant")?,
            revision: row.get("revision")?,
            text: row.get("text")?,
            html: row.get("html")?,
            created_at: time(row, "created_at")?,
        })
    };
    let summaries = db
        .prepare_cached(sql::LATEST_SUMMARIES)?
        .query_map(named_params! {":video_id": video_id}, read)?
        .collect::<Result<_>>()?;
    Ok(Some(Held { record, summaries }))
}

pub(super) fn audio(db: &Connection, video_id: &str) -> Result<Option<Audio>> {
    let read = |row: &Row<'_>| {
        Ok(Audio {
            file_name: row.get("file_name")?,
            digest: Version::from_bytes(row.get("digest")?),
            duration_seconds: row.get("duration_seconds")?,
            version: row.get("version")?,
        })
    };
    db.prepare_cached(sql::AUDIO)?.query_row(named_params! {":video_id": video_id}, read).optional()
}

pub(super) fn audio_name_taken(db: &Connection, file_name: &str) -> Result<bool> {
    db.prepare_cached(sql::AUDIO_NAME_TAKEN)?
        .query_row(named_params! {":file_name": file_name}, |row| row.get(0))
}

pub(super) fn put_audio(
    db: &Connection,
    video_id: &str,
    audio: &Audio,
    bytes: i64,
    now: Timestamp,
) -> Result<()> {
    db.prepare_cached(sql::PUT_AUDIO)?
        .execute(named_params! {
            ":video_id": video_id,
            ":file_name": audio.file_name,
            ":digest": audio.digest.as_bytes(),
            ":bytes": bytes,
            ":duration_seconds": audio.duration_seconds,
            ":version": audio.version,
            ":now": now.as_microsecond(),
        })
        .map(drop)
}

fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, Box::new(error))
    })
}
