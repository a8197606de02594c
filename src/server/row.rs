//! JSON becomes a [`Report`], or a refusal that names the field (contract C.2, C.5).
//!
//! Pure. What the dashboard answers with an everlasting 500 is told apart here from what passes.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::problem::{Problem, Unstorable};
use super::store::{AudioClaim, Report, Summary};
use crate::contract::truthy;
use crate::report::bounded_json;

type Fields = Map<String, Value>;

const UNTITLED: &str = "(untitled)";
const UNKNOWN: &str = "(unknown)";
const DEFAULT_VARIANT: &str = "comprehensive";

/// Reads a whole payload. Fields it does not know are ignored, as the dashboard does.
pub(super) fn read(payload: &Value) -> Result<Report, Problem> {
    let Value::Object(fields) = payload else {
        return Err(Unstorable::new("body", "must be one JSON object").into());
    };
    let video_id = match fields.get("video_id").filter(|id| truthy(id)) {
        None => return Err(Problem::BadRequest("video_id required".into())),
        Some(Value::String(id)) => storable("video_id", id)?,
        Some(_) => return Err(Unstorable::new("video_id", "must be text").into()),
    };
    Ok(Report {
        video_id,
        title: or_default(text(fields, "title")?, UNTITLED),
        channel_name: or_default(text(fields, "channel_name")?, UNKNOWN),
        indexed_at: instant(fields, "indexed_at")?,
        first_indexed_at: None,
        duration_seconds: fields.get("duration_seconds").map_or(Ok(None), |seconds| {
            whole("duration_seconds", seconds, "must be a number of seconds or null")
        })?,
        thumbnail_url: text(fields, "thumbnail_url")?,
        canonical_url: text(fields, "canonical_url")?,
        subcategories_json: json(fields, "subcategories_json")?,
        analysis_json: match json(fields, "analysis_json")? {
            None => None,
            Some(Value::Object(analysis)) => Some(analysis),
            Some(other) if !truthy(&other) => None,
            Some(_) => return Err(Unstorable::new("analysis_json", "must be an object").into()),
        },
        topics_json: json(fields, "topics_json")?,
        audio: audio_claim(fields)?,
        summaries: summaries(fields)?,
    })
}

/// A text column. Numbers and booleans are what PostgreSQL would make of them.
fn text(fields: &Fields, name: &str) -> Result<Option<String>, Unstorable> {
    as_text(name, fields.get(name).unwrap_or(&Value::Null))
}

fn as_text(path: &str, value: &Value) -> Result<Option<String>, Unstorable> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => storable(path, text).map(Some),
        Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string())),
        // The dashboard puts its default in the place of an empty one.
        Value::Array(_) | Value::Object(_) if !truthy(value) => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(Unstorable::new(path, "must be text or null")),
    }
}

fn storable(path: &str, text: &str) -> Result<String, Unstorable> {
    if text.contains('\0') {
        let hint = "has a NUL or half of a surrogate pair, which no database takes as text";
        return Err(Unstorable::new(path, hint));
    }
    Ok(text.to_owned())
}

fn or_default(text: Option<String>, default: &str) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// A column that PostgreSQL calls INTEGER: 32 bits. 12.5 is rounded and "123" is read; "12.5" is
/// refused, as there.
pub(super) fn whole(path: &str, value: &Value, hint: &str) -> Result<Option<i64>, Unstorable> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(rounded)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number.map(i32::try_from) {
        Some(Ok(number)) => Ok(Some(number.into())),
        _ => Err(Unstorable::new(path, hint)),
    }
}

/// Half away from zero, and what is too large for the column stays too large.
fn rounded(number: f64) -> i64 {
    number.round() as i64
}

/// A point in time, to the microsecond, which is what PostgreSQL keeps. Without a zone it is UTC.
fn instant(fields: &Fields, name: &str) -> Result<Option<Timestamp>, Unstorable> {
    let hint = "must be an ISO 8601 time, such as 2025-10-20T09:15:00Z, or null";
    let text = match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => text.trim(),
        Some(value) if truthy(value) => return Err(Unstorable::new(name, hint)),
        _ => return Ok(None),
    };
    let time = text.parse::<Timestamp>().or_else(|_| {
        text.parse::<DateTime>()?.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    let micros = time.ok().map(|time| time.as_microsecond());
    let time = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    time.map(Some).ok_or_else(|| Unstorable::new(name, hint))
}

/// A JSONB column: an object or array, or the text of one; anything else counts as null.
fn json(fields: &Fields, name: &str) -> Result<Option<Value>, Unstorable> {
    let value = match fields.get(name) {
        Some(Value::String(text)) => bounded_json(text).unwrap_or(Value::Null),
        Some(value) => value.clone(),
        None => Value::Null,
    };
    if !value.is_object() && !value.is_array() {
        return Ok(None);
    }
    storable_within(name, &value)?;
    Ok(Some(value))
}

fn storable_within(path: &str, value: &Value) -> Result<(), Unstorable> {
    match value {
        Value::String(text) => storable(path, text).map(drop),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| storable_within(&format!("{path}[{i}]"), item)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            storable(path, key)?;
            storable_within(&format!("{path}.{key}"), value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// What `media` says about audio; text that is no JSON is ignored, as the dashboard does.
fn audio_claim(fields: &Fields) -> Result<AudioClaim, Unstorable> {
    let media = match fields.get("media") {
        Some(Value::String(text)) => bounded_json(text).unwrap_or(Value::Null),
        Some(value) => value.clone(),
        None => Value::Null,
    };
    match media {
        Value::Object(media) if !media.is_empty() => {
            let url = media.get("audio_url").filter(|url| truthy(url));
            if url.is_none() && !media.get("has_audio").is_some_and(truthy) {
                return Ok(AudioClaim::Without);
            }
            let url = url.map(|url| as_text("media.audio_url", url)).transpose()?;
            Ok(AudioClaim::With { url: url.flatten() })
        }
        value if !truthy(&value) => Ok(AudioClaim::Unsaid),
        _ => Err(Unstorable::new("media", "must be an object or null")),
    }
}

/// The summaries, each variant once: of several, the last, since it would be the latest anyway.
fn summaries(fields: &Fields) -> Result<Vec<Summary>, Unstorable> {
    let items = match fields.get("summary_variants") {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) if truthy(value) => {
            return Err(Unstorable::new("summary_variants", "must be a list of objects or null"));
        }
        _ => &[],
    };
    let mut summaries: Vec<Summary> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = format!("summary_variants[{i}]");
        let Value::Object(item) = item else {
            return Err(Unstorable::new(path, "must be an object"));
        };
        let at = |key: &str| format!("{path}.{key}");
        let column = |key: &str| as_text(&at(key), item.get(key).unwrap_or(&Value::Null));
        let revision = item.get("revision").map_or(Ok(None), |revision| {
            whole(&at("revision"), revision, "must be a whole number or null")
        })?;
        let summary = Summary {
            variant: or_default(column("variant")?, DEFAULT_VARIANT),
            text: column("text")?.unwrap_or_default(),
            // Absent is empty, but null stays null: it hides the card (contract C.5, C.6).
            html: if item.contains_key("html") { column("html")? } else { Some(String::new()) },
            revision,
        };
        summaries.retain(|earlier| earlier.variant != summary.variant);
        summaries.push(summary);
    }
    Ok(summaries)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(name: &str, value: Value) -> Result<Report, Problem> {
        let mut payload = json!({"video_id": "aB-3_xY9zQk"});
        payload[name] = value;
        read(&payload)
    }

    #[test]
    fn what_can_never_be_stored_is_refused_with_the_name_of_the_field() {
        for (name, value, field) in [
            ("video_id", json!(5), "video_id"),
            ("video_id", json!("a\0"), "video_id"),
            ("title", json!(["x"]), "title"),
            ("title", json!("a\0b"), "title"),
            ("channel_name", json!({"a": 1}), "channel_name"),
            ("thumbnail_url", json!({"a": 1}), "thumbnail_url"),
            ("duration_seconds", json!("abc"), "duration_seconds"),
            ("duration_seconds", json!(""), "duration_seconds"),
            ("duration_seconds", json!("12.5"), "duration_seconds"),
            ("duration_seconds", json!(true), "duration_seconds"),
            ("duration_seconds", json!([1]), "duration_seconds"),
            ("duration_seconds", json!(1e12), "duration_seconds"),
            ("indexed_at", json!("yesterday"), "indexed_at"),
            ("indexed_at", json!(1757000000), "indexed_at"),
            ("analysis_json", json!([1]), "analysis_json"),
            ("analysis_json", json!({"a": [{"b": "\0"}]}), "analysis_json.a[0].b"),
            ("analysis_json", json!("{\"a\": \"\\u0000\"}"), "analysis_json.a"),
            ("topics_json", json!(["ok", "\0"]), "topics_json[1]"),
            ("subcategories_json", json!({"\0": 1}), "subcategories_json"),
            ("media", json!([1]), "media"),
            ("media", json!(true), "media"),
            ("media", json!({"audio_url": [1]}), "media.audio_url"),
            ("summary_variants", json!({"variant": "x"}), "summary_variants"),
            ("summary_variants", json!([{}, "x"]), "summary_variants[1]"),
            ("summary_variants", json!([{"text": ["x"]}]), "summary_variants[0].text"),
            ("summary_variants", json!([{"html": "\0"}]), "summary_variants[0].html"),
            ("summary_variants", json!([{"revision": "x"}]), "summary_variants[0].revision"),
        ] {
            match with(name, value.clone()) {
                Err(Problem::Unstorable(why)) => assert_eq!(why.field, field, "{name}: {value}"),
                other => panic!("{name}: {value}: {other:?}"),
            }
        }
        for root in [json!([]), json!("x"), json!(null), json!(5)] {
            assert!(matches!(read(&root), Err(Problem::Unstorable(_))), "{root}");
        }
    }

    #[test]
    fn a_missing_id_is_told_in_the_contracts_words() {
        for payload in [json!({}), json!({"video_id": ""}), json!({"video_id": null})] {
            let problem = read(&payload).unwrap_err();
            assert_eq!(problem.to_string(), "video_id required");
        }
    }

    #[test]
    fn lengths_are_whole_seconds() {
        for (value, seconds) in [
            (json!(727), Some(727)),
            (json!(12.5), Some(13)),
            (json!(-0.4), Some(0)),
            (json!("123"), Some(123)),
            (json!(null), None),
        ] {
            let report = with("duration_seconds", value.clone()).unwrap();
            assert_eq!(report.duration_seconds, seconds, "{value}");
        }
    }

    #[test]
    fn times_are_kept_in_utc_to_the_microsecond() {
        for (text, time) in [
            ("2025-10-20T09:15:00Z", "2025-10-20T09:15:00Z"),
            ("2025-10-20T11:15:00+02:00", "2025-10-20T09:15:00Z"),
            ("2025-10-20 09:15:00+00", "2025-10-20T09:15:00Z"),
            ("2025-10-20T09:15:00.123456789", "2025-10-20T09:15:00.123456Z"),
            ("2025-10-20", "2025-10-20T00:00:00Z"),
        ] {
            let report = with("indexed_at", json!(text)).unwrap();
            assert_eq!(report.indexed_at.unwrap().to_string(), time, "{text}");
        }
        for missing in [json!(null), json!(""), json!(0)] {
            assert_eq!(with("indexed_at", missing).unwrap().indexed_at, None);
        }
    }

    #[test]
    fn what_is_missing_gets_the_dashboards_defaults() {
        for missing in [json!(null), json!(""), json!([])] {
            assert_eq!(with("title", missing.clone()).unwrap().title, "(untitled)");
            assert_eq!(with("channel_name", missing).unwrap().channel_name, "(unknown)");
        }
        assert_eq!(with("title", json!(1984)).unwrap().title, "1984");
    }

    #[test]
    fn json_columns_take_objects_and_lists_and_their_text() {
        for (value, kept) in [
            (json!({"a": 1}), Some(json!({"a": 1}))),
            (json!(["a"]), Some(json!(["a"]))),
            (json!("[\"a\"]"), Some(json!(["a"]))),
            (json!("no json"), None),
            (json!("5"), None),
            (json!(5), None),
            (json!(true), None),
            (json!(null), None),
        ] {
            assert_eq!(with("topics_json", value.clone()).unwrap().topics_json, kept, "{value}");
        }
    }

    #[test]
    fn media_claims_audio_denies_it_or_says_nothing() {
        let url = Some("/exports/audio/x.mp3".to_owned());
        for (value, claim) in [
            (json!(null), AudioClaim::Unsaid),
            (json!({}), AudioClaim::Unsaid),
            (json!([]), AudioClaim::Unsaid),
            (json!("no json"), AudioClaim::Unsaid),
            (json!({"has_audio": false}), AudioClaim::Without),
            (json!({"has_audio": true}), AudioClaim::With { url: None }),
            (json!("{\"has_audio\": 1}"), AudioClaim::With { url: None }),
            (json!({"audio_url": "/exports/audio/x.mp3"}), AudioClaim::With { url }),
        ] {
            assert_eq!(with("media", value.clone()).unwrap().audio, claim, "{value}");
        }
    }

    #[test]
    fn a_summary_has_the_contracts_defaults_and_each_variant_comes_once() {
        let report = with(
            "summary_variants",
            json!([
                {"variant": "audio", "text": "old"},
                {},
                {"variant": "executive", "text": "t", "html": null, "revision": 7},
                {"variant": "audio", "text": "new", "html": "<p>", "revision": 0},
            ]),
        )
        .unwrap();
        let seen: Vec<_> = report
            .summaries
            .iter()
            .map(|s| (s.variant.as_str(), s.text.as_str(), s.html.as_deref(), s.revision))
            .collect();
        assert_eq!(
            seen,
            [
                ("comprehensive", "", Some(""), None),
                ("executive", "t", None, Some(7)),
                ("audio", "new", Some("<p>"), Some(0)),
            ]
        );
    }

    #[test]
    fn harm_in_a_field_that_is_thrown_away_is_no_harm() {
        assert!(with("transcript", json!("\0")).is_ok());
    }
}
