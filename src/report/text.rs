//! From bytes to text that a JSON parser takes: encodings, and escapes that stand for no character.

use std::borrow::Cow;

/// The text of a file, and what was odd about it.
pub(super) struct Decoded<'a> {
    pub text: Cow<'a, str>,
    pub remark: Option<&'static str>,
}

/// UTF-8, with or without a byte order mark, else Latin-1, which takes any bytes (contract A).
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded { text: Cow::Borrowed(text), remark: None },
        Err(_) => Decoded {
            text: Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
            remark: Some("not UTF-8, read as Latin-1"),
        },
    }
}

/// Replaces each surrogate escape that has no partner by U+FFFD. Both are six ASCII characters, so
/// places in the text keep their line and column. `None`: nothing to replace.
pub(super) fn mend_surrogates(text: &str) -> Option<String> {
    let lone = lone_surrogates(text.as_bytes());
    if lone.is_empty() {
        return None;
    }
    let mut mended = String::with_capacity(text.len());
    let mut done = 0;
    for at in lone {
        mended.push_str(&text[done..at]);
        mended.push_str("\\ufffd");
        done = at + ESCAPE;
    }
    mended.push_str(&text[done..]);
    Some(mended)
}

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

/// Where the lone ones begin. A backslash takes the next character with it, so that the second half
/// of an escaped backslash starts no escape; outside of strings valid JSON has no backslash.
fn lone_surrogates(bytes: &[u8]) -> Vec<usize> {
    let mut lone = Vec::new();
    let mut at = 0;
    while let Some(skip) = bytes[at..].iter().position(|&byte| byte == b'\\') {
        at += skip;
        at += match unicode_escape(&bytes[at..]) {
            Some(0xD800..=0xDBFF) => match unicode_escape(&bytes[at + ESCAPE..]) {
                Some(0xDC00..=0xDFFF) => 2 * ESCAPE,
                _ => {
                    lone.push(at);
                    ESCAPE
                }
            },
            Some(0xDC00..=0xDFFF) => {
                lone.push(at);
                ESCAPE
            }
            _ => 2.min(bytes.len() - at),
        };
    }
    lone
}

fn unicode_escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |code, &digit| {
        Some(code << 4 | u16::try_from(char::from(digit).to_digit(16)?).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_utf_8_with_or_without_a_mark_or_else_latin_1() {
        for (bytes, text, odd) in [
            (&b"caf\xc3\xa9"[..], "café", false),
            (b"\xef\xbb\xbfcaf\xc3\xa9", "café", false),
            (b"caf\xe9", "café", true),
            (b"", "", false),
        ] {
            let decoded = decode(bytes);
            assert_eq!(decoded.text, text);
            assert_eq!(decoded.remark.is_some(), odd);
        }
    }

    #[test]
    fn only_a_surrogate_without_its_partner_is_replaced() {
        for (text, mended) in [
            (r#""\ud800""#, Some(r#""\ufffd""#)),
            (r#""\uDC00x""#, Some(r#""\ufffdx""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\u0041""#, Some(r#""\ufffd\u0041""#)),
            (r#""é\\\ud800""#, Some(r#""é\\\ufffd""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud800""#, None),
            (r#""\ud80"#, None),
            (r#""\"#, None),
            (r#""\é""#, None),
            ("{}", None),
        ] {
            assert_eq!(mend_surrogates(text).as_deref(), mended, "{text}");
        }
    }
}
