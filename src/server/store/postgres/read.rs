//! Pages of records, and counts.

use std::collections::HashMap;
use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

use super::super::read::pattern;
use super::super::{Listed, Page, Query, Read, Sort, StoreError, Totals, source, visible};
use super::call::{self, Work};
use super::{Postgres, audio_rows, rows};

impl Read for Postgres {
    fn reports(&self, query: Query) -> BoxFuture<'_, Result<Page, StoreError>> {
        let work: Work<_> = Box::new(move |db| async move { Ok(page(db, &query).await?) }.boxed());
        async move { Ok(call::read(self.connection().await?, work).await?) }.boxed()
    }

    fn audio_file(&self, video_id: String) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let work: Work<_> = Box::new(move |db| {
            async move { Ok(audio_rows::audio(db, &video_id).await?.map(|audio| audio.file_name)) }
                .boxed()
        });
        async move { Ok(call::read(self.connection().await?, work).await?) }.boxed()
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>> {
        let work: Work<_> = Box::new(|db| async move { Ok(totals(db).await?) }.boxed());
        async move { Ok(call::read(self.connection().await?, work).await?) }.boxed()
    }
}

/// What a query lets through. A text that is missing has no word in it.
static MATCHING: LazyLock<String> = LazyLock::new(|| {
    format!(
        "FROM content c
         WHERE {visible}
           AND ($1::text IS NULL OR c.channel_name = $1::text)
           AND ($2::boolean IS NULL OR coalesce(c.has_audio, false) = $2::boolean)
           AND ($3::text IS NULL OR {source} = $3::text)
           AND NOT EXISTS (
               SELECT FROM unnest($4::text[]) AS word
                WHERE (c.title ILIKE word OR c.channel_name ILIKE word OR c.video_id ILIKE word
                       OR EXISTS (SELECT FROM content_summaries s
                                   WHERE s.video_id = c.video_id AND s.is_latest
                                     AND s.text ILIKE word)) IS NOT TRUE)",
        visible = visible::condition(),
        source = source::expression(),
    )
});

static COUNT: LazyLock<String> = LazyLock::new(|| format!("SELECT count(*) {}", *MATCHING));

/// One for each order.
static PAGES: LazyLock<[String; Sort::ALL.len()]> = LazyLock::new(|| {
    Sort::ALL.map(|sort| {
        format!(
            "SELECT c.video_id::text, {source} AS source {matching}
              ORDER BY {columns} OFFSET $5::bigint LIMIT $6::bigint",
            source = source::expression(),
            matching = *MATCHING,
            columns = sort.columns(),
        )
    })
});

static TOTALS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT count(*) FROM content) AS records,
                (SELECT count(*) FROM content c WHERE {visible}) AS visible,
                (SELECT count(*) FROM ytv2_ingest_audio) AS audio_files,
                (SELECT coalesce(sum(bytes), 0)::bigint FROM ytv2_ingest_audio) AS audio_bytes",
        visible = visible::condition(),
    )
});

async fn page(db: &Transaction<'_>, query: &Query) -> Result<Page, Error> {
    let words: Vec<String> = query.words.iter().map(|word| pattern(word)).collect();
    let filter: [&(dyn ToSql + Sync); 4] =
        [&query.channel, &query.has_audio, &query.source, &words];
    let count = rows::query(db, &COUNT, &filter).await?;
    let total = count.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();

    let (offset, limit) = (i64::from(query.offset), i64::from(query.limit));
    let bounds: [&(dyn ToSql + Sync); 2] = [&offset, &limit];
    let which = Sort::ALL.iter().position(|sort| *sort == query.sort).unwrap_or_default();
    let found = rows::query(db, &PAGES[which], &[&filter[..], &bounds].concat()).await?;
    let ids: Vec<String> = found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;

    let held = rows::held(db, &ids).await?.into_iter();
    let mut held: HashMap<_, _> = held.map(|held| (held.record.video_id.clone(), held)).collect();
    let mut reports = Vec::with_capacity(ids.len());
    for (row, id) in found.iter().zip(&ids) {
        let source = row.try_get("source")?;
        reports.extend(held.remove(id).map(|held| Listed { held, source }));
    }
    Ok(Page { reports, total })
}

async fn totals(db: &Transaction<'_>) -> Result<Totals, Error> {
    let rows = rows::query(db, &TOTALS, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Totals::default()) };
    Ok(Totals {
        records: row.try_get("records")?,
        visible: row.try_get("visible")?,
        audio_files: row.try_get("audio_files")?,
        audio_bytes: row.try_get("audio_bytes")?,
    })
}
