//! `GET /status`, whole.

use serde_json::json;

use super::socket::{ask, status, status_when};
use crate::support::dashboard::{Fault, Rule};
use crate::support::fixtures::{self, Shape, audio_name};
use crate::support::mp3::mp3;
use crate::support::stage::Stage;

#[test]
fn it_tells_how_far_an_upload_has_come_and_what_was_delivered() {
    let stage = Stage::new();
    let report = fixtures::report(Shape::UniversalYoutube, 1);
    let (id, audio) = (&report.expected.id, mp3(3, 1));
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).audio());
    let daemon = stage.start();
    stage.put(&report);
    stage.put_audio(&audio_name(report.bare_id(), 1), &audio);
    stage.wait("its audio is held", |state| state.held() == 1);
    let held = status_when(&stage, "all of it has gone", |status| {
        status["targets"][0]["in_flight"][0]["done_bytes"] == audio.len()
    });
    let target = &held["targets"][0];
    let flight = &target["in_flight"][0];
    assert_eq!((&flight["id"], &flight["kind"]), (&json!(id), &json!("audio")));
    assert_eq!(flight["total_bytes"], audio.len());
    assert!(flight["since"].is_string());
    assert_eq!(
        (&target["oldest_due"]["id"], &target["oldest_due"]["kind"]),
        (&json!(id), &json!("audio"))
    );
    assert_eq!(target["counts"]["in_flight"], 1);
    assert_eq!(
        (&target["delivered"]["day"]["count"], &target["latency"]["of"]),
        (&json!(1), &json!(1))
    );

    stage.dashboard.clear_faults();
    stage.dashboard.release();
    stage.holds_audio(id, &audio);
    let done = status_when(&stage, "it is settled", |status| {
        status["targets"][0]["counts"]["current"] == 2
            && status["targets"][0]["in_flight"] == json!([])
    });
    let target = &done["targets"][0];
    assert_eq!((&target["oldest_due"], &target["state"]), (&json!(null), &json!("up")));
    let delivered = &target["delivered"];
    for span in ["hour", "day"] {
        assert_eq!(delivered[span]["count"], 2, "{span}");
        assert!(delivered[span]["bytes"].as_u64().unwrap() > audio.len() as u64, "{span}");
    }
    let per_minute = delivered["per_minute"].as_array().unwrap();
    assert_eq!(per_minute.len(), 15);
    assert_eq!(per_minute.iter().filter_map(|count| count.as_u64()).sum::<u64>(), 2);
    assert_eq!(target["latency"]["of"], 2);
    assert_eq!((&done["ready"], &done["healthy"]), (&json!(true), &json!(true)));
    assert!(done["outbox"]["size_bytes"].as_u64() > Some(4096), "{}", done["outbox"]);
    assert_eq!(done["outbox"]["schema"], 1);
    daemon.stop();
}

#[test]
fn every_reason_says_what_is_wrong_and_what_to_do() {
    let stage = Stage::new();
    let daemon = stage.start();
    let root = &status(&stage)["roots"][1];
    assert_eq!((&root["mode"], &root["why"]), (&json!("auto"), &json!(null)));
    let health = ask(&stage.config.socket(), "/healthz");
    assert_eq!((health.status, health.json()["reasons"].clone()), (200, json!([])));

    let answer = r#"{"error":"video_id required"}"#;
    stage
        .dashboard
        .inject(Rule::new(Fault::Status(400, Vec::new(), answer.into())).reports().once());
    stage.put(&fixtures::report(Shape::UniversalYoutube, 1));
    std::os::unix::fs::symlink("/dev/null", stage.config.report("link.json")).unwrap();
    let away = stage.config.path().join("away");
    std::fs::rename(stage.config.exports(), &away).unwrap();
    let status = status_when(&stage, "three reasons", |status| {
        status["reasons"].as_array().unwrap().len() == 3
    });
    let exports = stage.config.exports();
    let reasons: Vec<&str> =
        status["reasons"].as_array().unwrap().iter().filter_map(|reason| reason.as_str()).collect();
    assert!(reasons[0].starts_with("exports is lost: "), "{reasons:?}");
    assert!(
        reasons[0].ends_with(&format!(": create or mount {}", exports.display())),
        "{reasons:?}"
    );
    assert_eq!(
        reasons[1..],
        [
            "1 item is parked; ytv2d list --state parked says why; mended? ytv2d retry --state parked",
            "1 file cannot be delivered; ytv2d list --state invalid says why",
        ]
    );
    let lost = &status["roots"][1];
    assert_eq!((&lost["state"], &lost["seen"]), (&json!("lost"), &json!(false)));
    assert!(lost["why"].is_string());
    let health = ask(&stage.config.socket(), "/healthz");
    assert_eq!((health.status, &health.json()["reasons"]), (503, &status["reasons"]));
    daemon.stop();
}
