//! The proof: what the dashboard says that it holds is compared with what it ought to hold, and the
//! heartbeat that says elsewhere that all is well.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use ingest::{Home, Server};
use support::command::command;
use support::daemon::Daemon;
use support::dashboard::{Dashboard, Fault, Record, Rule};
use support::fixtures::{self, Report, Shape, audio_name};
use support::http::{exchange_at, request};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalYoutube, n)
}

fn stage(toml: &str) -> Stage {
    let mut stage = Stage::new();
    stage.config.extra_toml.push_str(toml);
    stage
}

fn post(stage: &Stage, target: &str) -> Value {
    let request = request("POST", target, &[("Connection", "close")], b"");
    let reply = exchange_at(&stage.config.socket(), &request).expect("an answer");
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    reply.json()
}

/// Waits until the status is as wanted.
#[track_caller]
fn status(stage: &Stage, what: &str, patience: Duration, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = stage.json(&["status"]);
        if holds(&status) {
            return status;
        }
        assert!(begun.elapsed() < patience, "in vain: {what}: {status:#}");
    }
}

fn count(status: &Value, state: &str) -> u64 {
    status["targets"][0]["counts"][state].as_u64().expect("a count")
}

/// Waits until nothing is on its way.
#[track_caller]
fn idle(stage: &Stage) {
    status(stage, "all at rest", PATIENCE, |status| {
        ["due", "waiting", "in_flight"].iter().all(|state| count(status, state) == 0)
    });
}

/// Delivers a report, and its audio.
fn delivered(stage: &Stage, n: usize) -> String {
    let (report, audio) = (report(n), mp3(1, n as u64));
    stage.put(&report);
    stage.put_audio(&audio_name(report.bare_id(), n), &audio);
    stage.holds_audio(&report.expected.id, &audio);
    report.expected.id
}

/// What `ytv2d verify` finds, by id, and its exit status.
#[track_caller]
fn verify(stage: &Stage, arguments: &[&str]) -> (BTreeMap<String, String>, Value, Option<i32>) {
    let output = stage.ask(&[&["verify", "--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
    let findings = told["findings"].as_array().expect("findings");
    let found: BTreeMap<_, _> =
        findings.iter().map(|found| (text(found, "id"), text(found, "what"))).collect();
    assert_eq!(found.len(), findings.len(), "one for each id: {told:#}");
    (found, told, output.status.code())
}

/// A row of somebody else's.
fn foreign(stage: &Stage, like: &str, id: &str) -> Record {
    let record = stage.dashboard.record(like).expect("a row");
    Record { video_id: id.to_owned(), ..record }
}

/// A dashboard that says that it took a report with all of its summaries, or its audio, and does
/// nothing.
fn lies(request: &support::dashboard::Request) -> Option<Fault> {
    let body = if request.is_report() {
        let sent = request.json.as_ref()?["summary_variants"].as_array()?.len();
        json!({ "upserted": 1, "summaries_upserted": sent, "verify_row": null })
    } else if request.is_audio() {
        json!({ "saved": true, "public_url": "/exports/audio/x.mp3" })
    } else {
        return None;
    };
    Some(Fault::Status(200, Vec::new(), body.to_string()))
}

#[test]
fn each_of_ten_planted_differences_is_found_and_named_and_what_can_be_healed_is() {
    let stage = stage("[ingest]\nparallel = 2");
    let daemon = stage.start();
    let ids: Vec<String> = (0..7).map(|n| delivered(&stage, n)).collect();
    let [text, title, lost, cut, unlinked, gone, level] = &ids[..] else { unreachable!() };

    // Not acknowledged: refused, and parked.
    let refused = report(11);
    let no = Fault::Status(400, Vec::new(), r#"{"error":"video_id required"}"#.into());
    stage.dashboard.inject(Rule::new(no).reports().id(&refused.expected.id));
    stage.put(&refused);
    // Invisible: the dashboard takes the record, and none of its summaries.
    let hidden = report(12);
    let none = json!({ "upserted": 1, "summaries_upserted": 0 }).to_string();
    let none = Fault::Status(200, Vec::new(), none);
    stage.dashboard.inject(Rule::new(none).reports().id(&hidden.expected.id));
    stage.put(&hidden);
    status(&stage, "parked and taken", PATIENCE, |status| {
        (count(status, "parked"), count(status, "current")) == (1, 15)
    });
    stage
        .dashboard
        .insert(Record { summaries: Vec::new(), ..foreign(&stage, level, &hidden.expected.id) });
    stage.dashboard.clear_faults();
    // Missing: taken as delivered by order, and never sent.
    post(&stage, "/pause");
    let missing = report(13);
    stage.put(&missing);
    status(&stage, "due", PATIENCE, |status| count(status, "due") == 1);
    post(&stage, "/adopt");
    // The parked one was never acknowledged either: it is taken as delivered with it.
    post(&stage, "/resume");
    let refused = report(14);
    let no = Fault::Status(400, Vec::new(), r#"{"error":"video_id required"}"#.into());
    let rule = stage.dashboard.inject(Rule::new(no).reports().id(&refused.expected.id));
    stage.put(&refused);
    status(&stage, "parked", PATIENCE, |status| count(status, "parked") == 1);
    stage.dashboard.remove(rule);
    idle(&stage);

    let dashboard = &stage.dashboard;
    dashboard.change(text, |row| {
        for summary in &mut row.summaries {
            summary.text = Some("another text".to_owned());
        }
    });
    dashboard.change(title, |row| row.title = "another title".to_owned());
    dashboard.replace_audio(lost, None);
    dashboard.replace_audio(cut, Some(b"ID3 and no more"));
    dashboard.change(unlinked, |row| {
        row.has_audio = false;
        let analysis = row.analysis_json.as_mut().and_then(Value::as_object_mut);
        analysis.expect("an analysis").remove("audio_url");
    });
    dashboard.delete(gone);
    dashboard.insert(foreign(&stage, level, "web:somebodyelse"));

    let adopted = report(11).expected.id;
    let planted: BTreeMap<String, String> = [
        (text.as_str(), "stale"),
        (title, "stale"),
        (lost, "audio_missing"),
        (cut, "audio_size"),
        (unlinked, "audio_unlinked"),
        (gone, "deleted"),
        ("web:somebodyelse", "extra"),
        (&hidden.expected.id, "invisible"),
        (&missing.expected.id, "missing"),
        (&adopted, "missing"),
        (&refused.expected.id, "missing"),
    ]
    .map(|(id, what)| (id.to_owned(), what.to_owned()))
    .into();
    let mark = stage.mark();
    let (found, told, code) = verify(&stage, &[]);
    assert_eq!((&found, code), (&planted, Some(1)), "{told:#}");
    let of = |told: &Value, id: &str| {
        told["findings"].as_array().unwrap().iter().find(|f| f["id"] == id).unwrap().clone()
    };
    for (id, word) in [
        (text, "its summary "),
        (title, "\"another title\" there"),
        (cut, "15 bytes there"),
        (&refused.expected.id, "it is parked: 400: video_id required"),
    ] {
        let why = of(&told, id)["why"].to_string().replace("\\\"", "\"");
        assert!(why.contains(word), "{word}: {why}");
    }
    assert_eq!(of(&told, gone)["remedy"], format!("ytv2d resend {gone}"));
    let asked = stage.dashboard.requests().split_off(mark);
    assert!(asked.iter().all(|r| r.method == "GET" || r.method == "HEAD"), "it only asks");
    assert!(stage.dashboard.max_in_flight() <= 2, "{}", stage.dashboard.max_in_flight());

    let (found, told, code) = verify(&stage, &["--fix"]);
    assert_eq!((&found, code), (&planted, Some(1)), "{told:#}");
    assert_eq!(told["fixed"], 9, "{told:#}");
    assert!(stage.json(&["status"])["targets"][0]["verified"]["left"] == 0);
    idle(&stage);
    let (found, told, code) = verify(&stage, &[]);
    let left = [(gone.as_str(), "deleted"), ("web:somebodyelse", "extra")]
        .map(|(id, what)| (id.to_owned(), what.to_owned()));
    assert_eq!((found, code), (left.into(), Some(1)), "{told:#}");
    assert!(stage.dashboard.record(gone).is_none(), "what was deleted stays deleted");
    for n in [0, 1, 4] {
        stage.holds(&report(n));
        stage.holds_audio(&ids[n], &mp3(1, n as u64));
    }

    // A deletion is no difference, and a person may overrule it.
    stage.dashboard.delete("web:somebodyelse");
    let (found, _, code) = verify(&stage, &[]);
    assert_eq!((found.len(), code), (1, Some(0)));
    assert_eq!(stage.ask(&["resend", gone]).status.code(), Some(0));
    stage.holds(&report(5));
    idle(&stage);
    let (said, code) = stage.said(&["verify"]);
    assert_eq!((said.as_str(), code), ("dashboard is level in 11 ids", Some(0)));
    daemon.stop();
}

#[test]
fn audio_that_is_sent_again_leaves_its_report_alone() {
    let stage = stage("");
    let daemon = stage.start();
    let id = delivered(&stage, 1);
    idle(&stage);
    stage.dashboard.replace_audio(&id, None);
    let mark = stage.mark();
    verify(&stage, &["--fix"]);
    stage.holds_audio(&id, &mp3(1, 1));
    idle(&stage);
    assert_eq!(stage.told_after(mark), [format!("audio {id}")]);
    daemon.stop();
}

#[test]
fn the_listing_is_read_whole_though_its_pages_are_clamped_and_shift() {
    let stage = stage("");
    let daemon = stage.start();
    let id = delivered(&stage, 1);
    idle(&stage);
    let old: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let other = |n: i64| Record {
        indexed_at: old + n.minutes(),
        ..foreign(&stage, &id, &format!("other{n:03}"))
    };
    (0..120).for_each(|n| stage.dashboard.insert(other(n)));
    let pages = |stage: &Stage| {
        let requests = stage.dashboard.requests();
        requests.iter().filter(|r| r.path.starts_with("/api/reports")).count()
    };
    let (found, told, code) = verify(&stage, &[]);
    assert_eq!((found.len(), pages(&stage), code), (120, 3, Some(1)), "{told:#}");
    assert!(found.values().all(|what| what == "extra"));

    // While the second page is asked for, one that is older than all others goes, so that the page
    // misses one, and another comes.
    let second = |r: &support::dashboard::Request| r.path.contains("page=2");
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).when(second).once());
    std::thread::scope(|scope| {
        let verifying = scope.spawn(|| verify(&stage, &[]));
        stage.wait("the second page is asked for", |state| state.held() == 1);
        stage.dashboard.delete("other000");
        stage.dashboard.release();
        let (found, told, _) = verifying.join().expect("it ends");
        let missed: Vec<_> =
            (1..120).map(|n| format!("other{n:03}")).filter(|id| !found.contains_key(id)).collect();
        assert!(missed.is_empty() && !found.contains_key(&id), "{missed:?} {told:#}");
    });
    assert_eq!(pages(&stage), 3 + 6, "it was read twice");
    daemon.stop();
}

#[test]
fn an_id_goes_into_the_path_as_it_is_and_a_sample_is_asked_one_by_one() {
    let stage = stage("");
    let daemon = stage.start();
    let reports: Vec<Report> =
        (0..6).map(|n| fixtures::report(Shape::UniversalReddit, n)).collect();
    reports.iter().for_each(|report| stage.put(report));
    reports.iter().for_each(|report| drop(stage.holds(report)));
    idle(&stage);
    let mark = stage.mark();
    let (found, told, code) = verify(&stage, &["--sample", "4"]);
    assert_eq!((found.len(), &told["checked"], code), (0, &json!(4), Some(0)), "{told:#}");
    let mut asked: Vec<_> =
        stage.dashboard.requests().split_off(mark).into_iter().map(|r| r.path).collect();
    asked.sort();
    asked.dedup();
    let paths: Vec<_> = reports.iter().map(|r| format!("/{}.json", r.expected.id)).collect();
    assert!(asked.len() == 4 && asked.iter().all(|path| paths.contains(path)), "{asked:?}");
    assert!(asked[0].starts_with("/reddit:"), "{asked:?}");
    let said = stage.said(&["verify", "--sample", "0"]);
    assert!(said.0.contains("at least one id") && said.1 == Some(1), "{said:?}");
    daemon.stop();
}

#[test]
fn a_dashboard_without_head_and_without_a_listing_is_verified_all_the_same() {
    let stage = stage("");
    let daemon = stage.start();
    let (whole, cut) = (delivered(&stage, 1), delivered(&stage, 2));
    idle(&stage);
    stage.dashboard.replace_audio(&cut, Some(b"short"));
    stage.dashboard.inject(Rule::new(Fault::status(404)).method("HEAD"));
    let listing = |r: &support::dashboard::Request| r.path.starts_with("/api/reports");
    stage.dashboard.inject(Rule::new(Fault::status(404)).when(listing));
    let (found, told, code) = verify(&stage, &[]);
    assert_eq!(found, [(cut, "audio_size".to_owned())].into(), "{whole} {told:#}");
    assert_eq!((&told["unlisted"], code), (&json!("the dashboard has no listing"), Some(1)));
    daemon.stop();
}

#[test]
fn what_gives_no_answer_is_neither_missing_nor_level() {
    let stage = stage("");
    let daemon = stage.start();
    let (ill, well) = (delivered(&stage, 1), delivered(&stage, 2));
    idle(&stage);
    stage.dashboard.delete(&ill);
    let record = format!("/{ill}.json");
    stage.dashboard.inject(Rule::new(Fault::status(500)).path(&record));
    let (found, told, code) = verify(&stage, &["--fix"]);
    assert_eq!((found, code), ([(ill, "unanswered".to_owned())].into(), Some(1)), "{told:#}");
    assert_eq!(told["fixed"], 0);

    // One that answers nothing at all is not found to have lost everything.
    for n in 3..9 {
        delivered(&stage, n);
    }
    idle(&stage);
    stage.dashboard.inject(Rule::new(Fault::Html200).method("GET"));
    let (said, code) = stage.said(&["verify", "--fix"]);
    assert!(said.contains("does not answer") && code == Some(1), "{said}");
    stage.dashboard.clear_faults();
    assert!(stage.dashboard.record(&well).is_some());
    daemon.stop();
}

#[test]
fn a_dashboard_that_has_lost_its_database_is_told_from_a_person_who_deletes() {
    let stage = stage("");
    let daemon = stage.start();
    let ids: Vec<String> = (0..12).map(|n| report(n).expected.id).collect();
    (0..12).for_each(|n| stage.put(&report(n)));
    (0..12).for_each(|n| drop(stage.holds(&report(n))));
    idle(&stage);
    ids.iter().for_each(|id| stage.dashboard.delete(id));
    let (said, code) = stage.said(&["verify"]);
    assert!(said.contains("ytv2d resend --all") && code == Some(1), "{said}");
    let status = stage.json(&["status"]);
    let reason = status["reasons"][0].as_str().unwrap_or_default();
    assert!(reason.contains("lost most") && reason.contains("ytv2d verify"), "{status:#}");
    daemon.stop();
}

#[test]
fn a_dashboard_that_says_saved_and_stores_nothing_is_found_out_at_once() {
    let stage = stage("[ingest]\nverify = 'always'");
    let daemon = stage.start();
    stage.dashboard.script(lies);
    let (one, bytes) = (report(1), mp3(1, 1));
    stage.put(&one);
    stage.put_audio(&audio_name(one.bare_id(), 1), &bytes);
    let status_of = |what, holds: fn(&Value) -> bool| status(&stage, what, PATIENCE, holds);
    status_of("taken", |status| count(status, "current") == 2);
    let items = stage.json(&["list"]);
    let warnings: Vec<_> = items.as_array().unwrap().iter().map(|i| &i["warning"]).collect();
    let expected = [
        "it was acknowledged, and there is no such file there",
        "it was acknowledged, and is not shown there",
    ];
    assert!(expected.iter().all(|text| warnings.contains(&&json!(text))), "{warnings:?}");
    assert_eq!(stage.json(&["status"])["healthy"], false);

    stage.dashboard.clear_faults();
    let (found, told, _) = verify(&stage, &["--fix"]);
    assert_eq!(found, [(one.expected.id.clone(), "missing".to_owned())].into(), "{told:#}");
    stage.holds(&one);
    stage.holds_audio(&one.expected.id, &bytes);
    idle(&stage);
    status_of("well again", |status| status["healthy"] == true);
    assert_eq!(verify(&stage, &[]).2, Some(0));
    daemon.stop();
}

#[test]
fn a_few_are_compared_every_night_and_the_status_says_what_came_of_it() {
    let at = Timestamp::now() + 15.seconds();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S");
    let stage =
        stage(&format!("[ingest]\nverify = 'sample'\nverify_at = '{at}'\nverify_sample = 2"));
    let daemon = stage.start();
    let id = delivered(&stage, 1);
    idle(&stage);
    stage.dashboard.change(&id, |row| row.title = "another".to_owned());
    let night = Duration::from_secs(90);
    let status = status(&stage, "the night", night, |s| !s["targets"][0]["verified"].is_null());
    let verified = &status["targets"][0]["verified"];
    assert_eq!((&verified["checked"], &verified["differences"]), (&json!(1), &json!(1)));
    assert_eq!(status["healthy"], false);
    let reason = status["reasons"][0].as_str().unwrap();
    assert!(reason.contains("ytv2d verify --fix"), "{reason}");
    verify(&stage, &["--fix"]);
    idle(&stage);
    assert_eq!(stage.json(&["status"])["healthy"], true);
    let (said, _) = stage.said(&["status"]);
    assert!(said.contains("verified "), "{said}");
    daemon.stop();
}

#[test]
fn without_a_daemon_there_is_nobody_to_ask() {
    let stage = stage("");
    stage.config.write();
    let (said, code) = stage.said(&["verify"]);
    assert!(said.contains("not running") && code == Some(3), "{said}");
}

/// A watcher elsewhere, and a stage whose heart it hears.
fn watched(toml: &str) -> (Dashboard, Stage) {
    let watcher = Dashboard::start();
    let url = format!("{}/health?secret", watcher.url());
    watcher.script(|_| Some(Fault::Status(200, Vec::new(), "OK".to_owned())));
    let stage = stage(&format!("[heartbeat]\nurl = '{url}'\nevery = '1s'\n{toml}"));
    (watcher, stage)
}

#[track_caller]
fn heartbeat(stage: &Stage, state: &str) -> Value {
    let is_so = |status: &Value| status["heartbeat"]["state"] == state;
    status(stage, state, PATIENCE, is_so)["heartbeat"].clone()
}

/// Beats that a watcher has heard.
fn beats(watcher: &Dashboard) -> usize {
    watcher.requests().iter().filter(|r| r.method == "GET").count()
}

#[test]
fn the_heart_beats_while_all_is_well_and_is_silent_otherwise() {
    let (watcher, stage) = watched("");
    let daemon: Daemon = stage.start();
    let heard = |count| watcher.wait_until(PATIENCE, |state| state.requests().len() >= count);
    assert!(heard(3));
    assert!(heartbeat(&stage, "beating")["last"].is_string());
    let first = &watcher.requests()[0];
    assert!(first.header("x-ingest-token").is_none(), "the token is nobody else's");

    type Ill<'a> = (&'a dyn Fn(), &'a dyn Fn(), &'a str);
    let (exports, away) = (stage.config.exports(), stage.config.path().join("away"));
    let troubles: [Ill<'_>; 2] = [
        (&|| drop(post(&stage, "/pause")), &|| drop(post(&stage, "/resume")), "is paused"),
        (
            &|| std::fs::rename(&exports, &away).unwrap(),
            &|| std::fs::rename(&away, &exports).unwrap(),
            "exports is not seen",
        ),
    ];
    for (begin, end, why) in troubles {
        begin();
        let held = heartbeat(&stage, "held");
        assert!(held["why"].as_str().unwrap().contains(why), "{held}");
        let before = beats(&watcher);
        // As long as it lasts, nobody is told.
        for _ in 0..3 {
            heartbeat(&stage, "held");
        }
        assert_eq!(beats(&watcher), before);
        end();
        assert!(heard(before + 1), "{why}");
        heartbeat(&stage, "beating");
    }

    watcher.refuse(true);
    let unheard = heartbeat(&stage, "unheard");
    assert!(unheard["why"].as_str().unwrap().contains("refused"), "{unheard}");
    assert_eq!(stage.json(&["status"])["healthy"], false);
    watcher.refuse(false);
    heartbeat(&stage, "beating");
    assert!(daemon.lines().iter().all(|line| !line.to_string().contains("secret")));
    daemon.stop();
}

#[test]
fn what_is_due_for_too_long_silences_the_heart() {
    let (watcher, stage) = watched("overdue = '1s'");
    let daemon = stage.start();
    heartbeat(&stage, "beating");
    // It hangs: the dashboard is up, and gives no answer.
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).reports());
    stage.put(&report(1));
    let held = heartbeat(&stage, "held");
    assert!(held["why"].as_str().unwrap().contains("has been due at dashboard"), "{held}");
    stage.dashboard.clear_faults();
    stage.dashboard.release();
    stage.holds(&report(1));
    heartbeat(&stage, "beating");
    drop(watcher);
    daemon.stop();
}

#[test]
fn one_verifies_at_a_time_and_who_hangs_up_ends_it() {
    let stage = stage("");
    let daemon = stage.start();
    let id = delivered(&stage, 1);
    idle(&stage);
    stage.dashboard.delete(&id);
    let record = format!("/{id}.json");
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).path(&record));
    let mut child = command(&stage, &["verify"]).spawn().expect("ytv2d runs");
    stage.wait("it is held", |state| state.held() == 1);
    let (said, code) = stage.said(&["verify"]);
    assert!(said.contains("another verification is under way") && code == Some(1), "{said}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    stage.dashboard.clear_faults();
    stage.dashboard.release();
    let begun = Instant::now();
    while stage.said(&["verify"]).0.contains("another verification") {
        assert!(begun.elapsed() < PATIENCE, "it goes on though nobody listens");
    }
    daemon.stop();
}

#[test]
fn our_own_receiving_side_can_be_verified_too() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut stage = stage("");
    stage.config.url = server.url();
    stage.config.token = ingest::TOKEN.to_owned();
    let daemon = stage.start();
    let (one, other) = (report(1), fixtures::report(Shape::UniversalReddit, 2));
    stage.put(&one);
    stage.put(&other);
    stage.put_audio(&audio_name(one.bare_id(), 1), &mp3(1, 1));
    status(&stage, "delivered", PATIENCE, |status| count(status, "current") == 3);
    let (found, told, code) = verify(&stage, &[]);
    assert_eq!((found.len(), &told["checked"], code), (0, &json!(2), Some(0)), "{told:#}");

    let files = home.media_files();
    let [file] = &files[..] else { panic!("{files:?}") };
    std::fs::write(home.media().join(file), "cut").expect("a file");
    let (found, told, _) = verify(&stage, &["--fix"]);
    assert_eq!(found, [(one.expected.id, "audio_size".to_owned())].into(), "{told:#}");
    idle(&stage);
    assert_eq!(verify(&stage, &[]).2, Some(0));
    daemon.stop();
}
