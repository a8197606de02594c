//! Rows become values, and values rows.

use std::collections::HashMap;

use deadpool_postgres::{GenericClient, Transaction};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4};
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::level::Audio;
use super::super::{Held, HeldSummary, Record, Summary};
use super::{audio_rows, sql};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// A row of `content` and its version.
pub(super) struct Content {
    pub(super) record: Record,
    pub(super) version: Option<i64>,
}

/// The latest text of a variant.
pub(super) struct Latest {
    text: String,
    html: Option<String>,
    is_latest: bool,
    /// The variant's highest revision.
    pub(super) revision: i64,
}

impl Latest {
    pub(super) fn is(&self, summary: &Summary) -> bool {
        self.is_latest && self.text == summary.text && self.html == summary.html
    }
}

pub(super) async fn any(db: &impl GenericClient) -> Result<()> {
    query(db, sql::ANY, &[]).await.map(drop)
}

pub(super) async fn lock(db: &Transaction<'_>, video_id: &str) -> Result<()> {
    query(db, sql::LOCK_ID, &[&video_id]).await.map(drop)
}

/// The row, which nobody else writes until the transaction ends.
pub(super) async fn content_for_update(
    db: &Transaction<'_>,
    video_id: &str,
) -> Result<Option<Content>> {
    let statement = format!("{}{}", sql::CONTENT, sql::FOR_UPDATE);
    query(db, &statement, &[&[video_id].as_slice()]).await?.first().map(content).transpose()
}

/// What there is of an id before a report of it is taken.
pub(super) struct Before {
    pub(super) held: Option<Content>,
    pub(super) audio: Option<Audio>,
    /// Of each variant that was asked for.
    pub(super) latest: Vec<Option<Latest>>,
}

/// Locks an id, and reads all of that in one journey.
pub(super) async fn before(
    db: &Transaction<'_>,
    video_id: &str,
    variants: &[&str],
) -> Result<Before> {
    // First of all, or what has to be prepared would come after what has not.
    let lock = db.prepare_cached(sql::LOCK_ID).await?;
    let record = db.prepare_cached(&format!("{}{}", sql::CONTENT, sql::FOR_UPDATE)).await?;
    let audio = db.prepare_cached(sql::AUDIO).await?;
    let latest = db.prepare_cached(sql::LATEST_SUMMARY).await?;
    let ids = [video_id];
    let (db, latest, ids) = (&**db, &latest, ids.as_slice());
    let of_variants = variants.iter().map(|variant| async move {
        let variant = *variant;
        db.query(latest, &[&video_id, &variant]).await
    });
    let (_, records, audio, latest) = try_join4(
        async { db.query(&lock, &[&video_id]).await },
        async { db.query(&record, &[&ids]).await },
        async { db.query(&audio, &[&video_id]).await },
        try_join_all(of_variants),
    )
    .await?;
    Ok(Before {
        held: records.first().map(content).transpose()?,
        audio: audio.first().map(audio_rows::read).transpose()?,
        latest: latest
            .iter()
            .map(|rows| rows.first().map(read_latest).transpose())
            .collect::<Result<_>>()?,
    })
}

/// Writes a record, its number where there is one to write, and the texts that become their
/// variants' latest, each with its revision: in one journey. Gives the title that is there now, and
/// none if the row said it all already.
pub(super) async fn put(
    db: &Transaction<'_>,
    record: &Record,
    version: Option<Option<i64>>,
    texts: &[(&Summary, i64)],
    now: Timestamp,
) -> Result<Option<String>> {
    let put = db.prepare_cached(sql::PUT_CONTENT).await?;
    let number = db.prepare_cached(sql::PUT_VERSION).await?;
    let retire = db.prepare_cached(sql::RETIRE_SUMMARY).await?;
    let add = db.prepare_cached(sql::ADD_SUMMARY).await?;
    let (db, retire, add, video_id, now) = (&**db, &retire, &add, &record.video_id, &now);
    let row = async {
        let columns: [&(dyn ToSql + Sync); 11] = [
            video_id,
            &record.title,
            &record.channel_name,
            &record.indexed_at,
            &record.duration_seconds,
            &record.thumbnail_url,
            &record.canonical_url,
            &record.subcategories_json,
            &record.analysis_json,
            &record.topics_json,
            &record.has_audio,
        ];
        db.query(&put, &columns).await
    };
    let numbered = async {
        match &version {
            Some(version) => db.execute(&number, &[video_id, version]).await.map(drop),
            None => Ok(()),
        }
    };
    let texts = texts.iter().map(|(Summary { variant, text, html, .. }, revision)| {
        try_join(async move { db.execute(retire, &[video_id, variant]).await }, async move {
            db.execute(add, &[video_id, variant, revision, text, html, now]).await
        })
    });
    let (rows, ..) = try_join3(row, numbered, try_join_all(texts)).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}

fn read_latest(row: &Row) -> Result<Latest> {
    Ok(Latest {
        text: row.try_get("text")?,
        html: row.try_get("html")?,
        is_latest: row.try_get("is_latest")?,
        revision: row.try_get("revision")?,
    })
}

/// Records with the latest summary of each variant, in no order.
pub(super) async fn held(db: &Transaction<'_>, video_ids: &[String]) -> Result<Vec<Held>> {
    let mut summaries: HashMap<String, Vec<HeldSummary>> = HashMap::new();
    for row in query(db, sql::LATEST_SUMMARIES, &[&video_ids]).await? {
        summaries.entry(row.try_get("video_id")?).or_default().push(HeldSummary {
            variant: row.try_get("variant")?,
            revision: row.try_get("revision")?,
            text: row.try_get("text")?,
            html: row.try_get("html")?,
            created_at: row.try_get("created_at")?,
        });
    }
    let records = query(db, sql::CONTENT, &[&video_ids]).await?;
    let held = |row| {
        let Content { record, .. } = content(row)?;
        let summaries = summaries.remove(&record.video_id).unwrap_or_default();
        Ok(Held { record, summaries })
    };
    records.iter().map(held).collect()
}

/// The first of some ids that has a record.
pub(super) async fn first_known(
    db: &Transaction<'_>,
    video_ids: &[String],
) -> Result<Option<String>> {
    let rows = query(db, sql::FIRST_CONTENT, &[&video_ids]).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}

/// Deletes a record, its summaries and its version; says whether it was there.
pub(super) async fn delete_content(db: &Transaction<'_>, video_id: &str) -> Result<bool> {
    execute(db, sql::DELETE_SUMMARIES, &[&video_id]).await?;
    execute(db, sql::DELETE_VERSION, &[&video_id]).await?;
    execute(db, sql::DELETE_CONTENT, &[&video_id]).await.map(|rows| rows > 0)
}

fn content(row: &Row) -> Result<Content> {
    Ok(Content {
        record: Record {
            video_id: row.try_get("video_id")?,
            title: row.try_get("title")?,
            channel_name: row.try_get("channel_name")?,
            indexed_at: row.try_get("indexed_at")?,
            duration_seconds: row.try_get("duration_seconds")?,
            thumbnail_url: row.try_get("thumbnail_url")?,
            canonical_url: row.try_get("canonical_url")?,
            subcategories_json: json(row, "subcategories_json")?,
            analysis_json: json(row, "analysis_json")?,
            topics_json: json(row, "topics_json")?,
            has_audio: row.try_get("has_audio")?,
        },
        version: row.try_get("version")?,
    })
}

/// JSON as we write it ourselves, where PostgreSQL would put blanks and an order of its own.
fn json(row: &Row, column: &str) -> Result<Option<String>> {
    let text: Option<String> = row.try_get(column)?;
    Ok(text.map(|text| match serde_json::from_str::<Value>(&text) {
        Ok(value) => value.to_string(),
        Err(_) => text,
    }))
}

pub(super) async fn query(
    db: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    let statement = db.prepare_cached(statement).await?;
    db.query(&statement, parameters).await
}

pub(super) async fn execute(
    db: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64> {
    let statement = db.prepare_cached(statement).await?;
    db.execute(&statement, parameters).await
}
