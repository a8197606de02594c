//! What becomes of audio files.

use serde_json::json;

use crate::ingest::{FORM_TYPE, Home, Part, Reply, Server, form, until};
use crate::shared::{ID, action, payload, record};

pub fn audio_is_linked_to_its_report_and_stays_linked(home: &Home) {
    let server = Server::start(home);
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

pub fn audio_that_came_first_is_linked_when_its_report_comes(home: &Home) {
    let server = Server::start(home);
    server.audio("reddit:1n2abcd", b"sound").expect(200);
    server.report(&payload("reddit:1n2abcd", "t")).expect(200);
    let shown = record(&server, "reddit:1n2abcd");
    assert_eq!(shown["analysis"]["audio_url"], "/exports/audio/reddit1n2abcd.mp3");
    assert_eq!(shown["has_audio"], true);
}

pub fn audio_elsewhere_is_known_from_the_report(home: &Home) {
    let server = Server::start(home);
    let mut sent = payload(ID, "one");
    sent["media"] = json!({"audio_url": "/exports/audio/elsewhere.mp3"});
    server.report(&sent).expect(200);
    server.report(&payload(ID, "two")).expect(200);
    assert_eq!(record(&server, ID)["media"]["audio_url"], "/exports/audio/elsewhere.mp3");
    sent["media"] = json!({"has_audio": false});
    server.report(&sent).expect(200);
    assert_eq!(record(&server, ID)["has_audio"], false);
}

pub fn the_same_audio_is_unchanged_and_other_audio_replaces_it(home: &Home) {
    let server = Server::start(home);
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

pub fn of_a_repeated_part_the_last_wins(home: &Home) {
    let server = Server::start(home);
    let parts: &[Part<'_>] = &[
        ("video_id", None, b"first"),
        ("audio", Some("a.mp3"), b"first"),
        ("audio", Some("b.mp3"), b"last"),
        ("video_id", None, b"last"),
    ];
    assert_eq!(server.form(parts, &[]).expect(200)["public_url"], "/exports/audio/last.mp3");
    assert_eq!(server.get("/exports/audio/last.mp3").body, b"last");
    until("the first is gone", || home.media_files() == ["last.mp3"]);
}

pub fn what_is_no_audio_upload_is_refused_and_leaves_nothing(home: &Home) {
    let server = Server::start(home);
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
    let nameless: &[Part<'_>] = &[("video_id", None, b"x"), ("audio", None, b"x")];
    assert_eq!(error(server.form(nameless, &[]), 400), required);
    assert_eq!(error(server.audio("x", b""), 422), "cannot be stored: audio");
    assert_eq!(error(server.audio("a\0b", b"x"), 422), "cannot be stored: video_id");
    let invalid: &[Part<'_>] = &[("video_id", None, b"\xff"), ("audio", Some("x"), b"x")];
    assert_eq!(error(server.form(invalid, &[]), 422), "cannot be stored: video_id");
    let whole = form(&[("video_id", None, b"x"), ("audio", Some("x.mp3"), b"sound")]);
    error(post(FORM_TYPE, &whole[..whole.len() - 20]), 400);
    until("nothing is left", || home.media_files().is_empty());
}

pub fn no_id_leaves_the_media_folder_or_takes_the_file_of_another(home: &Home) {
    let server = Server::start(home);
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
        .filter(|name| !name.starts_with("store.db") && name != "media")
        .collect();
    outside.sort();
    assert_eq!(outside, ["log"]);
    let log = home.log();
    assert!(!log.bytes().any(|byte| byte < b' ' && byte != b'\n'), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("set-cookie")), "{log}");
}

pub fn audio_is_served_whole_in_ranges_and_by_its_head(home: &Home) {
    let server = Server::start(home);
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

pub fn nothing_but_finished_audio_is_served(home: &Home) {
    let server = Server::start(home);
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
