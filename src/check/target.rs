//! What a target says of itself: health, clock, and whether it lets us in.

use jiff::Timestamp;

use super::line::Line;
use super::{record, way};
use crate::clock;
use crate::config::Endpoint;
use crate::contract::{DATABASE_HEALTH_PATH, HEALTH_PATH, INGEST_HEALTH_PATH};
use crate::delivery::{Health, Transport, judge_health};
use crate::file::Printable;
use crate::id::TargetName;
use crate::target::{Answered, Target, Throttle};

/// Clocks that differ by less than this disturb nobody. HTTP's dates are whole seconds.
const CLOCK_TOLERANCE: i64 = 30;

/// Goes the way step by step, and no further than it leads. With `write`, a test record goes it
/// too.
pub async fn check(name: TargetName, endpoint: &Endpoint, write: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let addresses = match way::look_up(&endpoint.url, endpoint.connect_timeout).await {
        Ok(addresses) => addresses,
        Err(words) => {
            let advice =
                "mend the target's url in the configuration, or this machine's name service";
            lines.push(Line::failed("address", words, advice));
            return lines;
        }
    };
    lines.push(way::address(&endpoint.url, &addresses));
    let (line, answers) = way::connect(&addresses, endpoint.connect_timeout).await;
    lines.push(line);
    if !answers {
        return lines;
    }
    let target = match Target::new(name, endpoint, Throttle::default()) {
        Ok(target) => target,
        Err(error) => {
            let advice = "install the certificates, or make them readable";
            lines.push(Line::failed("encryption", error.to_string(), advice));
            return lines;
        }
    };

    // The first request may have to wake it.
    let first = target.ask(HEALTH_PATH).await;
    let line = way::encryption(&endpoint.url, &first);
    let is_encrypted = !line.has_failed();
    lines.push(line);
    let answered = match first {
        Ok(answered) => answered,
        Err(fault) => {
            if is_encrypted {
                let advice = "start the dashboard, or see what stands between it and this machine";
                lines.push(Line::failed("health", fault.to_string(), advice));
            }
            return lines;
        }
    };
    let clock = clock_line(&answered, clock::now());
    lines.push(health(HEALTH_PATH, Ok(answered)));
    for path in target.health_paths().iter().filter(|path| **path != HEALTH_PATH) {
        lines.push(health(path, target.ask(path).await));
    }
    lines.push(clock);
    let key = key(name, target.knock().await);
    let is_let_in = !key.has_failed();
    lines.push(key);
    if write && is_let_in {
        lines.push(record::round_trip(&target).await);
    }
    lines
}

fn health(path: &'static str, answered: Result<Answered, Transport>) -> Line {
    let check = match path {
        INGEST_HEALTH_PATH => "ingest health",
        DATABASE_HEALTH_PATH => "database health",
        _ => "health",
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(fault) => {
            return Line::failed(check, fault.to_string(), "look at the dashboard's own log");
        }
    };
    match judge_health(answered.status, &answered.body) {
        Health::Fine => Line::ok(check, "fine"),
        Health::Unknown => Line::ok(check, "it does not tell"),
        // It answers, and is slow.
        Health::Bad(why) if path == DATABASE_HEALTH_PATH && answered.status == 200 => {
            Line::warning(check, why, "deliveries may be slow; look at the dashboard's database")
        }
        Health::Bad(why) => Line::failed(
            check,
            why,
            "set the dashboard up (its INGEST_TOKEN, its database), or see whether the target's \
             url is its address",
        ),
    }
}

fn clock_line(answered: &Answered, now: Timestamp) -> Line {
    const CHECK: &str = "clock";
    let date = answered.date.and_then(|date| Timestamp::try_from(date).ok());
    let Some(date) = date else { return Line::ok(CHECK, "the dashboard does not tell its time") };
    let ahead = now.as_second() - date.as_second();
    if ahead.abs() <= CLOCK_TOLERANCE {
        return Line::ok(CHECK, "this machine and the dashboard agree");
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let words = format!("this machine is {} s {way} the dashboard", ahead.abs());
    Line::warning(CHECK, words, "let both keep network time (timedatectl set-ntp true)")
}

/// The answer to a report of no bytes.
fn key(name: TargetName, answered: Result<Answered, Transport>) -> Line {
    let (check, place) = match name {
        TargetName::Dashboard => {
            ("token", "put the dashboard's INGEST_TOKEN into ingest.token_file or the environment")
        }
        TargetName::Legacy => {
            ("secret", "put the dashboard's SYNC_SECRET into legacy.secret_file or the environment")
        }
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(fault) => {
            return Line::failed(check, fault.to_string(), "look at the dashboard's own log");
        }
    };
    let status = answered.status;
    let body = String::from_utf8_lossy(&answered.body);
    let words: String = body.trim().chars().take(200).collect();
    let words = format!("{status}: {}", Printable(words.as_bytes()));
    match status {
        400 => Line::ok(check, "accepted"),
        401 | 403 | 407 => Line::failed(
            check,
            format!("authentication failed: {words}"),
            format!("{place}, and reload ytv2d"),
        ),
        410 if name == TargetName::Legacy => Line::failed(
            check,
            "this dashboard is PostgreSQL-only",
            "switch the legacy target off: [legacy] enabled = false, or POSTGRES_ONLY=true",
        ),
        500 if name == TargetName::Legacy && body.contains("Sync not configured") => Line::failed(
            check,
            "the dashboard has no SYNC_SECRET, and so lets nobody in",
            "set one there, and the same here",
        ),
        300..=399 | 404 | 405 | 410 | 501 => Line::failed(
            check,
            format!("there is no such endpoint: {words}"),
            "see whether the target's url is the dashboard's address, with nothing after it, and \
             of the right generation",
        ),
        _ => Line::failed(
            check,
            format!("not the answer of such an endpoint: {words}"),
            "look at the dashboard's own log",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    fn answered(status: u16, body: &str) -> Answered {
        Answered { status, date: None, body: body.into() }
    }

    #[test]
    fn only_the_answer_to_one_who_may_send_proves_the_token() {
        for (status, outcome) in [
            (400, Outcome::Ok),
            (401, Outcome::Failed),
            (403, Outcome::Failed),
            (200, Outcome::Failed),
            (302, Outcome::Failed),
            (404, Outcome::Failed),
            (410, Outcome::Failed),
            (500, Outcome::Failed),
            (502, Outcome::Failed),
        ] {
            for name in TargetName::ALL {
                let line = key(name, Ok(answered(status, "x")));
                assert_eq!(line.outcome, outcome, "{name} {status}");
            }
        }
        let name = TargetName::Dashboard;
        assert_eq!(key(name, Err(Transport::Reset)).outcome, Outcome::Failed);
        let hostile = key(name, Ok(answered(401, "\u{1b}[2J")));
        assert!(!hostile.to_string().contains('\u{1b}'), "{hostile}");
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let now: Timestamp = "2025-09-02T18:00:00Z".parse().unwrap();
        for (date, outcome, words) in [
            ("2025-09-02T18:00:29Z", Outcome::Ok, "agree"),
            ("2025-09-02T17:59:00Z", Outcome::Warning, "60 s ahead"),
            ("2025-09-02T19:00:00Z", Outcome::Warning, "3600 s behind"),
        ] {
            let date = date.parse::<Timestamp>().unwrap();
            let line = clock_line(&Answered { date: Some(date.into()), ..answered(200, "") }, now);
            assert_eq!(line.outcome, outcome, "{line}");
            assert!(line.words.contains(words), "{line}");
        }
        assert_eq!(clock_line(&answered(200, ""), now).outcome, Outcome::Ok);
    }

    #[test]
    fn a_slow_database_is_a_warning_and_a_missing_one_a_fault() {
        for (status, body, outcome) in [
            (200, r#"{"status":"healthy"}"#, Outcome::Ok),
            (404, "", Outcome::Ok),
            (200, r#"{"status":"degraded"}"#, Outcome::Warning),
            (503, r#"{"status":"error"}"#, Outcome::Failed),
        ] {
            let line = health(DATABASE_HEALTH_PATH, Ok(answered(status, body)));
            assert_eq!(line.outcome, outcome, "{line}");
        }
        let unset = answered(200, r#"{"status":"ok","token_set":false}"#);
        assert_eq!(health(INGEST_HEALTH_PATH, Ok(unset)).outcome, Outcome::Failed);
    }
}
