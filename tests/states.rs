//! What an operator sees: the states of items and files, the verdict, and what is adopted.

mod support;

use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use support::daemon::{CLEARED, Daemon};
use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Report, Shape, audio_name};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalYoutube, n)
}

/// Asks the daemon of a stage, as a person would.
fn ask(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
    for name in CLEARED {
        command.env_remove(name);
    }
    let file = stage.config.file();
    command.args(arguments).arg("--config").arg(file).stdin(Stdio::null());
    command.output().expect("ytv2d runs")
}

fn json(stage: &Stage, arguments: &[&str]) -> Value {
    let output = ask(stage, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Asks for the rows of a state until there are so many.
#[track_caller]
fn rows(stage: &Stage, state: &str, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let Value::Array(rows) = json(stage, &["list", "--json", "--state", state]) else {
            panic!("no array")
        };
        if rows.len() == count {
            return rows;
        }
        assert!(started.elapsed() < PATIENCE, "{count} {state} expected: {rows:#?}");
    }
}

#[test]
fn every_state_is_listed_with_what_it_is_about() {
    let stage = Stage::new();
    let (good, refused, stalled) = (report(1), report(2), report(3));
    let answer = r#"{"error":"video_id required"}"#;
    stage.dashboard.inject(
        Rule::new(Fault::Status(400, Vec::new(), answer.into())).reports().id(&refused.expected.id),
    );
    stage.put(&good);
    stage.put(&refused);
    stage.put_audio(&audio_name(refused.bare_id(), 1), &mp3(1, 1));
    std::fs::write(stage.config.report("torn.json"), "[]").unwrap();
    let daemon = stage.start();
    stage.holds(&good);

    let current = rows(&stage, "current", 1).remove(0);
    assert_eq!(current["id"], good.expected.id.as_str());
    assert_eq!(current["target"], "dashboard");
    assert_eq!(current["path"], format!("reports/{}", good.file_name));

    let parked = rows(&stage, "parked", 1).remove(0);
    assert_eq!(parked["id"], refused.expected.id.as_str());
    assert_eq!(parked["reason"], "400: video_id required");
    assert_eq!(parked["attempts"], 1);
    assert!(parked["parked_since"].is_string());

    // Before that it waits as a file, until it is known to be whole.
    stage.wait_for_end_of_writing();
    let waiting = rows(&stage, "waiting", 1).remove(0);
    assert_eq!((waiting["kind"].as_str(), &waiting["id"]), (Some("audio"), &parked["id"]));
    assert_eq!(waiting["reason"], "waits for its report, which is parked: 400: video_id required");

    let invalid = rows(&stage, "invalid", 1).remove(0);
    assert_eq!(invalid["path"], "reports/torn.json");
    assert!(invalid["reason"].is_string());

    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).reports().id(&stalled.expected.id));
    stage.put(&stalled);
    stage.wait("one is held", |state| state.held() == 1);
    assert_eq!(rows(&stage, "in_flight", 1)[0]["id"], stalled.expected.id.as_str());
    stage.dashboard.clear_faults();
    stage.dashboard.release();
    rows(&stage, "current", 2);
    daemon.stop();
}

#[test]
fn the_status_says_healthy_degraded_or_not_running() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.put(&report(10));
    stage.holds(&report(10));
    rows(&stage, "current", 1);
    let healthy = ask(&stage, &["status"]);
    let said = String::from_utf8_lossy(&healthy.stdout).into_owned();
    assert_eq!(healthy.status.code(), Some(0), "{said}");
    assert!(said.starts_with("healthy: 0 due, last delivery "), "{said}");
    let status = json(&stage, &["status", "--json"]);
    assert_eq!(status["roots"][0]["files"], 1);
    assert_eq!(status["targets"][0]["counts"]["current"], 1);

    stage.dashboard.set_token("another");
    stage.put(&report(11));
    let line = daemon.wait_for_line(PATIENCE, |line| {
        line["message"].as_str().is_some_and(|text| text.contains("authentication failed"))
    });
    assert_eq!(line["target"], "dashboard");
    let degraded = ask(&stage, &["status"]);
    let said = String::from_utf8_lossy(&degraded.stdout).into_owned();
    assert_eq!(degraded.status.code(), Some(1), "{said}");
    assert!(said.contains("! dashboard is stopped: 401: unauthorized"), "{said}");

    daemon.stop();
    let absent = ask(&stage, &["status"]);
    assert_eq!(absent.status.code(), Some(3));
    let said = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert!(said.contains("not running") && said.contains("ytv2d run"), "{said}");
}

#[test]
fn what_is_there_before_the_first_run_can_be_adopted_and_only_changes_are_sent() {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[watch]\nfirst_run = 'adopt'");
    // What is quiet at the first look is adopted; the daemon takes longer than this to start.
    stage.config.audio_quiet = "1ms".to_owned();
    let (old, audio) = (report(20), mp3(1, 20));
    stage.put(&old);
    stage.put_audio(&audio_name(old.bare_id(), 20), &audio);
    let daemon = stage.start();
    assert_eq!(rows(&stage, "current", 2)[0]["id"], old.expected.id.as_str());
    stage.settle();
    assert!(stage.sent_after(0).is_empty(), "{} in {:?}", old.expected.id, stage.told_after(0));

    // Its next change goes, with the audio that the dashboard is believed to have.
    let new = fixtures::report_revised(Shape::UniversalYoutube, 20, 1);
    stage.put(&new);
    stage.wait("the change", |state| state.record(&new.expected.id).is_some());
    let sent = stage.sent_after(0);
    assert_eq!(stage.told_after(0), [format!("report {}", new.expected.id)]);
    let json = sent[0].json.as_ref().unwrap();
    let url = format!("/exports/audio/{}.mp3", old.expected.id);
    assert_eq!(json["media"]["audio_url"], url.as_str());
    daemon.stop();

    // A second start adopts nothing any more.
    stage.put(&report(21));
    let daemon = stage.start();
    stage.holds(&report(21));
    daemon.stop();
}

#[test]
fn a_socket_that_a_killed_daemon_left_behind_is_replaced() {
    let stage = Stage::new();
    let daemon = stage.start();
    daemon.kill9();
    assert!(stage.config.socket().exists());
    let daemon = stage.start();
    assert_eq!(ask(&stage, &["status"]).status.code(), Some(0));
    daemon.stop();
    assert!(!stage.config.socket().exists());

    std::fs::write(stage.config.socket(), "precious").unwrap();
    let refused = Daemon::start(&stage.config);
    assert!(!refused.wait_exit(PATIENCE).success());
    assert_eq!(std::fs::read_to_string(stage.config.socket()).unwrap(), "precious");
}
