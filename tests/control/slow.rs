//! Clients that are slow, or do not read, and the others.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::socket::{Listener, status_when};
use crate::support::http::{exchange_at, request};
use crate::support::stage::{PATIENCE, Stage};

#[test]
fn a_client_that_sends_half_a_head_is_dropped() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut half = UnixStream::connect(stage.config.socket()).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    half.write_all(b"GET /status HTTP/1.1\r\nHost: yt").unwrap();
    let mut rest = Vec::new();
    half.read_to_end(&mut rest).expect("its end, in time");
    daemon.stop();
}

#[test]
fn an_order_that_is_too_long_is_refused() {
    let stage = Stage::new();
    let daemon = stage.start();
    let head = request("POST", &format!("/retry?reason={}", "x".repeat(100_000)), &[], b"");
    let reply = exchange_at(&stage.config.socket(), &head).expect("an answer");
    assert!((400..500).contains(&reply.status), "{}", reply.status_line);
    let body = format!(r#"{{"report": "{}"}}"#, "x".repeat(100_000));
    let order = request("POST", "/upload", &[("Connection", "close")], body.as_bytes());
    let reply = exchange_at(&stage.config.socket(), &order).expect("an answer");
    assert!((400..500).contains(&reply.status), "{}", reply.text());
    assert!(reply.text().contains("limit"), "{}", reply.text());
    daemon.stop();
}

#[test]
fn two_hundred_listeners_that_read_nothing_disturb_nobody() {
    const FILES: usize = 300;
    let stage = Stage::new();
    let daemon = stage.start();
    let deaf: Vec<UnixStream> = (0..200)
        .map(|_| {
            let mut stream = UnixStream::connect(stage.config.socket()).unwrap();
            let request = request("GET", "/events?after=0", &[], b"");
            stream.write_all(&request).unwrap();
            stream
        })
        .collect();
    let mut listener = Listener::new(&stage.config.socket(), "/events", "");
    // More than a socket holds of what is told of them.
    for n in 0..FILES {
        fs::write(stage.config.report(&format!("{n}-{}.json", "x".repeat(200))), "[]").unwrap();
    }
    for _ in 0..FILES {
        listener.until("seen");
    }
    let status =
        status_when(&stage, "all are recorded", |status| status["roots"][0]["files"] == FILES);
    assert_eq!(status["targets"][0]["counts"]["invalid"], FILES);
    // They are there all the while, and the stop waits for none of them.
    drop(listener);
    daemon.stop();
    drop(deaf);
}
