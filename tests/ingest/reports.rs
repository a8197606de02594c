//! What becomes of reports.

use serde_json::json;

use crate::ingest::{Home, Server};
use crate::shared::{ID, action, gzip, payload, record, summaries};

pub fn a_report_is_created_then_unchanged_then_updated(home: &Home) {
    let server = Server::start(home);
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

pub fn a_record_reads_back_as_the_contract_says(home: &Home) {
    let server = Server::start(home);
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

pub fn a_record_that_is_absent_or_invisible_is_not_found(home: &Home) {
    let server = Server::start(home);
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

pub fn only_a_changed_text_adds_a_revision_and_the_newest_is_shown(home: &Home) {
    let server = Server::start(home);
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

pub fn a_variant_that_is_not_sent_again_stays(home: &Home) {
    let server = Server::start(home);
    server.report(&payload(ID, "one")).expect(200);
    let mut other = payload(ID, "two");
    other["summary_variants"][0]["variant"] = json!("audio");
    server.report(&other).expect(200);
    let names: Vec<_> = summaries(&server, ID).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["audio", "comprehensive"]);
}

pub fn a_missing_time_is_now_at_first_and_then_stays(home: &Home) {
    let server = Server::start(home);
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

pub fn what_can_never_be_stored_gets_422_and_the_name_of_the_field(home: &Home) {
    let server = Server::start(home);
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

pub fn a_bad_request_gets_the_contracts_words(home: &Home) {
    let server = Server::start(home);
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

pub fn only_the_exact_path_takes_a_post(home: &Home) {
    let server = Server::start(home);
    let body = payload(ID, "t").to_string();
    for target in
        ["/ingest/report/", "/ingest/report?x=1", "/ingest/report?", "/ingest/audio/", "/"]
    {
        assert_eq!(server.send("POST", target, &[], body.as_bytes()).status, 404, "{target}");
    }
    assert_eq!(server.send("PUT", "/ingest/report", &[], body.as_bytes()).status, 405);
}

pub fn a_report_that_is_too_large_gets_413(home: &Home) {
    let server = Server::start(home);
    let answer =
        server.send("POST", "/ingest/report", &[], &vec![b' '; (16 << 20) + 1]).expect(413);
    assert!(answer["error"].as_str().unwrap().contains("16777216"), "{answer}");
    // Small on the wire, large in memory.
    let bomb = gzip(&vec![b' '; (16 << 20) + 1]);
    let gzipped = [("content-encoding", "gzip")];
    server.send("POST", "/ingest/report", &gzipped, &bomb).expect(413);
    assert_eq!(action(&server.report(&payload(ID, "t"))), "created");
}
