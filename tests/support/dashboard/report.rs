//! `POST /ingest/report`: an UPSERT that replaces every column (contract C.2 to C.4).

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::pyjson::{Parsed, truthy};
use super::record::Record;
use super::state::State;
use super::summaries;
use super::wire::Answer;

/// What PostgreSQL or the code before it would not take. The reason is lost there.
struct Refused;

pub(super) fn process(state: &mut State, seq: usize, parsed: &Parsed) -> Answer {
    let payload = &parsed.value;
    let stored = if parsed.unstorable { Err(Refused) } else { upsert(state, payload) };
    let Ok(id) = stored else { return upsert_returned_false(payload) };
    state.stored(seq);
    if !payload["video_id"].is_string() {
        // The row is there, and the check that follows does not find it (contract C.4).
        return upsert_returned_false(payload);
    }
    let triggers = state.triggers;
    let record = state.rows.get_mut(&id).expect("it was just stored");
    let taken = summaries::insert(&mut record.summaries, &payload["summary_variants"], triggers);
    let answer = json!({
        "upserted": 1,
        "summaries_upserted": taken,
        "embedding_updated": false,
        "verify_row": { "video_id": record.video_id, "title": record.title },
    });
    Answer::json(200, &answer)
}

/// Inserts or updates the row, every column of it; its summaries stay. Gives the key.
fn upsert(state: &mut State, payload: &Value) -> Result<String, Refused> {
    let id = text(&payload["video_id"])?.ok_or(Refused)?;
    let known = state.rows.get(&id);
    let record = Record {
        video_id: id.clone(),
        title: text_or(&payload["title"], "(untitled)")?,
        channel_name: text_or(&payload["channel_name"], "(unknown)")?,
        indexed_at: indexed_at(&payload["indexed_at"])?,
        duration_seconds: duration(&payload["duration_seconds"])?,
        thumbnail_url: text(&payload["thumbnail_url"])?,
        canonical_url: text(&payload["canonical_url"])?,
        subcategories_json: jsonb(&payload["subcategories_json"]),
        analysis_json: jsonb(&payload["analysis_json"]),
        topics_json: jsonb(&payload["topics_json"]),
        has_audio: has_audio(&payload["media"])?,
        summaries: known.map(|record| record.summaries.clone()).unwrap_or_default(),
        writes: known.map_or(0, |record| record.writes) + 1,
    };
    state.rows.insert(id.clone(), record);
    Ok(id)
}

/// A text column: scalars become text, structures are an error.
fn text(value: &Value) -> Result<Option<String>, Refused> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err(Refused),
    }
}

fn text_or(value: &Value, default: &str) -> Result<String, Refused> {
    if truthy(value) { text(value)?.ok_or(Refused) } else { Ok(default.to_owned()) }
}

/// A TIMESTAMPTZ. A naive one is read in the session's zone, here UTC.
fn indexed_at(value: &Value) -> Result<Timestamp, Refused> {
    if !truthy(value) {
        return Ok(Timestamp::now());
    }
    let text = value.as_str().ok_or(Refused)?.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil = text.parse::<DateTime>().or_else(|_| {
        let date = text.parse::<Date>().or_else(|_| Date::strptime("%Y%m%d", text));
        date.map(DateTime::from)
    });
    let zoned = civil.and_then(|civil| civil.to_zoned(TimeZone::UTC));
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| Refused)
}

/// An INTEGER: numbers are rounded, text must be a whole number, nothing else passes.
fn duration(value: &Value) -> Result<Option<i32>, Refused> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => {
            let rounded = number.as_f64().ok_or(Refused)?.round();
            let fits = rounded >= f64::from(i32::MIN) && rounded <= f64::from(i32::MAX);
            if fits { Ok(Some(rounded as i32)) } else { Err(Refused) }
        }
        Value::String(text) => text.trim().parse().map(Some).map_err(|_| Refused),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Refused),
    }
}

/// A JSONB column: structures are kept, text is parsed, and what is neither becomes NULL.
fn jsonb(value: &Value) -> Option<Value> {
    match value {
        Value::Array(_) | Value::Object(_) => Some(value.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `has_audio` is computed from this payload alone: without `media` it is false, whatever was
/// known before (contract 0.2).
fn has_audio(media: &Value) -> Result<bool, Refused> {
    let parsed = match media {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    match parsed {
        Value::Object(fields) => {
            let says = |key: &str| fields.get(key).is_some_and(truthy);
            Ok(says("has_audio") || says("audio_url"))
        }
        other if truthy(&other) => Err(Refused),
        _ => Ok(false),
    }
}

fn upsert_returned_false(payload: &Value) -> Answer {
    let keys: Vec<&String> = payload.as_object().into_iter().flat_map(|o| o.keys()).collect();
    let answer = json!({
        "error": "upsert_returned_false",
        "payload_sample": {
            "video_id": payload["video_id"],
            "title": payload["title"],
            "channel_name": payload["channel_name"],
            "has_keys": keys.iter().take(10).collect::<Vec<_>>(),
        },
        "debug": true,
    });
    Answer::json(500, &answer)
}
