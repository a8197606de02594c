//! The ingest side towards the older generation of clients: flat rows, audio by file name,
//! deletions (contract F, G).
//!
//! A behaviour knows its server by its address alone, so that any store can be behind it.

#[path = "support/ingest.rs"]
mod ingest;
#[path = "support/objects.rs"]
mod objects;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/stores.rs"]
#[macro_use]
mod stores;

use std::io::Write;

use ingest::{FORM_TYPE, Home, Part, Reply, SECRET, Server, TOKEN, command, form, until};
use serde_json::{Value, json};

on_each_store! {
    a_row_is_created_then_updated_and_stays_in_its_place,
    both_generations_write_one_record,
    a_row_without_a_summary_is_stored_and_says_that_it_is_not_shown,
    a_row_that_cannot_be_stored_is_refused_with_the_reason,
    a_late_copy_of_an_older_row_writes_nothing,
    a_dashboard_that_is_postgresql_only_says_that_the_endpoint_is_gone,
    audio_is_kept_under_the_name_it_was_given_and_belongs_to_its_row,
    audio_that_came_first_is_linked_when_its_row_comes,
    audio_of_a_thread_is_found_by_the_bare_id_in_its_name,
    newer_audio_of_an_id_takes_the_place_of_the_older_whichever_way_it_comes,
    audio_without_an_id_in_its_name_is_kept_for_nobody,
    what_is_no_audio_upload_is_refused_and_leaves_nothing,
    audio_beyond_25_mib_gets_413_announced_or_not,
    an_upload_that_is_cut_off_leaves_the_older_file_as_it_was,
    a_deleted_id_is_gone_from_every_read_and_may_come_again,
    a_deleted_id_begins_anew_whatever_version_it_had,
    an_id_to_delete_is_named_in_the_path_the_query_or_the_body_with_or_without_its_prefix,
    audio_that_waits_for_its_record_can_be_deleted_too,
    each_door_opens_to_its_own_secrets_alone,
    without_a_secret_nobody_comes_in_by_one,
    without_auth_the_older_endpoints_are_open_as_well,
}

tests! {
    on_postgres_and_an_object_store, at_a_bucket,
    audio_is_kept_under_the_name_it_was_given_and_belongs_to_its_row,
    newer_audio_of_an_id_takes_the_place_of_the_older_whichever_way_it_comes,
    audio_without_an_id_in_its_name_is_kept_for_nobody,
    what_is_no_audio_upload_is_refused_and_leaves_nothing,
    audio_beyond_25_mib_gets_413_announced_or_not,
    a_deleted_id_is_gone_from_every_read_and_may_come_again,
    audio_that_waits_for_its_record_can_be_deleted_too,
}

const ID: &str = "aB-3_xY9zQk";
const FILE: &str = "audio_aB-3_xY9zQk_20250901_133809.mp3";

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// Sends as the older clients do: with the bearer, and without the token.
fn send(
    server: &Server,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let bearer = bearer(SECRET);
    let mut all = vec![("authorization", bearer.as_str()), ("x-ingest-token", "")];
    all.extend(headers);
    server.send(method, target, &all, body)
}

fn content(server: &Server, row: &Value) -> Reply {
    send(server, "POST", "/api/content", &[], row.to_string().as_bytes())
}

fn upload_parts(server: &Server, parts: &[Part<'_>]) -> Reply {
    let form = form(parts);
    send(server, "POST", "/api/upload-audio", &[("content-type", FORM_TYPE)], &form)
}

fn upload(server: &Server, file_name: &str, bytes: &[u8]) -> Reply {
    upload_parts(server, &[("content_id", None, b"whatever"), ("audio", Some(file_name), bytes)])
}

fn delete(server: &Server, id: &str) -> Reply {
    send(server, "DELETE", &format!("/api/delete/{id}"), &[], b"")
}

fn row(text: &str) -> Value {
    json!({
        "id": "yt:ab-3_xy9zqk",
        "video_id": ID,
        "title": "How tides work",
        "channel_name": "Sea Lab",
        "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
        "thumbnail_url": "",
        "duration_seconds": 727,
        "indexed_at": "2025-09-02T18:44:05Z",
        "created_at": "2025-09-01T00:00:00Z",
        "has_audio": false,
        "category": ["Sea"],
        "key_topics": ["moon"],
        "subcategories_json": "{\"categories\": []}",
        "format_source": "api",
        "summary_text": text,
        "summary_type": "comprehensive",
    })
}

fn record(server: &Server, id: &str) -> Value {
    server.get(&format!("/{id}.json")).expect(200)
}

fn listed(server: &Server) -> i64 {
    server.get("/api/reports").expect(200)["total_count"].as_i64().unwrap()
}

// --- rows

fn a_row_is_created_then_updated_and_stays_in_its_place(home: &Home) {
    let server = Server::start(home);
    let answer = content(&server, &row("one")).expect(200);
    assert_eq!(
        (&answer["success"], &answer["id"], &answer["action"], &answer["upserted"]),
        (&json!(true), &json!("yt:ab-3_xy9zqk"), &json!("created"), &json!(true))
    );
    assert!(answer["synced_at"].as_str().unwrap().ends_with('Z'), "{answer}");

    let mut moved = row("two");
    moved["indexed_at"] = json!("2026-01-01T00:00:00Z");
    moved["title"] = json!("Tides");
    assert_eq!(content(&server, &moved).expect(200)["action"], "updated");
    assert_eq!(content(&server, &moved).expect(200)["action"], "updated");

    let shown = record(&server, ID);
    for (pointer, value) in [
        ("/title", json!("Tides")),
        ("/indexed_at", json!("2025-09-02T18:44:05Z")),
        ("/summary/text", json!("two")),
        ("/summary/html", json!("<p>two</p>")),
        ("/summary_variants/0/revision", json!(2)),
        ("/thumbnail_url", json!(null)),
        ("/analysis/category", json!(["Sea"])),
        ("/topics", json!(["moon"])),
        ("/duration_seconds", json!(727)),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer} in {shown}");
    }
    assert_eq!(listed(&server), 1);
}

fn both_generations_write_one_record(home: &Home) {
    let server = Server::start(home);
    content(&server, &row("flat")).expect(200);
    let report = json!({
        "video_id": ID, "title": "New", "indexed_at": "2025-10-20T09:15:00Z",
        "summary_variants": [{"variant": "key-insights", "text": "new", "html": "<p>new</p>"}],
    });
    assert_eq!(server.report(&report).expect(200)["action"], "updated");
    content(&server, &row("flat again")).expect(200);
    let shown = record(&server, ID);
    assert_eq!(shown["summary_variants"].as_array().unwrap().len(), 2);
    assert_eq!(shown["summary"]["text"], "flat again");
    // A row never moves a card, wherever it stands by now.
    assert_eq!(shown["indexed_at"], "2025-10-20T09:15:00Z");
    assert_eq!(listed(&server), 1);
}

fn a_row_without_a_summary_is_stored_and_says_that_it_is_not_shown(home: &Home) {
    let server = Server::start(home);
    let mut bare = row("");
    bare["summary_text"] = json!(null);
    let answer = content(&server, &bare).expect(200);
    assert!(answer["message"].as_str().unwrap().contains("not shown"), "{answer}");
    assert_eq!(listed(&server), 0);
    let mut odd = row("of a kind that no list shows");
    odd["summary_type"] = json!("deep_research");
    content(&server, &odd).expect(200);
    assert_eq!(record(&server, ID)["summary"]["text"], "of a kind that no list shows");
}

fn a_row_that_cannot_be_stored_is_refused_with_the_reason(home: &Home) {
    let server = Server::start(home);
    for (name, value) in [("id", json!(null)), ("id", json!("")), ("title", json!(null))] {
        let mut bad = row("t");
        bad[name] = value;
        assert_eq!(content(&server, &bad).expect(400)["error"], "id and title required");
    }
    let mut long = row("t");
    long["duration_seconds"] = json!("twelve");
    let answer = content(&server, &long).expect(422);
    assert_eq!(answer["error"], "cannot be stored: duration_seconds");
    assert_eq!(send(&server, "POST", "/api/content", &[], b"").status, 400);
    assert_eq!(send(&server, "POST", "/api/content", &[], b"{").status, 400);
    assert_eq!(listed(&server), 0);
}

fn a_late_copy_of_an_older_row_writes_nothing(home: &Home) {
    let server = Server::start(home);
    let version = |n: &str, text: &str| {
        let body = row(text).to_string();
        let headers = [("x-ytv2-version", n)];
        send(&server, "POST", "/api/content", &headers, body.as_bytes()).expect(200)
    };
    assert_eq!(version("7", "new")["action"], "created");
    let late = version("6", "old");
    assert_eq!((&late["action"], &late["version"]), (&json!("superseded"), &json!(7)));
    assert_eq!(record(&server, ID)["summary"]["text"], "new");
}

fn a_dashboard_that_is_postgresql_only_says_that_the_endpoint_is_gone(home: &Home) {
    let server = Server::start_with(home, &["--postgres-only"]);
    for target in ["/api/content", "/api/content/x", "/api/upload-report", "/api/upload-database"] {
        let reply = send(&server, "POST", target, &[], row("t").to_string().as_bytes());
        let said = reply.expect(410)["error"].as_str().unwrap().to_owned();
        assert!(said.contains("PostgreSQL-only"), "{said}");
    }
    // What is still alive there is alive here.
    upload(&server, FILE, b"sound").expect(200);
    assert_eq!(listed(&server), 0);
}

// --- audio

fn audio_is_kept_under_the_name_it_was_given_and_belongs_to_its_row(home: &Home) {
    let server = Server::start(home);
    content(&server, &row("t")).expect(200);
    let answer = upload(&server, FILE, b"sound").expect(200);
    assert_eq!(
        answer,
        json!({
            "success": true,
            "message": format!("stored as the audio of {ID}"),
            "filename": FILE,
            "relative_path": format!("audio/{FILE}"),
            "public_url": format!("/exports/audio/{FILE}"),
            "size": 5,
        })
    );
    assert_eq!(home.media_files(), [FILE]);
    assert_eq!(server.get(&format!("/exports/audio/{FILE}")).body, b"sound");
    assert_eq!(server.get(&format!("/exports/by_video/{ID}.mp3")).body, b"sound");
    let shown = record(&server, ID);
    assert_eq!(
        shown["media"],
        json!({"has_audio": true, "audio_url": format!("/exports/audio/{FILE}")})
    );
    // The row that comes again, saying as ever that there is none, is not believed.
    content(&server, &row("u")).expect(200);
    assert_eq!(record(&server, ID)["has_audio"], true);
}

fn audio_that_came_first_is_linked_when_its_row_comes(home: &Home) {
    let server = Server::start(home);
    upload(&server, FILE, b"sound").expect(200);
    content(&server, &row("t")).expect(200);
    assert_eq!(record(&server, ID)["media"]["audio_url"], format!("/exports/audio/{FILE}"));
}

fn audio_of_a_thread_is_found_by_the_bare_id_in_its_name(home: &Home) {
    let server = Server::start(home);
    let mut thread = row("t");
    thread["id"] = json!("reddit:1n2abcd");
    thread["video_id"] = json!(null);
    content(&server, &thread).expect(200);
    upload(&server, "audio_1n2abcd_20250901_133809.mp3", b"sound").expect(200);
    assert_eq!(server.get("/exports/by_video/reddit:1n2abcd.mp3").body, b"sound");
}

fn newer_audio_of_an_id_takes_the_place_of_the_older_whichever_way_it_comes(home: &Home) {
    let server = Server::start(home);
    content(&server, &row("t")).expect(200);
    upload(&server, FILE, b"one").expect(200);
    let newer = "audio_aB-3_xY9zQk_20250902_080000.mp3";
    upload(&server, newer, b"two").expect(200);
    assert_eq!(home.media_files(), [newer]);
    assert_eq!(server.audio(ID, b"three").expect(200)["action"], "updated");
    assert_eq!(server.get(&format!("/exports/by_video/{ID}.mp3")).body, b"three");
    // The name that another id's audio has is that id's, whatever it seems to say.
    server.audio("abc", b"of abc").expect(200);
    upload(&server, "abc.mp3", b"new of abc").expect(200);
    assert_eq!(server.get("/exports/by_video/abc.mp3").body, b"new of abc");
    assert_eq!(server.audio("abc", b"of abc").expect(200)["action"], "updated");
    assert_eq!(server.get("/exports/audio/abc.mp3").body, b"of abc");
}

fn audio_without_an_id_in_its_name_is_kept_for_nobody(home: &Home) {
    let server = Server::start(home);
    content(&server, &row("t")).expect(200);
    let answer = upload(&server, "listen_aB-3_xY9zQk_20250901_133809.mp3", b"x").expect(200);
    assert!(answer["message"].as_str().unwrap().contains("no record"), "{answer}");
    assert_eq!(record(&server, ID)["has_audio"], false);
    assert_eq!(home.media_files().len(), 1);
}

fn what_is_no_audio_upload_is_refused_and_leaves_nothing(home: &Home) {
    let server = Server::start(home);
    for name in [
        "../x.mp3",
        "/etc/x.mp3",
        "a/b.mp3",
        "..",
        ".mp3",
        ".hidden.mp3",
        "x.html",
        "x",
        "a b.mp3",
        "ä.mp3",
        "%2e%2e%2fx.mp3",
        "x.mp3%00",
    ] {
        assert_eq!(upload(&server, name, b"sound").status, 422, "{name}");
    }
    assert_eq!(upload(&server, FILE, b"").status, 422);
    assert_eq!(upload_parts(&server, &[("audio", None, b"sound")]).status, 400);
    assert_eq!(upload_parts(&server, &[("sound", Some("x.mp3"), b"sound")]).status, 400);
    assert_eq!(send(&server, "POST", "/api/upload-audio", &[], b"{}").status, 400);
    until("nothing is left", || home.media_files().is_empty());
}

fn audio_beyond_25_mib_gets_413_announced_or_not(home: &Home) {
    let server = Server::start(home);
    let large = vec![7; 25 << 20];
    let reply = upload(&server, FILE, &large);
    assert_eq!((reply.status, reply.header("connection")), (413, Some("close")));

    let body = form(&[("audio", Some(FILE), &large), ("more", None, b"x")]);
    let mut stream = server.connect();
    write!(
        stream,
        "POST /api/upload-audio HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: {FORM_TYPE}\r\ntransfer-encoding: chunked\r\n\r\n",
        bearer(SECRET)
    )
    .unwrap();
    write!(stream, "{:x}\r\n", body.len()).unwrap();
    let _ = stream.write_all(&body);
    assert_eq!(Reply::read(&mut stream, false).status, 413);
    until("nothing is left", || home.media_files().is_empty());

    let just = vec![7; (25 << 20) - 4096];
    upload(&server, FILE, &just).expect(200);
}

fn an_upload_that_is_cut_off_leaves_the_older_file_as_it_was(home: &Home) {
    let server = Server::start(home);
    upload(&server, FILE, b"whole").expect(200);
    let body = form(&[("audio", Some(FILE), &[7; 100_000])]);
    let mut half = server.connect();
    write!(
        half,
        "POST /api/upload-audio HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: {FORM_TYPE}\r\ncontent-length: {}\r\n\r\n",
        bearer(SECRET),
        body.len()
    )
    .unwrap();
    half.write_all(&body[..50_000]).unwrap();
    until("the upload begins", || home.media_files().len() == 2);
    assert_eq!(server.get(&format!("/exports/audio/{FILE}")).body, b"whole");
    half.shutdown(std::net::Shutdown::Both).unwrap();
    until("the half is cleared away", || home.media_files() == [FILE]);
    assert_eq!(server.get(&format!("/exports/audio/{FILE}")).body, b"whole");
}

// --- deleting

fn a_deleted_id_is_gone_from_every_read_and_may_come_again(home: &Home) {
    let server = Server::start(home);
    content(&server, &row("one")).expect(200);
    content(&server, &row("two")).expect(200);
    server.audio(ID, b"sound").expect(200);
    server.audio("aB-3_xY9zQkx", b"of a neighbour").expect(200);
    assert_eq!(
        delete(&server, ID).expect(200),
        json!({
            "status": "success", "message": format!("{ID} is deleted"), "deleted_files": 1,
            "errors": [], "idempotent": false,
        })
    );
    for target in [
        format!("/{ID}.json"),
        format!("/exports/by_video/{ID}.mp3"),
        format!("/exports/audio/{ID}.mp3"),
    ] {
        assert_eq!(server.get(&target).status, 404, "{target}");
    }
    assert_eq!(listed(&server), 0);
    assert_eq!(home.media_files(), ["aB-3_xY9zQkx.mp3"]);

    let again = delete(&server, ID).expect(404);
    assert_eq!((&again["status"], &again["idempotent"]), (&json!("error"), &json!(true)));

    // As if it had never been there: the summaries went as well.
    assert_eq!(content(&server, &row("three")).expect(200)["action"], "created");
    let shown = record(&server, ID);
    assert_eq!(shown["summary_variants"][0]["revision"], 1);
    assert_eq!(shown["has_audio"], false);
}

fn a_deleted_id_begins_anew_whatever_version_it_had(home: &Home) {
    let server = Server::start(home);
    let version = |n| [("x-ytv2-version", n)];
    let report = |text: &str, n| {
        let report = json!({
            "video_id": ID, "title": "t",
            "summary_variants": [{"variant": "audio", "text": text, "html": "h"}],
        });
        server.report_with(&report, &version(n)).expect(200)["action"].clone()
    };
    let audio = |n| server.audio_with(ID, b"sound", &version(n)).expect(200)["action"].clone();
    assert_eq!((report("a", "9"), audio("9")), (json!("created"), json!("created")));
    assert_eq!((report("b", "8"), audio("8")), (json!("superseded"), json!("superseded")));
    delete(&server, ID).expect(200);
    assert_eq!((report("c", "3"), audio("3")), (json!("created"), json!("created")));
    assert_eq!((report("d", "2"), audio("2")), (json!("superseded"), json!("superseded")));
    assert_eq!((report("e", "4"), audio("4")), (json!("updated"), json!("unchanged")));
    assert_eq!(record(&server, ID)["summary_variants"][0]["revision"], 2);
}

fn an_id_to_delete_is_named_in_the_path_the_query_or_the_body_with_or_without_its_prefix(
    home: &Home,
) {
    let server = Server::start(home);
    let thread = json!({"id": "reddit:1n2", "title": "t", "summary_text": "t"});
    let ways: [(&str, &str, &str, Value); 6] = [
        ("DELETE", "/api/delete/reddit:1n2", "", thread.clone()),
        ("DELETE", "/api/delete/reddit%3A1n2", "", thread.clone()),
        ("POST", "/api/delete?id=reddit:1n2", "", thread.clone()),
        ("POST", "/api/delete", "{\"id\": \"reddit:1n2\"}", thread),
        ("DELETE", "/api/delete/yt:aB-3_xY9zQk", "", row("t")),
        ("DELETE", "/api/delete/aB-3_xY9zQk", "", row("t")),
    ];
    for (method, target, body, row) in ways {
        content(&server, &row).expect(200);
        assert_eq!(listed(&server), 1);
        send(&server, method, target, &[], body.as_bytes()).expect(200);
        assert_eq!(listed(&server), 0, "{method} {target}");
    }
    // The exact id goes before what it might mean, and no other prefix is left out.
    content(&server, &row("t")).expect(200);
    server
        .report(&json!({"video_id": "yt:aB-3_xY9zQk", "title": "t",
            "summary_variants": [{"text": "t"}]}))
        .expect(200);
    delete(&server, "yt:aB-3_xY9zQk").expect(200);
    assert_eq!(record(&server, ID)["video_id"], ID);
    delete(&server, "reddit:aB-3_xY9zQk").expect(404);
    delete(&server, "aB-3_xY9zQ").expect(404);
    delete(&server, "%00").expect(404);
    delete(&server, "%25").expect(404);
    assert_eq!(listed(&server), 1);

    for body in ["", "{}", "{\"id\": 5}", "[]", "{"] {
        assert_eq!(
            send(&server, "POST", "/api/delete", &[], body.as_bytes()).status,
            400,
            "{body}"
        );
    }
}

fn audio_that_waits_for_its_record_can_be_deleted_too(home: &Home) {
    let server = Server::start(home);
    server.audio(ID, b"sound").expect(200);
    assert_eq!(delete(&server, ID).expect(200)["deleted_files"], 1);
    assert_eq!(home.media_files(), [""; 0]);
    // Also when someone has taken the file away.
    server.audio(ID, b"sound").expect(200);
    std::fs::remove_file(home.media().join(format!("{ID}.mp3"))).unwrap();
    assert_eq!(delete(&server, ID).expect(200)["deleted_files"], 0);
}

// --- who may

fn each_door_opens_to_its_own_secrets_alone(home: &Home) {
    let server = Server::start(home);
    let right = bearer(SECRET);
    let wrong = bearer("wrong");
    let token_as_bearer = bearer(TOKEN);
    let audio = form(&[("audio", Some(FILE), b"sound")]);
    let row = row("t").to_string();
    let none = ("x-ingest-token", "");
    for (shown, content, upload, delete) in [
        (&[none][..], false, false, false),
        (&[none, ("authorization", &right)], true, true, true),
        (&[none, ("authorization", &wrong)], false, false, false),
        (&[none, ("authorization", SECRET)], false, false, false),
        (&[none, ("authorization", &token_as_bearer)], false, false, false),
        (&[none, ("x-sync-secret", SECRET)], false, true, true),
        (&[("x-ingest-token", TOKEN)], false, true, true),
        (&[("x-ingest-token", SECRET)], false, false, false),
    ] {
        let typed: Vec<_> = shown.iter().copied().chain([("content-type", FORM_TYPE)]).collect();
        for (reply, opens) in [
            (server.send("POST", "/api/content", shown, row.as_bytes()), content),
            (server.send("POST", "/api/upload-audio", &typed, &audio), upload),
            (server.send("DELETE", "/api/delete/nobody", shown, b""), delete),
            (server.send("POST", "/api/delete?id=nobody", shown, b""), delete),
        ] {
            assert_eq!(reply.status != 401, opens, "{shown:?}: {reply:?}");
        }
    }
}

fn without_a_secret_nobody_comes_in_by_one(home: &Home) {
    for secret in [None, Some(""), Some(" \n")] {
        let mut command = command(home, &[]);
        command.env_remove("SYNC_SECRET");
        if let Some(secret) = secret {
            command.env("SYNC_SECRET", secret);
        }
        let server = Server::start_command(command, home);
        for shown in ["", "Bearer ", "Bearer"] {
            let headers = [("authorization", shown), ("x-ingest-token", "")];
            let body = row("t").to_string();
            assert_eq!(server.send("POST", "/api/content", &headers, body.as_bytes()).status, 401);
        }
        let headers = [("x-sync-secret", ""), ("x-ingest-token", "")];
        assert_eq!(server.send("DELETE", "/api/delete/x", &headers, b"").status, 401);
        assert!(home.log().contains("SYNC_SECRET is not set"));
    }
}

fn without_auth_the_older_endpoints_are_open_as_well(home: &Home) {
    let server = Server::start_with(home, &["--no-auth"]);
    let none = [("x-ingest-token", "")];
    server.send("POST", "/api/content", &none, row("t").to_string().as_bytes()).expect(200);
    server.send("DELETE", &format!("/api/delete/{ID}"), &none, b"").expect(200);
}
