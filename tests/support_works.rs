//! The test equipment behaves as the contract says, so that what it says of the daemon counts.

mod support;

use std::collections::BTreeSet;
use std::io::{self, Cursor, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use support::daemon::{Config, Daemon};
use support::dashboard::{Dashboard, Fault, Rule};
use support::fixtures::{self, Shape};
use support::http::{self, Reply};
use support::mp3;

const LONG: Duration = Duration::from_secs(20);
const ID: &str = "aB-3_xY9zQk";

fn post(dashboard: &Dashboard, target: &str, kind: &str, body: &[u8]) -> io::Result<Reply> {
    let token = dashboard.token();
    let headers = [("X-INGEST-TOKEN", token.as_str()), ("Content-Type", kind)];
    http::exchange(dashboard.address(), &http::request("POST", target, &headers, body))
}

fn try_report(dashboard: &Dashboard, payload: &Value) -> io::Result<Reply> {
    post(dashboard, "/ingest/report", "application/json", payload.to_string().as_bytes())
}

fn report(dashboard: &Dashboard, payload: &Value) -> Reply {
    try_report(dashboard, payload).expect("an answer")
}

fn audio(dashboard: &Dashboard, id: &str, bytes: &[u8]) -> Reply {
    let (kind, body) = http::multipart(id, bytes);
    post(dashboard, "/ingest/audio", kind, &body).expect("an answer")
}

fn get(dashboard: &Dashboard, method: &str, target: &str) -> Reply {
    http::exchange(dashboard.address(), &http::request(method, target, &[], b""))
        .expect("an answer")
}

/// A good payload with one comprehensive summary.
fn payload(id: &str, text: &str) -> Value {
    json!({
        "video_id": id,
        "title": "How tides work",
        "channel_name": "Sea Lab",
        "indexed_at": "2025-10-20T09:15:00Z",
        "duration_seconds": 727,
        "analysis_json": { "language": "en" },
        "summary_variants": [
            { "variant": "comprehensive", "text": text, "html": "<p>x</p>", "revision": 0 },
        ],
    })
}

fn text_of(dashboard: &Dashboard, id: &str) -> Option<String> {
    dashboard.record(id)?.text("comprehensive").map(str::to_owned)
}

#[test]
fn revision_zero_lands_the_new_text_and_a_missing_revision_keeps_the_old() {
    let dashboard = Dashboard::start();
    assert_eq!(report(&dashboard, &payload(ID, "one")).json()["summaries_upserted"], 1);
    assert_eq!(report(&dashboard, &payload(ID, "two")).json()["summaries_upserted"], 1);
    assert_eq!(text_of(&dashboard, ID).as_deref(), Some("two"));

    let mut without = payload(ID, "three");
    without["summary_variants"][0].as_object_mut().unwrap().remove("revision");
    let reply = report(&dashboard, &without);
    assert_eq!((reply.status, &reply.json()["summaries_upserted"]), (200, &json!(0)));
    assert_eq!(text_of(&dashboard, ID).as_deref(), Some("two"));

    let record = dashboard.record(ID).unwrap();
    let revisions = record.revisions("comprehensive");
    let numbers: Vec<_> = revisions.iter().map(|row| (row.revision, row.is_latest)).collect();
    assert_eq!(numbers, [(1, false), (2, true)]);
}

#[test]
fn a_collision_rolls_the_whole_batch_back_and_still_answers_200() {
    let dashboard = Dashboard::start();
    report(&dashboard, &payload(ID, "one"));
    let mut batch = payload(ID, "two");
    batch["summary_variants"] = json!([
        { "variant": "audio", "text": "new", "html": "", "revision": 0 },
        { "variant": "comprehensive", "text": "two", "html": "", "revision": 1 },
    ]);
    let reply = report(&dashboard, &batch);
    assert_eq!((reply.status, &reply.json()["summaries_upserted"]), (200, &json!(0)));
    assert_eq!(dashboard.record(ID).unwrap().texts().len(), 1);
}

#[test]
fn without_the_second_migration_only_an_explicit_revision_is_taken() {
    let dashboard = Dashboard::start();
    dashboard.set_triggers(false);
    let mut sent = payload(ID, "one");
    assert_eq!(report(&dashboard, &sent).json()["summaries_upserted"], 0);
    sent["summary_variants"][0]["revision"] = json!(1_760_000_000);
    assert_eq!(report(&dashboard, &sent).json()["summaries_upserted"], 1);
    assert_eq!(text_of(&dashboard, ID).as_deref(), Some("one"));
}

#[test]
fn every_column_is_replaced_and_has_audio_is_lost_without_media() {
    let dashboard = Dashboard::start();
    report(&dashboard, &payload(ID, "one"));
    let url = audio(&dashboard, ID, b"sound").json()["public_url"].clone();
    assert_eq!(url, format!("/exports/audio/{ID}.mp3"));
    let record = dashboard.record(ID).unwrap();
    assert!(record.has_audio && record.audio_url() == url.as_str());

    let mut bare = payload(ID, "two");
    bare.as_object_mut().unwrap().remove("duration_seconds");
    report(&dashboard, &bare);
    let record = dashboard.record(ID).unwrap();
    assert_eq!(
        (record.has_audio, record.audio_url(), record.duration_seconds),
        (false, None, None)
    );

    let mut whole = payload(ID, "three");
    whole["media"] = json!({ "has_audio": true, "audio_url": url });
    whole["analysis_json"]["audio_url"] = url.clone();
    report(&dashboard, &whole);
    let record = dashboard.record(ID).unwrap();
    assert!(record.has_audio && record.audio_url() == url.as_str());
    assert_eq!(record.duration_seconds, Some(727));
}

#[test]
fn audio_for_an_id_without_a_row_is_saved_and_linked_to_nothing() {
    let dashboard = Dashboard::start();
    assert_eq!(audio(&dashboard, ID, b"sound").json()["saved"], true);
    assert!(dashboard.record(ID).is_none());
    assert_eq!(dashboard.audio(ID).unwrap().bytes.unwrap(), b"sound");
    report(&dashboard, &payload(ID, "one"));
    assert!(!dashboard.record(ID).unwrap().has_audio);
}

#[test]
fn what_postgres_cannot_store_answers_500_for_ever() {
    let dashboard = Dashboard::start();
    let bodies = [
        r#"{"video_id":"x","title":"a\u0000b"}"#,
        r#"{"video_id":"x","title":"t","analysis_json":{"deep":["\u0000"]}}"#,
        r#"{"video_id":"x","title":"lone \ud800 one"}"#,
        r#"{"video_id":"x","title":"lone \udc00\ud83d\ude00 one"}"#,
        r#"{"video_id":"x","duration_seconds":"12:07"}"#,
        r#"{"video_id":"x","duration_seconds":""}"#,
        r#"{"video_id":"x","duration_seconds":"12.5"}"#,
        r#"{"video_id":"x","duration_seconds":true}"#,
        r#"{"video_id":"x","duration_seconds":9999999999}"#,
        r#"{"video_id":"x","media":[1]}"#,
        r#"{"video_id":"x","title":["a"]}"#,
        r#"{"video_id":"x","canonical_url":{"a":1}}"#,
        r#"{"video_id":"x","indexed_at":"yesterday"}"#,
        r#"{"video_id":"x","indexed_at":17}"#,
    ];
    for body in bodies {
        let reply =
            post(&dashboard, "/ingest/report", "application/json", body.as_bytes()).unwrap();
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status, error), (500, json!("upsert_returned_false")), "{body}");
        assert!(dashboard.record("x").is_none(), "{body}");
    }
    // A pair of surrogates is a character, a number in text is a number, a fraction is rounded.
    for (duration, stored) in [(r#""123""#, 123), ("12.5", 13)] {
        let body =
            format!(r#"{{"video_id":"x","title":"\ud83d\ude00","duration_seconds":{duration}}}"#);
        let reply =
            post(&dashboard, "/ingest/report", "application/json", body.as_bytes()).unwrap();
        assert_eq!(reply.status, 200, "{body}");
        assert_eq!(dashboard.record("x").unwrap().duration_seconds, Some(stored));
    }
}

#[test]
fn chunked_gzip_and_other_broken_requests_get_the_answers_of_the_contract() {
    let dashboard = Dashboard::start();
    let token = dashboard.token();
    let head = format!("POST /ingest/report HTTP/1.1\r\nX-INGEST-TOKEN: {token}\r\n");
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let reply = http::exchange(dashboard.address(), chunked.as_bytes()).unwrap();
    assert_eq!((reply.status, reply.json()), (400, json!({ "error": "no data received" })));

    let json = "application/json";
    let cases: [(&str, &str, &[u8], u16); 8] = [
        ("/ingest/report", json, &[0x1f, 0x8b, 0x08, 0x00], 500),
        ("/ingest/report", json, b"[]", 500),
        ("/ingest/report", json, b"{", 400),
        ("/ingest/report", json, b"{\"video_id\":\"\"}", 400),
        ("/ingest/report/", json, b"{}", 404),
        ("/ingest/report?x=1", json, b"{}", 404),
        ("/ingest/audio", json, b"{}", 400),
        ("/ingest/audio", "multipart/form-data; boundary=b", b"--b--\r\n", 400),
    ];
    for (target, kind, body, status) in cases {
        let reply = post(&dashboard, target, kind, body).unwrap();
        assert_eq!(reply.status, status, "{target} {:?}", String::from_utf8_lossy(body));
    }
    let wrong = http::request("POST", "/ingest/report", &[("X-INGEST-TOKEN", "no")], b"{}");
    assert_eq!(http::exchange(dashboard.address(), &wrong).unwrap().status, 401);
    assert_eq!(get(&dashboard, "PUT", "/ingest/report").status, 501);
    dashboard.set_token("");
    assert_eq!(report(&dashboard, &payload(ID, "one")).status, 401);
}

#[test]
fn answers_are_http_1_0_without_a_length_and_the_connection_closes() {
    let dashboard = Dashboard::start();
    let mut body = payload(ID, "one");
    body["title"] = json!("x".repeat(100_000));
    // `exchange` reads until the close, though the request is HTTP/1.1 and asks for no close.
    let reply = report(&dashboard, &body);
    assert_eq!(reply.status_line, "HTTP/1.0 200 OK");
    assert_eq!((reply.header("content-length"), reply.header("connection")), (None, None));
    assert_eq!(reply.json()["verify_row"]["video_id"], ID);
    let ports: BTreeSet<_> = dashboard.requests().iter().map(|r| r.peer_port).collect();
    assert_eq!(ports.len(), dashboard.requests().len());
}

#[test]
fn a_prefixed_id_is_kept_as_it_is_and_its_audio_loses_the_colon() {
    let dashboard = Dashboard::start();
    report(&dashboard, &payload("reddit:abc123", "one"));
    let reply = audio(&dashboard, "reddit:abc123", b"sound");
    assert_eq!(reply.json()["public_url"], "/exports/audio/redditabc123.mp3");
    assert!(dashboard.record("reddit:abc123").unwrap().has_audio);
    assert_eq!(get(&dashboard, "GET", "/reddit:abc123.json").status, 200);
    assert_eq!(get(&dashboard, "GET", "/reddit%3Aabc123.json").status, 404);

    let file = get(&dashboard, "GET", "/exports/audio/redditabc123.mp3?v=2");
    assert_eq!((file.header("content-length"), file.body.as_slice()), (Some("5"), &b"sound"[..]));
    let head = get(&dashboard, "HEAD", "/exports/audio/redditabc123.mp3");
    assert_eq!((head.header("content-length"), head.body.len()), (Some("5"), 0));
    assert_eq!(get(&dashboard, "HEAD", "/exports/audio/other.mp3").status, 404);
}

#[test]
fn a_record_without_a_visible_variant_is_stored_and_answers_404() {
    let dashboard = Dashboard::start();
    let mut hidden = payload(ID, "one");
    hidden["summary_variants"][0]["variant"] = json!("adaptive");
    assert_eq!(report(&dashboard, &hidden).json()["summaries_upserted"], 1);
    assert!(dashboard.record(ID).is_some());
    assert_eq!(get(&dashboard, "GET", &format!("/{ID}.json")).status, 404);

    hidden["summary_variants"][0]["variant"] = json!("audio-fr");
    hidden["summary_variants"][0]["html"] = Value::Null;
    report(&dashboard, &hidden);
    assert_eq!(get(&dashboard, "GET", &format!("/{ID}.json")).status, 404, "html is null");

    report(&dashboard, &payload(ID, "shown"));
    let reply = get(&dashboard, "GET", &format!("/{ID}.json"));
    assert_eq!((reply.status, &reply.json()["summary"]["text"]), (200, &json!("shown")));
}

#[test]
fn a_missing_date_is_the_time_of_arrival_and_a_zoned_one_is_kept() {
    let dashboard = Dashboard::start();
    let before = jiff::Timestamp::now();
    report(&dashboard, &json!({ "video_id": "x" }));
    let record = dashboard.record("x").unwrap();
    assert!(record.indexed_at >= before);
    assert_eq!((record.title.as_str(), record.channel_name.as_str()), ("(untitled)", "(unknown)"));
    report(&dashboard, &json!({ "video_id": "x", "indexed_at": "2025-10-20T09:15:00+02:00" }));
    assert_eq!(dashboard.record("x").unwrap().indexed_at.to_string(), "2025-10-20T07:15:00Z");
    report(&dashboard, &json!({ "video_id": "x", "indexed_at": "20251020" }));
    assert_eq!(dashboard.record("x").unwrap().indexed_at.to_string(), "2025-10-20T00:00:00Z");
}

#[test]
fn the_health_endpoints_answer() {
    let dashboard = Dashboard::start();
    assert_eq!(get(&dashboard, "GET", "/health").json()["status"], "healthy");
    assert_eq!(get(&dashboard, "GET", "/health/ingest").json()["token_set"], true);
    assert_eq!(get(&dashboard, "GET", "/nothing").status, 404);
}

#[test]
fn the_log_of_requests_says_what_came_and_what_became_of_it() {
    let dashboard = Dashboard::start();
    let token = dashboard.token();
    let headers = [("X-INGEST-TOKEN", token.as_str()), ("X-Ytv2-Version", "7")];
    let body = payload(ID, "one").to_string();
    let request = http::request("POST", "/ingest/report", &headers, body.as_bytes());
    http::exchange(dashboard.address(), &request).unwrap();
    audio(&dashboard, ID, b"sound");
    let requests = dashboard.requests();
    let [first, second] = &requests[..] else { panic!("{requests:?}") };
    assert!(first.is_report() && second.is_audio());
    assert_eq!((first.video_id.as_deref(), second.video_id.as_deref()), (Some(ID), Some(ID)));
    assert_eq!((first.version.as_deref(), first.header("X-YTV2-VERSION")), (Some("7"), Some("7")));
    assert_eq!((first.stored, second.stored), (Some(1), Some(2)));
    assert_eq!((first.status, first.body_len), (Some(200), body.len()));
    assert_eq!(first.json, Some(payload(ID, "one")));
    assert!(first.finished.unwrap() <= second.started);
    assert_eq!((dashboard.max_in_flight(), dashboard.max_in_flight_per_id()), (1, 1));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_stores_nothing() {
    let dashboard = Dashboard::start();
    let (kind, body) = http::multipart(ID, &[7; 50_000]);
    let headers = [("X-INGEST-TOKEN", "test-token"), ("Content-Type", kind)];
    let request = http::request("POST", "/ingest/audio", &headers, &body);
    let mut stream = TcpStream::connect(dashboard.address()).unwrap();
    stream.write_all(&request[..request.len() / 2]).unwrap();
    drop(stream);
    assert!(dashboard.wait_until(LONG, |state| state.requests().iter().any(|r| r.aborted)));
    assert!(dashboard.audio(ID).is_none());
    assert_eq!(dashboard.requests()[0].status, None);
}

#[test]
fn an_upload_by_the_daemons_http_library_is_understood() {
    let dashboard = Dashboard::start();
    let sound = mp3::mp3(60, 1);
    let form = reqwest::multipart::Form::new().text("video_id", ID).text("duration_seconds", "60");
    let file = reqwest::multipart::Part::bytes(sound.clone()).file_name("x.mp3");
    let request = reqwest::Client::new()
        .post(format!("{}/ingest/audio", dashboard.url()))
        .header("X-INGEST-TOKEN", dashboard.token())
        .multipart(form.part("audio", file));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async { request.send().await?.text().await }).unwrap();
    let reply: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(reply, json!({ "saved": true, "public_url": format!("/exports/audio/{ID}.mp3") }));
    let stored = dashboard.audio(ID).unwrap();
    assert_eq!((stored.len, stored.hash), (sound.len(), blake3::hash(&sound)));
}

#[test]
fn faults_before_storing_leave_nothing_and_those_after_it_leave_everything() {
    let millisecond = Duration::from_millis(1);
    let moved = Fault::Redirect(307, "http://elsewhere.example/".to_owned());
    // The fault, the status that the client sees (none: no answer), whether the row is there.
    let cases = [
        (Fault::status(503), Some(503), false),
        (Fault::status_with(429, "Retry-After", "3"), Some(429), false),
        (Fault::poison(), Some(500), false),
        (moved, Some(307), false),
        (Fault::ResetBeforeRead, None, false),
        (Fault::ResetAfterHeaders, None, false),
        (Fault::ResetAfterCommit, None, true),
        (Fault::CloseAfterCommitWithoutAnswer, None, true),
        (Fault::TruncatedAnswer, Some(200), true),
        (Fault::ShortAnswer, Some(200), true),
        (Fault::SlowAnswer(millisecond), Some(200), true),
        (Fault::EmptyBody200, Some(200), false),
        (Fault::Html200, Some(200), false),
        (Fault::GarbageJson200, Some(200), false),
        (Fault::DelayMillis(1), Some(200), true),
    ];
    for (fault, status, stored) in cases {
        let dashboard = Dashboard::start();
        let name = fault.name();
        dashboard.inject(Rule::new(fault).once());
        let reply = try_report(&dashboard, &payload(ID, "one"));
        assert_eq!(reply.as_ref().ok().map(|reply| reply.status), status, "{name}");
        assert_eq!(dashboard.record(ID).is_some(), stored, "{name}");
        assert_eq!(dashboard.fired(name), 1, "{name}");
        let log = dashboard.requests();
        assert_eq!(log[0].fault.as_deref(), Some(name));
        assert_eq!(log[0].stored.is_some(), stored, "{name}");

        let reset =
            matches!(reply, Err(ref error) if error.kind() == io::ErrorKind::ConnectionReset);
        assert_eq!(reset, name.starts_with("Reset"), "{name}: {reply:?}");
        let proof = reply.ok().is_some_and(|reply| reply.json()["upserted"] == 1);
        assert_eq!(proof, matches!(name, "SlowAnswer" | "DelayMillis"), "{name}");
        // It has run out: the same again is stored.
        assert_eq!(report(&dashboard, &payload(ID, "one")).status, 200, "{name}");
        assert_eq!(dashboard.fired(name), 1, "{name}");
    }
}

#[test]
fn a_held_request_is_processed_after_its_successor_when_it_is_let_go() {
    let dashboard = Dashboard::start();
    dashboard.inject(Rule::new(Fault::HoldThenRelease).reports().id(ID).once());
    thread::scope(|scope| {
        let zombie = scope.spawn(|| report(&dashboard, &payload(ID, "one")));
        assert!(dashboard.wait_until(LONG, |state| state.held() == 1));
        report(&dashboard, &payload(ID, "two"));
        assert_eq!(text_of(&dashboard, ID).as_deref(), Some("two"));
        assert_eq!((dashboard.max_in_flight(), dashboard.max_in_flight_per_id()), (2, 2));
        dashboard.release();
        assert_eq!(zombie.join().unwrap().status, 200);
    });
    assert_eq!(text_of(&dashboard, ID).as_deref(), Some("one"), "the dashboard knows no versions");
    assert_eq!(dashboard.fired("HoldThenRelease"), 1);
    let stored: Vec<_> = dashboard.requests().iter().map(|request| request.stored).collect();
    assert_eq!(stored, [Some(2), Some(1)]);
}

#[test]
fn a_stalled_request_is_closed_without_an_answer_when_it_is_let_go() {
    let dashboard = Dashboard::start();
    dashboard.inject(Rule::new(Fault::StallForever).named("the stall").once());
    thread::scope(|scope| {
        let stalled = scope.spawn(|| try_report(&dashboard, &payload(ID, "one")));
        assert!(dashboard.wait_until(LONG, |state| state.held() == 1));
        dashboard.release();
        assert!(stalled.join().unwrap().is_err());
    });
    assert!(dashboard.record(ID).is_none());
    assert_eq!((dashboard.fired("the stall"), dashboard.fired("StallForever")), (1, 1));
}

#[test]
fn refused_connections_come_back_on_the_same_port() {
    let dashboard = Dashboard::start();
    let address = dashboard.address();
    for round in 1..=3 {
        dashboard.refuse(true);
        let error = TcpStream::connect(address).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        dashboard.refuse(false);
        assert_eq!(report(&dashboard, &payload(ID, "one")).status, 200);
        assert_eq!(dashboard.fired("Refuse"), round);
    }
    dashboard.refuse(true);
    drop(dashboard);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn rules_choose_by_path_id_place_and_closure_in_the_order_they_were_added() {
    let dashboard = Dashboard::start();
    let gone = dashboard.inject(Rule::new(Fault::status(410)).id("gone"));
    dashboard.inject(Rule::new(Fault::status(502)).reports().nth(2).named("the second"));
    dashboard.inject(Rule::new(Fault::status(413)).when(|request| request.body_len > 5000));
    dashboard
        .script(|request| (request.video_id.as_deref() == Some("s")).then(|| Fault::status(418)));
    let status = |id: &str, text: &str| report(&dashboard, &payload(id, text)).status;
    assert_eq!(status("gone", "x"), 410);
    assert_eq!(status("a", "x"), 200);
    assert_eq!(status("gone", "x"), 410);
    assert_eq!(audio(&dashboard, "a", b"sound").status, 200);
    assert_eq!(status("b", "x"), 502);
    assert_eq!(status("b", "x"), 200);
    assert_eq!(status("b", &"x".repeat(5000)), 413);
    assert_eq!(status("s", "x"), 418);
    dashboard.remove(gone);
    assert_eq!(status("gone", "x"), 200);
    dashboard.clear_faults();
    assert_eq!(status("s", "x"), 200);
    assert_eq!((dashboard.fired("the second"), dashboard.fired("Status")), (1, 5));
}

#[test]
fn the_mp3_has_the_duration_it_says_and_differs_by_its_seed() {
    for seconds in [1, 7, 61] {
        let file = mp3::mp3(seconds, u64::from(seconds));
        let stream = MediaSourceStream::new(
            Box::new(Cursor::new(file)),
            MediaSourceStreamOptions::default(),
        );
        let mut format = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .expect("an MP3 file");
        let track = format.first_track(TrackType::Audio).expect("a track");
        let base = track.time_base.expect("a time base");
        let mut ticks = 0;
        let mut packets = 0;
        while let Some(packet) = format.next_packet().expect("a whole packet") {
            ticks += packet.dur.get();
            packets += 1;
        }
        assert_eq!(packets, (u64::from(seconds) * 44_100).div_ceil(1152));
        let walked = ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
        assert!((walked - f64::from(seconds)).abs() < 0.03, "{seconds} s: walked {walked} s");
        assert_eq!(walked.round() as u64, mp3::whole_seconds(seconds));
    }
    let (one, two) = (mp3::mp3(1, 1), mp3::mp3(1, 2));
    assert!(one != two && one.len() == two.len() && one == mp3::mp3(1, 1));
}

#[test]
fn the_sample_reports_are_distinct_and_their_ids_are_of_every_awkward_kind() {
    let reports = fixtures::mixed_reports(2000);
    let ids: BTreeSet<_> = reports.iter().map(|report| report.expected.id.as_str()).collect();
    let names: BTreeSet<_> = reports.iter().map(|report| report.file_name.as_str()).collect();
    assert_eq!((ids.len(), names.len()), (2000, 2000));
    for awkward in [
        |id: &str| id.starts_with('-'),
        |id: &str| id.starts_with('_'),
        |id: &str| id.ends_with("_1"),
        |id: &str| id.starts_with("reddit:"),
        |id: &str| id.starts_with("web:"),
    ] {
        assert!(ids.iter().any(|id| awkward(id)));
    }
    for report in &reports {
        assert!(!report.expected.variants.is_empty(), "{}", report.file_name);
        let again: Value = serde_json::from_slice(&report.bytes()).unwrap();
        assert_eq!(again, report.json);
    }
    let (old, new) = (fixtures::report(Shape::Raw, 3), fixtures::report_revised(Shape::Raw, 3, 1));
    assert_eq!((&old.expected.id, &old.file_name), (&new.expected.id, &new.file_name));
    assert!(old.expected.variants != new.expected.variants);
    assert!(old.expected.indexed_at < new.expected.indexed_at);
}

#[test]
fn files_are_written_whole_whichever_way() {
    let dir = tempfile::tempdir().unwrap();
    for length in [0, 1, 6, 100_000] {
        let bytes = vec![b'x'; length];
        let (placed, renamed) = (dir.path().join("a.json"), dir.path().join("b.json"));
        fixtures::write_in_place(&placed, &bytes);
        fixtures::write_renamed(&renamed, &bytes);
        assert!(
            std::fs::read(placed).unwrap() == bytes && std::fs::read(renamed).unwrap() == bytes
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn extra_toml_is_laid_over_the_daemons_configuration() {
    let config = Config::new("http://127.0.0.1:1", "secret")
        .with_toml("[ingest]\nparallel = 2\n[retry]\nfirst = '50ms'")
        .with_toml("[watch]\nrescan = \"1s\"\nmore = [{ a = 1, b = [true] }]");
    let parsed: Value = toml::from_str(&config.toml()).expect("TOML");
    assert_eq!(parsed["ingest"], json!({ "url": "http://127.0.0.1:1", "parallel": 2 }));
    assert_eq!(parsed["retry"]["first"], "50ms");
    assert_eq!(parsed["watch"]["rescan"], "1s");
    assert_eq!(parsed["watch"]["more"], json!([{ "a": 1, "b": [true] }]));
    assert_eq!(parsed["watch"]["reports"], config.reports().to_str().unwrap());
    assert!(!config.toml().contains("secret"));
}

#[test]
fn waiting_ends_with_the_condition_or_with_the_time() {
    let dashboard = Dashboard::start();
    let begun = Instant::now();
    assert!(!dashboard.wait_until(Duration::from_millis(50), |_| false));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    thread::scope(|scope| {
        scope.spawn(|| report(&dashboard, &payload(ID, "one")));
        assert!(dashboard.wait_until(LONG, |state| state.record(ID).is_some()));
    });
}

/// A configuration under which a shell script stands where the daemon would.
fn script(script: &str) -> Config {
    let mut config = Config::new("http://127.0.0.1:1", "secret");
    config.wrapper = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    config
}

#[test]
fn the_driver_reads_a_log_whether_its_fields_are_nested_or_flat() {
    let config = script(
        r#"echo '{"level":"INFO","fields":{"message":"nested","n":1}}' >&2
           echo "not JSON: $INGEST_TOKEN $3" >&2
           echo '{"level":"INFO","message":"ready"}' >&2; kill -STOP $$"#,
    );
    let daemon = Daemon::start_ready(&config);
    let line = daemon.wait_for_line(LONG, |line| line["message"] == "nested");
    assert_eq!((&line["n"], &line["level"]), (&json!(1), &json!("INFO")));
    let plain = format!("not JSON: secret {}", "--config");
    assert_eq!(daemon.lines_saying(&plain).len(), 1, "{:?}", daemon.lines());
    assert_eq!((daemon.mark(), daemon.exited()), (3, None));
    assert_eq!(daemon.kill9().code(), None);
}

#[test]
fn the_driver_passes_signals_on_and_sees_how_the_daemon_ends() {
    let config = script(
        r#"trap 'echo stopping >&2; exit 7' TERM
           trap 'echo reloaded >&2' HUP
           echo ready >&2; while :; do sleep 0.01; done"#,
    );
    let daemon = Daemon::start_ready(&config);
    let mark = daemon.mark();
    daemon.sighup();
    daemon.wait_for_line_after(mark, LONG, |line| line["message"] == "reloaded");
    daemon.sigterm();
    assert_eq!(daemon.wait_exit(LONG).code(), Some(7));
    assert_eq!(daemon.lines_saying("stopping").len(), 1);

    let silent = Daemon::start(&script("exit 3"));
    let waits = std::panic::AssertUnwindSafe(|| silent.wait_ready());
    assert!(std::panic::catch_unwind(waits).is_err(), "it ended without being ready");
}

#[test]
fn the_demos_samples_are_reports_and_their_names_hold_their_ids() {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/samples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let sample: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let places = [
            &sample["video"]["video_id"],
            &sample["source_metadata"]["youtube"]["video_id"],
            &sample["source_metadata"]["reddit"]["submission_id"],
            &sample["video_id"],
            &sample["metadata"]["video_id"],
        ];
        // What was emptied has its id only before the last `_` of its report's id.
        let report_id = sample["metadata"]["report_id"].as_str().unwrap_or("");
        let found = places.iter().filter_map(|place| place.as_str()).find(|id| !id.is_empty());
        let id = found.or(report_id.rsplit_once('_').map(|(id, _)| id)).unwrap().to_owned();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let raw = name.starts_with("unknown_video_");
        assert!(raw || name.trim_end_matches("_1").ends_with(id.trim_end_matches("_1")), "{name}");
        ids.push(id);
    }
    assert_eq!(ids.len(), 9);
    assert_eq!(BTreeSet::from_iter(ids).len(), 8, "two files are about one id");
}

#[test]
fn the_old_dashboard_takes_flat_rows_and_audio_and_the_new_one_no_rows() {
    let old = Dashboard::start_old();
    let send = |dashboard: &Dashboard, target: &str, key: &str, kind: &str, body: &[u8]| {
        let headers = [("Authorization", key), ("Content-Type", kind)];
        http::exchange(dashboard.address(), &http::request("POST", target, &headers, body))
            .expect("an answer")
    };
    let row = |dashboard: &Dashboard, key: &str, row: &Value| {
        send(dashboard, "/api/content", key, "application/json", row.to_string().as_bytes())
    };
    let good = "Bearer test-secret";
    let first = json!({
        "id": "yt:x", "title": "one", "video_id": "x", "indexed_at": "2025-10-01T00:00:00Z",
        "summary_text": "text",
    });
    assert_eq!(row(&old, "Bearer wrong", &first).status, 401);
    assert_eq!(row(&old, "test-secret", &first).status, 401);
    assert_eq!(row(&old, good, &json!({"id": "yt:x"})).status, 400);
    let reply = row(&old, good, &first).json();
    assert_eq!((&reply["success"], &reply["action"]), (&json!(true), &json!("created")));
    let second = json!({
        "id": "yt:x", "title": "two", "video_id": "x", "indexed_at": "2026-01-01T00:00:00Z",
        "summary_text": "other", "summary_type": "comprehensive",
    });
    assert_eq!(row(&old, good, &second).json()["action"], "updated");
    let stored = old.flat("yt:x").unwrap();
    assert_eq!((stored.text("title"), stored.writes), (Some("two"), 2));
    assert_eq!(stored.text("indexed_at"), Some("2025-10-01T00:00:00Z"), "the first one stays");
    assert_eq!(stored.summary_text.as_deref(), Some("other"));

    let (kind, body) = http::multipart("ignored", b"bytes");
    let reply = send(&old, "/api/upload-audio", good, kind, &body);
    assert_eq!(reply.json()["filename"], "x.mp3");
    assert_eq!(old.audio("x").unwrap().len, 5);
    assert!(!old.flat("yt:x").unwrap().has_audio(), "the row hears nothing of it");
    let head = format!(
        "POST /api/upload-audio HTTP/1.1\r\nAuthorization: {good}\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n",
        (25 << 20) + 1
    );
    assert_eq!(http::exchange(old.address(), head.as_bytes()).unwrap().status, 413);
    assert_eq!(report(&old, &payload("x", "t")).status, 404);
    assert_eq!(get(&old, "GET", "/health/ingest").status, 404);
    assert_eq!(get(&old, "GET", "/health").status, 200);
    old.set_secret("");
    let reply = row(&old, good, &first);
    assert!(reply.status == 500 && reply.text().contains("Sync not configured"));

    let new = Dashboard::start();
    assert_eq!(row(&new, good, &first).status, 410);
    assert_eq!(send(&new, "/api/upload-audio", good, kind, &body).status, 200);
}
