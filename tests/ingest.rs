//! The ingest side, from outside: the real binary, real sockets, a real SQLite file.

#[path = "support/ingest.rs"]
mod ingest;

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use ingest::{FORM_TYPE, Home, Reply, Server, TOKEN, command, form, until, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

const ID: &str = "aB-3_xY9zQk";

fn payload(id: &str, text: &str) -> Value {
    json!({
        "video_id": id,
        "title": "How tides work",
        "channel_name": "Sea Lab",
        "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
        "indexed_at": "2025-10-20T09:15:00Z",
        "duration_seconds": 727,
        "analysis_json": {"language": "en"},
        "subcategories_json": {"categories": [{"category": "Sea", "subcategories": []}]},
        "summary_variants": [
            {"variant": "comprehensive", "text": text, "html": format!("<p>{text}</p>"), "revision": 0}
        ],
    })
}

fn record(server: &Server, id: &str) -> Value {
    server.get(&format!("/{id}.json")).expect(200)
}

/// Text, revision and name of each summary that is shown.
fn summaries(server: &Server, id: &str) -> Vec<(String, String, i64)> {
    let field = |summary: &Value, name: &str| summary[name].as_str().unwrap().to_owned();
    record(server, id)["summary_variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (field(s, "variant"), field(s, "text"), s["revision"].as_i64().unwrap()))
        .collect()
}

fn action(reply: &Reply) -> String {
    reply.expect(200)["action"].as_str().unwrap().to_owned()
}

// --- starting and stopping

#[test]
fn without_a_token_it_says_what_to_do_and_exits_with_78() {
    let home = Home::new();
    for token in [None, Some(""), Some(" \n")] {
        let mut command = command(&home, &[]);
        command.env_remove("INGEST_TOKEN").stderr(std::process::Stdio::piped());
        if let Some(token) = token {
            command.env("INGEST_TOKEN", token);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("INGEST_TOKEN") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn without_auth_it_serves_loopback_and_nothing_else() {
    let home = Home::new();
    let server = Server::start_with(&home, &["--no-auth"]);
    let reply = server.report_with(&payload(ID, "t"), &[("x-ingest-token", "wrong")]);
    assert_eq!(action(&reply), "created");
    assert_eq!(server.get("/health/ingest").expect(200)["auth_required"], false);
    drop(server);

    let output = Command::new(env!("CARGO_BIN_EXE_ytv2-ingest"))
        .args(["--no-auth", "--listen", "0.0.0.0:0"])
        .current_dir(home.path())
        .env_remove("INGEST_TOKEN")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_second_server_does_not_get_the_store() {
    let home = Home::new();
    let _first = Server::start(&home);
    let mut second = command(&home, &[]).spawn().unwrap();
    assert_eq!(wait(&mut second).code(), Some(1));
    assert!(home.log().contains("in use by another process"), "{}", home.log());
}

#[test]
fn a_signal_ends_it_with_success_after_what_is_in_flight() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let mut server = Server::start(&home);
        let idle = server.connect();
        let body = payload(ID, "t").to_string();
        let mut stream = server.connect();
        let head = format!(
            "POST /ingest/report HTTP/1.1\r\nhost: x\r\nx-ingest-token: {TOKEN}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The go-ahead proves that the request is in flight.
        assert_eq!(Reply::read(&mut stream, true).status, 100);
        server.signal(signal);
        until("it stops listening", || std::net::TcpStream::connect(server.address).is_err());
        stream.write_all(body.as_bytes()).unwrap();
        assert_eq!(action(&Reply::read(&mut stream, false)), "created");
        assert_eq!(server.wait().code(), Some(0));
        drop(idle);
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let home = Home::new();
    let server = Server::start(&home);
    for round in 0..20 {
        assert_eq!(action(&server.report(&payload(&format!("id{round}"), "t"))), "created");
    }
    assert_eq!(action(&server.audio("id3", b"sound")), "created");
    // One that is only half there at the kill.
    let mut half = server.connect();
    let body = form(&[("video_id", None, b"id4"), ("audio", Some("x.mp3"), &[7; 100_000])]);
    let head = format!(
        "POST /ingest/audio HTTP/1.1\r\nhost: x\r\nx-ingest-token: {TOKEN}\r\ncontent-type: {FORM_TYPE}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    half.write_all(head.as_bytes()).unwrap();
    half.write_all(&body[..50_000]).unwrap();
    until("the upload begins", || home.media_files().len() == 2);
    server.kill();

    let server = Server::start(&home);
    for round in 0..20 {
        assert_eq!(action(&server.report(&payload(&format!("id{round}"), "t"))), "unchanged");
    }
    assert_eq!(record(&server, "id3")["has_audio"], true);
    assert_eq!(record(&server, "id4")["has_audio"], false);
    assert_eq!(server.get("/exports/audio/id3.mp3").body, b"sound");
    assert_eq!(server.get("/exports/audio/id4.mp3").status, 404);
}

// --- reports

#[test]
fn a_report_is_created_then_unchanged_then_updated() {
    let home = Home::new();
    let server = Server::start(&home);
    let answer = server.report(&payload(ID, "one")).expect(200);
    assert_eq!(
        answer,
        json!({
            "upserted": 1,
            "summaries_upserted": 1,
            "embedding_updated": false,
            "verify_row": {"video_id": ID, "title": "How tides work"},
            "action": "created",
        })
    );
    let answer = server.report(&payload(ID, "one")).expect(200);
    assert_eq!(
        (&answer["action"], &answer["summaries_upserted"]),
        (&json!("unchanged"), &json!(1))
    );
    let mut renamed = payload(ID, "one");
    renamed["title"] = json!("Tides");
    let answer = server.report(&renamed).expect(200);
    assert_eq!(
        (&answer["action"], &answer["verify_row"]["title"]),
        (&json!("updated"), &json!("Tides"))
    );
    assert_eq!(summaries(&server, ID), [("comprehensive".into(), "one".into(), 1)]);
}

#[test]
fn a_record_reads_back_as_the_contract_says() {
    let home = Home::new();
    let server = Server::start(&home);
    let id = "reddit:1n2abcd";
    let mut sent = payload(id, "one");
    sent["indexed_at"] = json!("2025-10-20T11:15:00+02:00");
    sent["analysis_json"]["summary_image_url"] = json!("/exports/images/x.png");
    sent["summary_variants"]
        .as_array_mut()
        .unwrap()
        .push(json!({"variant": "adaptive", "text": "a"}));
    server.report(&sent).expect(200);
    let shown = record(&server, id);
    assert_eq!(shown, record(&server, "reddit%3A1n2abcd"));
    for (pointer, value) in [
        ("/video/video_id", json!(id)),
        ("/video/title", json!("How tides work")),
        ("/video/channel", json!("Sea Lab")),
        ("/video/url", sent["canonical_url"].clone()),
        ("/video/duration_seconds", json!(727)),
        ("/summary/text", json!("one")),
        ("/summary/html", json!("<p>one</p>")),
        ("/summary/type", json!("comprehensive")),
        ("/summary_type", json!("comprehensive")),
        ("/summary_image_url", json!("/exports/images/x.png")),
        ("/thumbnail_url", json!(null)),
        ("/analysis/language", json!("en")),
        ("/subcategories_json", json!(sent["subcategories_json"].to_string())),
        ("/has_audio", json!(false)),
        ("/media", json!({"has_audio": false, "audio_url": null})),
        ("/indexed_at", json!("2025-10-20T09:15:00Z")),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer}");
    }
    assert_eq!(summaries(&server, id).len(), 2);
}

#[test]
fn a_record_that_is_absent_or_invisible_is_not_found() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut invisible = payload("hidden", "t");
    invisible["summary_variants"][0]["variant"] = json!("deep-research");
    server.report(&invisible).expect(200);
    let mut htmlless = payload("htmlless", "t");
    htmlless["summary_variants"][0]["html"] = json!(null);
    server.report(&htmlless).expect(200);
    for id in ["hidden", "htmlless", "absent"] {
        assert_eq!(server.get(&format!("/{id}.json")).status, 404, "{id}");
    }
}

#[test]
fn only_a_changed_text_adds_a_revision_and_the_newest_is_shown() {
    let home = Home::new();
    let server = Server::start(&home);
    for (text, asked, revision) in [
        ("one", json!(0), 1),
        ("one", json!(0), 1),
        ("two", json!(1), 2),
        ("three", json!(null), 3),
        ("four", json!(1_760_000_000), 1_760_000_000),
        ("four", json!(1_760_000_001), 1_760_000_000),
        ("five", json!(7), 1_760_000_001),
        ("one", json!(0), 1_760_000_002),
    ] {
        let mut sent = payload(ID, text);
        sent["summary_variants"][0]["revision"] = asked.clone();
        assert_eq!(server.report(&sent).expect(200)["summaries_upserted"], 1);
        assert_eq!(
            summaries(&server, ID),
            [("comprehensive".to_owned(), text.to_owned(), revision)],
            "{asked}"
        );
    }
}

#[test]
fn a_variant_that_is_not_sent_again_stays() {
    let home = Home::new();
    let server = Server::start(&home);
    server.report(&payload(ID, "one")).expect(200);
    let mut other = payload(ID, "two");
    other["summary_variants"][0]["variant"] = json!("audio");
    server.report(&other).expect(200);
    let names: Vec<_> = summaries(&server, ID).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["audio", "comprehensive"]);
}

#[test]
fn a_missing_time_is_now_at_first_and_then_stays() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut sent = payload(ID, "one");
    sent["indexed_at"] = json!(null);
    let before = jiff::Timestamp::now().as_second();
    server.report(&sent).expect(200);
    let first = record(&server, ID)["indexed_at"].as_str().unwrap().to_owned();
    let stamp: jiff::Timestamp = first.parse().unwrap();
    assert!((before..=before + 20).contains(&stamp.as_second()));
    assert_eq!(action(&server.report(&sent)), "unchanged");
    sent["title"] = json!("Tides");
    assert_eq!(action(&server.report(&sent)), "updated");
    assert_eq!(record(&server, ID)["indexed_at"], json!(first));
}

#[test]
fn what_can_never_be_stored_gets_422_and_the_name_of_the_field() {
    let home = Home::new();
    let server = Server::start(&home);
    for (body, field) in [
        (r#"[]"#, "body"),
        (r#"{"video_id": 5}"#, "video_id"),
        (r#"{"video_id": "x", "duration_seconds": "abc"}"#, "duration_seconds"),
        (r#"{"video_id": "x", "title": "a\u0000b"}"#, "title"),
        (r#"{"video_id": "x", "title": "a\ud83d"}"#, "title"),
        (r#"{"video_id": "x", "analysis_json": {"k": ["\udc00"]}}"#, "analysis_json.k[0]"),
        (r#"{"video_id": "x", "title": {"a": 1}}"#, "title"),
        (r#"{"video_id": "x", "indexed_at": "soon"}"#, "indexed_at"),
        (r#"{"video_id": "x", "summary_variants": ["t"]}"#, "summary_variants[0]"),
    ] {
        let answer = server.send("POST", "/ingest/report", &[], body.as_bytes()).expect(422);
        assert_eq!(answer["error"], format!("cannot be stored: {field}"), "{body}");
        assert!(answer["hint"].is_string(), "{body}");
    }
    let latin = server.send("POST", "/ingest/report", &[], b"{\"video_id\": \"\xe9\"}");
    assert_eq!(latin.expect(422)["error"], "cannot be stored: body");
    assert_eq!(server.get("/x.json").status, 404);
}

#[test]
fn a_bad_request_gets_the_contracts_words() {
    let home = Home::new();
    let server = Server::start(&home);
    for (body, error) in [
        ("", "no data received"),
        ("{}", "video_id required"),
        (r#"{"video_id": ""}"#, "video_id required"),
    ] {
        let answer = server.send("POST", "/ingest/report", &[], body.as_bytes()).expect(400);
        assert_eq!(answer["error"], error);
    }
    let answer = server.send("POST", "/ingest/report", &[], b"{\"video_id\": ").expect(400);
    assert!(answer["error"].as_str().unwrap().starts_with("invalid JSON: "), "{answer}");
    let deep = "[".repeat(100_000);
    server.send("POST", "/ingest/report", &[], deep.as_bytes()).expect(400);
}

#[test]
fn only_the_exact_path_takes_a_post() {
    let home = Home::new();
    let server = Server::start(&home);
    let body = payload(ID, "t").to_string();
    for target in
        ["/ingest/report/", "/ingest/report?x=1", "/ingest/report?", "/ingest/audio/", "/"]
    {
        assert_eq!(server.send("POST", target, &[], body.as_bytes()).status, 404, "{target}");
    }
    assert_eq!(server.send("PUT", "/ingest/report", &[], body.as_bytes()).status, 405);
}

#[test]
fn a_report_that_is_too_large_gets_413() {
    let home = Home::new();
    let server = Server::start(&home);
    let answer =
        server.send("POST", "/ingest/report", &[], &vec![b' '; (16 << 20) + 1]).expect(413);
    assert!(answer["error"].as_str().unwrap().contains("16777216"), "{answer}");
    // Small on the wire, large in memory.
    let bomb = gzip(&vec![b' '; (16 << 20) + 1]);
    let gzipped = [("content-encoding", "gzip")];
    server.send("POST", "/ingest/report", &gzipped, &bomb).expect(413);
    assert_eq!(action(&server.report(&payload(ID, "t"))), "created");
}

// --- versions

#[test]
fn a_late_copy_of_an_older_version_writes_nothing() {
    let home = Home::new();
    let server = Server::start(&home);
    let send = |text: &str, version: &str| {
        server.report_with(&payload(ID, text), &[("x-ytv2-version", version)])
    };
    assert_eq!(action(&send("three", "3")), "created");
    let zombie = send("two", "2").expect(200);
    assert_eq!((&zombie["action"], &zombie["version"]), (&json!("superseded"), &json!(3)));
    assert_eq!(record(&server, ID)["summary"]["text"], "three");
    assert_eq!(action(&send("again", "3")), "updated");
    // Without a number it is taken, and the number stays.
    assert_eq!(action(&server.report(&payload(ID, "old client"))), "updated");
    assert_eq!(action(&send("two", "2")), "superseded");
    // The number grows even when nothing else does.
    assert_eq!(action(&send("old client", "9")), "unchanged");
    assert_eq!(send("eight", "8").expect(200)["version"], 9);
    server.report_with(&payload(ID, "t"), &[("x-ytv2-version", "soon")]).expect(400);
}

#[test]
fn versions_of_audio_are_counted_apart_from_those_of_reports() {
    let home = Home::new();
    let server = Server::start(&home);
    let version = |n| [("x-ytv2-version", n)];
    server.report_with(&payload(ID, "t"), &version("100")).expect(200);
    assert_eq!(action(&server.audio_with(ID, b"five", &version("5"))), "created");
    let zombie = server.audio_with(ID, b"four", &version("4")).expect(200);
    assert_eq!(
        zombie,
        json!({
            "saved": true,
            "public_url": format!("/exports/audio/{ID}.mp3"),
            "action": "superseded",
            "version": 5,
        })
    );
    assert_eq!(server.get(&format!("/exports/audio/{ID}.mp3")).body, b"five");
    assert_eq!(home.media_files(), [format!("{ID}.mp3")]);
}

#[test]
fn concurrent_writers_of_one_id_leave_revisions_without_gaps_and_the_newest_version() {
    const WRITERS: usize = 16;
    const EACH: usize = 10;
    let home = Home::new();
    let server = Server::start(&home);
    let taken = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, taken) = (&server, &taken);
            scope.spawn(move || {
                for round in 0..EACH {
                    let version = (round * WRITERS + writer).to_string();
                    let sent = payload(ID, &format!("text {version}"));
                    let reply = server.report_with(&sent, &[("x-ytv2-version", &version)]);
                    if action(&reply) != "superseded" {
                        taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let newest = format!("text {}", WRITERS * EACH - 1);
    let revisions = i64::try_from(taken.into_inner()).unwrap();
    assert_eq!(summaries(&server, ID), [("comprehensive".into(), newest, revisions)]);
}

// --- audio

#[test]
fn audio_is_linked_to_its_report_and_stays_linked() {
    let home = Home::new();
    let server = Server::start(&home);
    let url = format!("/exports/audio/{ID}.mp3");
    server.report(&payload(ID, "one")).expect(200);
    let answer = server
        .form(
            &[
                ("audio", Some("x.mp3"), b"sound"),
                ("something", None, b"else"),
                ("duration_seconds", None, b"185"),
                ("video_id", None, format!(" {ID}\n").as_bytes()),
            ],
            &[],
        )
        .expect(200);
    assert_eq!(answer, json!({"saved": true, "public_url": url, "action": "created"}));
    let linked = |what: &str| {
        let shown = record(&server, ID);
        assert_eq!(shown["has_audio"], true, "{what}");
        assert_eq!(shown["media"], json!({"has_audio": true, "audio_url": url}), "{what}");
        assert_eq!(
            shown["analysis"],
            json!({"language": "en", "audio_url": url, "audio_duration_seconds": 185}),
            "{what}"
        );
    };
    linked("after the upload");
    assert_eq!(action(&server.report(&payload(ID, "one"))), "unchanged");
    assert_eq!(action(&server.report(&payload(ID, "two"))), "updated");
    linked("after a report that does not mention it");
    let mut carried = payload(ID, "two");
    carried["media"] = json!({"has_audio": true, "audio_url": url});
    carried["analysis_json"]["audio_url"] = json!(url);
    assert_eq!(action(&server.report(&carried)), "unchanged");
    linked("after a report that does");
    let mut source_is_silent = payload(ID, "two");
    source_is_silent["media"] = json!({"has_audio": false});
    server.report(&source_is_silent).expect(200);
    linked("after a report about a source without sound");
}

#[test]
fn audio_that_came_first_is_linked_when_its_report_comes() {
    let home = Home::new();
    let server = Server::start(&home);
    server.audio("reddit:1n2abcd", b"sound").expect(200);
    server.report(&payload("reddit:1n2abcd", "t")).expect(200);
    let shown = record(&server, "reddit:1n2abcd");
    assert_eq!(shown["analysis"]["audio_url"], "/exports/audio/reddit1n2abcd.mp3");
    assert_eq!(shown["has_audio"], true);
}

#[test]
fn audio_elsewhere_is_known_from_the_report() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut sent = payload(ID, "one");
    sent["media"] = json!({"audio_url": "/exports/audio/elsewhere.mp3"});
    server.report(&sent).expect(200);
    server.report(&payload(ID, "two")).expect(200);
    assert_eq!(record(&server, ID)["media"]["audio_url"], "/exports/audio/elsewhere.mp3");
    sent["media"] = json!({"has_audio": false});
    server.report(&sent).expect(200);
    assert_eq!(record(&server, ID)["has_audio"], false);
}

#[test]
fn the_same_audio_is_unchanged_and_other_audio_replaces_it() {
    let home = Home::new();
    let server = Server::start(&home);
    assert_eq!(action(&server.audio(ID, b"one")), "created");
    assert_eq!(action(&server.audio(ID, b"one")), "unchanged");
    assert_eq!(action(&server.audio(ID, b"two, longer")), "updated");
    assert_eq!(server.get(&format!("/exports/audio/{ID}.mp3")).body, b"two, longer");
    // Someone took the file away: the same bytes bring it back.
    std::fs::remove_file(home.media().join(format!("{ID}.mp3"))).unwrap();
    assert_eq!(action(&server.audio(ID, b"two, longer")), "unchanged");
    assert_eq!(server.get(&format!("/exports/audio/{ID}.mp3")).body, b"two, longer");
    assert_eq!(home.media_files(), [format!("{ID}.mp3")]);
}

#[test]
fn of_a_repeated_part_the_last_wins() {
    let home = Home::new();
    let server = Server::start(&home);
    let parts: &[ingest::Part<'_>] = &[
        ("video_id", None, b"first"),
        ("audio", Some("a.mp3"), b"first"),
        ("audio", Some("b.mp3"), b"last"),
        ("video_id", None, b"last"),
    ];
    assert_eq!(server.form(parts, &[]).expect(200)["public_url"], "/exports/audio/last.mp3");
    assert_eq!(server.get("/exports/audio/last.mp3").body, b"last");
    assert_eq!(home.media_files(), ["last.mp3"]);
}

#[test]
fn what_is_no_audio_upload_is_refused_and_leaves_nothing() {
    let home = Home::new();
    let server = Server::start(&home);
    let error = |reply: Reply, status| reply.expect(status)["error"].as_str().unwrap().to_owned();
    let post = |kind: &str, body: &[u8]| {
        server.send("POST", "/ingest/audio", &[("content-type", kind)], body)
    };
    assert_eq!(error(post("application/json", b"{}"), 400), "expected multipart/form-data");
    assert_eq!(error(post(FORM_TYPE, b""), 400), "no data received");
    let required = "video_id and audio required";
    assert_eq!(error(server.form(&[("video_id", None, b"x")], &[]), 400), required);
    assert_eq!(error(server.form(&[("audio", Some("x.mp3"), b"x")], &[]), 400), required);
    assert_eq!(error(server.audio(" ", b"x"), 400), required);
    let nameless: &[ingest::Part<'_>] = &[("video_id", None, b"x"), ("audio", None, b"x")];
    assert_eq!(error(server.form(nameless, &[]), 400), required);
    assert_eq!(error(server.audio("x", b""), 422), "cannot be stored: audio");
    assert_eq!(error(server.audio("a\0b", b"x"), 422), "cannot be stored: video_id");
    let invalid: &[ingest::Part<'_>] = &[("video_id", None, b"\xff"), ("audio", Some("x"), b"x")];
    assert_eq!(error(server.form(invalid, &[]), 422), "cannot be stored: video_id");
    let whole = form(&[("video_id", None, b"x"), ("audio", Some("x.mp3"), b"sound")]);
    error(post(FORM_TYPE, &whole[..whole.len() - 20]), 400);
    until("nothing is left", || home.media_files().is_empty());
}

#[test]
fn no_id_leaves_the_media_folder_or_takes_the_file_of_another() {
    let home = Home::new();
    let server = Server::start(&home);
    let long = "x".repeat(5000);
    let hostile = [
        "../../escaped",
        "../escaped.mp3",
        "/tmp/escaped",
        "a/b",
        "..",
        ".hidden",
        ".upload-x.part",
        "a\nb",
        "a\r\nset-cookie: b",
        "%2e%2e%2fescaped",
        "\u{1b}[31m",
        "ä",
        "a\\b",
        &long,
        "reddit:abc",
        "redditabc",
        "yt:redditabc",
        "REDDITABC",
    ];
    let mut urls = Vec::new();
    for id in hostile {
        let answer = server.audio(id, format!("of {id}").as_bytes()).expect(200);
        urls.push(answer["public_url"].as_str().unwrap().to_owned());
    }
    for (id, url) in hostile.iter().zip(&urls) {
        assert_eq!(server.get(url).body, format!("of {id}").as_bytes(), "{id:?} at {url}");
    }
    assert!(urls.contains(&"/exports/audio/redditabc.mp3".to_owned()), "{urls:?}");
    assert_eq!(home.media_files().len(), hostile.len());
    let mut outside: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("store.db"))
        .collect();
    outside.sort();
    assert_eq!(outside, ["log", "media"]);
    let log = home.log();
    assert!(!log.bytes().any(|byte| byte < b' ' && byte != b'\n'), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("set-cookie")), "{log}");
}

#[test]
fn audio_is_served_whole_in_ranges_and_by_its_head() {
    let home = Home::new();
    let server = Server::start(&home);
    server.audio(ID, b"0123456789").expect(200);
    let url = format!("/exports/audio/{ID}.mp3");
    let whole = server.get(&format!("{url}?v=5"));
    assert_eq!((whole.status, whole.body.as_slice()), (200, &b"0123456789"[..]));
    assert_eq!(whole.header("content-type"), Some("audio/mpeg"));
    let head = server.send("HEAD", &url, &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    let part = server.send("GET", &url, &[("range", "bytes=2-4")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(server.send("GET", &url, &[("range", "bytes=50-")], b"").status, 416);
}

#[test]
fn nothing_but_finished_audio_is_served() {
    let home = Home::new();
    let server = Server::start(&home);
    server.audio(ID, b"sound").expect(200);
    std::fs::write(home.media().join(".upload-x.part"), "half").unwrap();
    std::fs::write(home.media().join("notes.txt"), "private").unwrap();
    for target in [
        "/exports/audio/",
        "/exports/audio",
        "/exports/audio/.upload-x.part",
        "/exports/audio/notes.txt",
        "/exports/audio/..%2fstore.db",
        "/exports/audio/../store.db",
        "/exports/audio/%2e%2e/store.db",
        "/exports/audio/%00.mp3",
        "/exports/audio/absent.mp3",
        "/store.db",
    ] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
}

// --- the wire

#[test]
fn an_unauthorized_writer_is_told_before_the_body_is_read() {
    let home = Home::new();
    let server = Server::start(&home);
    for path in ["/ingest/report", "/ingest/audio"] {
        for token in ["", "x-ingest-token: wrong\r\n", "x-ingest-token:\r\n"] {
            let mut stream = server.connect();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\n{token}content-type: {FORM_TYPE}\r\ncontent-length: 1000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let reply = Reply::read(&mut stream, false);
            assert_eq!(reply.expect(401), json!({"error": "unauthorized"}));
        }
    }
    // And one who sends it all the same still gets to read the answer.
    let wrong = [("x-ingest-token", "wrong"), ("content-type", FORM_TYPE)];
    server.send("POST", "/ingest/audio", &wrong, &vec![0; 8 << 20]).expect(401);
    assert_eq!(home.media_files().len(), 0);
}

#[test]
fn one_connection_carries_many_requests() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut stream = server.connect();
    for (text, outcome) in [("one", "created"), ("two", "updated"), ("two", "unchanged")] {
        let body = payload(ID, text).to_string();
        let head = format!(
            "POST /ingest/report HTTP/1.1\r\nhost: x\r\nx-ingest-token: {TOKEN}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        assert_eq!(action(&Reply::read(&mut stream, false)), outcome);
    }
    // A refusal after a body that was read does not end it either.
    let head = format!(
        "POST /ingest/report HTTP/1.1\r\nhost: x\r\nx-ingest-token: {TOKEN}\r\ncontent-length: 2\r\n\r\n[]"
    );
    stream.write_all(head.as_bytes()).unwrap();
    Reply::read(&mut stream, false).expect(422);
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut stream, false).expect(200)["status"], "healthy");
}

#[test]
fn chunked_and_compressed_bodies_are_taken() {
    let home = Home::new();
    let server = Server::start(&home);
    let chunked = |path: &str, kind: &str, body: &[u8]| {
        let mut stream = server.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-ingest-token: {TOKEN}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        for piece in body.chunks(37) {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
            stream.write_all(piece).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        Reply::read(&mut stream, false)
    };
    let body = payload(ID, "one").to_string();
    let upload = form(&[("video_id", None, ID.as_bytes()), ("audio", Some("x.mp3"), b"sound")]);
    assert_eq!(action(&chunked("/ingest/report", "application/json", body.as_bytes())), "created");
    assert_eq!(action(&chunked("/ingest/audio", FORM_TYPE, &upload)), "created");
    assert_eq!(
        chunked("/ingest/report", "application/json", b"").expect(400)["error"],
        "no data received"
    );

    let gzipped = [("content-encoding", "gzip"), ("content-type", FORM_TYPE)];
    let reply = server.send("POST", "/ingest/report", &gzipped, &gzip(body.as_bytes()));
    assert_eq!(action(&reply), "unchanged");
    let reply = server.send("POST", "/ingest/audio", &gzipped, &gzip(&upload));
    assert_eq!(action(&reply), "unchanged");
    server.send("POST", "/ingest/report", &gzipped, b"this is not gzip").expect(400);
}

#[test]
fn an_http_1_0_client_is_answered_in_kind() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut stream = server.connect();
    let body = payload(ID, "one").to_string();
    let head = format!(
        "POST /ingest/report HTTP/1.0\r\nX-INGEST-TOKEN: {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let reply = Reply::read(&mut stream, false);
    assert_eq!((reply.version.as_str(), action(&reply).as_str()), ("HTTP/1.0", "created"));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn half_a_header_half_a_body_and_idling_all_end() {
    let home = Home::new();
    let server = Server::start_with(&home, &["--head-timeout", "300ms", "--body-timeout", "300ms"]);
    let closes = |sent: &str| {
        let mut stream = server.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        let begun = Instant::now();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert!(begun.elapsed() < Duration::from_secs(5), "{sent:?} took {:?}", begun.elapsed());
        String::from_utf8(reply).unwrap()
    };
    closes("");
    closes("POST /ingest/report HTTP/1.1\r\nhost: x\r\nx-ing");
    assert!(closes("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").starts_with("HTTP/1.1 200"));
    let token = format!("host: x\r\nx-ingest-token: {TOKEN}\r\ncontent-length: 500\r\n");
    let half = closes(&format!("POST /ingest/report HTTP/1.1\r\n{token}\r\n{{\"video_id\": "));
    assert!(half.starts_with("HTTP/1.1 408"), "{half}");
    let half = closes(&format!(
        "POST /ingest/audio HTTP/1.1\r\n{token}content-type: {FORM_TYPE}\r\n\r\n--XXboundaryXX\r\n\
         content-disposition: form-data; name=\"audio\"; filename=\"x.mp3\"\r\n\r\nsound"
    ));
    assert!(half.starts_with("HTTP/1.1 408"), "{half}");
    until("nothing is left", || home.media_files().is_empty());
}

#[test]
fn a_connection_beyond_the_cap_is_turned_away_and_room_is_found_again() {
    let home = Home::new();
    let server = Server::start_with(&home, &["--connections", "2"]);
    let ask = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(ask).unwrap();
        Reply::read(stream, false).expect(200);
    }
    let mut beyond = server.connect();
    let _ = beyond.write_all(ask);
    let reply = Reply::read(&mut beyond, false);
    assert_eq!(reply.expect(503)["error"], "too many connections");
    assert_eq!(reply.header("retry-after"), Some("1"));
    drop(held);
    until("there is room again", || server.get("/health").status == 200);
}

#[test]
fn health_has_the_contracts_keys() {
    let home = Home::new();
    let server = Server::start(&home);
    let health = server.get("/health").expect(200);
    assert_eq!(health["status"], "healthy");
    assert!(health["timestamp"].is_string() && health["service"].is_string());
    let health = server.get("/health/ingest").expect(200);
    assert_eq!(health["status"], "ok");
    for key in ["auth_required", "token_set", "pg_dsn_set"] {
        assert_eq!(health[key], true, "{key}");
    }
    assert!(health["timestamp"].is_string());
}

#[test]
fn a_large_upload_does_not_grow_the_server() {
    let home = Home::new();
    let server = Server::start(&home);
    server.audio("small", &[1; 1000]).expect(200);
    let before = server.peak_memory();
    server.audio(ID, &vec![2; 96 << 20]).expect(200);
    let grown = server.peak_memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[test]
fn a_failing_media_folder_is_the_stores_fault_and_passes() {
    let home = Home::new();
    let server = Server::start(&home);
    let away = home.path().join("away");
    std::fs::rename(home.media(), &away).unwrap();
    let reply = server.audio(ID, b"sound");
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(server.report(&payload(ID, "t")).expect(200)["action"], "created");
    std::fs::rename(&away, home.media()).unwrap();
    assert_eq!(action(&server.audio(ID, b"sound")), "created");
}

/// Enough of gzip to be understood: stored blocks, uncompressed.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let crc = bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}
