//! Hostile names and hostile words of a server: whatever shows them, no terminal is told anything by
//! them, and each stays on its line.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Output;

use serde_json::{Value, json};

use ingest::{Home, Server, TOKEN};
use support::command::{Running, command};
use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Report, Shape};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

/// Colours, a window's title, line ends, the other direction, C1 controls, what nobody sees.
const HOSTILE: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\r\nforged line\u{202e}evil\u{2066}\u{9b}31m\u{85}\u{2028}\u{200b}end";

fn is_bad(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether every line is one that the program began, with nothing in it that a terminal obeys.
#[track_caller]
fn is_clean(what: &str, text: &[u8]) {
    let text = std::str::from_utf8(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    for line in text.lines() {
        assert!(!line.contains(is_bad), "{what}: {line:?}");
        assert!(!line.trim_start().starts_with("forged line"), "{what}: {line:?}");
    }
}

/// The same of JSON, as a person sees it who prints it to a terminal.
#[track_caller]
fn is_clean_json(what: &str, text: &[u8]) {
    let text = std::str::from_utf8(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!text.contains(|c| c != '\n' && is_bad(c)), "{what}: {text:?}");
    text.lines().for_each(|line| assert!(!line.starts_with("forged"), "{what}: {line:?}"));
}

fn report(n: usize) -> Report {
    fixtures::report(Shape::IngestReady, n)
}

/// A file name that is no UTF-8 either.
fn name(prefix: &str, ending: &str) -> Vec<u8> {
    let text = HOSTILE.replace('/', "");
    [prefix.as_bytes(), text.as_bytes(), b"\xff", ending.as_bytes()].concat()
}

#[test]
fn no_command_and_no_log_line_obeys_what_a_file_or_a_server_says() {
    for format in ["text", "json"] {
        let mut stage = Stage::new();
        stage.config.log_filter = "debug,hyper=off".to_owned();
        stage.config = stage
            .config
            .with_toml(&format!("[watch]\nreport_quiet = '1ms'\n[log]\nformat = '{format}'"));
        let words = json!({ "error": HOSTILE, "hint": HOSTILE }).to_string();
        let refuse = Fault::Status(422, Vec::new(), words.clone());
        // No client takes a control character of ASCII in a head.
        let away = Fault::Redirect(307, "https://x.example/\u{9b}31mred\u{202e}".to_owned());
        let put = |prefix: &str, report: &Report| {
            let name = name(prefix, ".json");
            fs::write(stage.config.reports().join(OsStr::from_bytes(&name)), report.bytes())
                .unwrap();
        };
        let mut titled = report(1);
        titled.json["title"] = json!(HOSTILE);
        titled.json["summary_variants"][0]["text"] = json!(HOSTILE);
        put("delivered", &titled);
        let audio = [name(&format!("{}_20250901_101010", report(9).bare_id()), ".mp3")];
        for name in audio {
            let path = stage.config.exports().join(OsStr::from_bytes(&name));
            fs::write(path, mp3(1, 1)).unwrap();
        }
        fs::write(
            stage.config.reports().join(OsStr::from_bytes(&name("invalid", ".json"))),
            format!("{{\"video_id\": {}, \"title\": \"t\"}}", json!(HOSTILE)),
        )
        .unwrap();
        let daemon = support::daemon::Daemon::start(&stage.config);
        let id = report(1).expected.id;
        stage.wait("the report", |state| state.record(&id).is_some());
        for (n, fault) in [(2, refuse), (3, away)] {
            let rule = stage.dashboard.inject(Rule::new(fault).reports());
            put(&n.to_string(), &report(n));
            let told = |line: &Value| line.to_string().contains(&report(n).expected.id);
            daemon.wait_for_line(PATIENCE, |line| {
                told(line) && (line.to_string().contains("422") || line.to_string().contains("307"))
            });
            if n == 2 {
                stage.dashboard.remove(rule);
            }
        }
        let refused = report(2).expected.id;
        for arguments in [
            &["status"][..],
            &["list"],
            &["list", "--state", "invalid"],
            &["list", "--q", HOSTILE],
            &["why", &refused],
            &["why", &id],
            &["why", &id, "--payload"],
            &["why", HOSTILE],
            &["retry", &refused],
            &["resend", HOSTILE],
            &["drop", HOSTILE],
            &["rescan"],
            &["sync", "--dry-run"],
            &["verify"],
            &["check"],
            &["upload", HOSTILE],
            &["config", "print"],
            &["pause"],
            &["resume"],
        ] {
            let Output { stdout, stderr, .. } = stage.ask(arguments);
            assert!(stdout.len() + stderr.len() > 0, "{arguments:?} says nothing");
            is_clean(&arguments.join(" "), &stdout);
            is_clean(&arguments.join(" "), &stderr);
        }
        for arguments in
            [&["status", "--json"][..], &["list", "--json"], &["why", &id, "--payload", "--json"]]
        {
            is_clean_json(&arguments.join(" "), &stage.ask(arguments).stdout);
        }
        daemon.stop();
        let mut hostile = 0;
        for line in daemon.lines() {
            // The driver has parsed what was JSON, so that a line end in a field would show as an
            // end of the JSON: everything is an object with a level, or a line of text with a time.
            let text = match format {
                "json" => {
                    assert!(line["level"].is_string(), "{line}");
                    line.to_string()
                }
                _ => line["message"].as_str().unwrap().to_owned(),
            };
            hostile += usize::from(text.contains("31mred"));
            if format == "text" {
                is_clean("the log", text.as_bytes());
                assert!(text.starts_with("20"), "{text:?}");
            } else {
                // What the driver has parsed stands here as JSON itself spells it.
                assert!(!text.contains(|c: char| c < ' '), "{text:?}");
            }
        }
        assert!(hostile > 3, "{hostile} lines had something hostile in them");
    }
}

#[test]
fn the_events_tell_no_terminal_anything() {
    let stage = Stage::new();
    let daemon = stage.start();
    let events = Running::piped(command(&stage, &["events"]));
    // It may begin to listen after one of them: there are new ones until it has shown one.
    let mut n = 0;
    let text = loop {
        let name = name(&n.to_string(), ".json");
        fs::write(stage.config.reports().join(OsStr::from_bytes(&name)), report(n).bytes())
            .unwrap();
        stage.holds(&report(n));
        n += 1;
        let text = events.wait_for("nothing in particular", |_| true);
        if text.contains("31mred") {
            break text;
        }
        assert!(n < 500, "{text}");
    };
    is_clean("events", text.as_bytes());
    daemon.stop();
}

#[test]
fn the_receiving_side_shows_and_logs_what_it_was_given_as_text() {
    let home = Home::new().with_env("RUST_LOG", "debug");
    let server = Server::start(&home);
    let mut payload = report(1).json;
    payload["title"] = json!(format!("<script>alert(1)</script>{HOSTILE}"));
    payload["channel_name"] = json!(HOSTILE);
    let headers = [("x-ingest-token", TOKEN)];
    let stored = server.report_with(&payload, &headers);
    assert_eq!(stored.status, 200, "{}", stored.json_or_null());
    let id = report(1).expected.id;
    // As an id, as the name of a field, in a path: what is odd is logged, and may be quoted.
    let mut bad = payload.clone();
    bad["video_id"] = json!(HOSTILE);
    server.report_with(&bad, &headers);
    let hostile_field = json!({ "video_id": "aB-3_xY9zQk", "title": "t", HOSTILE: "\u{0}" });
    server.report_with(&hostile_field, &headers);
    server.send("GET", "/%1b%5b31mred%0d%0aforged%20line.json", &[], b"");
    server.send("DELETE", "/api/delete/%1b%5b31mred%0aforged", &headers, b"");
    let page = server.get("/");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert!(!text.contains("alert(1)") && page.header("content-security-policy").is_some());
    for target in ["/api/reports".to_owned(), format!("/{id}.json")] {
        let answer = server.get(&target);
        assert_eq!(answer.header("content-type").map(|kind| kind.contains("json")), Some(true));
        assert!(!answer.body.iter().any(|byte| *byte < 0x20), "{target}");
    }
    server.stop();
    let log = home.log();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        is_clean("the log", line.as_bytes());
        assert!(line.starts_with("20") || line.starts_with("ytv2-ingest"), "{line:?}");
    }
}
