//! What the dashboard lets be read: its health, a visible record, a stored file (contract E).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::listing;
use super::record::Record;
use super::state::State;
use super::wire::Answer;

pub(super) fn answer(state: &State, method: &str, target: &str) -> Answer {
    let timestamp = Timestamp::now().to_string();
    match target {
        "/health" if method == "GET" => {
            let service = "ytv2-telegram-bot";
            let body = json!({ "status": "healthy", "timestamp": timestamp, "service": service });
            Answer::json(200, &body)
        }
        "/health/ingest" if method == "GET" && !state.old => {
            let body = json!({
                "status": "ok",
                "auth_required": true,
                "token_set": !state.token.is_empty(),
                "pg_dsn_set": true,
                "timestamp": timestamp,
            });
            Answer::json(200, &body)
        }
        _ if method == "GET" && !state.old && target.starts_with("/api/reports?") => {
            listing::answer(state, &target["/api/reports?".len()..])
        }
        _ => match target.strip_prefix("/exports/audio/") {
            Some(name) => file(state, method, name),
            None if method == "GET" => record(state, target),
            None => Answer::html(404),
        },
    }
}

/// A stored file, the one answer that has a Content-Length. A query is ignored.
fn file(state: &State, method: &str, name: &str) -> Answer {
    let name = name.split('?').next().unwrap_or(name);
    let Some(audio) = state.files.get(name) else { return Answer::html(404) };
    let length = audio.len.to_string();
    let body = if method == "HEAD" { Vec::new() } else { audio.bytes.clone().unwrap_or_default() };
    Answer::typed(200, "audio/mpeg", body).with("Content-Length", length)
}

/// A record that somebody can see; the path is taken raw, and a query makes it a page.
fn record(state: &State, target: &str) -> Answer {
    if target.contains('?') {
        return Answer::typed(200, "text/html", b"<html>the card's page</html>".to_vec());
    }
    let id = target.strip_prefix('/').and_then(|path| path.strip_suffix(".json"));
    match id.and_then(|id| state.rows.get(id)).and_then(body_of) {
        Some(body) => Answer::json(200, &body),
        None => Answer::html(404),
    }
}

/// The latest summaries of a record.
pub(super) fn variants(record: &Record) -> Vec<Value> {
    let latest = record.summaries.iter().filter(|summary| summary.is_latest);
    latest
        .map(|summary| {
            json!({
                "variant": summary.variant,
                "summary_type": summary.variant,
                "text": summary.text,
                "html": summary.html,
                "revision": summary.revision,
            })
        })
        .collect()
}

fn body_of(record: &Record) -> Option<Value> {
    let shown = record.shown()?;
    let variants = variants(record);
    let analysis = record.analysis_json.clone().unwrap_or_else(|| json!({}));
    Some(json!({
        "video": {
            "video_id": record.video_id,
            "title": record.title,
            "channel": record.channel_name,
            "url": record.canonical_url,
            "duration_seconds": record.duration_seconds,
            "published_at": null,
        },
        "summary": {
            "text": shown.text,
            "html": shown.html,
            "type": shown.variant,
            "variants": variants.clone(),
        },
        "thumbnail_url": record.thumbnail_url,
        "analysis": analysis,
        "subcategories_json": record.subcategories_json.as_ref().map(Value::to_string),
        "has_audio": record.audio_url().is_some(),
        "summary_type": shown.variant,
        "summary_variants": variants,
        "indexed_at": record.indexed_at.to_string(),
    }))
}
