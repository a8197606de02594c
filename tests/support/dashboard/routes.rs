//! Which request is whose, in the order of checks that contract C.4 gives.

use serde_json::Value;

use super::audio::{self, Upload};
use super::pyjson::{self, Parsed};
use super::state::State;
use super::wire::{Answer, Head};
use super::{legacy, reads, report};

/// Before the id to delete.
const DELETE: &str = "/api/delete/";

/// A body, as far as the route makes sense of it.
pub(super) enum Body {
    /// There is nothing to process: this is the answer.
    Rejected(Answer),
    /// A request that has no body, or whose route does not look at it.
    None,
    Report(Parsed),
    Audio(Upload),
    Row(Parsed),
    Upload(legacy::Upload),
}

impl Body {
    /// The id that the request is for, if it says one.
    pub fn video_id(&self) -> Option<String> {
        match self {
            Body::Report(parsed) => Some(parsed.value.get("video_id")?.as_str()?.to_owned()),
            Body::Audio(upload) => Some(upload.video_id.clone()),
            Body::Row(parsed) => Some(parsed.value.get("video_id")?.as_str()?.to_owned()),
            Body::Upload(upload) => Some(upload.filename.trim_end_matches(".mp3").to_owned()),
            Body::Rejected(_) | Body::None => None,
        }
    }

    pub fn json(&self) -> Option<&Value> {
        match self {
            Body::Report(parsed) | Body::Row(parsed) => Some(&parsed.value),
            _ => None,
        }
    }

    pub fn audio_hash(&self) -> Option<blake3::Hash> {
        match self {
            Body::Audio(upload) => Some(blake3::hash(&upload.audio)),
            Body::Upload(upload) => Some(blake3::hash(&upload.audio)),
            _ => None,
        }
    }
}

/// What lets a client in, and which generation this is.
pub(super) struct Keys {
    pub token: String,
    pub secret: String,
    /// From before PostgreSQL, and so without ingest endpoints.
    pub old: bool,
}

/// The answer to a request that its head condemns, before its body is read.
pub(super) fn reject(head: &Head, keys: &Keys) -> Option<Answer> {
    match head.method.as_str() {
        "GET" | "HEAD" => return None,
        // Nobody is asked who he is (contract G.1).
        "DELETE" if head.target.starts_with(DELETE) => return None,
        "POST" => {}
        _ => return Some(Answer::html(501)),
    }
    // The raw target, so a query or a slash at the end is another path (contract C.1).
    if legacy::is_route(&head.target) {
        return legacy::reject(head, &keys.secret, keys.old);
    }
    if keys.old || (head.target != "/ingest/report" && head.target != "/ingest/audio") {
        return Some(Answer::html(404));
    }
    if keys.token.is_empty() || head.header("x-ingest-token") != Some(&keys.token) {
        return Some(Answer::error(401, "unauthorized"));
    }
    let kind = head.header("content-type").unwrap_or("");
    if head.target == "/ingest/audio" && !kind.starts_with("multipart/form-data") {
        return Some(Answer::error(400, "expected multipart/form-data"));
    }
    match head.header("content-length").unwrap_or("0").parse::<i64>() {
        Err(error) => Some(Answer::error(500, format!("internal error: {error}"))),
        // A chunked body says no length, and so is no body (contract 0.5).
        Ok(length) if length <= 0 => Some(Answer::error(400, "no data received")),
        Ok(_) => None,
    }
}

/// How many bytes of body the head announces.
pub(super) fn content_length(head: &Head) -> u64 {
    head.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Makes sense of a body that was read whole. It changes nothing.
pub(super) fn parse(head: &Head, raw: Vec<u8>) -> Body {
    if head.method != "POST" {
        return Body::None;
    }
    if head.target == "/ingest/audio" {
        return match audio::parse(head.header("content-type").unwrap_or(""), &raw) {
            Some(upload) => Body::Audio(upload),
            None => Body::Rejected(Answer::error(400, "video_id and audio required")),
        };
    }
    if head.target == "/api/upload-audio" {
        let upload = legacy::parse_upload(head.header("content-type").unwrap_or(""), &raw);
        return upload.map_or(Body::Rejected(Answer::html(400)), Body::Upload);
    }
    if head.target == "/api/content" {
        let parsed = String::from_utf8(raw).ok().and_then(|text| pyjson::parse(&text).ok());
        return parsed.map_or(Body::Rejected(Answer::html(400)), Body::Row);
    }
    // A gzip body is no UTF-8, and that is all that the dashboard notices (contract 0.6).
    let Ok(text) = String::from_utf8(raw) else {
        return Body::Rejected(Answer::error(500, "internal error: invalid utf-8"));
    };
    match pyjson::parse(&text) {
        Err(error) => Body::Rejected(Answer::error(400, format!("invalid JSON: {error}"))),
        Ok(parsed) if !parsed.value.is_object() => {
            Body::Rejected(Answer::error(500, "internal error: no attribute 'get'"))
        }
        Ok(parsed) if !pyjson::truthy(&parsed.value["video_id"]) => {
            Body::Rejected(Answer::error(400, "video_id required"))
        }
        Ok(parsed) => Body::Report(parsed),
    }
}

/// Does what the request asks, and says what to answer.
pub(super) fn process(state: &mut State, seq: usize, head: &Head, body: &Body) -> Answer {
    match body {
        Body::Rejected(answer) => answer.clone(),
        Body::Report(parsed) => report::process(state, seq, parsed),
        Body::Audio(upload) => audio::process(state, seq, upload),
        Body::None if head.method == "DELETE" => delete(state, &head.target),
        Body::Row(parsed) => legacy::content(state, seq, &parsed.value),
        Body::Upload(upload) => legacy::upload(state, seq, upload),
        Body::None => reads::answer(state, &head.method, &head.target),
    }
}

/// An unknown id is a success as well (contract G.2).
fn delete(state: &mut State, target: &str) -> Answer {
    state.delete(target.trim_start_matches(DELETE));
    let answer = serde_json::json!({
        "status": "success", "message": "", "deleted_files": 1, "errors": [], "idempotent": false,
    });
    Answer::json(200, &answer)
}
