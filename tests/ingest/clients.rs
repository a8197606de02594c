//! Clients that are not ours.

use std::process::Command;

use serde_json::{Value, json};

use crate::ingest::{Home, Server, TOKEN};
use crate::postgres::skipped;

pub fn a_python_client_of_one_post_a_record_works_unchanged(home: &Home) {
    let server = Server::start(home);
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ingest/client.py");
    let Ok(output) = Command::new("python3").arg(client).args([&server.url(), TOKEN]).output()
    else {
        skipped("there is no python3 here");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let (library, answers) = said.split_once('\n').unwrap();
    println!("with {library}");
    let answers: Vec<(u16, Value)> = serde_json::from_str(answers).unwrap();
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
