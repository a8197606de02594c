//! What the file name of a report or of its audio tells, once its ending is gone (contract B.1).

use jiff::civil::DateTime;

use super::youtube;

/// Splits a trailing `_YYYYMMDD_HHMMSS` off, when it is a date and a time of day.
pub(super) fn split_stamp(stem: &str) -> (&str, Option<DateTime>) {
    const LEN: usize = "_YYYYMMDD_HHMMSS".len();
    let Some((base, tail)) = stem.len().checked_sub(LEN).and_then(|at| stem.split_at_checked(at))
    else {
        return (stem, None);
    };
    match stamp(tail) {
        Some(stamp) => (base, Some(stamp)),
        None => (stem, None),
    }
}

fn stamp(tail: &str) -> Option<DateTime> {
    let (date, time) = tail.strip_prefix('_')?.split_once('_')?;
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let digits = date.bytes().chain(time.bytes()).all(|byte| byte.is_ascii_digit());
    if !digits || date.len() != 8 {
        return None;
    }
    DateTime::new(
        date.get(..4)?.parse().ok()?,
        number(date, 4, 6)?,
        number(date, 6, 8)?,
        number(time, 0, 2)?,
        number(time, 2, 4)?,
        number(time, 4, 6)?,
        0,
    )
    .ok()
}

/// What may be the YouTube id at the end of a report's stem, best first. The slug before an id is
/// lower case and has no hyphen, so a tail of small letters alone is a piece of slug.
pub(super) fn tail_ids(stem: &str) -> Vec<&str> {
    let (base, stamp) = split_stamp(stem);
    [Some(base), without_copy_number(base)]
        .into_iter()
        .flatten()
        .filter_map(|base| {
            let (before, id) = base.split_at_checked(base.len().checked_sub(youtube::ID_LEN)?)?;
            let apart = before.ends_with('_') || (before.is_empty() && stamp.is_some());
            let word = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            (apart && !word && youtube::is_id(id)).then_some(id)
        })
        .collect()
}

/// Without the `_1` to `_3` of a name that was taken already.
fn without_copy_number(base: &str) -> Option<&str> {
    ["_1", "_2", "_3"].iter().find_map(|number| base.strip_suffix(number))
}

/// The words of the slug in a report's stem, without the id and whatever follows it. `None`: the
/// generator knew no words either.
pub(super) fn words(stem: &str, bare_id: &str) -> Option<String> {
    let (base, _) = split_stamp(stem);
    let slug = [Some(base), without_copy_number(base)]
        .into_iter()
        .flatten()
        .find_map(|base| base.strip_suffix(bare_id))
        .unwrap_or(base);
    let words = slug.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let none = ["", "unknown video", "unknown content"].contains(&words.as_str());
    (!none).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_date_and_time_is_a_stamp() {
        for (stem, base, stamp) in [
            ("T0_20250901_133809", "T0", Some("2025-09-01T13:38:09")),
            ("_gD9HxgnbvY_20250901_134916", "_gD9HxgnbvY", Some("2025-09-01T13:49:16")),
            ("_20250901_133809", "", Some("2025-09-01T13:38:09")),
            ("a_20251301_133809", "a_20251301_133809", None),
            ("a_20250901_243809", "a_20250901_243809", None),
            ("a_+0250901_133809", "a_+0250901_133809", None),
            ("a20250901_133809", "a20250901_133809", None),
            ("aé_0250901_133809", "aé_0250901_133809", None),
            ("T0_20250901", "T0_20250901", None),
            ("", "", None),
        ] {
            let found = split_stamp(stem);
            assert_eq!(
                (found.0, found.1.map(|s| s.to_string()).as_deref()),
                (base, stamp),
                "{stem}"
            );
        }
    }

    #[test]
    fn the_tail_of_a_name_is_an_id_only_where_one_can_stand() {
        for (stem, ids) in [
            ("how_tides_work_aB-3_xY9zQk", &["aB-3_xY9zQk"][..]),
            ("slug__gD9HxgnbvY", &["_gD9HxgnbvY"]),
            ("cut_slug___gD9HxgnbvY", &["_gD9HxgnbvY"]),
            ("cut_slug__-gD9HxgnbvY", &["-gD9HxgnbvY"]),
            ("aB-3_xY9zQk_20250901_133809", &["aB-3_xY9zQk"]),
            ("slug_aB-3_xY9zQk_1", &["aB-3_xY9zQk"]),
            ("slug_Y4dnlvGBz_1", &["Y4dnlvGBz_1"]),
            ("unknown_video_20250904_043146", &[]),
            ("unknown_content_20250904_043146", &[]),
            ("a_talk_about_the_sea", &[]),
            ("placeholder", &[]),
            ("aB-3_xY9zQk", &[]),
            ("naïve_ünïcodé_slug", &[]),
            ("", &[]),
        ] {
            assert_eq!(tail_ids(stem), ids, "{stem}");
        }
    }

    #[test]
    fn a_slug_becomes_words() {
        for (stem, words_) in [
            ("how_tides_work_aB-3_xY9zQk", Some("how tides work")),
            ("how_tides_work_aB-3_xY9zQk_1", Some("how tides work")),
            ("cut_off__aB-3_xY9zQk", Some("cut off")),
            ("how_tides_work_20250901_133809", Some("how tides work")),
            ("wie_gezeiten_täglich_wirken", Some("wie gezeiten täglich wirken")),
            ("aB-3_xY9zQk_20250901_133809", None),
            ("unknown_video_20250901_133809", None),
            ("", None),
        ] {
            assert_eq!(words(stem, "aB-3_xY9zQk").as_deref(), words_, "{stem}");
        }
    }
}
