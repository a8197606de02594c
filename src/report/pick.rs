//! Taking a value of the right kind from a place in the JSON: a wrong kind is as good as nothing.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::tree;

/// What the pipeline and the dashboard write where they know nothing (contract H).
const PLACEHOLDERS: [&str; 4] = ["", "Unknown", "(unknown)", "Untitled"];

/// The value at keys joined by dots.
pub(super) fn at<'a>(root: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, mut rest) = first_key(path);
    let mut value = root.get(first)?;
    while let Some(path) = rest {
        let (key, after) = first_key(path);
        (value, rest) = (value.get(key)?, after);
    }
    Some(value)
}

/// What is before the first dot, and after it. A report is asked for a hundred paths, which are too
/// short for the search that `str::split` prepares.
fn first_key(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'.') {
        Some(dot) => (&path[..dot], Some(&path[dot + 1..])),
        None => (path, None),
    }
}

/// The string there, as it is.
pub(super) fn string<'a>(root: &'a Map<String, Value>, path: &str) -> Option<&'a str> {
    at(root, path)?.as_str()
}

/// The string there, trimmed, unless it is one of the placeholders.
pub(super) fn text<'a>(root: &'a Map<String, Value>, path: &str) -> Option<&'a str> {
    Some(string(root, path)?.trim()).filter(|text| !PLACEHOLDERS.contains(text))
}

/// Of several places the first with such a text.
pub(super) fn first_text<'a>(root: &'a Map<String, Value>, paths: &[&str]) -> Option<&'a str> {
    paths.iter().find_map(|path| text(root, path))
}

/// Of several places the first with a positive length in seconds.
pub(super) fn first_seconds(root: &Map<String, Value>, paths: &[&str]) -> Option<i64> {
    paths.iter().find_map(|path| seconds(at(root, path)?))
}

/// Whole seconds, or words, out of a number or a text that is one. What the dashboard's 32-bit
/// column could not hold is nothing, since it would answer 500 for ever (contract C.4).
pub(super) fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    let whole = number.round();
    // In this range the conversion is exact.
    (1.0..=f64::from(i32::MAX)).contains(&whole).then_some(whole as i64)
}

/// Of several places the first that says when.
pub(super) fn first_instant(
    root: &Map<String, Value>,
    paths: &[&str],
    zone: &TimeZone,
) -> Option<Timestamp> {
    paths.iter().find_map(|path| instant(at(root, path)?, zone))
}

/// A point in time. Without a zone of its own it is local time in `zone`. A bare day is none: the
/// pipeline writes those for uploads only, and they would sort a card by the wrong date (contract
/// H).
pub(super) fn instant(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    let text = value.as_str()?.trim();
    if !text.contains(':') {
        return None;
    }
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| zone.to_timestamp(text.parse::<DateTime>().ok()?).ok())
}

/// An object, or the JSON text of one (contract C.2).
pub(super) fn object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map.clone()),
        Value::String(text) => match tree::parse_embedded(text)? {
            Value::Object(map) => Some(map),
            _ => None,
        },
        _ => None,
    }
}

/// The texts of a list, of the JSON text of one, or of a single bare word (contract J.3).
pub(super) fn list(value: &Value) -> Vec<Value> {
    let items = match value {
        Value::Array(items) => items.clone(),
        Value::String(text) if text.trim_start().starts_with('[') => {
            match tree::parse_embedded(text) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        Value::String(_) => vec![value.clone()],
        _ => Vec::new(),
    };
    let filled = |item: &Value| item.as_str().is_some_and(|text| !text.trim().is_empty());
    items.into_iter().filter(filled).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_and_wrong_kinds_are_passed_over() {
        for nothing in [
            json!(""),
            json!(" "),
            json!("Unknown"),
            json!("(unknown)"),
            json!("Untitled"),
            json!(7),
            json!([]),
            json!(null),
        ] {
            let root = json!({"a": nothing, "b": {"c": " x "}});
            assert_eq!(
                first_text(root.as_object().unwrap(), &["a", "b", "b.c.d", "b.c"]),
                Some("x")
            );
        }
    }

    #[test]
    fn lengths_are_whole_positive_seconds() {
        for (value, length) in [
            (json!(727), Some(727)),
            (json!(727.4), Some(727)),
            (json!(727.5), Some(728)),
            (json!("727"), Some(727)),
            (json!(" 12.5 "), Some(13)),
            (json!(0), None),
            (json!(0.4), None),
            (json!(-3), None),
            (json!("12:07"), None),
            (json!(""), None),
            (json!("nan"), None),
            (json!(1e300), None),
            (json!(2_147_483_648_i64), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            assert_eq!(seconds(&value), length, "{value}");
        }
    }

    #[test]
    fn times_without_a_zone_are_local_and_bare_days_are_no_times() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (value, time) in [
            (json!("2025-09-06T00:00:00Z"), Some("2025-09-06T00:00:00Z")),
            (json!("2025-09-06T02:00:00+02:00"), Some("2025-09-06T00:00:00Z")),
            (json!("2025-09-02T18:44:05.123456"), Some("2025-09-02T16:44:05.123456Z")),
            (json!("2025-09-02 18:44:05"), Some("2025-09-02T16:44:05Z")),
            (json!("20250831"), None),
            (json!("2025-08-31"), None),
            (json!("yesterday at 12:00"), None),
            (json!(""), None),
            (json!(1_757_000_000), None),
        ] {
            assert_eq!(instant(&value, &zone).map(|t| t.to_string()).as_deref(), time, "{value}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_skipped_is_still_a_time() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let time = instant(&json!("2025-03-30T02:30:00"), &zone).unwrap();
        assert_eq!(time.to_string(), "2025-03-30T01:30:00Z");
    }

    #[test]
    fn lists_come_as_lists_as_json_text_or_as_one_word() {
        for (value, items) in [
            (json!(["a", "", 1, null, "b"]), json!(["a", "b"])),
            (json!("[\"a\", \"b\"]"), json!(["a", "b"])),
            (json!("a, b"), json!(["a, b"])),
            (json!("[broken"), json!([])),
            (json!(""), json!([])),
            (json!({}), json!([])),
        ] {
            assert_eq!(Value::Array(list(&value)), items, "{value}");
        }
    }
}
