//! The endpoints from before PostgreSQL (contract F.1 and F.2): flat rows with one summary each, and
//! audio that lies beside them unlinked.

use serde_json::{Map, Value, json};

use super::audio::{self, parameter};
use super::pyjson::truthy;
use super::record::Audio;
use super::state::State;
use super::wire::{Answer, Head};

const UPLOAD_MAX: i64 = 25 << 20;
/// What an update leaves as it was.
const KEPT: [&str; 2] = ["indexed_at", "created_at"];

/// A row of the old `content`, and the one summary that it has.
#[derive(Clone, Debug, Default)]
pub struct FlatRecord {
    pub columns: Map<String, Value>,
    pub summary_text: Option<String>,
    pub summary_type: String,
    /// How often it was inserted or updated.
    pub writes: usize,
}

impl FlatRecord {
    /// The text in a column.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.columns.get(column)?.as_str()
    }

    pub fn has_audio(&self) -> bool {
        self.columns.get("has_audio").is_some_and(truthy)
    }
}

/// An upload with the name that it is stored under.
pub(super) struct Upload {
    pub filename: String,
    pub audio: Vec<u8>,
}

pub(super) fn is_route(target: &str) -> bool {
    matches!(target, "/api/content" | "/api/upload-audio")
}

/// The answer to a request that its head condemns. `old`: from before PostgreSQL.
pub(super) fn reject(head: &Head, secret: &str, old: bool) -> Option<Answer> {
    if head.target == "/api/content" && !old {
        return Some(Answer::html(410));
    }
    if secret.is_empty() {
        return Some(Answer::typed(
            500,
            "text/html",
            b"<p>Message: Sync not configured.</p>".into(),
        ));
    }
    if head.header("authorization") != Some(&format!("Bearer {secret}")) {
        return Some(Answer::html(401));
    }
    let length = head.header("content-length").and_then(|text| text.parse::<i64>().ok());
    match length {
        Some(length) if head.target == "/api/upload-audio" && length > UPLOAD_MAX => {
            Some(Answer::html(413))
        }
        Some(length) if length > 0 => None,
        _ => Some(Answer::html(400)),
    }
}

/// Takes the name as it is given, and so needs a safe one.
pub(super) fn parse_upload(content_type: &str, body: &[u8]) -> Option<Upload> {
    let (disposition, audio) = audio::file_part(content_type, body)?;
    let filename = parameter(&disposition, "filename")?;
    Some(Upload { filename, audio: audio.to_vec() })
}

pub(super) fn content(state: &mut State, seq: usize, payload: &Value) -> Answer {
    let (Some(id), Some(columns)) = (payload["id"].as_str(), payload.as_object()) else {
        return Answer::html(400);
    };
    if !truthy(&payload["id"]) || !truthy(&payload["title"]) {
        return Answer::html(400);
    }
    let record = state.flat.entry(id.to_owned()).or_default();
    let action = if record.writes == 0 { "created" } else { "updated" };
    for (column, value) in columns {
        let kept = action == "updated" && KEPT.contains(&column.as_str());
        if !kept && !column.starts_with("summary_") {
            record.columns.insert(column.clone(), value.clone());
        }
    }
    if let Some(text) = payload["summary_text"].as_str() {
        record.summary_text = Some(text.to_owned());
        record.summary_type = payload["summary_type"].as_str().unwrap_or("audio").to_owned();
    }
    record.writes += 1;
    state.stored(seq);
    Answer::json(
        200,
        &json!({
            "success": true,
            "message": format!("Content {action}"),
            "id": id,
            "action": action,
            "upserted": true,
            "synced_at": "2025-10-01T12:00:00",
        }),
    )
}

pub(super) fn upload(state: &mut State, seq: usize, upload: &Upload) -> Answer {
    if upload.audio.is_empty() {
        return Answer::html(500);
    }
    state.files.insert(upload.filename.clone(), Audio::new(&upload.audio));
    state.stored(seq);
    let answer = json!({
        "success": true,
        "message": "Audio uploaded",
        "filename": upload.filename,
        "size": upload.audio.len(),
    });
    Answer::json(200, &answer)
}
