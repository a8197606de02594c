//! What is written of some reports.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use futures_util::future::{try_join, try_join4};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::super::{Record, Summary};
use super::sql;

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// See the module. An id comes once.
#[derive(Default)]
pub(super) struct Writes<'a> {
    pub(super) records: Vec<Record>,
    /// By id.
    pub(super) numbers: Vec<(&'a str, i64)>,
    /// Ids that have no number, whatever was there before.
    pub(super) unnumbered: Vec<&'a str>,
    pub(super) texts: Vec<Text<'a>>,
}

/// A text that becomes its variant's latest.
pub(super) struct Text<'a> {
    pub(super) video_id: &'a str,
    pub(super) summary: &'a Summary,
    pub(super) revision: i64,
    /// Whether there is another that is no longer the latest.
    pub(super) replaces: bool,
    pub(super) now: Timestamp,
}

/// Writes all of it in one journey. Gives the titles that are there now, by id; none of a record that
/// said it all already.
pub(super) async fn put(
    db: &Transaction<'_>,
    writes: &Writes<'_>,
) -> Result<HashMap<String, String>> {
    let put = db.prepare_cached(sql::PUT_CONTENT).await?;
    let number = db.prepare_cached(sql::PUT_VERSIONS).await?;
    let forget = db.prepare_cached(sql::FORGET_VERSIONS).await?;
    let retire = db.prepare_cached(sql::RETIRE_SUMMARIES).await?;
    let add = db.prepare_cached(sql::ADD_SUMMARIES).await?;
    let Writes { records, numbers, unnumbered, texts } = writes;
    let (rows, ..) = try_join4(
        put_records(db, &put, records),
        async {
            let (ids, versions): (Vec<_>, Vec<_>) = numbers.iter().copied().unzip();
            execute_unless(ids.is_empty(), db, &number, &[&ids, &versions]).await
        },
        execute_unless(unnumbered.is_empty(), db, &forget, &[unnumbered]),
        put_texts(db, &retire, &add, texts),
    )
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn put_records(
    db: &Transaction<'_>,
    put: &Statement,
    records: &[Record],
) -> Result<Vec<Row>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let columns: [&(dyn ToSql + Sync); 11] = [
        &column(records, |record| record.video_id.as_str()),
        &column(records, |record| record.title.as_str()),
        &column(records, |record| record.channel_name.as_str()),
        &column(records, |record| record.indexed_at),
        &column(records, |record| record.duration_seconds),
        &column(records, |record| record.thumbnail_url.as_deref()),
        &column(records, |record| record.canonical_url.as_deref()),
        &column(records, |record| record.subcategories_json.as_deref()),
        &column(records, |record| record.analysis_json.as_deref()),
        &column(records, |record| record.topics_json.as_deref()),
        &column(records, |record| record.has_audio),
    ];
    db.query(put, &columns).await
}

async fn put_texts(
    db: &Transaction<'_>,
    retire: &Statement,
    add: &Statement,
    texts: &[Text<'_>],
) -> Result<()> {
    let (of, variants): (Vec<_>, Vec<_>) = texts
        .iter()
        .filter(|text| text.replaces)
        .map(|text| (text.video_id, text.summary.variant.as_str()))
        .unzip();
    let columns: [&(dyn ToSql + Sync); 6] = [
        &column(texts, |text| text.video_id),
        &column(texts, |text| text.summary.variant.as_str()),
        &column(texts, |text| text.revision),
        &column(texts, |text| text.summary.text.as_str()),
        &column(texts, |text| text.summary.html.as_deref()),
        &column(texts, |text| text.now),
    ];
    try_join(
        execute_unless(of.is_empty(), db, retire, &[&of, &variants]),
        execute_unless(texts.is_empty(), db, add, &columns),
    )
    .await
    .map(drop)
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn execute_unless(
    idle: bool,
    db: &Transaction<'_>,
    statement: &Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<()> {
    if idle { Ok(()) } else { db.execute(statement, parameters).await.map(drop) }
}
