//! What is no change is not sent, whatever happened to the file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;

use notify::event::AccessKind;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use serde_json::json;

use crate::support::fixtures::{self, Report, Shape, audio_name, write_renamed};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage, set_modified};

const READ_AGAIN: &str = "the id policy, the time zone or this program is not what it was: all \
                          files are read again";

/// Something that happens to a report and its audio.
type Happening = fn(&Stage, &Report, &str, &[u8]);

const HAPPENINGS: [(&str, Happening); 8] = [
    ("a touch", |stage, report, audio, _| {
        set_modified(&stage.config.report(&report.file_name), 5);
        set_modified(&stage.config.export(audio), 5);
    }),
    ("a rewrite of the same bytes", |stage, report, audio, bytes| {
        stage.put(report);
        stage.put_audio(audio, bytes);
    }),
    ("another layout of the same JSON", |stage, report, _, _| {
        let text = serde_json::to_string(&report.json).unwrap();
        fs::write(stage.config.report(&report.file_name), text + "\n").unwrap();
    }),
    ("what is never delivered changes", |stage, report, _, _| {
        let mut json = report.json.clone();
        json["transcript"] = json!("Another transcript.");
        json["processor_info"] = json!({ "model": "another" });
        stage.put_json(&report.file_name, &json);
    }),
    ("a restored backup", |stage, report, audio, bytes| {
        for (path, bytes) in [
            (stage.config.report(&report.file_name), report.bytes().as_slice()),
            (stage.config.export(audio), bytes),
        ] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            set_modified(&path, 86_400);
        }
    }),
    ("a backup renamed into place", |stage, report, audio, bytes| {
        write_renamed(&stage.config.report(&report.file_name), &report.bytes());
        write_renamed(&stage.config.export(audio), bytes);
    }),
    ("a copy under another name", |stage, report, _, bytes| {
        stage.put_json("a_copy.json", &report.json);
        stage.put_audio(&format!("{}.mp3", report.bare_id()), bytes);
    }),
    ("the first name goes away", |stage, report, audio, _| {
        fs::remove_file(stage.config.report(&report.file_name)).unwrap();
        fs::remove_file(stage.config.export(audio)).unwrap();
    }),
];

#[test]
fn what_happens_to_a_file_without_changing_what_it_says_sends_nothing() {
    let stage = Stage::new();
    let mut daemon = stage.start();
    let report = fixtures::report(Shape::UniversalWeb, 3);
    let (audio, bytes) = (fixtures::audio_name(report.bare_id(), 3), mp3(2, 3));
    stage.put(&report);
    stage.put_audio(&audio, &bytes);
    stage.holds(&report);
    stage.holds_audio(&report.expected.id, &bytes);
    for (what, happens) in HAPPENINGS {
        let mark = stage.mark();
        happens(&stage, &report, &audio, &bytes);
        stage.settle();
        assert_eq!(stage.told_after(mark), [""; 0], "{what}");
    }
    // The same while it is stopped.
    for (what, happens) in &HAPPENINGS[..7] {
        stage.put(&report);
        stage.put_audio(&audio, &bytes);
        daemon.stop();
        let mark = stage.mark();
        happens(&stage, &report, &audio, &bytes);
        daemon = stage.start();
        stage.settle();
        assert_eq!(stage.told_after(mark), [""; 0], "{what}, while it was stopped");
    }
    daemon.stop();
}

#[test]
fn what_was_deleted_on_the_dashboard_comes_back_only_when_its_file_changes() {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = fixtures::report(Shape::UniversalWeb, 4);
    stage.put(&report);
    stage.holds(&report);
    stage.dashboard.delete(&report.expected.id);
    stage.put(&report);
    stage.settle();
    assert!(stage.dashboard.record(&report.expected.id).is_none());
    let changed = fixtures::report_revised(Shape::UniversalWeb, 4, 1);
    stage.put(&changed);
    stage.holds(&changed);
    daemon.stop();
}

#[test]
fn what_has_not_changed_is_not_even_opened_at_the_next_start() {
    let stage = Stage::new();
    let reports = fixtures::mixed_reports(5);
    let name = audio_name(reports[0].bare_id(), 1);
    let daemon = stage.start();
    reports.iter().for_each(|report| stage.put(report));
    stage.put_json("no_report.json", &json!([1, 2, 3]));
    stage.put_audio(&name, &mp3(1, 1));
    reports.iter().for_each(|report| drop(stage.holds(report)));
    stage.holds_audio(&reports[0].expected.id, &mp3(1, 1));
    stage.settle();
    daemon.stop();

    let (opened, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let event = event.unwrap();
        if matches!(event.kind, EventKind::Access(AccessKind::Open(_))) {
            event.paths.into_iter().for_each(|path| opened.send(path).unwrap());
        }
    })
    .unwrap();
    for root in [stage.config.reports(), stage.config.exports()] {
        watcher.watch(&root, RecursiveMode::NonRecursive).unwrap();
    }
    let daemon = stage.start();
    daemon.stop();
    // Our own look is the end of what there is to hear.
    let last = stage.config.export(&name);
    fs::read(&last).unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    while files.last() != Some(&last) {
        let path = events.recv_timeout(PATIENCE).unwrap();
        // A root is opened to be listed.
        files.extend(path.is_file().then_some(path));
    }
    assert_eq!(files, [last]);
}

#[test]
fn another_id_policy_reaches_what_was_read_under_the_one_before() {
    let mut stage = Stage::new();
    let daemon = stage.start();
    let (reddit, youtube) =
        (fixtures::report(Shape::UniversalReddit, 5), fixtures::report(Shape::UniversalYoutube, 6));
    let audio = mp3(2, 5);
    stage.put(&reddit);
    stage.put(&youtube);
    stage.put_audio(&audio_name(reddit.bare_id(), 5), &audio);
    stage.holds(&youtube);
    stage.holds_audio(&reddit.expected.id, &audio);
    stage.settle();
    daemon.stop();

    let bare = reddit.bare_id().to_owned();
    assert_ne!(bare, reddit.expected.id);
    stage.config.extra_toml.push_str("[ingest]\nids = 'bare'\n");
    let mark = stage.mark();
    let daemon = stage.start();
    stage.holds_audio(&bare, &audio);
    stage.settle();
    assert_eq!(stage.told_after(mark), [format!("audio {bare}"), format!("report {bare}")]);
    let lines = daemon.lines_saying(READ_AGAIN);
    assert_eq!(lines.len(), 1, "a policy for reports makes nobody read audio");
    assert_eq!(lines[0]["root"], "reports");
    daemon.stop();
    let daemon = stage.start();
    stage.settle();
    assert_eq!(daemon.lines_saying(READ_AGAIN).len(), 0);
    daemon.stop();
}

#[test]
fn a_report_that_comes_is_read_once_on_its_way() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: there is no strace here (apt-get install strace)");
        return;
    }
    let mut stage = Stage::new();
    let trace = stage.config.path().join("opened");
    stage.config.wrapper =
        ["strace", "-f", "-qq", "-e", "trace=openat", "-o"].map(str::to_owned).to_vec();
    stage.config.wrapper.push(trace.to_str().unwrap().to_owned());
    let daemon = stage.start();
    let report = fixtures::report(Shape::UniversalYoutube, 1);
    // Moved in from elsewhere, which is one event.
    let elsewhere = stage.config.path().join("elsewhere");
    fs::write(&elsewhere, report.bytes()).unwrap();
    fs::rename(&elsewhere, stage.config.report(&report.file_name)).unwrap();
    stage.holds(&report);
    drop(daemon);
    let name = format!("\"{}\"", report.file_name);
    let opened = fs::read_to_string(&trace).unwrap();
    let opened: Vec<_> = opened.lines().filter(|line| line.contains(&name)).collect();
    assert_eq!(opened.len(), 1, "{opened:#?}");
}
