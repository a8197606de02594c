//! Clients that are not ours.

use std::process::Command;

use serde_json::{Value, json};

use crate::ingest::{Home, Server, TOKEN};
use crate::postgres::skipped;

pub fn a_python_client_of_one_post_a_record_works_unchanged(home: &Home) {
    let has_requests = Command::new("python3").args(["-c", "import requests"]).output();
    if !has_requests.is_ok_and(|output| output.status.success()) {
        skipped("there is no python3 with requests here (Debian: python3-requests)");
        return;
    }
    let server = Server::start(home);
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ingest/client.py");
    let output = Command::new("python3").arg(client).args([&server.url(), TOKEN]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<(u16, Value)> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(
        (&answers[0].1["token_set"], &answers[0].1["pg_dsn_set"]),
        (&json!(true), &json!(true))
    );
    for (number, answers) in answers[1..].chunks(3).enumerate() {
        let [(_, report), (_, audio), (_, shown)] = answers else { panic!("{answers:?}") };
        assert_eq!((&report["upserted"], &report["summaries_upserted"]), (&json!(1), &json!(1)));
        assert_eq!(audio["saved"], true);
        assert_eq!(shown["title"], format!("Wie Gezeiten wirken, Teil {number} – ü"));
        assert_eq!(shown["media"]["audio_url"], audio["public_url"]);
    }
}
