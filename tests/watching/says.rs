//! What the daemon says of its watching.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

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
