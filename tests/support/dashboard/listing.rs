//! `GET /api/reports`: the visible records in pages of fifty at the most (contract E.1).

use serde_json::{Value, json};

use super::reads::variants;
use super::record::Record;
use super::state::State;
use super::wire::Answer;

const SIZE: usize = 20;
const SIZE_MAX: usize = 50;

pub(super) fn answer(state: &State, query: &str) -> Answer {
    let asked = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let number = |name: &str, otherwise: usize| {
        asked(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise).max(1)
    };
    let size = number("size", SIZE).min(SIZE_MAX);
    let mut records: Vec<&Record> = state.records().filter(|record| record.visible()).collect();
    records.sort_by_key(|record| record.indexed_at);
    if asked("sort") != Some("oldest") {
        records.reverse();
    }
    let (total, pages) = (records.len(), records.len().div_ceil(size));
    let page = number("page", 1).min(pages.max(1));
    let items: Vec<Value> = records.iter().skip((page - 1) * size).take(size).map(item).collect();
    Answer::json(
        200,
        &json!({
            "reports": items,
            "pagination": {
                "page": page, "size": size, "total": total, "total_count": total,
                "pages": pages, "total_pages": pages,
                "has_next": page < pages, "has_prev": page > 1,
            },
            "sort": asked("sort").unwrap_or("newest"),
            "total_count": total, "page": page, "total_pages": pages,
        }),
    )
}

fn item(record: &&Record) -> Value {
    let has_audio_summary = record.summaries.iter().any(|s| s.variant.starts_with("audio"));
    json!({
        "id": format!("yt:{}", record.video_id),
        "video_id": record.video_id,
        "file_stem": record.video_id,
        "title": record.title,
        "channel": record.channel_name,
        "canonical_url": record.canonical_url,
        "duration_seconds": record.duration_seconds,
        "indexed_at": record.indexed_at.to_string(),
        // The mere presence of an audio summary switches it on.
        "media": {
            "has_audio": record.has_audio || has_audio_summary,
            "audio_url": record.audio_url(),
        },
        "analysis": record.analysis_json,
        "summary_variants": variants(record),
    })
}
