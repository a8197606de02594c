//! The page in each main situation, against what was reviewed.

use super::*;
use crate::cli::snapshot::assert_snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

const ID: &str = "aB-3_xY9zQk";
const WANTED: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f801";
const OLDER: &str = "90807060504030201000f0e0d0c0b0a0";

fn now() -> Zoned {
    "2026-11-22T14:00:00+01:00[Europe/Berlin]".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().timestamp().as_second() - seconds).unwrap()
}

fn file(overlay: Value) -> Value {
    laid_over(
        json!({
            "path": "reports/A_Beginners_Guide_to_Folding_Fitted_Sheets_20261122_135200.json",
            "kind": "report", "exists": true, "size_bytes": 12_345, "modified_at": ago(480),
            "shape": "universal", "part": "the fields and 4 summaries", "problem": null
        }),
        overlay,
    )
}

fn audio_file(overlay: Value) -> Value {
    let own = json!({
        "path": format!("exports/audio_{ID}_20261122_135200.mp3"), "kind": "audio",
        "size_bytes": 9_800_000, "shape": null, "part": "the audio"
    });
    laid_over(file(own), overlay)
}

fn delivery(overlay: Value) -> Value {
    laid_over(
        json!({
            "target": "dashboard", "state": "current",
            "known": {"version": WANTED, "number": 3, "at": ago(470)},
            "summaries": [], "public_url": null, "warning": null, "waits_for": null, "until": null,
            "remedy": null, "attempts": []
        }),
        overlay,
    )
}

fn thing(kind: &str, deliveries: &[Value]) -> Value {
    json!({
        "kind": kind, "wanted": {"version": WANTED, "number": 3, "at": ago(480)},
        "deliveries": deliveries
    })
}

fn attempt(seconds: i64, outcome: &str, status: Option<u16>, words: &str) -> Value {
    json!({"at": ago(seconds), "outcome": outcome, "status": status, "words": words})
}

fn account(verdict: &str, overlay: Value) -> Value {
    let base = json!({
        "asked": ID, "id": ID, "verdict": verdict, "files": [file(json!({}))], "things": [],
        "payload": null
    });
    laid_over(base, overlay)
}

fn laid_over(mut base: Value, overlay: Value) -> Value {
    base.as_object_mut().unwrap().extend(overlay.as_object().unwrap().clone());
    base
}

fn situations() -> Vec<(&'static str, Value)> {
    let failed = attempt(35, "failed", Some(500), "500: Internal Server Error");
    let earlier = attempt(52, "failed", None, "no answer within 30 s");
    vec![
        (
            "why_delivered",
            account(
                "Delivered: dashboard has the report and its audio as they are on the disk.",
                json!({
                    "asked": "reports/sheets.json",
                    "files": [file(json!({})), audio_file(json!({}))],
                    "things": [
                        thing("report", &[delivery(json!({
                            "summaries": ["audio", "bullet-points", "comprehensive", "key-insights"],
                            "attempts": [attempt(470, "delivered", Some(200), "created")]
                        }))]),
                        thing("audio", &[delivery(json!({
                            "public_url": format!("/exports/audio/{ID}.mp3"),
                            "attempts": [attempt(465, "delivered", Some(200), "stored")]
                        }))]),
                    ],
                    "payload": {"video_id": ID, "title": "Fold \u{202e}it"}
                }),
            ),
        ),
        (
            "why_waits_for_back_off",
            account(
                "Not delivered yet: dashboard failed twice, and is tried again in 25 seconds.",
                json!({"things": [thing("report", &[delivery(json!({
                    "state": "waiting",
                    "known": {"version": OLDER, "number": 2, "at": ago(90_000)},
                    "waits_for": "the next try, after 2 failures", "until": ago(-25),
                    "remedy": format!("to try now: ytv2d retry {ID}"),
                    "attempts": [failed, earlier]
                }))])]}),
            ),
        ),
        (
            "why_parked",
            account(
                "Not delivered: dashboard refused it, and it is not tried again until its file \
                 changes or you say so.",
                json!({"things": [thing("report", &[delivery(json!({
                    "state": "parked", "known": null,
                    "waits_for": "400: video_id required, says the dashboard",
                    "remedy": format!("once the cause is mended: ytv2d retry {ID}"),
                    "attempts": [attempt(300, "parked", Some(400), "video_id required")]
                }))])]}),
            ),
        ),
        (
            "why_invalid_file",
            account(
                "Not delivered: the file is no report that could be.",
                json!({
                    "asked": "/volume1/ytv2/data/reports/torn.json", "id": null,
                    "files": [file(json!({
                        "path": "reports/torn.json", "shape": null, "size_bytes": 2,
                        "part": "nothing",
                        "problem": "line 1, column 3: the text ends in the middle; write the file again"
                    }))]
                }),
            ),
        ),
        (
            "why_audio_waits_for_its_report",
            account(
                "Not delivered yet: the audio goes once dashboard has its report, and that is not \
                 there yet.",
                json!({
                    "asked": format!("exports/audio_{ID}_20261122_135200.mp3"),
                    "files": [file(json!({})), audio_file(json!({}))],
                    "things": [
                        thing("report", &[delivery(json!({"state": "due", "known": null}))]),
                        thing("audio", &[delivery(json!({
                            "state": "waiting", "known": null,
                            "waits_for": "its report, which dashboard has not acknowledged yet"
                        }))]),
                    ]
                }),
            ),
        ),
        (
            "why_anonymous_audio",
            account(
                "Not delivered: no report is known that this audio belongs to.",
                json!({
                    "asked": "exports/final_mix.mp3", "id": null,
                    "files": [audio_file(json!({
                        "path": "exports/final_mix.mp3", "part": "nothing yet",
                        "problem": "its name has no id in it, and no report has the same name; \
                            rename it to <id>.mp3"
                    }))]
                }),
            ),
        ),
        (
            "why_vanished",
            account(
                "Not delivered: its file was gone before dashboard had it.",
                json!({
                    "files": [file(json!({"exists": false, "size_bytes": null, "modified_at": null}))],
                    "things": [thing("report", &[delivery(json!({
                        "state": "vanished", "known": null, "waits_for": "its file is gone",
                        "remedy": "put the file back, and it goes"
                    }))])]
                }),
            ),
        ),
        (
            "why_paused_target",
            account(
                "Not delivered yet: dashboard is paused by order.",
                json!({"things": [thing("report", &[
                    delivery(json!({
                        "state": "due", "known": null, "waits_for": "the end of the pause",
                        "remedy": "to go on: ytv2d resume --target dashboard"
                    })),
                    delivery(json!({"target": "legacy", "warning": "acknowledged without an id"})),
                ])]}),
            ),
        ),
        (
            "why_still_being_written",
            account(
                "Not delivered yet: the file is still being written.",
                json!({
                    "asked": "exports/audio_aB-3_xY9zQk.mp3", "id": null,
                    "files": [audio_file(json!({
                        "part": "not known before it is whole; it has been written to for 14 minutes"
                    }))]
                }),
            ),
        ),
    ]
}

#[test]
fn every_situation_reads_as_it_was_reviewed() {
    for (name, account) in situations() {
        let account: Account = serde_json::from_value(account).unwrap();
        assert_snapshot(name, &page(&account, &now(), 80));
    }
    let hint = "no report in /volume1/ytv2/data/reports has this id; ask about the file itself: \
                ytv2d why PATH";
    assert_snapshot("why_unknown_id", &unknown("nothing is known of aB-3", hint, 80));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, account) in situations() {
        let account: Account = serde_json::from_value(account).unwrap();
        let page = anstream::adapter::strip_str(&page(&account, &now(), 60)).to_string();
        for line in page.lines() {
            assert!(line.width() <= 60, "{name}: {line}");
        }
    }
}
