//! What the sender's numbers, and writers at the same time, do.

use serde_json::json;

use crate::ingest::{Home, Server};
use crate::shared::{ID, action, payload, record, summaries};

pub fn a_late_copy_of_an_older_version_writes_nothing(home: &Home) {
    let server = Server::start(home);
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

pub fn versions_of_audio_are_counted_apart_from_those_of_reports(home: &Home) {
    let server = Server::start(home);
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

pub fn concurrent_writers_of_one_id_leave_revisions_without_gaps_and_the_newest_version(
    home: &Home,
) {
    const WRITERS: usize = 16;
    const EACH: usize = 10;
    let server = Server::start(home);
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
