//! `ytv2d upload` without a daemon, and by an id.

use support::dashboard::{Fault, Rule};
use support::ends::{Ends, row_id};
use support::fixtures::{self, Shape, audio_name};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

mod support;

/// Runs a command with the token that the daemon would have.
fn direct(stage: &Stage, words: &[&str]) -> (String, Option<i32>) {
    let mut command = support::command::command(stage, words);
    command.env("INGEST_TOKEN", stage.dashboard.token());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

#[test]
fn a_pair_is_delivered_without_a_daemon_and_not_sent_again_by_the_next_one() {
    let stage = Stage::new();
    stage.config.write();
    let (report, other) = (fixtures::report(Shape::Raw, 1), fixtures::report(Shape::Raw, 2));
    let id = &report.expected.id;
    stage.put(&report);
    stage.put(&other);
    stage.put_audio("any_name.mp3", &mp3(1, 1));
    let path = stage.config.report(&report.file_name);
    let path = path.to_str().unwrap();

    let (said, code) = direct(&stage, &["upload", path]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--direct"), "{said}");

    let (said, code) = direct(&stage, &["upload", path, "any_name.mp3", "--direct", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let result: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(result["postgres"]["report"]["upserted"], 1, "{said}");
    let url = &result["postgres"]["audio"]["public_url"];
    assert_eq!(url, &format!("/exports/audio/{}.mp3", id.replace(':', "")));
    stage.holds_audio(id, &mp3(1, 1));
    // Nothing but the pair.
    assert!(stage.dashboard.record(&other.expected.id).is_none());

    let mark = stage.mark();
    let daemon = stage.start();
    stage.holds(&other);
    stage.settle();
    assert!(stage.told_after(mark).iter().all(|told| !told.contains(id)), "{mark}");

    let (said, code) = direct(&stage, &["upload", path, "--direct"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("leave out --direct"), "{said}");
    daemon.stop();
}

#[test]
fn a_paused_target_is_not_waited_for() {
    let stage = Stage::new();
    let daemon = stage.start();
    assert_eq!(stage.said(&["pause"]).1, Some(0));
    daemon.stop();
    let report = fixtures::report(Shape::Raw, 1);
    stage.put(&report);
    let begun = std::time::Instant::now();
    let (said, code) = direct(&stage, &["upload", &report.file_name, "--direct", "--wait", "3000"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("paused by order"), "{said}");
    assert!(begun.elapsed() < PATIENCE);
    assert!(stage.dashboard.record(&report.expected.id).is_none());
}

#[test]
fn what_one_target_refuses_is_some_and_what_all_refuse_is_none() {
    let mut ends = Ends::new();
    ends.configure(true, true, "");
    let report = fixtures::report(Shape::Raw, 1);
    ends.put(&report);
    let upload = || {
        let mut command =
            support::command::bare(&["upload", &report.file_name, "--direct", "--wait", "20"]);
        command.arg("--config").arg(ends.config.file());
        command.env("INGEST_TOKEN", &ends.config.token).envs(ends.config.env.iter().cloned());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code())
    };
    ends.old.inject(Rule::new(Fault::status(422)).path("/api/content"));
    let (said, code) = upload();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("422"), "{said}");
    ends.old.clear_faults();
    let (said, code) = upload();
    assert_eq!(code, Some(0), "{said}");
    assert!(ends.old.flat(&row_id(&report.expected.id)).is_some());

    let (said, code) = {
        let mut command = support::command::bare(&["upload", "missing.json", "--direct"]);
        command.arg("--config").arg(ends.config.file());
        command.env("INGEST_TOKEN", &ends.config.token).envs(ends.config.env.iter().cloned());
        let output = command.output().unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code())
    };
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("missing.json"), "{said}");
}

#[test]
fn a_pair_is_found_by_its_id_and_its_timestamp() {
    let stage = Stage::new();
    let report = fixtures::report(Shape::Raw, 1);
    let id = &report.expected.id;
    stage.put(&report);
    let audio = audio_name(report.bare_id(), 1);
    stage.put_audio(&audio, &mp3(1, 1));
    let daemon = stage.start();
    stage.holds_audio(id, &mp3(1, 1));
    let (said, code) = stage.said(&["upload", "--id", id, "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("audio current"), "{said}");
    let stem = audio.trim_end_matches(".mp3");
    let timestamp = &stem[stem.len() - 15..];
    let (said, code) = stage.said(&["upload", "--id", id, "--at", timestamp, "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = stage.said(&["upload", "--id", id, "--at", "19990101_000000"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("19990101_000000"), "{said}");
    daemon.stop();
}
