//! Which of the known tables and columns a content database has (contract J): there were several
//! flavours, so whatever is read is looked for by name first.

use std::collections::BTreeSet;

use rusqlite::Connection;

/// The columns of `content` that a flat row may have (contract J.1, F.2).
const CONTENT: [&str; 32] = [
    "id",
    "title",
    "canonical_url",
    "thumbnail_url",
    "published_at",
    "indexed_at",
    "created_at",
    "updated_at",
    "duration_seconds",
    "word_count",
    "has_audio",
    "audio_duration_seconds",
    "has_transcript",
    "transcript_chars",
    "video_id",
    "channel_name",
    "channel_id",
    "view_count",
    "like_count",
    "comment_count",
    "category",
    "subcategory",
    "subcategories_json",
    "content_type",
    "complexity_level",
    "language",
    "key_topics",
    "named_entities",
    "analysis",
    "summary",
    "format_source",
    "processing_status",
];

/// The statements that read one flavour.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The columns of `content` that are there, `id` first.
    pub columns: Vec<&'static str>,
    /// Name, text, date and further JSON of each summary of a content id.
    pub summaries: Option<String>,
    /// The same of a video's id, the latest first.
    pub variants: Option<String>,
}

impl Layout {
    /// # Errors
    /// The inner one says in words what is missing.
    pub fn of(connection: &Connection) -> rusqlite::Result<Result<Self, String>> {
        let content = columns(connection, "content")?;
        if content.is_empty() {
            return Ok(Err("it has no table content".to_owned()));
        }
        if let Some(missing) = ["id", "title"].iter().find(|name| !content.contains(**name)) {
            return Ok(Err(format!("its table content has no column {missing}")));
        }
        let summaries = columns(connection, "content_summaries")?;
        let variants = columns(connection, "summary_variants")?;
        Ok(Ok(Self {
            columns: CONTENT.into_iter().filter(|name| content.contains(*name)).collect(),
            summaries: ["content_id", "summary_text"]
                .iter()
                .all(|name| summaries.contains(*name))
                .then(|| {
                    let name = or_null(&summaries, "summary_type");
                    let date = or_null(&summaries, "created_at");
                    format!(
                        "SELECT {name}, summary_text, {date}, NULL FROM content_summaries
                         WHERE content_id = ?1"
                    )
                }),
            variants: ["video_id", "variant_type", "content"]
                .iter()
                .all(|name| variants.contains(*name))
                .then(|| {
                    let date = or_null(&variants, "created_at");
                    let raw = or_null(&variants, "raw_payload");
                    let latest = or_null(&variants, "is_latest");
                    let revision = or_null(&variants, "revision");
                    format!(
                        "SELECT variant_type, content, {date}, {raw} FROM summary_variants
                         WHERE video_id = ?1 ORDER BY {latest} DESC, {revision} DESC"
                    )
                }),
        }))
    }
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare("SELECT lower(name) FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

fn or_null(columns: &BTreeSet<String>, name: &'static str) -> &'static str {
    if columns.contains(name) { name } else { "NULL" }
}
