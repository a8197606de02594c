//! JSON as Python's parser and PostgreSQL's types take it, where they differ from ours.

use serde_json::Value;

/// A parsed body.
pub(super) struct Parsed {
    pub value: Value,
    /// Whether it holds something that PostgreSQL cannot store: NUL or a lone surrogate, anywhere
    /// (contract 0.4).
    pub unstorable: bool,
}

/// Parses a text. Python takes a lone surrogate, and only its database driver trips over it.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let first = serde_json::from_str::<Value>(text);
    match first {
        Ok(value) => Ok(Parsed { unstorable: has_nul(&value), value }),
        Err(error) => {
            let mended = without_lone_surrogates(text);
            let value = serde_json::from_str(&mended).map_err(|_| error.to_string())?;
            Ok(Parsed { value, unstorable: true })
        }
    }
}

/// Python's idea of truth.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(k, v)| k.contains('\0') || has_nul(v)),
        _ => false,
    }
}

/// Replaces each `\uD800`…`\uDFFF` that has no partner by `\ufffd`.
fn without_lone_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match unit(rest) {
            Some(0xD800..=0xDBFF) if matches!(unit(&rest[6..]), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
            // An escape of one character, of whatever length it is.
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended + rest
}

/// The code unit of a `\uXXXX` at the beginning of a text.
fn unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}
