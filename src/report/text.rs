//! From bytes to text that a JSON parser takes: encodings, and escapes that stand for no character.
//! Nothing is copied on the way, since a file may be large.

use std::io::{self, Read};

use memchr::{memchr, memmem};

/// Whether bytes are UTF-8, and if not, that they are to be read as Latin-1, which takes any
/// (contract A).
pub(super) const NOT_UTF_8: &str = "not UTF-8, read as Latin-1";

/// Without a byte order mark.
pub(super) fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Latin-1 as UTF-8, piece by piece.
pub(super) struct Latin1<'a> {
    left: &'a [u8],
    /// The second byte of a character whose first one was given away.
    second: Option<u8>,
}

impl<'a> Latin1<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, second: None }
    }
}

impl Read for Latin1<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        for place in buffer {
            let byte = match (self.second.take(), self.left.split_first()) {
                (Some(second), _) => second,
                (None, Some((&byte, left))) => {
                    self.left = left;
                    let mut pair = [0; 2];
                    let text = char::from(byte).encode_utf8(&mut pair).len();
                    self.second = (text == 2).then_some(pair[1]);
                    pair[0]
                }
                (None, None) => break,
            };
            *place = byte;
            filled += 1;
        }
        Ok(filled)
    }
}

/// Replaces each surrogate escape that has no partner by U+FFFD, where it stands, and says whether
/// there was one. Both are six ASCII characters, so places keep their line and column.
///
/// A backslash takes the next character with it, so that the second half of an escaped backslash
/// starts no escape; outside of strings valid JSON has no backslash.
pub(super) fn mend_surrogates(bytes: &mut [u8]) -> bool {
    let (mut at, mut mended) = (0, false);
    // Most files have none, and a backslash for each line.
    if ![r"\ud", r"\uD"].iter().any(|escape| memmem::find(bytes, escape.as_bytes()).is_some()) {
        return mended;
    }
    while let Some(skip) = memchr(b'\\', &bytes[at..]) {
        at += skip;
        let is_lone = match unicode_escape(&bytes[at..]) {
            Some(0xD800..=0xDBFF) => {
                let next = unicode_escape(&bytes[at + ESCAPE..]);
                let has_partner = matches!(next, Some(0xDC00..=0xDFFF));
                at += if has_partner { ESCAPE } else { 0 };
                !has_partner
            }
            Some(0xDC00..=0xDFFF) => true,
            _ => {
                at += 2.min(bytes.len() - at);
                continue;
            }
        };
        if is_lone {
            bytes[at..at + ESCAPE].copy_from_slice(b"\\ufffd");
            mended = true;
        }
        at += ESCAPE;
    }
    mended
}

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

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
    fn latin_1_comes_out_as_utf_8_through_any_buffer() {
        let bytes: Vec<u8> = (0..=255).collect();
        let expected: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        for size in [1, 2, 3, 1000] {
            let mut reader = Latin1::new(&bytes);
            let (mut found, mut buffer) = (Vec::new(), vec![0; size]);
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    read => found.extend_from_slice(&buffer[..read]),
                }
            }
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{size}");
        }
        assert_eq!(unmarked(b"\xef\xbb\xbfcaf"), b"caf");
        assert_eq!(unmarked(b"caf"), b"caf");
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
            let mut bytes = text.as_bytes().to_vec();
            assert_eq!(mend_surrogates(&mut bytes), mended.is_some(), "{text}");
            assert_eq!(String::from_utf8(bytes).unwrap(), mended.unwrap_or(text));
        }
    }
}
