//! `ytv2d sync`, as somebody types it who used to run the old bulk sync.

use rusqlite::Connection;
use serde_json::Value;

use support::command::{Running, command};
use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Shape, audio_name};
use support::mp3::mp3;
use support::stage::Stage;

mod support;

/// Two reports, the audio of one of them, and a row that no file has.
fn stage() -> Stage {
    let mut stage = Stage::new();
    let path = stage.config.path().join("ytv2_content.db");
    stage.config.extra_toml.push_str(&format!("[content_db]\npath = {path:?}\n"));
    Connection::open(path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, video_id TEXT, indexed_at TEXT);
             CREATE TABLE content_summaries (content_id TEXT PRIMARY KEY, summary_text TEXT,
                                             summary_type TEXT);
             INSERT INTO content VALUES ('yt:zz-3_xy9zqk', 'Row', 'zZ-3_xY9zQk', '2025-03-01T10:00:00Z');
             INSERT INTO content_summaries VALUES ('yt:zz-3_xy9zqk', 'Words', 'comprehensive');",
        )
        .unwrap();
    for n in 1..3 {
        stage.put(&fixtures::report(Shape::IngestReady, n));
    }
    let report = fixtures::report(Shape::IngestReady, 1);
    stage.put_audio(&audio_name(report.bare_id(), 1), &mp3(1, 1));
    stage
}

/// The outcome at the dashboard, in the order of created, updated, unchanged and failed.
#[track_caller]
fn numbers(outcome: &Value) -> [u64; 4] {
    ["created", "updated", "unchanged", "failed"].map(|key| {
        outcome["targets"]["dashboard"][key].as_u64().unwrap_or_else(|| panic!("{outcome}"))
    })
}

#[test]
fn what_is_there_is_counted_and_sent_again_only_when_that_is_asked_for() {
    let stage = stage();
    let daemon = stage.start();
    let outcome = stage.json(&["sync"]);
    assert_eq!(outcome["done"], true, "{outcome:#}");
    assert_eq!(stage.dashboard.records().len(), 3);
    let [created, updated, unchanged, failed] = numbers(&outcome);
    assert_eq!((created + updated + unchanged, failed), (4, 0), "{outcome:#}");

    let mark = stage.mark();
    assert_eq!(numbers(&stage.json(&["sync"])), [0, 0, 4, 0]);
    let foretold = stage.json(&["sync", "--dry-run", "--force", "--from", "database"]);
    assert_eq!(foretold["targets"]["dashboard"]["forced"], 1, "{foretold:#}");
    assert_eq!(stage.told_after(mark), Vec::<String>::new());

    let outcome = stage.json(&["sync", "--force", "--from", "database"]);
    assert_eq!(numbers(&outcome), [0, 1, 0, 0]);
    assert_eq!(stage.told_after(mark), ["report zZ-3_xY9zQk"]);
    let mark = stage.mark();
    let outcome = stage.json(&["sync", "--force", "--since", "2026-01-01"]);
    let told = stage.told_after(mark);
    assert_eq!(numbers(&outcome), [0, told.len() as u64, 0, 0], "{told:?}");
    assert!(!told.contains(&"report zZ-3_xY9zQk".to_owned()), "{told:?}");

    let (said, code) = stage.said(&["sync"]);
    assert!(said.contains("dashboard: 0 created, 0 updated, 4 unchanged, 0 failed"), "{said}");
    assert_eq!(code, Some(0));
    daemon.stop();
}

#[test]
fn what_is_refused_is_counted_as_failed_and_the_exit_status_says_so() {
    let stage = stage();
    let refused = fixtures::report(Shape::IngestReady, 2).expected.id;
    stage.dashboard.inject(Rule::new(Fault::status(422)).id(&refused));
    let daemon = stage.start();
    let (said, code) = stage.said(&["sync"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("1 failed") && said.contains("--state parked"), "{said}");
    daemon.stop();
}

#[test]
fn a_source_that_cannot_be_read_or_is_not_there_is_said() {
    let stage = stage();
    let daemon = stage.start();
    stage.ask(&["sync"]);
    std::fs::write(stage.config.path().join("ytv2_content.db"), vec![b'x'; 8192]).unwrap();
    let (said, code) = stage.said(&["sync", "--from", "both"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("database: not looked through"), "{said}");
    daemon.stop();

    let stage = Stage::new();
    let daemon = stage.start();
    let (said, code) = stage.said(&["sync", "--from", "database"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("content_db.path"), "{said}");
    daemon.stop();
}

#[test]
fn the_old_names_of_the_commands_name_the_new_ones_and_work() {
    let stage = stage();
    stage.config.write();
    let (said, code) = stage.said(&["sync-sqlite-database"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("use: ytv2d sync"), "{said}");
    let daemon = stage.start();
    let (said, code) = stage.said(&["sync-sqlite-database"]);
    assert_eq!(code, Some(0), "{said}");
    let report = fixtures::report(Shape::IngestReady, 1);
    let path = stage.config.report(&report.file_name);
    let (said, code) = stage.said(&["upload-to-render", path.to_str().unwrap(), "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("use: ytv2d upload"), "{said}");
    daemon.stop();
}

#[test]
fn a_terminal_shows_how_far_it_is_and_what_was_interrupted_goes_on_with_the_next() {
    let stage = Stage::new();
    let reports: Vec<_> = (1..=12).map(|n| fixtures::report(Shape::IngestReady, n)).collect();
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).reports());
    reports.iter().for_each(|report| stage.put(report));
    let daemon = stage.start();
    stage.wait("some are under way", |state| state.held() == 4);

    let mut sync = Running::on_terminal(command(&stage, &["sync"]), 100, 24);
    let bar = sync.wait_for("a bar", |text| text.contains("] 0 of 12"));
    assert!(bar.contains("\r[....") && bar.contains("\u{1b}[K"), "it is drawn over: {bar:?}");
    // All but one that was not begun yet.
    let begun: Vec<_> =
        stage.dashboard.requests().into_iter().filter_map(|request| request.video_id).collect();
    let last = reports.iter().find(|report| !begun.contains(&report.expected.id)).unwrap();
    stage.dashboard.clear_faults();
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).id(&last.expected.id));
    stage.dashboard.release();
    let is_far = |text: &str| {
        let line = text.rsplit('\r').next().unwrap_or_default();
        line.contains("] 11 of 12, ") && line.contains(" a second, ") && line.contains(" left")
    };
    sync.wait_for("the count, the rate and the time left", is_far);
    sync.interrupt();
    assert_eq!(sync.wait_exit().code(), Some(130));
    let said = sync.wait_for("what to do now", |text| text.contains("ytv2d sync again"));
    assert!(said.contains("left\u{1b}[K\r\nytv2d: no longer looking on"), "{said:?}");

    stage.dashboard.clear_faults();
    stage.dashboard.release();
    let outcome = stage.json(&["sync"]);
    assert_eq!(outcome["done"], true, "{outcome:#}");
    let [created, updated, unchanged, failed] = numbers(&outcome);
    assert_eq!((created + updated + unchanged, failed), (12, 0), "{outcome:#}");
    for report in &reports {
        assert_eq!(stage.dashboard.reports_of(&report.expected.id).len(), 1, "each went once");
    }
    daemon.stop();
}

#[test]
fn a_dry_run_looks_at_the_disk_and_the_database_and_takes_nothing_in() {
    let mut stage = stage();
    // Audio is taken in when it has been quiet for long, and the database looked at seldom.
    stage.config.audio_quiet = "1h".to_owned();
    let daemon = stage.start();
    stage.wait("all reports", |state| state.records().count() == 3);
    stage.wait("nothing in flight", |state| state.in_flight() == 0);
    let path = stage.config.path().join("ytv2_content.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "UPDATE content SET title = 'Another';
             INSERT INTO content VALUES ('yt:yy-3_xy9zqk', 'New', 'yY-3_xY9zQk', '2024-03-01T10:00:00Z');
             INSERT INTO content_summaries VALUES ('yt:yy-3_xy9zqk', 'Words', 'comprehensive');",
        )
        .unwrap();
    let mark = stage.mark();
    let foretold = stage.json(&["sync", "--dry-run"]);
    let of = |name: &str| {
        let sources = foretold["sources"].as_array().unwrap();
        let source = sources.iter().find(|source| source["root"] == name).unwrap().clone();
        ["files", "new", "changed", "gone"].map(|key| source[key].as_u64().unwrap())
    };
    assert_eq!(of("reports"), [2, 0, 0, 0], "{foretold:#}");
    assert_eq!(of("exports"), [1, 1, 0, 0], "{foretold:#}");
    assert_eq!(of("database"), [2, 1, 1, 0], "{foretold:#}");
    let (said, code) = stage.said(&["sync", "--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("database: 2 rows, 1 new, 1 changed, 0 gone"), "{said}");
    assert!(said.contains("0 would be sent, and up to 3 more"), "{said}");
    let late = stage.json(&["sync", "--dry-run", "--from", "database", "--since", "2025-01-01"]);
    assert_eq!(
        (&late["sources"][0]["new"], &late["sources"][0]["changed"]),
        (&0.into(), &1.into())
    );
    assert_eq!(stage.told_after(mark), Vec::<String>::new());
    assert_eq!(stage.json(&["status"])["database"]["rows"], 1, "nothing was taken in");

    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let (said, code) = stage.said(&["sync", "--dry-run"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("database: not looked through") && said.contains("reports: 2 files"));
    let (said, code) = stage.said(&["sync", "--dry-run", "--from", "database"]);
    assert_eq!(code, Some(1), "{said}");
    daemon.stop();
}
