//! The old content database as a source of its own: its rows reach the dashboard, and files win.

use rusqlite::Connection;

use support::fixtures::{self, Shape};
use support::stage::{PATIENCE, Stage};

mod support;

/// The tables as the dashboard made them, and as the NAS's own migration did (contract J).
const DASHBOARD: &str = "
    CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, video_id TEXT, indexed_at TEXT,
        duration_seconds INTEGER, has_audio BOOLEAN, subcategories_json TEXT, key_topics TEXT,
        content_type TEXT, language TEXT, created_at TEXT);
    CREATE TABLE content_summaries (id INTEGER PRIMARY KEY AUTOINCREMENT,
        content_id TEXT UNIQUE, summary_text TEXT, summary_type TEXT DEFAULT 'comprehensive',
        created_at TEXT);";
const MIGRATED: &str = "
    CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, video_id TEXT, indexed_at TEXT);
    CREATE TABLE content_summaries (content_id TEXT PRIMARY KEY, summary_text TEXT,
        summary_type TEXT);";

/// A stage whose daemon reads a database, and a writer of it that keeps it open.
fn stage(tables: &str) -> (Stage, Connection) {
    let mut stage = Stage::new();
    let path = stage.config.path().join("ytv2_content.db");
    stage.config.rescan = "200ms".to_owned();
    stage.config.extra_toml.push_str(&format!("[content_db]\npath = {path:?}\n"));
    let writer = Connection::open(path).unwrap();
    writer.execute_batch(tables).unwrap();
    (stage, writer)
}

fn insert(writer: &Connection, video: &str, title: &str) {
    let sql = "INSERT INTO content (id, title, video_id, indexed_at)
               VALUES ('yt:' || lower(?1), ?2, ?1, '2025-03-01T10:00:00Z')";
    writer.execute(sql, [video, title]).unwrap();
    let sql = "INSERT INTO content_summaries (content_id, summary_text, summary_type)
               VALUES ('yt:' || lower(?1), 'Words of ' || ?2, 'comprehensive')";
    writer.execute(sql, [video, title]).unwrap();
}

#[track_caller]
fn shows(stage: &Stage, id: &str, title: &str) {
    stage.wait(&format!("{id} is {title}"), |state| {
        state.record(id).is_some_and(|record| record.title == title)
    });
}

#[track_caller]
fn wait_for_status(stage: &Stage, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
    let begun = std::time::Instant::now();
    loop {
        let status = stage.json(&["status"]);
        if holds(&status) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {status:#}");
    }
}

#[test]
fn the_rows_of_both_flavours_are_delivered_and_so_is_a_change_of_one() {
    for tables in [DASHBOARD, MIGRATED] {
        let (stage, writer) = stage(tables);
        insert(&writer, "aB-3_xY9zQk", "First");
        let daemon = stage.start();
        shows(&stage, "aB-3_xY9zQk", "First");
        let record = stage.dashboard.record("aB-3_xY9zQk").unwrap();
        assert_eq!(record.text("comprehensive"), Some("Words of First"));
        // That it is years old says nothing of how long it took.
        wait_for_status(&stage, "counted", |s| s["targets"][0]["delivered"]["day"]["count"] == 1);
        assert_eq!(stage.json(&["status"])["targets"][0]["latency"], serde_json::Value::Null);
        let told = daemon.wait_for_line(PATIENCE, |line| line["message"] == "delivered");
        assert!(told["since_change_ms"].is_null(), "{told}");

        insert(&writer, "zZ-3_xY9zQk", "Second");
        shows(&stage, "zZ-3_xY9zQk", "Second");
        writer.execute("UPDATE content SET title = 'Third' WHERE title = 'First'", []).unwrap();
        shows(&stage, "aB-3_xY9zQk", "Third");

        // A start later nothing is sent again.
        stage.settle();
        daemon.stop();
        let mark = stage.mark();
        let daemon = stage.start();
        wait_for_status(&stage, "looked through", |s| !s["database"]["last_look"].is_null());
        stage.settle();
        assert_eq!(stage.told_after(mark), Vec::<String>::new());
        let why = stage.json(&["why", "zZ-3_xY9zQk"]);
        assert_eq!(why["files"][0]["path"], "database/yt:zz-3_xy9zqk");
        assert_eq!(why["files"][0]["exists"], true);
        daemon.stop();
    }
}

#[test]
fn a_report_file_wins_over_its_row_and_its_removal_brings_no_row_back() {
    let (stage, writer) = stage(DASHBOARD);
    let report = fixtures::report(Shape::IngestReady, 1);
    let id = &report.expected.id;
    insert(&writer, id, "A row");
    stage.put(&report);
    let daemon = stage.start();
    stage.holds(&report);
    wait_for_status(&stage, "looked through", |s| s["database"]["rows"] == 1);
    stage.settle();
    std::fs::remove_file(stage.config.report(&report.file_name)).unwrap();
    wait_for_status(&stage, "removed", |status| status["roots"][0]["unsettled"] == 0);
    daemon.wait_for_line(PATIENCE, |line| line["gone"] == 1);
    stage.settle();
    stage.holds(&report);
    writer.execute("UPDATE content SET title = 'Another row'", []).unwrap();
    shows(&stage, id, "Another row");
    let titles: Vec<_> = stage
        .dashboard
        .reports_of(id)
        .into_iter()
        .map(|request| request.json.unwrap()["title"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(titles, [report.expected.title.as_str(), "Another row"]);
    daemon.stop();
}

#[test]
fn a_live_writer_in_wal_mode_is_read_and_not_disturbed() {
    let (stage, writer) = stage(DASHBOARD);
    let mode: String = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    // What is committed stands in the log alone.
    insert(&writer, "aB-3_xY9zQk", "In the log");
    let daemon = stage.start();
    shows(&stage, "aB-3_xY9zQk", "In the log");
    // What is not does not count, and holds nobody up.
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    insert(&writer, "zZ-3_xY9zQk", "Not yet");
    stage.settle();
    assert!(stage.dashboard.record("zZ-3_xY9zQk").is_none());
    writer.execute_batch("COMMIT").unwrap();
    shows(&stage, "zZ-3_xY9zQk", "Not yet");
    writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    insert(&writer, "yY-3_xY9zQk", "After a checkpoint");
    shows(&stage, "yY-3_xY9zQk", "After a checkpoint");
    daemon.stop();
}

#[test]
fn a_row_that_is_no_report_is_named_by_its_key() {
    let (stage, writer) = stage(MIGRATED);
    insert(&writer, "aB-3_xY9zQk", "Sound");
    writer.execute("INSERT INTO content (id, title) VALUES ('a b c', 'No id')", []).unwrap();
    let daemon = stage.start();
    shows(&stage, "aB-3_xY9zQk", "Sound");
    wait_for_status(&stage, "invalid", |status| status["targets"][0]["counts"]["invalid"] == 1);
    let listed = stage.json(&["list", "--state", "invalid"]);
    assert_eq!(listed[0]["path"], "database/a b c", "{listed:#}");
    assert!(stage.ask(&["retry", "--state", "invalid"]).status.success());
    daemon.stop();
}

#[test]
fn a_database_that_is_corrupt_is_named_and_nothing_is_lost() {
    let (stage, writer) = stage(DASHBOARD);
    insert(&writer, "aB-3_xY9zQk", "First");
    let daemon = stage.start();
    shows(&stage, "aB-3_xY9zQk", "First");
    drop(writer);
    let path = stage.config.path().join("ytv2_content.db");
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let names_it = |status: &serde_json::Value| {
        let reasons = status["reasons"].as_array().unwrap();
        reasons.iter().any(|reason| reason.as_str().unwrap().contains("ytv2_content.db"))
    };
    wait_for_status(&stage, "named", names_it);
    let report = fixtures::report(Shape::IngestReady, 1);
    stage.put(&report);
    stage.holds(&report);
    assert_eq!(stage.json(&["status"])["database"]["rows"], 1);

    let mark = stage.mark();
    std::fs::write(&path, sound).unwrap();
    wait_for_status(&stage, "sound again", |status| !names_it(status));
    stage.settle();
    assert_eq!(stage.told_after(mark), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn most_rows_gone_at_once_are_not_forgotten_until_that_is_meant() {
    let (stage, writer) = stage(MIGRATED);
    for n in 0..10 {
        insert(&writer, &format!("aB-3_xY9z0{n}"), &format!("Row {n}"));
    }
    let daemon = stage.start();
    stage.wait("all rows", |state| state.records().count() == 10);
    writer.execute("DELETE FROM content", []).unwrap();
    wait_for_status(&stage, "held back", |status| !status["database"]["held_back"].is_null());
    assert_eq!(stage.json(&["status"])["database"]["rows"], 10);
    assert!(stage.ask(&["rescan", "--root", "database", "--accept-removals"]).status.success());
    assert_eq!(stage.json(&["status"])["database"]["rows"], 0);
    assert_eq!(stage.dashboard.records().len(), 10);
    daemon.stop();
}

#[test]
fn rows_that_were_there_before_can_be_taken_as_delivered() {
    let (mut stage, writer) = stage(MIGRATED);
    stage.config = stage.config.with_toml("[watch]\nfirst_run = 'adopt'");
    insert(&writer, "aB-3_xY9zQk", "There before");
    let daemon = stage.start();
    wait_for_status(&stage, "looked through", |s| !s["database"]["last_look"].is_null());
    insert(&writer, "zZ-3_xY9zQk", "Came later");
    shows(&stage, "zZ-3_xY9zQk", "Came later");
    daemon.stop();
    let daemon = stage.start();
    wait_for_status(&stage, "looked through", |s| !s["database"]["last_look"].is_null());
    stage.settle();
    assert!(stage.dashboard.reports_of("aB-3_xY9zQk").is_empty(), "it is taken to be there");
    writer
        .execute("UPDATE content SET title = 'Changed' WHERE title = 'There before'", [])
        .unwrap();
    shows(&stage, "aB-3_xY9zQk", "Changed");
    daemon.stop();
}

#[test]
fn a_database_that_is_not_named_any_more_takes_nothing_back_and_none_of_it_is_sent_twice() {
    let (mut stage, writer) = stage(DASHBOARD);
    insert(&writer, "aB-3_xY9zQk", "First");
    let daemon = stage.start();
    shows(&stage, "aB-3_xY9zQk", "First");
    stage.settle();
    let mark = stage.mark();
    assert!(stage.ask(&["pause"]).status.success());
    insert(&writer, "zZ-3_xY9zQk", "Not sent yet");
    wait_for_status(&stage, "two rows", |status| status["database"]["rows"] == 2);

    let with = stage.config.extra_toml.clone();
    let reload = |stage: &Stage| {
        stage.config.write();
        let (said, code) = stage.said(&["reload"]);
        assert_eq!(code, Some(0), "{said}");
    };
    stage.config.extra_toml = with.replace("path = \"", "path = \"\" # \"");
    assert_ne!(stage.config.extra_toml, with);
    reload(&stage);
    wait_for_status(&stage, "no database", |status| status["database"].is_null());
    wait_for_status(&stage, "what was not sent", |status| {
        status["targets"][0]["counts"]["vanished"] == 1
            && status["targets"][0]["counts"]["due"] == 0
    });
    assert!(stage.ask(&["resume"]).status.success());
    stage.settle();
    assert_eq!(stage.told_after(mark), Vec::<String>::new());
    assert_eq!(stage.dashboard.record("aB-3_xY9zQk").unwrap().title, "First", "it stays");
    assert_eq!(stage.json(&["status"])["healthy"], true);

    stage.config.extra_toml = with;
    reload(&stage);
    shows(&stage, "zZ-3_xY9zQk", "Not sent yet");
    stage.settle();
    assert_eq!(stage.told_after(mark), ["report zZ-3_xY9zQk"]);
    daemon.stop();
}

/// The most memory that a process has held so far, in KiB.
fn peak(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `YTV2D_ROWS=100000` is how many there are (20,000 by itself).
#[test]
fn what_the_daemon_holds_does_not_grow_with_the_rows_that_it_takes_in() {
    let rows: usize =
        std::env::var("YTV2D_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000);
    let (stage, writer) = stage(MIGRATED);
    // They pile up in the outbox.
    stage.dashboard.refuse(true);
    writer.pragma_update(None, "synchronous", "OFF").unwrap();
    let fill = |from: usize, to: usize| {
        let sql = format!(
            "BEGIN;
             WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to})
             INSERT INTO content SELECT printf('yt:ab-3_%06d', i), 'Row ' || i,
                                        printf('aB-3_%06d', i), '2025-03-01T10:00:00Z' FROM n;
             INSERT INTO content_summaries SELECT id, hex(zeroblob(1000)), 'audio' FROM content
             WHERE id NOT IN (SELECT content_id FROM content_summaries);
             COMMIT;"
        );
        writer.execute_batch(&sql).unwrap();
    };
    let wait_for_rows = |rows: usize| {
        let mut before = 0;
        let mut moved = std::time::Instant::now();
        loop {
            let now = stage.json(&["status"])["database"]["rows"].as_u64().unwrap() as usize;
            if now == rows {
                return;
            }
            if now > before {
                (before, moved) = (now, std::time::Instant::now());
            }
            assert!(moved.elapsed() < PATIENCE, "it stopped at {now} of {rows}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    fill(0, rows / 10);
    let daemon = stage.start();
    wait_for_rows(rows / 10);
    let early = peak(daemon.pid());
    fill(rows / 10, rows);
    wait_for_rows(rows);
    let late = peak(daemon.pid());
    eprintln!("{early} KiB at {} rows, {late} KiB at {rows}", rows / 10);
    assert!(late - early < 16 << 10, "after {early} KiB it grew to {late} KiB");
    assert!(late < 128 << 10, "{late} KiB");
    // Nothing is lost of what came so fast.
    let account = stage.json(&["why", &format!("aB-3_{:06}", rows - 1)]);
    assert_eq!(account["files"][0]["exists"], true, "{account:#}");
    daemon.stop();
}

#[test]
fn a_verification_that_finds_a_changed_row_has_it_looked_at_again() {
    let (mut stage, writer) = stage(DASHBOARD);
    stage.config.rescan = "1h".to_owned();
    insert(&writer, "aB-3_xY9zQk", "First");
    let daemon = stage.start();
    shows(&stage, "aB-3_xY9zQk", "First");
    stage.settle();
    writer.execute("UPDATE content SET title = 'Second'", []).unwrap();
    let (said, _) = stage.said(&["verify", "--fix"]);
    assert!(said.contains("aB-3_xY9zQk"), "{said}");
    shows(&stage, "aB-3_xY9zQk", "Second");
    daemon.stop();
}
