//! `GET /events`.

use std::fs;

use serde_json::json;

use super::socket::{Heard, Listener, ask};
use crate::support::dashboard::{Fault, Rule};
use crate::support::fixtures::{self, Shape, audio_name};
use crate::support::mp3::mp3;
use crate::support::stage::Stage;

fn words(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|heard| heard.event.as_str()).collect()
}

#[test]
fn a_delivery_is_told_from_the_file_to_the_acknowledgement_and_again_to_whoever_comes_back() {
    let stage = Stage::new();
    let daemon = stage.start();
    let socket = stage.config.socket();
    let report = fixtures::report(Shape::UniversalYoutube, 1);
    let (id, name) = (report.expected.id.as_str(), audio_name(report.bare_id(), 1));
    let mut listener = Listener::new(&socket, "/events?after=0", "");
    stage.put(&report);
    let mut heard = Vec::new();
    while heard.len() < 4 {
        heard.extend(listener.next().filter(|heard| !heard.event.starts_with("root")));
    }
    assert_eq!(words(&heard), ["seen", "due", "started", "delivered"]);
    let path = format!("reports/{}", report.file_name);
    let of = |event: usize, key: &str| heard[event].data[key].clone();
    assert_eq!((of(0, "path"), of(0, "content")), (json!(path), json!(id)));
    assert_eq!((of(0, "root"), of(1, "target")), (json!("reports"), json!("dashboard")));
    for heard in &heard {
        assert_eq!((&heard.data["content"], &heard.data["kind"]), (&json!(id), &json!("report")));
        assert_eq!(
            (heard.data["id"].as_u64(), &heard.data["event"]),
            (Some(heard.id), &json!(heard.event))
        );
    }
    assert_eq!(of(3, "words"), "created");
    assert!(of(3, "bytes").as_u64() > Some(100) && of(3, "since_change_ms").is_i64());

    // Audio, told to somebody who was away since the report was delivered.
    stage.put_audio(&name, &mp3(1, 1));
    stage.holds_audio(id, &mp3(1, 1));
    let back = format!("Last-Event-ID: {}\r\n", heard[3].id);
    let mut listener = Listener::new(&socket, "/events?after=0", &back);
    let since: Vec<Heard> = (0..4).filter_map(|_| listener.next()).collect();
    assert_eq!(words(&since), ["seen", "due", "started", "delivered"]);
    let ids: Vec<u64> = since.iter().map(|heard| heard.id).collect();
    assert_eq!(ids, (heard[3].id + 1..heard[3].id + 5).collect::<Vec<_>>());
    assert_eq!((&since[3].data["kind"], &since[3].data["content"]), (&json!("audio"), &json!(id)));

    // One from before the start is told that it missed some, and gets all that there is.
    let mut listener = Listener::new(&socket, "/events?after=17", "");
    assert_eq!(listener.next().map(|heard| heard.event), Some("missed".to_owned()));
    assert_eq!(listener.until("delivered").id, heard[3].id);
    daemon.stop();
}

#[test]
fn failures_and_turns_of_targets_and_roots_are_told_with_their_reasons() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut listener = Listener::new(&stage.config.socket(), "/events", "");
    let (refused, failing) = (
        fixtures::report(Shape::UniversalYoutube, 1),
        fixtures::report(Shape::UniversalYoutube, 2),
    );
    let answer = r#"{"error":"video_id required"}"#;
    let refusal = Fault::Status(400, Vec::new(), answer.into());
    stage.dashboard.inject(Rule::new(refusal).reports().id(&refused.expected.id));
    stage.put(&refused);
    let parked = listener.until("parked");
    assert_eq!(parked.data["content"], refused.expected.id.as_str());
    assert_eq!(parked.data["words"], "400: video_id required");

    stage.dashboard.inject(Rule::new(Fault::status(500)).reports().id(&failing.expected.id).once());
    stage.put(&failing);
    let failed = listener.until("failed");
    assert_eq!(failed.data["content"], failing.expected.id.as_str());
    assert!(failed.data["words"].as_str().unwrap().starts_with("500"), "{failed:?}");
    assert_eq!(listener.until("delivered").data["content"], failing.expected.id.as_str());

    fs::write(stage.config.report("broken.json"), "[]").unwrap();
    let seen = listener.until("seen");
    assert_eq!(seen.data["path"], "reports/broken.json");
    assert!(seen.data["words"].is_string() && seen.data["content"].is_null(), "{seen:?}");

    let token = stage.dashboard.token();
    stage.dashboard.set_token("another");
    stage.put(&fixtures::report(Shape::UniversalYoutube, 3));
    let down = listener.until("target_down");
    assert_eq!(
        (&down.data["target"], &down.data["words"]),
        (&json!("dashboard"), &json!("401: unauthorized"))
    );
    stage.dashboard.set_token(&token);
    daemon.sighup();
    assert_eq!(listener.until("target_up").data["target"], "dashboard");

    let away = stage.config.path().join("away");
    fs::rename(stage.config.exports(), &away).unwrap();
    assert_eq!(listener.until("root_lost").data["root"], "exports");
    fs::rename(&away, stage.config.exports()).unwrap();
    assert_eq!(listener.until("root_found").data["root"], "exports");
    daemon.stop();
}

#[test]
fn a_stop_ends_every_listening_and_waits_for_none() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut listener = Listener::new(&stage.config.socket(), "/events", "");
    daemon.stop();
    while listener.next().is_some() {}
}

#[test]
fn a_question_that_makes_no_sense_is_answered_with_what_would() {
    let stage = Stage::new();
    let daemon = stage.start();
    let reply = ask(&stage.config.socket(), "/events?since=1");
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["hint"], "ask GET /events?after=");
    daemon.stop();
}
