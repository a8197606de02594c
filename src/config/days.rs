//! Durations that may be told in days, of 24 hours each: `"30d"`.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::{Designator, SpanPrinter};
use serde::{Deserialize, Deserializer, Serializer, de};

const DAY: u64 = 24 * 60 * 60;

pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = duration.as_secs();
    if seconds >= DAY && duration.subsec_nanos() == 0 && seconds.is_multiple_of(DAY) {
        return serializer.collect_str(&format_args!("{}d", seconds / DAY));
    }
    let printer = SpanPrinter::new().designator(Designator::Compact);
    serializer.collect_str(&printer.unsigned_duration_to_string(duration))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span: jiff::Span = text.parse().map_err(de::Error::custom)?;
    let days = SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(days).map_err(de::Error::custom)?;
    Duration::try_from(duration).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, serde::Serialize)]
    struct Kept {
        #[serde(with = "super")]
        keep: Duration,
    }

    #[test]
    fn days_are_read_and_written() {
        for (text, seconds, written) in [
            ("30d", 30 * DAY, "30d"),
            ("1d 12h", DAY + 12 * 3600, "36h"),
            ("2w", 14 * DAY, "14d"),
            ("90m", 5400, "1h 30m"),
            ("1s", 1, "1s"),
            ("0s", 0, "0s"),
        ] {
            let kept: Kept = toml::from_str(&format!("keep = {text:?}")).unwrap();
            assert_eq!(kept.keep.as_secs(), seconds, "{text}");
            let again = toml::to_string(&kept).unwrap();
            assert_eq!(again, format!("keep = {written:?}\n"));
        }
        for text in ["-1d", "soon", "1 month", ""] {
            assert!(toml::from_str::<Kept>(&format!("keep = {text:?}")).is_err(), "{text}");
        }
    }
}
