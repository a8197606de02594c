//! Starting and stopping.

use std::io::Write;
use std::process::Command;

use rustix::process::Signal;

use crate::ingest::{FORM_TYPE, Home, Reply, Server, TOKEN, command, form, until, wait};
use crate::shared::{ID, action, payload, record};

pub fn without_a_token_it_says_what_to_do_and_exits_with_78(home: &Home) {
    for token in [None, Some(""), Some(" \n")] {
        let mut command = command(home, &[]);
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

pub fn without_auth_it_serves_loopback_and_nothing_else(home: &Home) {
    let server = Server::start_with(home, &["--no-auth"]);
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
fn a_second_server_does_not_get_a_file() {
    let home = &Home::new();
    let _first = Server::start(home);
    let mut second = command(home, &[]).spawn().unwrap();
    assert_eq!(wait(&mut second).code(), Some(1));
    assert!(home.log().contains("in use by another process"), "{}", home.log());
}

pub fn a_signal_ends_it_with_success_after_what_is_in_flight(home: &Home) {
    for (id, signal) in [("a", Signal::TERM), ("b", Signal::INT)] {
        let mut server = Server::start(home);
        let idle = server.connect();
        let body = payload(id, "t").to_string();
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

pub fn what_was_acknowledged_survives_a_kill(home: &Home) {
    let server = Server::start(home);
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

    let server = Server::start(home);
    for round in 0..20 {
        assert_eq!(action(&server.report(&payload(&format!("id{round}"), "t"))), "unchanged");
    }
    assert_eq!(record(&server, "id3")["has_audio"], true);
    assert_eq!(record(&server, "id4")["has_audio"], false);
    assert_eq!(server.get("/exports/audio/id3.mp3").body, b"sound");
    assert_eq!(server.get("/exports/audio/id4.mp3").status, 404);
}
