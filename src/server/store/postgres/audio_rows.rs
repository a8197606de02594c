//! The rows of the audio files, and what a record says of its own.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;

use super::super::Link;
use super::super::level::Audio;
use super::rows::{execute, query};
use super::sql;
use crate::id::Version;

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

pub(super) async fn lock_name(db: &Transaction<'_>, file_name: &str) -> Result<()> {
    query(db, sql::LOCK_NAME, &[&file_name]).await.map(drop)
}

pub(super) async fn audio(db: &Transaction<'_>, video_id: &str) -> Result<Option<Audio>> {
    query(db, sql::AUDIO, &[&[video_id].as_slice()]).await?.first().map(read).transpose()
}

pub(super) fn read(row: &Row) -> Result<Audio> {
    let digest: &[u8] = row.try_get("digest")?;
    Ok(Audio {
        file_name: row.try_get("file_name")?,
        // Bytes that are no digest are the digest of no file.
        digest: Version::from_bytes(digest.try_into().unwrap_or_default()),
        duration_seconds: row.try_get("duration_seconds")?,
        version: row.try_get("version")?,
    })
}

/// Whose a file name is, in whatever case, and how it is written there.
pub(super) async fn audio_of_name(
    db: &Transaction<'_>,
    file_name: &str,
) -> Result<Option<(String, String)>> {
    let rows = query(db, sql::AUDIO_OF_NAME, &[&file_name]).await?;
    rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Adds the row of an id that has none; says whether it could, and not if the name is another's.
pub(super) async fn add_audio(
    db: &Transaction<'_>,
    video_id: &str,
    audio: &Audio,
    bytes: i64,
    now: Timestamp,
) -> Result<bool> {
    write_audio(db, sql::ADD_AUDIO, video_id, audio, bytes, now).await.map(|rows| rows > 0)
}

pub(super) async fn update_audio(
    db: &Transaction<'_>,
    video_id: &str,
    audio: &Audio,
    bytes: i64,
    now: Timestamp,
) -> Result<()> {
    write_audio(db, sql::UPDATE_AUDIO, video_id, audio, bytes, now).await.map(drop)
}

async fn write_audio(
    db: &Transaction<'_>,
    statement: &str,
    video_id: &str,
    audio: &Audio,
    bytes: i64,
    now: Timestamp,
) -> Result<u64> {
    let Audio { file_name, digest, duration_seconds, version } = audio;
    let digest = digest.as_bytes().as_slice();
    execute(
        db,
        statement,
        &[&video_id, file_name, &digest, &bytes, duration_seconds, version, &now],
    )
    .await
}

/// Links audio to its record; says whether there is one.
pub(super) async fn link_audio(db: &Transaction<'_>, video_id: &str, link: &Link) -> Result<bool> {
    if query(db, sql::HOLD_CONTENT, &[&video_id]).await?.is_empty() {
        return Ok(false);
    }
    let said = Value::Object(link.said()).to_string();
    execute(db, sql::LINK_AUDIO, &[&video_id, &said]).await?;
    Ok(true)
}

pub(super) async fn delete_audio(db: &Transaction<'_>, video_id: &str) -> Result<()> {
    execute(db, sql::DELETE_AUDIO, &[&video_id]).await.map(drop)
}
