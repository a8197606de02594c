//! Pages of records, and counts.

use std::collections::HashMap;
use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

use super::super::read::pattern;
use super::super::{Listed, Page, Query, Read, Sort, StoreError, Totals, source, visible};
use super::call::{self, Work};
use super::{Postgres, audio_rows, rows, sql, words};

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

/// How many parameters come before the words.
const BEFORE_WORDS: usize = 5;

/// What a query of so many words lets through. A text that is missing has no word in it.
///
/// `indexed`: up to when there is an index of words, whose condition is said here as it is said there,
/// or PostgreSQL would not know that it will do.
fn matching(words: usize, indexed: Option<Timestamp>) -> String {
    let texts = match indexed.map(sql::since) {
        None => vec![String::new()],
        Some(since) => vec![format!("({since}) IS NOT TRUE AND"), format!("{since} AND")],
    };
    let mut matching = format!(
        "FROM content c
         WHERE {visible}
           AND ($1::text IS NULL OR c.channel_name = $1::text)
           AND ($2::boolean IS NULL OR coalesce(c.has_audio, false) = $2::boolean)
           AND ($3::text IS NULL OR {source} = $3::text)",
        visible = visible::condition(),
        source = source::expression(),
    );
    for word in 1..=words {
        let word = format!("${}::text", BEFORE_WORDS + word);
        // Not a condition on each record: so the texts are looked up by their index.
        matching += &format!(
            " AND c.video_id IN (
                 SELECT k.video_id FROM content k
                  WHERE k.title ILIKE {word} OR k.channel_name ILIKE {word}
                     OR k.video_id ILIKE {word}"
        );
        for those in &texts {
            matching += &format!(
                " UNION ALL
                 SELECT video_id FROM content_summaries WHERE is_latest AND {those} text ILIKE {word}"
            );
        }
        matching.push(')');
    }
    matching
}

/// How many records that are, and which are those of a page. The count has use for neither offset
/// nor limit, and takes them all the same: so a word has the same number in both.
fn statements(sort: Sort, words: usize, indexed: Option<Timestamp>) -> [String; 2] {
    let matching = matching(words, indexed);
    let count = format!("SELECT count(*) {matching} AND ($4::bigint, $5::bigint) IS NOT NULL");
    let page = format!(
        "SELECT c.video_id::text, {source} AS source {matching}
          ORDER BY {columns} OFFSET $4::bigint LIMIT $5::bigint",
        source = source::expression(),
        columns = sort.columns(),
    );
    [count, page]
}

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
    let (offset, limit) = (i64::from(query.offset), i64::from(query.limit));
    let mut asked: Vec<&(dyn ToSql + Sync)> =
        vec![&query.channel, &query.has_audio, &query.source, &offset, &limit];
    asked.extend(words.iter().map(|word| word as &(dyn ToSql + Sync)));
    let indexed = if words.is_empty() { None } else { words::moment(db).await? };
    let [count, page] = statements(query.sort, words.len(), indexed);
    let [count, found] = if words.is_empty() {
        [rows::query(db, &count, &asked).await?, rows::query(db, &page, &asked).await?]
    } else {
        // Planned for the very words: a plan for any words may take one that is everywhere for rare.
        [db.query(&count, &asked).await?, db.query(&page, &asked).await?]
    };
    let total = count.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
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
