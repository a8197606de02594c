//! Files that go away.

use std::fs;

use serde_json::json;

use crate::support::fixtures::{self, Report, Shape, audio_name};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage, set_modified};

const VANISHED: &str = "its file is gone before it was delivered; nothing will be sent of it";

fn revision(n: usize, revision: u32) -> Report {
    let mut report = fixtures::report_revised(Shape::IngestReady, n, revision);
    report.json["title"] = json!(format!("Title {revision}"));
    report.file_name = format!("file_{n}_{revision}.json");
    report
}

#[test]
fn what_was_delivered_and_is_removed_changes_nothing_at_the_dashboard() {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = fixtures::report(Shape::UniversalWeb, 1);
    let audio = audio_name(report.bare_id(), 1);
    stage.put(&report);
    stage.put_audio(&audio, &mp3(1, 1));
    stage.holds_audio(&report.expected.id, &mp3(1, 1));
    stage.settle();
    let mark = stage.mark();
    fs::remove_file(stage.config.report(&report.file_name)).unwrap();
    fs::remove_file(stage.config.export(&audio)).unwrap();
    for root in ["reports", "exports"] {
        daemon.wait_for_line(PATIENCE, |line| {
            line["message"] == "looked through" && line["root"] == root && line["gone"] == 1
        });
    }
    stage.settle();
    assert_eq!(stage.told_after(mark), [""; 0]);
    stage.holds(&report);
    stage.holds_audio(&report.expected.id, &mp3(1, 1));
    assert_eq!(daemon.lines_saying(VANISHED).len(), 0);
    daemon.stop();
}

#[test]
fn what_is_removed_before_its_delivery_is_vanished_and_an_older_file_does_not_take_its_place() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.put(&revision(1, 0));
    let id = revision(1, 0).expected.id;
    stage.wait("the first", |state| state.record(&id).is_some_and(|r| r.title == "Title 0"));
    stage.settle();

    stage.dashboard.refuse(true);
    let mark = stage.mark();
    stage.put(&revision(1, 1));
    let only = fixtures::report(Shape::UniversalWeb, 2);
    stage.put(&only);
    for id in [&id, &only.expected.id] {
        daemon.wait_for_line(PATIENCE, |line| {
            line["id"] == id.as_str()
                && line["message"].as_str().unwrap().starts_with("not delivered")
        });
    }
    fs::remove_file(stage.config.report(&revision(1, 1).file_name)).unwrap();
    fs::remove_file(stage.config.report(&only.file_name)).unwrap();
    for id in [&id, &only.expected.id] {
        daemon.wait_for_line(PATIENCE, |line| {
            line["message"] == VANISHED && line["id"] == id.as_str()
        });
    }
    stage.dashboard.refuse(false);
    stage.settle();
    assert_eq!(stage.told_after(mark), [""; 0]);
    assert_eq!(stage.dashboard.record(&id).unwrap().title, "Title 0");
    assert_eq!(daemon.lines_saying(VANISHED).len(), 2);
    daemon.stop();
}

#[test]
fn an_older_report_that_is_put_back_after_a_removal_is_delivered() {
    let stage = Stage::new();
    let daemon = stage.start();
    let shows = |title: &'static str| {
        let id = revision(1, 0).expected.id;
        stage.wait(title, |state| state.record(&id).is_some_and(|record| record.title == title));
    };
    // Under another name, and before the removal is believed.
    stage.put(&revision(1, 2));
    shows("Title 2");
    fs::remove_file(stage.config.report(&revision(1, 2).file_name)).unwrap();
    put_back(&stage, &revision(1, 1), 1_000_000);
    shows("Title 1");
    // Under the same name, long after.
    fs::remove_file(stage.config.report(&revision(1, 1).file_name)).unwrap();
    daemon.wait_for_line(PATIENCE, |line| {
        line["message"] == "looked through" && line["known"] == 0 && line["gone"] == 1
    });
    stage.settle();
    put_back(&stage, &Report { file_name: revision(1, 1).file_name, ..revision(1, 0) }, 2_000_000);
    shows("Title 0");
    daemon.stop();
}

/// Puts a report of long ago into the root, as who restores a backup does.
fn put_back(stage: &Stage, report: &Report, seconds_ago: u64) {
    let aside = stage.config.report("aside.tmp");
    fs::write(&aside, report.bytes()).unwrap();
    set_modified(&aside, seconds_ago);
    fs::rename(aside, stage.config.report(&report.file_name)).unwrap();
}
