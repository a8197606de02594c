//! What the daemon says of its watching.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::machine::{Mount, skipped};
use crate::support::daemon::Daemon;
use crate::support::fixtures::{self, Report, Shape};
use crate::support::stage::{PATIENCE, Stage};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

fn first_look(daemon: &Daemon, root: &str) -> Value {
    daemon
        .wait_for_line(PATIENCE, |line| line["message"] == "looked through" && line["root"] == root)
}

#[test]
fn the_start_says_of_each_root_where_it_is_how_it_is_seen_and_what_was_found() {
    let stage = Stage::new();
    (0..4).for_each(|n| stage.put(&report(n)));
    let daemon = stage.start();
    (0..4).for_each(|n| drop(stage.holds(&report(n))));
    let line = first_look(&daemon, "reports");
    assert_eq!((&line["known"], &line["new"], &line["changed"]), (&json!(0), &json!(4), &json!(0)));
    stage.settle();
    daemon.stop();

    let changed = fixtures::report_revised(Shape::UniversalWeb, 1, 1);
    stage.put(&changed);
    fs::remove_file(stage.config.report(&report(2).file_name)).unwrap();
    stage.put(&report(9));
    let daemon = stage.start();
    for (root, path) in [("reports", stage.config.reports()), ("exports", stage.config.exports())] {
        let line = first_look(&daemon, root);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["path"].as_str().map(Path::new), Some(path.as_path()));
        assert!(!line["file_system"].as_str().unwrap().is_empty());
        assert_eq!(line["seen_by"], "events", "{line}");
        assert!(line["ms"].is_u64());
    }
    let line = first_look(&daemon, "reports");
    let found = ["new", "changed", "gone"].map(|key| line[key].as_u64().unwrap());
    assert_eq!(found, [1, 1, 1], "{line}");
    // One and three, and what was used to settle.
    assert!(line["known"].as_u64() >= Some(2), "{line}");
    daemon.stop();
}

#[test]
fn the_start_says_why_it_looks_by_the_clock() {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[watch]\nmode = 'scan'");
    let daemon = stage.start();
    for root in ["reports", "exports"] {
        let line = first_look(&daemon, root);
        assert_eq!(line["seen_by"], "scanning: watch.mode says so");
    }
    daemon.stop();
}

#[test]
fn the_status_has_how_each_root_was_last_seen() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    let status = stage.json(&["status"]);
    for (n, path) in [stage.config.reports(), stage.config.exports()].iter().enumerate() {
        let root = &status["roots"][n];
        assert_eq!(root["path"].as_str().map(Path::new), Some(path.as_path()));
        assert_eq!((&root["state"], &root["seen"]), (&json!("events"), &json!(true)), "{root}");
        assert_eq!((&root["canary"], &root["overflows"]), (&json!("seen"), &json!(0)), "{root}");
        for time in ["since", "last_scan", "last_canary"] {
            assert!(root[time].is_string(), "{time} in {root}");
        }
        assert!(root["last_scan_ms"].is_u64() && root["file_system"].is_string(), "{root}");
    }
    assert!(status["roots"][0]["last_event"].is_string(), "{status}");
    daemon.stop();
}

#[test]
fn events_alone_are_relied_on_where_it_is_said_so() {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[watch]\nmode = 'events'");
    let source = stage.config.path().join("source");
    fs::create_dir(&source).unwrap();
    let mount = match Mount::bindfs(&source, &stage.config.reports()) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    // What gives no event is found by a look, and that changes nothing in how it is watched.
    for n in 2..4 {
        fs::write(source.join(&report(n).file_name), report(n).bytes()).unwrap();
        assert_eq!(stage.said(&["rescan"]).1, Some(0));
        stage.holds(&report(n));
    }
    let root = &stage.json(&["status"])["roots"][0];
    assert_eq!((&root["state"], &root["canary"]), (&json!("events"), &Value::Null), "{root}");
    daemon.stop();
    mount.unmount();
}
