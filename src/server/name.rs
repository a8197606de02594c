//! Under which file name an id's audio is kept.

use crate::contract::audio_file_stem;
use crate::id::{CONTENT_ID_MAX, Version};

const ENDING: &str = ".mp3";

/// The longest name that a file system takes, in bytes.
const NAME_MAX: usize = 255;

/// How much of an unusual id is still readable in its file name, in bytes.
const READABLE: usize = 40;

/// The file names that an id may have, best first. The store gives it the first that belongs to no
/// other id: several ids can share their contract name (`reddit:abc` and `redditabc`), none shares
/// the second, since it holds a digest of the id and a `~`, which no contract name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `<clean>.mp3` of contract D; none when the id has anything in it that a path must not have.
    pub contract: Option<String>,
    /// `<what is readable>~<digest>.mp3`.
    pub own: String,
}

/// The names for `video_id`. Both are plain: ASCII letters, digits, `_`, `-` and `~` before the
/// ending, at most 255 bytes, so that they are the same in a path and in a URL.
pub fn names(video_id: &str) -> Names {
    let stem = audio_file_stem(video_id);
    let usual = !stem.is_empty() && stem.len() <= CONTENT_ID_MAX && stem.bytes().all(is_word);
    let readable: String =
        stem.chars().filter(|c| u8::try_from(*c).is_ok_and(is_word)).take(READABLE).collect();
    Names {
        contract: usual.then(|| format!("{stem}{ENDING}")),
        own: format!("{readable}~{}{ENDING}", Version::of(video_id.as_bytes())),
    }
}

/// Whether [`names`] could have given this name.
pub(super) fn is_given(file: &str) -> bool {
    let short = file.len() <= NAME_MAX;
    file.strip_suffix(ENDING).is_some_and(|stem| {
        short && !stem.is_empty() && stem.bytes().all(|b| is_word(b) || b == b'~')
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_id_keeps_the_name_of_the_contract() {
        for (id, name) in [
            ("aB-3_xY9zQk", "aB-3_xY9zQk.mp3"),
            ("yt:abc", "abc.mp3"),
            ("reddit:1n2abcd", "reddit1n2abcd.mp3"),
            ("-_gD9HxgnbY", "-_gD9HxgnbY.mp3"),
        ] {
            assert_eq!(names(id).contract.as_deref(), Some(name));
        }
    }

    #[test]
    fn an_unusual_id_gets_a_safe_name_of_its_own() {
        let long = "x".repeat(5000);
        let hostile = [
            "../../etc/passwd",
            "/etc/passwd",
            "a/b",
            "..",
            ".",
            ".hidden",
            "a\nb",
            "%2e%2e",
            "ä",
            ":",
            "yt:",
            "a~b",
            &long,
        ];
        let mut seen = std::collections::HashSet::new();
        for id in hostile {
            let Names { contract, own } = names(id);
            assert_eq!(contract, None, "{id:?}");
            assert!(is_given(&own) && own.len() <= NAME_MAX, "{own}");
            assert!(seen.insert(own));
        }
    }

    #[test]
    fn ids_that_share_a_contract_name_differ_in_their_own() {
        let (a, b) = (names("reddit:abc"), names("redditabc"));
        assert_eq!(a.contract, b.contract);
        assert_ne!(a.own, b.own);
    }

    #[test]
    fn nothing_but_a_given_name_is_served() {
        for bad in ["", ".mp3", "..", "../x.mp3", "a/b.mp3", ".upload-x.part", "x", "x.mp3\0"] {
            assert!(!is_given(bad), "{bad:?}");
        }
        let long = |letters| format!("{}.mp3", "x".repeat(letters));
        assert!(is_given(&long(251)) && !is_given(&long(252)));
    }
}
