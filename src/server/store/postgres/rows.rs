//! Rows become values, and values rows.

use std::collections::HashMap;

use deadpool_postgres::{GenericClient, Transaction};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::{Held, HeldSummary, Record};
use super::sql;

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// A row of `content` and its version.
pub(super) struct Content {
    pub(super) record: Record,
    pub(super) version: Option<i64>,
}

pub(super) async fn any(db: &impl GenericClient) -> Result<()> {
    query(db, sql::ANY, &[]).await.map(drop)
}

pub(super) async fn lock(db: &Transaction<'_>, video_id: &str) -> Result<()> {
    query(db, sql::LOCK_IDS, &[&[video_id].as_slice()]).await.map(drop)
}

/// The row, which nobody else writes until the transaction ends.
pub(super) async fn content_for_update(
    db: &Transaction<'_>,
    video_id: &str,
) -> Result<Option<Content>> {
    let statement = format!("{}{}", sql::CONTENT, sql::FOR_UPDATE);
    query(db, &statement, &[&[video_id].as_slice()]).await?.first().map(content).transpose()
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

pub(super) fn content(row: &Row) -> Result<Content> {
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
