//! The page in each main situation, against what was reviewed.

use super::*;
use crate::cli::snapshot::assert_snapshot;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

fn now() -> Timestamp {
    "2026-11-22T14:00:00Z".parse().unwrap()
}

/// So many seconds ago.
fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

fn root(name: &str, path: &str, files: usize) -> Value {
    json!({
        "root": name, "path": path, "file_system": "btrfs", "mode": "auto", "state": "events",
        "why": null, "seen": true, "since": ago(260_000), "files": files, "overflows": 0, "last_event": ago(4),
        "last_scan": ago(130), "last_scan_ms": 35, "last_canary": ago(130), "canary": "seen",
        "unsettled": 0, "oldest_unsettled_s": 0, "troubled": 0, "pending": []
    })
}

/// All is well, and nothing is to be done.
fn idle() -> Value {
    json!({
        "version": "0.1.0", "uptime_s": 260_000, "ready": true, "healthy": true, "reasons": [],
        "roots": [
            root("reports", "/volume1/ytv2/data/reports", 1203),
            root("exports", "/volume1/ytv2/exports", 988),
        ],
        "targets": [{
            "name": "dashboard", "url": "https://dashboard.example.org/", "state": "up",
            "why": null, "until": null, "counts": {"current": 2191}, "oldest_due": null,
            "in_flight": [], "last_success": ago(4), "last_error": "502: Bad Gateway",
            "last_error_at": ago(4000),
            "delivered": {
                "minute": {"count": 2, "bytes": 9_700_000},
                "hour": {"count": 41, "bytes": 210_000_000},
                "day": {"count": 312, "bytes": 1_240_000_000},
                "per_minute": [0, 0, 1, 3, 0, 12, 40, 2, 1, 0, 0, 2]
            },
            "latency": {"p50_ms": 118, "p90_ms": 1350, "p99_ms": 2900, "of": 300}
        }],
        "outbox": {
            "path": "/var/lib/ytv2d/outbox.db", "size_bytes": 1_200_000, "schema": 2,
            "disk_full": null, "counted_at": now()
        }
    })
}

/// A status with some of it changed, each part named by a JSON pointer.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut status = idle();
    for (pointer, value) in changes {
        let (above, key) = pointer.rsplit_once('/').unwrap();
        let above = status.pointer_mut(above).unwrap();
        match key.parse::<usize>() {
            Ok(index) => above[index] = value.clone(),
            Err(_) => above[key] = value.clone(),
        }
    }
    status
}

/// With a reason against its health.
fn degraded(reasons: &[&str], changes: &[(&str, Value)]) -> Value {
    let mut all = vec![("/healthy", json!(false)), ("/reasons", json!(reasons))];
    all.extend_from_slice(changes);
    with(&all)
}

fn busy() -> Value {
    let flight = |kind, id: &str, since, done, total: Option<u64>| {
        json!({
            "id": id, "kind": kind, "since": ago(since), "done_bytes": done, "total_bytes": total
        })
    };
    with(&[
        (
            "/targets/0/counts",
            json!({"current": 2180, "due": 9, "in_flight": 3, "waiting": 2, "vanished": 1}),
        ),
        (
            "/targets/0/in_flight",
            json!([
                flight("audio", "aB-3_xY9zQk", 12, 6_100_000, Some(9_800_000)),
                flight("audio", "reddit:1n7kettle", 1, 0, Some(31_000_000)),
                flight("report", "_kN3vRfoldS", 0, 0, None),
            ]),
        ),
        (
            "/targets/0/oldest_due",
            json!({"id": "Zq81mXw0_-a", "kind": "report", "since": ago(95), "age_s": 95}),
        ),
        ("/roots/1/unsettled", json!(1)),
        ("/roots/1/oldest_unsettled_s", json!(840)),
        (
            "/roots/1/pending",
            json!([{
                "path": "exports/audio_Zq81mXw0_-a_20261122_134500.mp3", "kind": "audio",
                "for_s": 840, "reason": "still being written, for 14 min"
            }]),
        ),
    ])
}

fn situations() -> Vec<(&'static str, Value, View)> {
    let once = View::Once;
    let long = format!("/volume1/{}/data/reports", "a_rather_long_directory/".repeat(5));
    let none = json!({"minute": {"count": 0, "bytes": 0}, "hour": {"count": 0, "bytes": 0},
        "day": {"count": 0, "bytes": 0}, "per_minute": []});
    vec![
        ("status_healthy_idle", idle(), once),
        ("status_healthy_busy", busy(), once),
        ("status_healthy_busy_watched", busy(), View::Watched),
        (
            "status_starting",
            degraded(
                &["exports was not looked at yet: ask again in a moment"],
                &[
                    ("/ready", json!(false)),
                    ("/roots/1/state", json!("unknown")),
                    ("/roots/1/seen", json!(false)),
                    ("/roots/1/since", Value::Null),
                    ("/roots/1/last_event", Value::Null),
                    ("/roots/1/last_scan", Value::Null),
                ],
            ),
            once,
        ),
        (
            "status_root_lost",
            degraded(
                &[
                    "reports is lost: /volume1: No such file or directory (os error 2): create or mount \
                  /volume1/ytv2/data/reports",
                ],
                &[
                    ("/roots/0/state", json!("lost")),
                    ("/roots/0/seen", json!(false)),
                    ("/roots/0/why", json!("/volume1: No such file or directory (os error 2)")),
                    ("/roots/0/since", json!(ago(200))),
                    ("/roots/0/path", json!(long)),
                ],
            ),
            once,
        ),
        (
            "status_suspicious_deletion",
            degraded(
                &["reports is suspicious: 1100 of 1203 files are gone at once: mount \
                  /volume1/ytv2/data/reports; if they were meant to go: ytv2d rescan \
                  --accept-removals"],
                &[
                    ("/roots/0/state", json!("suspicious")),
                    ("/roots/0/seen", json!(false)),
                    ("/roots/0/why", json!("1100 of 1203 files are gone at once")),
                    ("/roots/0/since", json!(ago(70))),
                ],
            ),
            once,
        ),
        (
            "status_scanning",
            with(&[
                ("/roots/0/state", json!("scanning")),
                ("/roots/0/why", json!("a probe file gave no event")),
                ("/roots/0/last_event", Value::Null),
            ]),
            once,
        ),
        (
            "status_target_asleep",
            degraded(
                &[
                    "dashboard is asleep: 503: Service Unavailable; see whether it is up; it is tried \
                  again by itself",
                ],
                &[
                    ("/targets/0/state", json!("asleep")),
                    ("/targets/0/why", json!("503: Service Unavailable")),
                    ("/targets/0/until", json!(ago(-40))),
                    ("/targets/0/counts", json!({"current": 2180, "due": 11})),
                    ("/targets/0/last_success", json!(ago(600))),
                    ("/targets/0/last_error", json!("503: Service Unavailable")),
                    ("/targets/0/last_error_at", json!(ago(20))),
                ],
            ),
            once,
        ),
        (
            "status_target_stopped",
            degraded(
                &[
                    "dashboard is stopped: 401: unauthorized; put the right token into the token file, \
                  then: ytv2d reload",
                ],
                &[
                    ("/targets/0/state", json!("stopped")),
                    ("/targets/0/why", json!("401: unauthorized")),
                    ("/targets/0/until", json!(ago(-200))),
                    ("/targets/0/counts", json!({"current": 2180, "due": 11})),
                ],
            ),
            once,
        ),
        (
            "status_paused",
            degraded(
                &["dashboard is paused: by order; to go on: ytv2d resume"],
                &[
                    ("/targets/0/state", json!("paused")),
                    ("/targets/0/why", json!("by order; to go on: ytv2d resume")),
                    ("/targets/0/counts", json!({"current": 2180, "due": 11})),
                ],
            ),
            once,
        ),
        (
            "status_disk_full",
            degraded(
                &[
                    "the outbox's volume is full (disk_full): make room on it; all goes on by itself then",
                ],
                &[("/outbox/disk_full", json!(ago(30)))],
            ),
            once,
        ),
        (
            "status_invalid_and_parked",
            degraded(
                &[
                    "3 items are parked; ytv2d list --state parked says why; mended? ytv2d retry \
                     --state parked",
                    "2 files cannot be delivered; ytv2d list --state invalid says why",
                ],
                &[
                    ("/targets/0/counts", json!({"current": 2180, "parked": 3, "invalid": 2})),
                    ("/targets/0/last_error", json!("422: \u{1b}[31mtoo\nlarge")),
                    ("/targets/0/last_error_at", json!(ago(2))),
                ],
            ),
            once,
        ),
        (
            "status_nothing_delivered_yet",
            with(&[
                ("/targets/0/counts", json!({})),
                ("/targets/0/last_success", Value::Null),
                ("/targets/0/last_error", Value::Null),
                ("/targets/0/last_error_at", Value::Null),
                ("/targets/0/latency", Value::Null),
                ("/targets/0/delivered", none),
                ("/roots/0/files", json!(0)),
                ("/roots/1/files", json!(1)),
            ]),
            once,
        ),
    ]
}

#[test]
fn every_situation_reads_as_it_was_reviewed() {
    for (name, status, view) in situations() {
        let status: Status = serde_json::from_value(status).unwrap();
        assert_snapshot(name, &page(&status, now(), 80, view));
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, status, view) in situations() {
        let status: Status = serde_json::from_value(status).unwrap();
        for width in [40, 60, 80, 200] {
            let page = anstream::adapter::strip_str(&page(&status, now(), width, view)).to_string();
            for line in page.lines() {
                assert!(line.width() <= width, "{name}, {width} columns: {line}");
            }
        }
    }
}
