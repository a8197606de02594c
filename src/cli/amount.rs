//! Numbers, sizes and times in the words of a person.

use jiff::{Timestamp, Unit, Zoned};

use crate::control::pending::span;

/// With a comma between the thousands.
pub fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing.
pub fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

/// Bytes in units of a thousand, as file managers show them.
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        // What would be rounded to a thousand of them is one of the next.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let decimals = usize::from(unit != "B" && value < 9.95);
    format!("{value:.decimals$} {unit}")
}

/// Milliseconds, as finely as a person cares.
pub fn milliseconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{:.1} s", (ms / 100) as f64 / 10.0),
        _ => seconds((ms / 1000) as i64),
    }
}

/// The time between two moments, in its largest unit; nothing less than nothing.
pub fn between(then: Timestamp, now: Timestamp) -> String {
    seconds(now.since(then).and_then(|span| span.total(Unit::Second)).unwrap_or(0.0) as i64)
}

/// Seconds, in their largest unit.
pub fn seconds(seconds: i64) -> String {
    span(seconds.max(0).unsigned_abs())
}

/// The time of day, with the date where that is not today's.
pub fn clock_time(at: Timestamp, now: &Zoned) -> String {
    let at = at.to_zoned(now.time_zone().clone());
    let format = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

/// A moment that has passed, on the clock and how long ago.
pub fn past(at: Timestamp, now: &Zoned) -> String {
    format!("{} ({} ago)", clock_time(at, now), between(at, now.timestamp()))
}

/// A moment that is to come, likewise.
pub fn future(at: Timestamp, now: &Zoned) -> String {
    format!("{} (in {})", clock_time(at, now), between(now.timestamp(), at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_short_and_never_rounded_to_a_thousand() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(counted(1, "file", "files"), "1 file");
        assert_eq!(counted(2000, "file", "files"), "2,000 files");
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_940, "9.9 kB"),
            (9_960, "10 kB"),
            (999_499, "999 kB"),
            (999_999, "1.0 MB"),
            (3_200_000_000, "3.2 GB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        for (n, text) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (7200, "2 h"),
            (100_000, "1 day"),
            (200_000, "2 days"),
        ] {
            assert_eq!(seconds(n), text);
        }
        for (ms, text) in [(7, "7 ms"), (1250, "1.2 s"), (9_999, "9.9 s"), (61_000, "1 min")] {
            assert_eq!(milliseconds(ms), text);
        }
    }

    #[test]
    fn a_moment_of_another_day_has_its_date() {
        let now: Zoned = "2026-11-22T14:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let at = |second| Timestamp::from_second(now.timestamp().as_second() + second).unwrap();
        assert_eq!(past(at(-3723), &now), "12:57:57 (1 h ago)");
        assert_eq!(past(at(-90_000), &now), "2026-11-21 13:00:00 (1 day ago)");
        assert_eq!(future(at(30), &now), "14:00:30 (in 30 s)");
    }
}
