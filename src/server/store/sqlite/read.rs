//! Pages of records, and counts.

use std::sync::LazyLock;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, Result, Row, named_params};
use serde_json::Value;

use super::super::read::pattern;
use super::super::{Listed, Page, Query, Read, Sort, StoreError, Totals, source};
use super::{Sqlite, rows};

impl Read for Sqlite {
    fn reports(&self, query: Query) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.writer.call(move |db| Ok(page(db, &query)?)).boxed()
    }

    fn audio_file(&self, video_id: String) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        self.writer.call(move |db| Ok(rows::audio(db, &video_id)?.map(|a| a.file_name))).boxed()
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>> {
        self.writer.call(|db| Ok(totals(db)?)).boxed()
    }
}

/// What a query lets through. The words come as a JSON list of patterns.
static MATCHING: LazyLock<String> = LazyLock::new(|| {
    format!(
        r"FROM content c
         WHERE c.visible = 1
           AND (:channel IS NULL OR c.channel_name = :channel)
           AND (:has_audio IS NULL OR c.has_audio = :has_audio)
           AND (:source IS NULL OR {source} = :source)
           AND (:words = '[]' OR NOT EXISTS (
               SELECT 1 FROM json_each(:words) word
                WHERE NOT (c.title LIKE word.value ESCAPE '\'
                        OR c.channel_name LIKE word.value ESCAPE '\'
                        OR c.video_id LIKE word.value ESCAPE '\'
                        OR EXISTS (SELECT 1 FROM content_summaries s
                                    WHERE s.video_id = c.video_id AND s.is_latest = 1
                                      AND s.text LIKE word.value ESCAPE '\'))))",
        source = source::expression(),
    )
});

static COUNT: LazyLock<String> = LazyLock::new(|| format!("SELECT count(*) {}", *MATCHING));

/// One for each order.
static PAGES: LazyLock<[String; Sort::ALL.len()]> = LazyLock::new(|| {
    Sort::ALL.map(|sort| {
        format!(
            "SELECT c.video_id, {source} {matching} ORDER BY {columns} LIMIT :limit OFFSET :offset",
            source = source::expression(),
            matching = *MATCHING,
            columns = sort.columns(),
        )
    })
});

const TOTALS: &str = "
    SELECT (SELECT count(*) FROM content) AS records,
           (SELECT count(*) FROM content WHERE visible = 1) AS visible,
           (SELECT count(*) FROM content_audio) AS audio_files,
           (SELECT coalesce(sum(bytes), 0) FROM content_audio) AS audio_bytes";

fn page(db: &Connection, query: &Query) -> Result<Page> {
    let words: Value = query.words.iter().map(|word| pattern(word)).collect();
    let words = words.to_string();
    let filter = named_params! {
        ":channel": query.channel,
        ":has_audio": query.has_audio,
        ":source": query.source,
        ":words": words,
    };
    let total = db.prepare_cached(&COUNT)?.query_row(filter, |row| row.get(0))?;

    let bounds = named_params! { ":limit": query.limit, ":offset": query.offset };
    let which = Sort::ALL.iter().position(|sort| *sort == query.sort).unwrap_or_default();
    let ids: Vec<(String, String)> = db
        .prepare_cached(&PAGES[which])?
        .query_map(&[filter, bounds].concat()[..], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    let mut reports = Vec::with_capacity(ids.len());
    for (video_id, source) in ids {
        reports.extend(rows::held(db, &video_id)?.map(|held| Listed { held, source }));
    }
    Ok(Page { reports, total })
}

fn totals(db: &Connection) -> Result<Totals> {
    let read = |row: &Row<'_>| {
        Ok(Totals {
            records: row.get("records")?,
            visible: row.get("visible")?,
            audio_files: row.get("audio_files")?,
            audio_bytes: row.get("audio_bytes")?,
        })
    };
    db.prepare_cached(TOTALS)?.query_row([], read)
}
