//! `ytv2d status`: how things are, for people and for scripts.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use jiff::{Timestamp, Unit};

use super::ask::{self, At};
use crate::clock;
use crate::control::pending::span;
use crate::control::wire::{Root, Status, Target};

/// So many of the files that are not taken in yet are shown by name.
const PENDING_SHOWN: usize = 3;

/// What `status` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// Succeeds while everything is well.
pub fn main(args: &Args, config: Option<&Path>) -> ExitCode {
    let status: Status = match ask::get(&args.at, config, "/status") {
        Ok(status) => status,
        Err(code) => return code,
    };
    if args.json {
        ask::print_json(&status);
    } else {
        print!("{}", page(&status, clock::now()));
    }
    ExitCode::from(u8::from(!status.healthy))
}

/// The status as a person reads it, on 80 columns as far as paths allow.
fn page(status: &Status, now: Timestamp) -> String {
    let mut page = String::new();
    let mut line = |text: String| {
        let _infallible = writeln!(page, "{text}");
    };
    line(verdict(status, now));
    for reason in &status.reasons {
        line(format!("  ! {reason}"));
    }
    line(String::new());
    for root in &status.roots {
        line(root_line(root, now));
        line(format!("          {}", root.path));
        for file in root.pending.iter().take(PENDING_SHOWN) {
            line(format!("          {}: {}", file.path, file.reason));
        }
    }
    for target in &status.targets {
        line(String::new());
        for text in target_lines(target, now) {
            line(text);
        }
    }
    page
}

fn verdict(status: &Status, now: Timestamp) -> String {
    let pending: usize =
        status.targets.iter().map(|target| count(target, "due") + count(target, "waiting")).sum();
    let last = status.targets.iter().filter_map(|target| target.last_success).max();
    let last = match last {
        Some(at) => format!("last delivery {} ago", ago(at, now)),
        None => "nothing delivered since the start".to_owned(),
    };
    let word = if status.healthy { "healthy" } else { "degraded" };
    format!("{word}: {pending} pending, {last}")
}

fn root_line(root: &Root, now: Timestamp) -> String {
    let since = root.since.map(|at| format!(" for {}", ago(at, now))).unwrap_or_default();
    let mut text = format!("{:<9} {} files, {}{since}", root.root, root.files, root.state);
    if root.unsettled > 0 {
        let writing = format!(
            "; {} still being written, the oldest for {}",
            root.unsettled,
            span(root.oldest_unsettled_s)
        );
        text.push_str(&writing);
    }
    text
}

fn target_lines(target: &Target, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!("{} {}: {}", target.name, target.url, target.state)];
    if let Some(why) = &target.why {
        lines.push(match target.until {
            Some(until) => format!("  {why}; tried again in {}", ago(now, until)),
            None => format!("  {why}; not tried again"),
        });
    }
    let order = ["current", "due", "waiting", "in_flight", "parked", "invalid", "vanished"];
    let counts: Vec<String> = order
        .iter()
        .filter(|state| count(target, state) > 0 || **state == "current")
        .map(|state| format!("{} {state}", count(target, state)))
        .collect();
    lines.push(format!("  {}", counts.join(", ")));
    for flight in &target.in_flight {
        lines.push(format!("  sending {} {}", flight.kind, flight.id));
    }
    if let (Some(why), Some(at)) = (&target.last_error, target.last_error_at) {
        lines.push(format!("  last error {} ago: {why}", ago(at, now)));
    }
    lines
}

fn count(target: &Target, state: &str) -> usize {
    target.counts.get(state).copied().unwrap_or(0)
}

/// The time between two moments, in its largest unit.
fn ago(then: Timestamp, now: Timestamp) -> String {
    span(now.since(then).and_then(|span| span.total(Unit::Second)).unwrap_or(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::Pending;
    use crate::id::Kind;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status() -> Status {
        serde_json::from_value(serde_json::json!({
            "version": "0", "uptime_s": 9, "healthy": true, "reasons": [],
            "roots": [{
                "root": "reports", "path": "/nas/reports", "file_system": "ext4",
                "state": "events", "seen": true, "since": at(0), "files": 12,
                "last_event": null, "overflows": 0, "last_scan": null, "last_scan_ms": null,
                "last_canary": null, "canary": null, "unsettled": 0, "oldest_unsettled_s": 0,
                "troubled": 0, "pending": []
            }],
            "targets": [{
                "name": "dashboard", "url": "https://d.example.org/", "state": "up", "why": null,
                "until": null, "counts": {"current": 9, "due": 2, "waiting": 1, "parked": 0},
                "in_flight": ["report x"], "last_success": at(96), "last_error": null,
                "last_error_at": null
            }],
            "outbox": { "path": "/var/lib/ytv2d/outbox.db", "disk_full": null }
        }))
        .unwrap()
    }

    #[test]
    fn a_healthy_daemon_says_so_in_its_first_line() {
        assert_eq!(
            page(&status(), at(100)),
            "healthy: 3 pending, last delivery 4 s ago\n\
             \n\
             reports   12 files, events for 1 min\n          /nas/reports\n\
             \n\
             dashboard https://d.example.org/: up\n  9 current, 2 due, 1 waiting\n  \
             sending report x\n"
        );
    }

    #[test]
    fn what_is_wrong_stands_at_the_top_and_at_its_place() {
        let mut status = status();
        status.healthy = false;
        status.reasons = vec!["dashboard is stopped: 401: unauthorized".to_owned()];
        status.targets[0].state = "stopped".to_owned();
        status.targets[0].why = Some("401: unauthorized".to_owned());
        status.targets[0].until = Some(at(400));
        status.roots[0].unsettled = 1;
        status.roots[0].oldest_unsettled_s = 14 * 60;
        status.roots[0].pending = vec![Pending {
            path: "reports/a.json".to_owned(),
            kind: Kind::Report,
            for_s: 14 * 60,
            reason: "still being written for 14 min".to_owned(),
        }];
        let page = page(&status, at(100));
        for text in [
            "degraded: 3 pending, last delivery 4 s ago\n  ! dashboard is stopped: 401",
            "1 still being written, the oldest for 14 min",
            "          reports/a.json: still being written for 14 min\n",
            "  401: unauthorized; tried again in 5 min\n",
        ] {
            assert!(page.contains(text), "{text:?} in {page}");
        }
    }
}
