//! HTTP, with all that clients do to it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ingest::{FORM_TYPE, Home, Reply, Server, TOKEN, form, until};
use crate::shared::{ID, action, gzip, payload};

pub fn an_unauthorized_writer_is_told_before_the_body_is_read(home: &Home) {
    let server = Server::start(home);
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

pub fn one_connection_carries_many_requests(home: &Home) {
    let server = Server::start(home);
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

pub fn chunked_and_compressed_bodies_are_taken(home: &Home) {
    let server = Server::start(home);
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

pub fn an_http_1_0_client_is_answered_in_kind(home: &Home) {
    let server = Server::start(home);
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

pub fn half_a_header_half_a_body_and_idling_all_end(home: &Home) {
    let server = Server::start_with(home, &["--head-timeout", "300ms", "--body-timeout", "300ms"]);
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

pub fn a_connection_beyond_the_cap_is_turned_away_and_room_is_found_again(home: &Home) {
    let server = Server::start_with(home, &["--connections", "2"]);
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

pub fn health_has_the_contracts_keys(home: &Home) {
    let server = Server::start(home);
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

pub fn a_large_upload_does_not_grow_the_server(home: &Home) {
    let server = Server::start(home);
    server.audio("small", &[1; 1000]).expect(200);
    let before = server.peak_memory();
    server.audio(ID, &vec![2; 96 << 20]).expect(200);
    let grown = server.peak_memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes more");
}

pub fn a_failing_media_folder_is_the_stores_fault_and_passes(home: &Home) {
    let server = Server::start(home);
    let away = home.path().join("away");
    std::fs::rename(home.media(), &away).unwrap();
    let reply = server.audio(ID, b"sound");
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(server.report(&payload(ID, "t")).expect(200)["action"], "created");
    std::fs::rename(&away, home.media()).unwrap();
    assert_eq!(action(&server.audio(ID, b"sound")), "created");
}
