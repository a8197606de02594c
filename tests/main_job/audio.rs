//! Audio: whose it is, which of several, when it is whole, and how the report keeps it.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ingest::{Home, Server, TOKEN, until};
use crate::support::daemon::{Config, Daemon};
use crate::support::fixtures::{self, Report, Shape, audio_name};
use crate::support::mp3::{mp3, whole_seconds};
use crate::support::stage::{PATIENCE, Stage};

/// A stage on which a report is delivered already.
fn delivered(shape: Shape, n: usize) -> (Stage, Daemon, Report) {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = fixtures::report(shape, n);
    stage.put(&report);
    stage.holds(&report);
    (stage, daemon, report)
}

fn last_report(stage: &Stage, id: &str) -> Value {
    stage.dashboard.reports_of(id).pop().unwrap().json.unwrap()
}

#[test]
fn a_report_that_is_sent_after_its_audio_keeps_the_audio() {
    let (stage, mut daemon, report) = delivered(Shape::UniversalReddit, 3);
    let (id, bytes) = (&report.expected.id, mp3(7, 1));
    assert_eq!(last_report(&stage, id).get("media"), None, "there is no audio yet");
    stage.put_audio(&audio_name(report.bare_id(), 1), &bytes);
    stage.holds_audio(id, &bytes);
    for revision in 1..=2 {
        let rewritten = fixtures::report_revised(Shape::UniversalReddit, 3, revision);
        stage.put(&rewritten);
        stage.holds(&rewritten);
        stage.holds_audio(id, &bytes);
        let url = format!("/exports/audio/{}.mp3", id.replace(':', ""));
        let sent = last_report(&stage, id);
        assert_eq!(sent["media"], json!({ "has_audio": true, "audio_url": url }));
        assert_eq!(sent["analysis_json"]["audio_url"], json!(url));
        assert_eq!(sent["analysis_json"]["audio_duration_seconds"], json!(whole_seconds(7)));
        // What is known of the audio is known over a restart.
        daemon.stop();
        daemon = stage.start();
    }
    assert_eq!(stage.dashboard.audios_of(id).len(), 1);
    daemon.stop();
}

#[test]
fn audio_waits_for_its_report_and_its_length_goes_with_it() {
    let stage = Stage::new();
    let mut daemon = stage.start();
    let report = fixtures::report(Shape::UniversalWeb, 6);
    let bytes = mp3(9, 2);
    stage.put_audio(&audio_name(report.bare_id(), 2), &bytes);
    stage.settle();
    assert_eq!(stage.told_after(0), [""; 0]);
    // It is remembered over a restart.
    daemon.stop();
    daemon = stage.start();
    stage.put(&report);
    stage.holds_audio(&report.expected.id, &bytes);
    stage.holds(&report);
    let sent = stage.sent_after(0);
    assert!(sent.len() == 2 && sent[0].is_report() && sent[1].is_audio(), "{sent:?}");
    assert!(sent[0].finished.unwrap() <= sent[1].started);
    let length =
        &last_report(&stage, &report.expected.id)["analysis_json"]["audio_duration_seconds"];
    assert_eq!(*length, json!(whole_seconds(9)));
    daemon.stop();
}

#[test]
fn of_several_audio_files_the_newest_is_delivered() {
    let stage = Stage::new();
    let report = fixtures::report(Shape::Raw, 8);
    let id = &report.expected.id;
    let bytes = |n: usize| mp3(1, n as u64);
    let put = |n: usize| stage.put_audio(&audio_name(report.bare_id(), n * 3600), &bytes(n));
    stage.put(&report);
    for n in [4, 6, 5] {
        put(n);
    }
    // All there before the start, in whatever order they are found; then older ones, then a newer.
    let daemon = stage.start();
    stage.holds_audio(id, &bytes(6));
    put(3);
    stage.settle();
    stage.holds_audio(id, &bytes(6));
    put(9);
    stage.holds_audio(id, &bytes(9));
    put(7);
    stage.settle();
    stage.holds_audio(id, &bytes(9));
    let sent = stage.dashboard.audios_of(id).len();
    assert!((2..=3).contains(&sent), "{sent} uploads");
    daemon.stop();
}

#[test]
fn an_empty_audio_file_is_named_and_never_sent_until_it_is_filled() {
    let (stage, daemon, report) = delivered(Shape::UniversalYoutube, 10);
    let name = audio_name(report.bare_id(), 1);
    stage.put_audio(&name, b"");
    let line =
        daemon.wait_for_line(PATIENCE, |line| line["message"] == "this file cannot be delivered");
    assert_eq!(line["file"], json!(format!("exports/{name}")));
    assert!(line["problem"].as_str().unwrap().contains("empty"), "{line}");
    stage.settle();
    assert_eq!(stage.dashboard.audios_of(&report.expected.id).len(), 0);
    let bytes = mp3(1, 10);
    stage.put_audio(&name, &bytes);
    stage.holds_audio(&report.expected.id, &bytes);
    // An empty one does not take the place of what is delivered.
    stage.put_audio(&name, b"");
    stage.settle();
    stage.holds_audio(&report.expected.id, &bytes);
    assert_eq!(stage.dashboard.audios_of(&report.expected.id).len(), 1);
    daemon.stop();
}

#[test]
fn audio_under_names_that_belong_to_no_report_is_left_alone() {
    let (stage, daemon, report) = delivered(Shape::UniversalYoutube, 19);
    let id = report.bare_id();
    let mut names = fixtures::ignored_audio_names(id, 19);
    names.extend([
        format!("audio_x{id}_20250901_101010.mp3"),
        format!("audio_{id}x_20250901_101010.mp3"),
        format!("audio_{}_20250901_101010.mp3", id.to_lowercase()),
        format!("before_{id}_20250901_101010.mp3"),
        "audio_unknown_20250901_101010.mp3".to_owned(),
    ]);
    for (n, name) in names.iter().enumerate() {
        stage.put_audio(name, &mp3(1, n as u64));
    }
    stage.settle();
    assert_eq!(stage.told_after(0), [format!("report {id}")]);
    assert_eq!(daemon.lines_saying("this file cannot be delivered").len(), 0);
    daemon.stop();
}

#[test]
fn audio_is_known_by_each_of_its_names() {
    let stage = Stage::new();
    let daemon = stage.start();
    for (n, shape) in Shape::ALL.into_iter().enumerate() {
        let report = fixtures::report(shape, n);
        let id = report.bare_id();
        let name = match n % 4 {
            0 => audio_name(id, n),
            1 => fixtures::older_audio_name(id, 0),
            2 => fixtures::older_audio_name(id, 1),
            _ => format!("{}.mp3", report.file_name.trim_end_matches(".json")),
        };
        stage.put(&report);
        stage.put_audio(&name, &mp3(1, n as u64));
        stage.holds_audio(&report.expected.id, &mp3(1, n as u64));
    }
    daemon.stop();
}

#[test]
fn audio_that_is_still_growing_is_sent_once_and_whole() {
    let mut stage = Stage::new();
    stage.config.audio_quiet = "1500ms".to_owned();
    let report = fixtures::report(Shape::FlatRow, 15);
    stage.put(&report);
    let name = audio_name(report.bare_id(), 1);
    let bytes = mp3(20, 5);
    // It grows already when the daemon starts, for longer than the quiet that is asked for.
    let mut file = File::create(stage.config.export(&name)).unwrap();
    let mut daemon = None;
    for piece in bytes.chunks(bytes.len() / 25 + 1) {
        file.write_all(piece).unwrap();
        daemon.get_or_insert_with(|| stage.start());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(stage.dashboard.audios_of(&report.expected.id).len(), 0);
    drop(file);
    stage.holds_audio(&report.expected.id, &bytes);
    assert_eq!(stage.dashboard.audios_of(&report.expected.id).len(), 1);
    daemon.unwrap().stop();
}

#[test]
fn the_ingest_side_links_audio_and_knows_its_length() {
    let home = Home::new();
    let server = Server::start(&home);
    let config = Config::new(&server.url(), TOKEN);
    let report = fixtures::report(Shape::UniversalReddit, 3);
    let bytes = mp3(5, 77);
    std::fs::write(config.report(&report.file_name), report.bytes()).unwrap();
    let daemon = Daemon::start_ready(&config);
    let path = format!("/{}.json", report.expected.id);
    until("the report", || server.get(&path).status == 200);
    std::fs::write(config.export(&audio_name(report.bare_id(), 1)), &bytes).unwrap();
    until("the audio", || server.get(&path).json()["has_audio"] == true);
    let analysis = &server.get(&path).json()["analysis"];
    assert_eq!(analysis["audio_duration_seconds"], json!(whole_seconds(5)));
    assert_eq!(server.get(analysis["audio_url"].as_str().unwrap()).body, bytes);
    daemon.stop();
}
