//! Which content an MP3 belongs to, told by its name alone (contract B.2, B.3).

use jiff::civil::DateTime;

use super::{stem, youtube};
use crate::id::ContentId;

/// What the name of a file in the exports folder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioName {
    /// It may be the audio of a report.
    Ours {
        /// Bare ids that it may be the audio of, the likeliest first. Which one exists, only the
        /// reports can tell.
        keys: Vec<String>,
        /// The name without its ending: of a report with just this stem it is the audio too.
        stem: String,
        /// When it was made, by the name, in the zone of whoever wrote it.
        stamp: Option<DateTime>,
    },
    /// It is left alone, for this reason.
    Ignored(&'static str),
}

/// What stands before an id in the current pattern.
const PREFIX: &str = "audio_";

/// What stands where an id would, in names that never had one.
const ANONYMOUS: [&str; 6] =
    ["", "audio", "audio_summary", "audio_unknown", "combined_tts", "unknown"];

/// Reads the name of a file, which is case-sensitive but for its ending.
pub fn audio_name(file_name: &str) -> AudioName {
    if file_name.starts_with('.') {
        return AudioName::Ignored("hidden");
    }
    let Some(stem) = without_ending(file_name, ".mp3") else {
        let temporary =
            [".tmp", ".part"].iter().any(|ending| without_ending(file_name, ending).is_some());
        return AudioName::Ignored(if temporary { "temporary" } else { "not an MP3" });
    };
    if stem.starts_with("listen_") {
        return AudioName::Ignored("preview");
    }
    if is_chunk(stem) {
        return AudioName::Ignored("chunk");
    }
    let (base, stamp) = stem::split_stamp(stem);
    if is_anonymous(base) {
        return AudioName::Ignored("anonymous");
    }
    AudioName::Ours { keys: keys(base), stem: stem.to_owned(), stamp }
}

fn without_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (stem, tail) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    tail.eq_ignore_ascii_case(ending).then_some(stem)
}

/// `_chunk`, `_chunks` and `_chunk01` name a piece of audio; `_chunky` is a word of a title.
fn is_chunk(stem: &str) -> bool {
    stem.match_indices("_chunk").any(|(at, found)| {
        let rest = &stem[at + found.len()..];
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        !rest.starts_with(char::is_alphabetic)
    })
}

/// No id at all, a made-up one, or a time in its place. Eleven digits are an id.
fn is_anonymous(base: &str) -> bool {
    let key = base.strip_prefix(PREFIX).unwrap_or(base);
    let key = key.strip_prefix("unknown-").unwrap_or(key);
    let number = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    ANONYMOUS.contains(&base) || (number && key.len() != youtube::ID_LEN && key.len() >= 10)
}

/// With and without the prefix: an id may itself begin with `audio_`. A reading that has the length
/// of a YouTube id comes first.
fn keys(base: &str) -> Vec<String> {
    let readings = [base.strip_prefix(PREFIX), Some(base)];
    let mut keys: Vec<String> = readings
        .into_iter()
        .flatten()
        .filter_map(|key| Some(key.parse::<ContentId>().ok()?.bare().to_owned()))
        .collect();
    keys.sort_by_key(|key| !youtube::is_id(key));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_ids_it_may_be_about() {
        for (name, keys, stamp) in [
            (
                "audio_aB-3_xY9zQk_20250901_133809.mp3",
                &["aB-3_xY9zQk", "audio_aB-3_xY9zQk"][..],
                true,
            ),
            ("audio__gD9HxgnbvY_20250901_133809.mp3", &["_gD9HxgnbvY", "audio__gD9HxgnbvY"], true),
            ("audio_-gD9HxgnbvY_20250901_133809.mp3", &["-gD9HxgnbvY", "audio_-gD9HxgnbvY"], true),
            ("audio_abcdefghi_1_20250901_133809.mp3", &["abcdefghi_1", "audio_abcdefghi_1"], true),
            ("audio_T0_20250901_20250901_133809.mp3", &["T0_20250901", "audio_T0_20250901"], true),
            ("audio_1n2abcd_20250901_133809.mp3", &["1n2abcd", "audio_1n2abcd"], true),
            ("aB-3_xY9zQk_20250901_133809.mp3", &["aB-3_xY9zQk"], true),
            ("aB-3_xY9zQk.mp3", &["aB-3_xY9zQk"], false),
            ("AB-3_Xy9ZqK.MP3", &["AB-3_Xy9ZqK"], false),
            ("_gD9HxgnbvY.mp3", &["_gD9HxgnbvY"], false),
            ("audio_xY9zQ.mp3", &["audio_xY9zQ", "xY9zQ"], false),
            ("12345678901.mp3", &["12345678901"], false),
            ("yt:aB-3_xY9zQk.mp3", &["aB-3_xY9zQk"], false),
            ("tides_aB-3_xY9zQk.mp3", &["tides_aB-3_xY9zQk"], false),
            ("gezeiten_täglich.mp3", &[], false),
            ("chunky_chunky_bread.mp3", &["chunky_chunky_bread"], false),
        ] {
            let AudioName::Ours { keys: found, stem, stamp: made } = audio_name(name) else {
                panic!("{name} was ignored");
            };
            assert_eq!(found, keys, "{name}");
            assert_eq!(format!("{stem}.mp3").to_lowercase(), name.to_lowercase());
            assert_eq!(
                made.map(|m| m.to_string()),
                stamp.then(|| "2025-09-01T13:38:09".to_owned())
            );
        }
    }

    #[test]
    fn names_that_belong_to_no_report_are_left_alone() {
        for (name, why) in [
            ("listen_aB-3_xY9zQk_20250901_133809.mp3", "preview"),
            ("audio_20250901_133809.mp3", "anonymous"),
            ("audio_1757000000.mp3", "anonymous"),
            ("audio_1757000000123.mp3", "anonymous"),
            ("audio_summary_20250901_133809.mp3", "anonymous"),
            ("audio_unknown_20250901_133809.mp3", "anonymous"),
            ("audio_unknown-1757000000_20250901_133809.mp3", "anonymous"),
            ("combined_tts_20250901_133809.mp3", "anonymous"),
            ("audio_aB-3_xY9zQk_chunk_1.mp3", "chunk"),
            ("aB-3_xY9zQk_chunk01.mp3", "chunk"),
            ("aB-3_xY9zQk_chunks.mp3", "chunk"),
            ("aB-3_xY9zQk.mp3.tmp", "temporary"),
            ("aB-3_xY9zQk.part", "temporary"),
            ("._aB-3_xY9zQk.mp3", "hidden"),
            (".mp3", "hidden"),
            ("aB-3_xY9zQk.wav", "not an MP3"),
            ("mp3", "not an MP3"),
            ("", "not an MP3"),
        ] {
            assert_eq!(audio_name(name), AudioName::Ignored(why), "{name}");
        }
    }
}
