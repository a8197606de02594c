//! A look that somebody asks for, and what a person's word about a mass deletion is good for.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::fixtures::{self, Report, Shape};
use crate::support::stage::{PATIENCE, Stage};

const SUSPICIOUS: &str = "so many files are gone at once";
const VANISHED: &str = "its file is gone before it was delivered; nothing will be sent of it";

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

/// Nothing is looked through but at the start, and when asked.
fn blind() -> Stage {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[watch]\nmode = 'scan'\nscan = '5m'");
    stage
}

fn remove(stage: &Stage, numbers: std::ops::Range<usize>) {
    numbers.for_each(|n| fs::remove_file(stage.config.report(&report(n).file_name)).unwrap());
}

/// What a rescan says of the reports.
#[track_caller]
fn rescan(stage: &Stage, arguments: &[&str]) -> Value {
    stage.json(&[&["rescan", "--root", "reports"], arguments].concat())["roots"][0].clone()
}

#[track_caller]
fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[test]
fn a_rescan_looks_through_both_roots_and_says_what_it_found() {
    let stage = blind();
    let daemon = stage.start();
    stage.put(&report(1));
    stage.put(&report(2));
    let (said, code) = stage.said(&["rescan"]);
    assert_eq!(code, Some(0), "{said}");
    let (reports, exports) = said.split_once(" exports ").expect("a line for each root");
    // They are recorded once the kernel's tick is over, in which a rewrite would look the same.
    assert!(reports.contains(" files: 2 new, 0 changed, 0 gone, in "), "{said}");
    assert!(exports.starts_with("0 files: 0 new"), "{said}");
    stage.holds(&report(1));
    stage.holds(&report(2));
    let found = rescan(&stage, &[]);
    assert_eq!((&found["new"], &found["files"]), (&json!(0), &json!(2)), "{found}");
    daemon.stop();
}

#[test]
fn a_reload_of_a_faulty_configuration_looks_through_the_roots_all_the_same() {
    let stage = blind();
    let daemon = stage.start();
    stage.put(&report(1));
    fs::write(stage.config.file(), "[watch]\nreports = 7\n").unwrap();
    daemon.sighup();
    daemon.wait_for_line(PATIENCE, |line| line["message"] == "the configuration is not taken over");
    stage.holds(&report(1));
    daemon.stop();
}

#[test]
fn a_mass_deletion_is_believed_when_a_person_says_so_and_the_next_one_is_not() {
    let stage = Stage::new();
    let daemon = stage.start();
    (0..10).for_each(|n| stage.put(&report(n)));
    (0..10).for_each(|n| drop(stage.holds(&report(n))));
    stage.dashboard.refuse(true);
    (10..12).for_each(|n| stage.put(&report(n)));
    until(|| rescan(&stage, &[])["files"] == 12);
    let suspicious = |mark| {
        let line = daemon.wait_for_line_after(mark, PATIENCE, |line| {
            line["message"].as_str().is_some_and(|text| text.starts_with(SUSPICIOUS))
        });
        assert_eq!(line["root"], "reports");
        line["gone"].as_u64()
    };
    let mark = daemon.mark();
    remove(&stage, 2..11);
    assert_eq!(suspicious(mark), Some(9));
    // The command is where a person looks.
    let (said, code) = stage.said(&["status"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("reports is suspicious: 9 of 12 files are gone at once; if they"),
        "{said}"
    );
    assert!(said.contains("say so with: ytv2d rescan --accept-removals"), "{said}");

    let (said, code) = stage.said(&["rescan"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("9 missing, not forgotten: suspicious: 9 of 12 files"), "{said}");
    let other = stage.json(&["rescan", "--root", "exports", "--accept-removals"]);
    assert_eq!(other["roots"].as_array().map(Vec::len), Some(1), "{other}");
    assert_eq!(rescan(&stage, &[])["held_back"], 9);
    assert_eq!(daemon.lines_saying(VANISHED).len(), 0);

    let found = rescan(&stage, &["--accept-removals"]);
    assert_eq!((&found["gone"], &found["held_back"]), (&json!(9), &json!(0)), "{found}");
    assert_eq!(found["files"], 3);
    let gone = daemon.wait_for_line(PATIENCE, |line| line["message"] == VANISHED);
    assert_eq!(gone["id"], report(10).expected.id.as_str());
    stage.dashboard.refuse(false);
    stage.holds(&report(11));
    // The dashboard may be taken for asleep for another moment.
    until(|| stage.said(&["status"]).1 == Some(0));

    // It was one word about one look.
    (12..22).for_each(|n| stage.put(&report(n)));
    (12..22).for_each(|n| drop(stage.holds(&report(n))));
    let mark = daemon.mark();
    remove(&stage, 12..22);
    assert_eq!(suspicious(mark), Some(10));
    assert_eq!(daemon.lines_saying(VANISHED).len(), 1);
    daemon.stop();
}

#[test]
fn a_root_that_is_not_there_or_is_another_has_not_lost_its_files_whatever_a_person_says() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (root, away) = (stage.config.reports(), stage.config.path().join("away"));
    (0..5).for_each(|n| stage.put(&report(n)));
    (0..5).for_each(|n| drop(stage.holds(&report(n))));
    stage.dashboard.refuse(true);
    stage.put(&report(5));
    until(|| rescan(&stage, &[])["files"] == 6);

    fs::rename(&root, &away).unwrap();
    let (said, code) = stage.said(&["rescan", "--accept-removals"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("reports not looked through: lost: No such file"), "{said}");
    // As a mount that failed leaves it.
    fs::create_dir(&root).unwrap();
    let found = rescan(&stage, &["--accept-removals"]);
    assert_eq!((&found["gone"], &found["held_back"]), (&json!(0), &json!(6)), "{found}");
    // A file that is new there does not make it the right one.
    stage.put(&report(6));
    until(|| rescan(&stage, &["--accept-removals"])["files"] == 7);
    for _ in 0..2 {
        let found = rescan(&stage, &["--accept-removals"]);
        assert_eq!((&found["gone"], &found["held_back"]), (&json!(0), &json!(6)), "{found}");
        let why = found["why_held_back"].as_str().unwrap();
        assert!(why.contains("mount the right one"), "{why}");
    }
    fs::rename(&root, stage.config.path().join("other")).unwrap();
    fs::rename(&away, &root).unwrap();
    assert_eq!(rescan(&stage, &[])["files"], 7);
    stage.dashboard.refuse(false);
    stage.holds(&report(5));
    let vanished = daemon.lines_saying(VANISHED);
    assert!(vanished.iter().all(|line| line["id"] == report(6).expected.id.as_str()));
    daemon.stop();
}

#[test]
fn a_rescan_is_asked_for_over_the_socket_as_well_and_a_wrong_question_is_told_so() {
    let stage = blind();
    let daemon = stage.start();
    let post = |target: &str, body: &str| {
        let mut socket = UnixStream::connect(stage.config.socket()).unwrap();
        let length = body.len();
        write!(
            socket,
            "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let code = answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
        let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        (code, json)
    };
    for (target, body, roots) in [
        ("/rescan", "", 2),
        ("/rescan?root=exports", "", 1),
        ("/rescan?root=exports&accept_removals=true", "", 1),
    ] {
        let (code, answer) = post(target, body);
        assert_eq!(code, 200, "{target} {body}: {answer}");
        assert_eq!(answer["roots"].as_array().map(Vec::len), Some(roots), "{answer}");
    }
    for (target, body) in [("/rescan?root=nonsense", ""), ("/rescan?accept=true", "")] {
        let (code, answer) = post(target, body);
        assert_eq!(code, 400, "{target} {body}: {answer}");
        assert!(answer["hint"].is_string(), "{answer}");
    }
    daemon.stop();
}
