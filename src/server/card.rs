//! A stored record as a listing shows it (contract E.1). Pure.

use serde_json::{Map, Value, json};

use super::store::{Listed, source, visible};
use super::view;

/// What a listing says of a record; none when no summary makes it visible.
pub(super) fn of(listed: &Listed) -> Option<Value> {
    let Listed { held, source } = listed;
    let record = &held.record;
    let shown = visible::shown(&held.summaries)?;
    let analysis = record.analysis().unwrap_or_default();
    let summaries: Vec<Value> = held.summaries.iter().map(view::summary).collect();
    Some(json!({
        "id": record.video_id,
        "video_id": record.video_id,
        "file_stem": record.video_id,
        "title": record.title,
        "channel": record.channel_name,
        "channel_name": record.channel_name,
        "content_source": source,
        "source_label": source::label(source),
        "canonical_url": record.canonical_url,
        "thumbnail_url": record.thumbnail_url,
        "published_at": null,
        "duration_seconds": record.duration_seconds,
        "indexed_at": record.indexed_at.to_string(),
        "media": { "has_audio": record.has_audio, "audio_url": view::audio_url(record) },
        "media_metadata": media_metadata(record.duration_seconds, &analysis),
        "analysis": analysis,
        "summary_html": shown.html,
        "summary_text": shown.text,
        "summary_variant": shown.variant,
        "summary_type": shown.variant,
        "summary_variants": summaries,
    }))
}

fn media_metadata(duration_seconds: Option<i64>, analysis: &Map<String, Value>) -> Value {
    json!({
        "video_duration_seconds": duration_seconds,
        "mp3_duration_seconds": analysis.get("audio_duration_seconds"),
    })
}
