//! What a person or a pipeline orders through the socket, and what it is told: try again, send
//! again, drop, adopt, pause, reload, and why.

mod support;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use support::daemon::Daemon;
use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Report, Shape, audio_name};
use support::http::{exchange_at, request};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalYoutube, n)
}

/// Asks the socket, and gives the status and the JSON.
fn ask(stage: &Stage, method: &str, target: &str) -> (u16, Value) {
    let socket: PathBuf = stage.config.socket();
    let request = request(method, target, &[("Connection", "close")], b"");
    let reply = exchange_at(&socket, &request).expect("an answer");
    (reply.status, reply.json())
}

#[track_caller]
fn get(stage: &Stage, target: &str) -> Value {
    let (status, json) = ask(stage, "GET", target);
    assert_eq!(status, 200, "{target}: {json}");
    json
}

#[track_caller]
fn post(stage: &Stage, target: &str) -> Value {
    let (status, json) = ask(stage, "POST", target);
    assert_eq!(status, 200, "{target}: {json}");
    json
}

/// Waits until there is a row of a state, for an id or a path.
#[track_caller]
fn row(stage: &Stage, state: &str, about: &str) -> Value {
    let started = Instant::now();
    loop {
        let rows = get(stage, &format!("/items?state={state}"));
        let about_it = |row: &&Value| {
            row["id"] == about || row["path"].as_str().is_some_and(|path| path.ends_with(about))
        };
        if let Some(row) = rows["items"].as_array().unwrap().iter().find(about_it) {
            return row.clone();
        }
        assert!(started.elapsed() < PATIENCE, "{about} is not {state}: {}", get(stage, "/items"));
    }
}

/// A report that the dashboard refuses for ever, parked.
fn parked(stage: &Stage, n: usize) -> Report {
    let refused = report(n);
    let answer = r#"{"error":"video_id required"}"#;
    let fault = Fault::Status(400, Vec::new(), answer.into());
    stage.dashboard.inject(Rule::new(fault).reports().id(&refused.expected.id));
    stage.put(&refused);
    row(stage, "parked", &refused.expected.id);
    refused
}

#[test]
fn what_is_parked_goes_when_it_is_retried_one_by_one_or_all_at_once() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (one, other) = (parked(&stage, 1), parked(&stage, 2));
    stage.dashboard.clear_faults();

    let id = &one.expected.id;
    let done = post(&stage, &format!("/items/{id}/retry"));
    assert_eq!((&done["changed"], &done["ids"]), (&json!(1), &json!([id])));
    stage.holds(&one);
    row(&stage, "parked", &other.expected.id);

    let none = post(&stage, "/retry?state=parked&reason=no%20such%20words");
    assert_eq!(none["changed"], 0);
    let done = post(&stage, "/retry?state=parked&reason=video_id");
    assert_eq!(done["ids"], json!([other.expected.id]));
    stage.holds(&other);

    let again = post(&stage, &format!("/items/{id}/retry"));
    assert_eq!(again["changed"], 0);
    assert!(again["words"].as_str().unwrap().contains("ytv2d resend"), "{again}");
    daemon.stop();
}

#[test]
fn a_file_that_could_not_be_read_is_read_again_by_its_name() {
    let stage = Stage::new();
    let daemon = stage.start();
    std::fs::write(stage.config.report("torn.json"), "[]").unwrap();
    row(&stage, "invalid", "torn.json");
    let done = post(&stage, "/items/torn.json/retry");
    assert_eq!(done["changed"], 1);
    row(&stage, "invalid", "torn.json");
    let done = post(&stage, "/retry?state=invalid");
    assert_eq!(done["changed"], 1);
    daemon.stop();
}

#[test]
fn what_is_current_is_sent_again_when_that_is_ordered() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (one, audio) = (report(1), mp3(1, 1));
    stage.put(&one);
    stage.put_audio(&audio_name(one.bare_id(), 1), &audio);
    stage.holds_audio(&one.expected.id, &audio);
    stage.settle();

    // As a dashboard that was restored from an old backup.
    stage.dashboard.delete(&one.expected.id);
    let mark = stage.mark();
    let done = post(&stage, &format!("/items/{}/resend", one.expected.id));
    assert_eq!((&done["changed"], &done["ids"]), (&json!(2), &json!([one.expected.id])));
    stage.holds_audio(&one.expected.id, &audio);
    assert_eq!(stage.sent_after(mark).len(), 2);

    let all = post(&stage, "/resend?target=dashboard");
    assert!(all["changed"].as_u64().unwrap() > 2, "{all}");
    stage.settle();
    daemon.stop();
}

#[test]
fn what_is_dropped_stays_away_over_a_restart_until_its_file_changes() {
    let stage = Stage::new();
    let daemon = stage.start();
    let dropped = parked(&stage, 1);
    let id = dropped.expected.id.clone();
    stage.dashboard.clear_faults();
    let done = post(&stage, &format!("/items/{id}/drop"));
    assert_eq!(done["changed"], 1, "{done}");
    row(&stage, "dropped", &id);
    assert!(get(&stage, "/healthz")["healthy"].as_bool().unwrap());
    daemon.stop();

    let daemon = stage.start();
    stage.settle();
    assert_eq!(stage.dashboard.record(&id).map(|record| record.title), None);
    let changed = fixtures::report_revised(Shape::UniversalYoutube, 1, 2);
    assert_eq!(changed.expected.id, id);
    stage.put(&changed);
    stage.holds(&changed);
    daemon.stop();
}

#[test]
fn a_pause_holds_everything_back_and_survives_a_restart() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.settle();
    let done = post(&stage, "/pause");
    assert_eq!(done["changed"], 1, "{done}");
    let mark = stage.mark();
    let one = report(1);
    stage.put(&one);
    row(&stage, "due", &one.expected.id);
    let status = get(&stage, "/status");
    assert_eq!(status["targets"][0]["state"], "paused");
    daemon.stop();

    let daemon = stage.start();
    let waits = get(&stage, &format!("/items/{}", one.expected.id));
    let delivery = &waits["things"][0]["deliveries"][0];
    assert_eq!(delivery["waits_for"], "dashboard is paused by order");
    assert_eq!(delivery["remedy"], "ytv2d resume --target dashboard");
    assert!(stage.sent_after(mark).is_empty());
    assert_eq!(post(&stage, "/resume?target=dashboard")["changed"], 1);
    stage.holds(&one);
    assert_eq!(post(&stage, "/resume")["changed"], 0);
    daemon.stop();
}

#[test]
fn what_waits_can_be_adopted_and_a_trial_changes_nothing() {
    let stage = Stage::new();
    let daemon = stage.start();
    post(&stage, "/pause");
    let one = report(1);
    stage.put(&one);
    row(&stage, "due", &one.expected.id);
    let trial = post(&stage, "/adopt?dry_run=true");
    assert_eq!((&trial["changed"], &trial["ids"]), (&json!(1), &json!([one.expected.id])));
    row(&stage, "due", &one.expected.id);
    assert_eq!(post(&stage, "/adopt")["changed"], 1);
    row(&stage, "current", &one.expected.id);
    post(&stage, "/resume");
    let mark = stage.mark();
    stage.settle();
    assert!(stage.sent_after(mark).is_empty());
    let changed = fixtures::report_revised(Shape::UniversalYoutube, 1, 2);
    stage.put(&changed);
    stage.holds(&changed);
    daemon.stop();
}

#[test]
fn a_reload_says_what_came_of_it() {
    let stage = Stage::new();
    let daemon = stage.start();
    let words = post(&stage, "/reload")["words"].as_str().unwrap().to_owned();
    assert_eq!(words, "the configuration was read again");
    let file = stage.config.file();
    let sound = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{sound}\n[retri]\nfirst = '1s'\n")).unwrap();
    let (status, refusal) = ask(&stage, "POST", "/reload");
    assert_eq!(status, 409);
    assert!(refusal["error"].as_str().unwrap().contains("retri"), "{refusal}");
    std::fs::write(&file, sound).unwrap();
    daemon.stop();
}

#[test]
fn why_tells_the_whole_story_of_a_parked_report_and_of_the_audio_that_waits_for_it() {
    let stage = Stage::new();
    let daemon = stage.start();
    let refused = parked(&stage, 1);
    let id = &refused.expected.id;
    stage.put_audio(&audio_name(refused.bare_id(), 1), &mp3(1, 1));
    row(&stage, "waiting", id);
    let account = get(&stage, &format!("/items/{id}?payload=true"));
    assert_eq!(account["id"], id.as_str());
    assert_eq!(account["files"][0]["shape"], "universal");
    assert_eq!(account["files"][0]["exists"], true);
    assert_eq!(account["payload"]["video_id"], id.as_str());
    let (report, audio) = (&account["things"][0], &account["things"][1]);
    assert_eq!(report["deliveries"][0]["state"], "parked");
    assert_eq!(report["deliveries"][0]["waits_for"], "400: video_id required");
    let attempt = &report["deliveries"][0]["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["status"]), (&json!("parked"), &json!(400)));
    assert_eq!(attempt["words"], "400: video_id required");
    let waits = audio["deliveries"][0]["waits_for"].as_str().unwrap();
    assert_eq!(waits, "it waits for its report, which is parked: 400: video_id required");
    let verdict = account["verdict"].as_str().unwrap();
    assert!(verdict.contains("is not tried any more at dashboard: 400: video_id"), "{verdict}");

    let by_path = stage.config.report(&refused.file_name);
    let path = by_path.to_str().unwrap().replace(' ', "%20");
    let same = get(&stage, &format!("/why?path={path}"));
    assert_eq!(same["things"], account["things"]);
    daemon.stop();
}

#[test]
fn why_tells_of_files_that_are_not_taken_in() {
    let stage = Stage::new();
    let daemon = stage.start();
    let of = |path: &str| get(&stage, &format!("/why?path={path}"))["verdict"].to_string();
    std::fs::write(stage.config.report("torn.json"), "[]").unwrap();
    row(&stage, "invalid", "torn.json");
    assert!(of("torn.json").contains("its root is not an object"));
    std::fs::write(stage.config.export("listen_x_20250901_101010.mp3"), "x").unwrap();
    assert!(of("listen_x_20250901_101010.mp3").contains("preview"));
    std::fs::write(stage.config.export("audio_20250901_101010.mp3"), "x").unwrap();
    assert!(of("audio_20250901_101010.mp3").contains("ytv2d upload REPORT AUDIO"));
    assert!(of("nothing.json").contains("does not exist"));
    let (status, refusal) = ask(&stage, "GET", "/why?path=/etc/passwd");
    assert_eq!(status, 400);
    assert!(refusal["hint"].as_str().unwrap().contains("reports are taken from"), "{refusal}");
    daemon.stop();
}

#[test]
fn the_listing_comes_in_pages_that_follow_each_other() {
    let stage = Stage::new();
    let daemon = stage.start();
    for n in 0..7 {
        stage.put(&report(n));
    }
    for n in 0..7 {
        stage.holds(&report(n));
    }
    let whole = get(&stage, "/items?kind=report")["items"].as_array().unwrap().clone();
    assert_eq!(whole.len(), 7);
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&stage, &format!("/items?kind=report&limit=3{after}"));
        pages.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let ids = |rows: &[Value]| rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&pages), ids(&whole));
    daemon.stop();
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_to_ask() {
    let stage = Stage::new();
    let daemon = stage.start();
    for (method, target, status, hint) in [
        ("GET", "/nowhere", 404, "there are GET /status"),
        ("GET", "/items?state=lost", 400, "GET /items?state="),
        ("GET", "/items?sate=due", 400, "GET /items?state="),
        ("GET", "/items?limit=0", 400, "fewer rows"),
        ("GET", "/items?after=x", 400, "next"),
        ("GET", "/items?target=nowhere", 400, "the targets are: dashboard"),
        ("GET", "/items/nothing", 404, "ytv2d why PATH"),
        ("GET", "/items/..%2f..", 400, "/why?path="),
        ("GET", "/items/%FF", 400, "UTF-8"),
        ("POST", "/items/%FF/drop", 400, "UTF-8"),
        ("POST", "/status", 400, "GET asks"),
        ("POST", "/items/nothing/retry", 404, "ytv2d list"),
        ("POST", "/retry?state=current", 400, "resend"),
        ("POST", "/pause?target=nowhere", 400, "the targets are: dashboard"),
        ("POST", "/resend?id=x", 400, "POST /resend?target="),
    ] {
        let (code, refusal) = ask(&stage, method, target);
        assert_eq!(code, status, "{method} {target}: {refusal}");
        let said = refusal["hint"].as_str().unwrap_or_default();
        assert!(said.contains(hint) && refusal["error"].is_string(), "{target}: {refusal}");
    }
    healthy_still(&daemon, &stage);
    daemon.stop();
}

fn healthy_still(daemon: &Daemon, stage: &Stage) {
    assert!(daemon.exited().is_none());
    assert_eq!(get(stage, "/healthz")["healthy"], true);
}

/// Hands a pair over, and gives the status and the answer.
fn upload(stage: &Stage, what: &Value) -> (u16, Value) {
    let body = what.to_string();
    let head = [("Connection", "close"), ("Content-Type", "application/json")];
    let request = request("POST", "/upload", &head, body.as_bytes());
    let reply = exchange_at(&stage.config.socket(), &request).expect("an answer");
    (reply.status, reply.json())
}

#[test]
fn a_pair_that_is_handed_over_is_delivered_at_once_whatever_the_audio_is_called() {
    let mut stage = Stage::new();
    // So that nothing but the order can be why it is delivered.
    stage.config.audio_quiet = "1h".to_owned();
    let daemon = stage.start();
    let (one, bytes) = (fixtures::report(Shape::UniversalReddit, 1), mp3(2, 1));
    stage.put(&one);
    stage.put_audio("audio_unknown_20250901_101010.mp3", &bytes);
    let (status, uploaded) = upload(
        &stage,
        &json!({
            "report": stage.config.report(&one.file_name),
            "audio": "audio_unknown_20250901_101010.mp3",
            "wait": 60
        }),
    );
    assert_eq!(status, 200, "{uploaded}");
    assert_eq!((&uploaded["id"], &uploaded["done"]), (&json!(one.expected.id), &json!(true)));
    let outcome = &uploaded["targets"]["dashboard"];
    assert_eq!((&outcome["report"]["state"], &outcome["done"]), (&json!("current"), &json!(true)));
    assert!(outcome["audio"]["public_url"].is_string(), "{outcome}");
    stage.holds_audio(&one.expected.id, &bytes);

    // It is remembered, and a restart neither forgets the file nor sends it again.
    daemon.stop();
    let mark = stage.mark();
    let daemon = stage.start();
    let again = upload(&stage, &json!({ "report": one.file_name, "wait": 60 })).1;
    assert_eq!(again["done"], true, "{again}");
    row(&stage, "current", "audio_unknown_20250901_101010.mp3");
    assert!(stage.sent_after(mark).is_empty());
    daemon.stop();
}

#[test]
fn who_hands_over_and_waits_is_told_of_a_refusal() {
    let stage = Stage::new();
    let daemon = stage.start();
    let refused = report(1);
    let answer = Fault::Status(422, Vec::new(), r#"{"error":"no title"}"#.into());
    stage.dashboard.inject(Rule::new(answer).reports());
    stage.put(&refused);
    stage.put_audio("a.mp3", &mp3(1, 1));
    let pair = json!({ "report": refused.file_name, "audio": "a.mp3", "wait": 60 });
    let uploaded = upload(&stage, &pair).1;
    assert_eq!(uploaded["done"], false);
    let outcome = &uploaded["targets"]["dashboard"];
    assert_eq!(outcome["report"]["state"], "parked");
    assert_eq!(outcome["report"]["reason"], "422: no title");
    let waits = &outcome["audio"]["reason"];
    assert_eq!(waits, "it waits for its report, which is parked: 422: no title");

    // Nobody waits for a target that a person must see to.
    stage.dashboard.clear_faults();
    post(&stage, "/pause");
    let uploaded = upload(&stage, &json!({ "report": refused.file_name, "wait": 3600 })).1;
    let reason = &uploaded["targets"]["dashboard"]["report"]["reason"];
    assert_eq!(reason, "dashboard is paused by order");
    post(&stage, "/resume");
    stage.holds(&refused);
    daemon.stop();
}

#[test]
fn what_cannot_be_handed_over_is_refused_with_the_reason() {
    let stage = Stage::new();
    let daemon = stage.start();
    std::fs::write(stage.config.report("torn.json"), "{\"id\": ").unwrap();
    std::fs::write(stage.config.export("empty.mp3"), "").unwrap();
    stage.put(&report(1));
    let name = report(1).file_name;
    for (what, status, words) in [
        (json!({ "report": "missing.json" }), 404, "does not exist"),
        (json!({ "report": "torn.json" }), 409, "cannot be delivered"),
        (json!({ "report": name, "audio": "missing.mp3" }), 404, "does not exist"),
        (json!({ "report": name, "audio": "empty.mp3" }), 409, "empty"),
        (json!({ "report": "/etc/passwd" }), 400, "in none of the watched directories"),
        (json!({ "report": "empty.mp3" }), 400, "is not in"),
        (json!({ "reports": name }), 400, "unknown field"),
        (json!([1]), 400, "invalid"),
    ] {
        let (code, refusal) = upload(&stage, &what);
        assert_eq!(code, status, "{what}: {refusal}");
        let said = refusal["error"].as_str().unwrap_or_default();
        assert!(said.contains(words) && refusal["hint"].is_string(), "{what}: {refusal}");
    }
    healthy_still_running(&daemon);
    daemon.stop();
}

fn healthy_still_running(daemon: &Daemon) {
    assert!(daemon.exited().is_none());
}
