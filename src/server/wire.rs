//! Bytes become JSON, or a refusal in the words of contract C.4.

use serde_json::Value;

use super::problem::{Problem, Unstorable};
use crate::report::{Unread, bounded_json};

/// Parses a report's body.
///
/// JSON lets half of a surrogate pair be written as an escape, the dashboard's parser takes it, and
/// its database then fails for ever (contract 0.4). Such a half is read as a NUL here, which
/// [`row`](super::row) refuses where it would be stored, naming the field, and which does no harm
/// in a field that is thrown away.
pub(super) fn parse(body: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Unstorable::new("body", format!("must be UTF-8, which it is not at byte {at}"))
    })?;
    bounded_json(text).or_else(|error| match error {
        Unread::TooMuch => Err(Unstorable::new("body", format!("has {error}")).into()),
        Unread::Invalid(_) => halves_as_nul(text)
            .and_then(|text| bounded_json(&text).ok())
            .ok_or_else(|| Problem::BadRequest(format!("invalid JSON: {error}"))),
    })
}

/// The text with each lone surrogate escape replaced by the escape of NUL; none if it has none.
fn halves_as_nul(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut taken = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(found) = bytes[at..].iter().position(|&b| b == b'\\') {
        at += found;
        match surrogate(bytes, at) {
            Some(Half::High) if surrogate(bytes, at + 6) == Some(Half::Low) => at += 12,
            Some(_) => {
                out.push_str(&text[taken..at]);
                out.push_str("\\u0000");
                at += 6;
                taken = at;
            }
            None => at = (at + 2).min(bytes.len()),
        }
    }
    (taken > 0).then(|| out + &text[taken..])
}

#[derive(PartialEq)]
enum Half {
    High,
    Low,
}

/// The half that the escape beginning at `at` stands for, if it is one.
fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let unit = u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()?;
    match unit {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_becomes_nul_and_a_whole_one_stays() {
        for (text, mended) in [
            (r#""\ud83d\ude00""#, None),
            (r#""\ud83d""#, Some(r#""\u0000""#)),
            (r#""\uDE00x""#, Some(r#""\u0000x""#)),
            (r#""\ud83d\ud83d\ude00é""#, Some(r#""\u0000\ud83d\ude00é""#)),
            (r#""\\ud83d""#, None),
            (r#""\ud83"#, None),
            ("\"\\", None),
        ] {
            assert_eq!(halves_as_nul(text).as_deref(), mended, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_from_what_cannot_be_stored() {
        assert!(
            matches!(parse(b"{"), Err(Problem::BadRequest(why)) if why.starts_with("invalid JSON: "))
        );
        assert!(matches!(parse(b"\"\\ud83d"), Err(Problem::BadRequest(_))));
        assert!(matches!(parse(b"\"\xff\""), Err(Problem::Unstorable(_))));
        assert_eq!(parse(br#"["\ud83d"]"#).unwrap(), serde_json::json!(["\0"]));
    }
}
