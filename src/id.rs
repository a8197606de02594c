//! The typed names of things, each parsed in one place.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest [`ContentId`] that is accepted, in bytes: far above any real one, and short enough
/// to stay a file name with a prefix and an ending.
pub const CONTENT_ID_MAX: usize = 128;

/// The identity of a piece of content, byte for byte as the dashboard stores it: a bare YouTube id
/// (`aB-3_xY9zQk`), or a prefixed one (`reddit:1n2abcd`, `web:0f…`).
///
/// Only `[A-Za-z0-9_-]+` with an optional `prefix:` is let through (contract D, "Sanitising"),
/// since the dashboard puts what it is given into a path. Clones share the text: each delivery makes
/// a dozen of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentId(Arc<str>);

/// Why a text is not a [`ContentId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentIdError {
    #[error("an id cannot be empty")]
    Empty,
    #[error("an id cannot be longer than {CONTENT_ID_MAX} bytes")]
    TooLong,
    #[error("an id has only letters, digits, '_' and '-', with at most one 'prefix:' before them")]
    Charset,
}

impl ContentId {
    /// The id as the dashboard stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the prefix: what file names carry (contract B.1).
    pub fn bare(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, bare)| bare)
    }
}

impl FromStr for ContentId {
    type Err = ContentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ContentIdError::Empty);
        }
        if text.len() > CONTENT_ID_MAX {
            return Err(ContentIdError::TooLong);
        }
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let sound = match text.split_once(':') {
            Some((prefix, bare)) => word(prefix) && word(bare),
            None => word(text),
        };
        if sound { Ok(Self(text.into())) } else { Err(ContentIdError::Charset) }
    }
}

impl TryFrom<String> for ContentId {
    type Error = ContentIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContentId> for String {
    fn from(id: ContentId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a version is a version of: an id has a report, and may have an audio file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Report,
    Audio,
}

impl Kind {
    /// The word that logs, status and the outbox use.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Report => "report",
            Kind::Audio => "audio",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place that is kept level with the disk. The words are those of the outbox, the log, the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetName {
    /// The dashboard of today, by its ingest endpoints.
    Dashboard,
    /// The dashboard from before PostgreSQL, by the endpoints that it had.
    Legacy,
}

impl TargetName {
    pub const ALL: [TargetName; 2] = [TargetName::Dashboard, TargetName::Legacy];

    pub fn as_str(self) -> &'static str {
        match self {
            TargetName::Dashboard => "dashboard",
            TargetName::Legacy => "legacy",
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A digest that stands for content: equal digests, equal content. The first 128 bits of BLAKE3,
/// which keeps a row of the outbox small and is still far beyond accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version([u8; 16]);

impl Version {
    /// Takes the leading bytes of a finished hash.
    pub fn from_hash(hash: &blake3::Hash) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Self(bytes)
    }

    /// The version of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(&blake3::hash(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// As 32 hexadecimal digits.
impl FromStr for Version {
    type Err = blake3::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The hash type's own reading, of a hash whose second half is nought.
        blake3::Hash::from_hex(format!("{text:0<64}")).map(|hash| Self::from_hash(&hash))
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_word_with_at_most_one_prefix() {
        for good in ["aB-3_xY9zQk", "-_gD9HxgnbY", "reddit:1n2abcd", "web:0f0f0f", "x"] {
            assert_eq!(good.parse::<ContentId>().map(String::from), Ok(good.to_owned()));
        }
        let long = "x".repeat(CONTENT_ID_MAX + 1);
        for (bad, why) in [
            ("", ContentIdError::Empty),
            (long.as_str(), ContentIdError::TooLong),
            ("a b", ContentIdError::Charset),
            ("../x", ContentIdError::Charset),
            ("a:b:c", ContentIdError::Charset),
            (":a", ContentIdError::Charset),
            ("a:", ContentIdError::Charset),
            ("ä", ContentIdError::Charset),
            ("a\0", ContentIdError::Charset),
        ] {
            assert_eq!(bad.parse::<ContentId>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn the_bare_id_is_what_follows_the_prefix() {
        assert_eq!("reddit:1n2abcd".parse::<ContentId>().unwrap().bare(), "1n2abcd");
        assert_eq!("_gD9HxgnbvY".parse::<ContentId>().unwrap().bare(), "_gD9HxgnbvY");
    }
}
