//! One spelling for each summary variant (contract H.1.3).

use crate::contract::VISIBLE_VARIANTS;

/// What a summary without a name is.
pub(super) const DEFAULT: &str = "comprehensive";

/// Other words for the same variant.
const ALIASES: [(&str, &str); 3] =
    [("summary", DEFAULT), ("key-points", "bullet-points"), ("audio-summary", "audio")];

/// No name is longer, in bytes: what is longer is cut, and the same everywhere from then on.
const LONGEST: usize = 200;

/// Lower case, words joined by single hyphens, one word for one thing. A `:level` stays.
pub fn normalise(name: &str) -> String {
    let mut name = spelt(name);
    name.truncate(name.floor_char_boundary(LONGEST));
    name
}

fn spelt(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let (base, level) = match name.split_once(':') {
        Some((base, level)) => (base, Some(level)),
        None => (name.as_str(), None),
    };
    let base = hyphenated(base);
    let base = match ALIASES.iter().find(|(alias, _)| *alias == base) {
        Some((_, name)) => (*name).to_owned(),
        None if base.is_empty() => DEFAULT.to_owned(),
        None => base,
    };
    match level.map(str::trim).filter(|level| !level.is_empty()) {
        Some(level) => format!("{base}:{}", level.replace('_', "-")),
        None => base,
    }
}

fn hyphenated(base: &str) -> String {
    base.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// Whether a card with this variant is listed by every generation of the dashboard (contract C.6).
pub fn is_visible(name: &str) -> bool {
    VISIBLE_VARIANTS.contains(&name)
}

/// The visible name under which a copy of an invisible variant is sent too (contract H.1.6).
pub fn visible_stand_in(name: &str) -> &str {
    name.split_once(':').map(|(base, _)| base).filter(|base| is_visible(base)).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (name, normal) in [
            ("comprehensive", "comprehensive"),
            (" Comprehensive ", "comprehensive"),
            ("summary", "comprehensive"),
            ("Key Points", "bullet-points"),
            ("key_points", "bullet-points"),
            ("bullet_points", "bullet-points"),
            ("audio_summary", "audio"),
            ("key__insights", "key-insights"),
            ("--deep / research--", "deep-research"),
            ("audio-fr", "audio-fr"),
            ("audio_fr:beginner", "audio-fr:beginner"),
            ("Audio_FR:Upper_Beginner", "audio-fr:upper-beginner"),
            ("audio_summary:beginner", "audio:beginner"),
            ("audio-fr:", "audio-fr"),
            ("", "comprehensive"),
            ("日本", "comprehensive"),
        ] {
            assert_eq!(normalise(name), normal, "{name:?}");
        }
    }

    #[test]
    fn a_name_is_cut_where_no_character_is() {
        assert_eq!(normalise(&"x".repeat(70_000)), "x".repeat(200));
        assert_eq!(normalise(&format!("audio:{}", "日".repeat(30_000))).len(), 198);
    }

    #[test]
    fn a_stand_in_is_the_name_without_its_level_if_that_is_visible() {
        for (name, stand_in) in [
            ("audio-fr:beginner", "audio-fr"),
            ("audio-es:advanced", "audio-es"),
            ("audio-de:beginner", "comprehensive"),
            ("adaptive", "comprehensive"),
        ] {
            assert_eq!(visible_stand_in(name), stand_in);
            assert!(is_visible(stand_in));
        }
    }
}
