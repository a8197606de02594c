//! What a server's `Retry-After` asks for (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

/// The longest wait that a server can ask for: beyond that it is mistaken, or means no good.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// Reads the header: seconds, or a date in any of HTTP's three forms. A date is taken relative to
/// the answer's own `Date`, so that our clock does not matter; without one to `now`. What cannot be
/// read, or lies in the past, asks for nothing.
pub fn retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds is as absurd as any other large number.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let sent = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
        let until = httpdate::parse_http_date(value).ok()?;
        until.duration_since(sent.unwrap_or(now)).ok()?
    };
    (!wait.is_zero()).then_some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_legal_form_is_read_and_every_other_ignored() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:00:00 GMT").unwrap();
        let seconds = |value: &str, date: Option<&str>| {
            retry_after(value, date, now).map(|wait| wait.as_secs())
        };
        for (value, wait) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("3601", Some(3600)),
            ("315360000", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:00:30 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:00:30 GMT", Some(30)),
            ("Sun Nov  6 08:00:30 1994", Some(30)),
            ("Sun, 06 Nov 1994 07:59:59 GMT", None),
            ("Sat, 06 Nov 2094 08:00:00 GMT", Some(3600)),
        ] {
            assert_eq!(seconds(value, None), wait, "{value:?}");
        }
    }

    #[test]
    fn a_date_is_relative_to_the_answers_own() {
        let now = SystemTime::UNIX_EPOCH;
        let (date, until) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(retry_after(until, Some(date), now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(until, Some("garbage"), now), Some(RETRY_AFTER_MAX));
    }
}
