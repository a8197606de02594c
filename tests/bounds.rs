//! Files, answers and requests that are made to fill the memory: none takes up four times its size.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::fs;

use ingest::{Home, Server, TOKEN};
use support::daemon::Daemon;
use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Shape};
use support::http::{exchange, exchange_at, request};
use support::memory::peak;
use support::stage::{PATIENCE, Stage};

/// Of each hostile file and body.
const SIZE: usize = 10 << 20;
/// So many times its size a file may take.
const TIMES: u64 = 4;

/// So much of something that it comes to [`SIZE`].
fn much(what: &str) -> String {
    what.repeat(SIZE / what.len())
}

/// A report that is sound but for one more field, which is JSON.
fn with(key: &str, value: &str) -> Vec<u8> {
    let mut report = fixtures::report(Shape::UniversalWeb, 7).json;
    report.as_object_mut().unwrap().remove(key);
    let text = report.to_string();
    format!("{}, \"{key}\": {value}}}", &text[..text.len() - 1]).into_bytes()
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// What hostile files are made of, each with a name.
fn shapes() -> Vec<(String, Vec<u8>)> {
    let zeros = format!("[{}0]", much("0,"));
    let in_variant = |text: &str| format!("[{{\"variant\": \"comprehensive\", \"text\": {text}}}]");
    let mut shapes = vec![
        ("zeros at the top".to_owned(), zeros.clone().into_bytes()),
        (
            "zeros nested".to_owned(),
            with("summary", &format!("{{\"summary\": {{\"x\": {zeros}}}}}")),
        ),
        ("zeros in a text".to_owned(), with("analysis_json", &quoted(&zeros))),
        ("zeros in a variant".to_owned(), with("summary_variants", &in_variant(&zeros))),
        (
            "variants".to_owned(),
            with(
                "summary_variants",
                &format!("[{}0]", much("{\"variant\":\"a\",\"text\":\"b\"},")),
            ),
        ),
        ("depth".to_owned(), much("[").into_bytes()),
        ("depth of objects".to_owned(), much("{\"a\":").into_bytes()),
        ("depth in a field".to_owned(), with("junk", &much("["))),
        (
            "a key again and again".to_owned(),
            with("junk", &format!("{{{}\"a\":0}}", much("\"a\":0,"))),
        ),
        ("empty objects".to_owned(), with("junk", &format!("[{}0]", much("{},")))),
        ("empty lists".to_owned(), with("analysis", &format!("[{}0]", much("[],")))),
        ("escapes".to_owned(), with("title", &quoted(&much("\\u0041")))),
        (
            "control characters".to_owned(),
            with("summary_variants", &in_variant(&quoted(&much("\\u0001")))),
        ),
        ("lone surrogates".to_owned(), with("title", &quoted(&much("\\ud800")))),
        (
            "lone surrogates in a summary".to_owned(),
            with("summary_variants", &in_variant(&quoted(&much("\\udfff")))),
        ),
        ("lines".to_owned(), with("summary_variants", &in_variant(&quoted(&much("a\\n"))))),
        ("quotation marks".to_owned(), with("summary_variants", &in_variant(&quoted(&much("'"))))),
        ("a long text".to_owned(), with("summary", &quoted(&much("word ")))),
        ("a long title".to_owned(), with("title", &quoted(&much("word ")))),
        ("a long id".to_owned(), with("video_id", &quoted(&much("x")))),
        ("a long number".to_owned(), with("duration_seconds", &much("9"))),
        ("large numbers".to_owned(), with("junk", &format!("[{}0]", much("1e308,")))),
        ("nothing but blanks".to_owned(), much(" ").into_bytes()),
        ("nothing but NUL".to_owned(), vec![0; SIZE]),
        ("nothing but noise".to_owned(), vec![0xE9; SIZE]),
        ("Latin-1".to_owned(), {
            let mut bytes = with("title", "\"@\"");
            let at = bytes.iter().position(|byte| *byte == b'@').unwrap();
            bytes.splice(at..=at, vec![0xE9; SIZE]);
            bytes
        }),
        ("Latin-1 with an escape".to_owned(), {
            let mut bytes = with("title", "\"\\n@\"");
            let at = bytes.iter().position(|byte| *byte == b'@').unwrap();
            bytes.splice(at..=at, vec![0xE9; SIZE]);
            bytes
        }),
        ("a transcript that is one".to_owned(), with("transcript", &quoted(&much("word ")))),
    ];
    let many_keys: String = (0..SIZE / 12).map(|n| format!("\"k{n}\":0,")).collect();
    shapes.push(("keys".to_owned(), with("junk", &format!("{{{many_keys}\"k\":0}}"))));
    for key in
        ["junk", "title", "summary", "summary_variants", "metadata", "analysis", "id", "video_id"]
    {
        shapes.push((format!("zeros as {key}"), with(key, &zeros)));
    }
    shapes
}

#[test]
fn no_hostile_file_takes_up_four_times_its_size() {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[watch]\nreport_quiet = '1ms'");
    // As the unit has it: what was freed is given back, and so does not count twice.
    for (name, value) in [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "131072")] {
        stage.config = stage.config.with_env(name, value);
    }
    stage.config.log_filter = "info".to_owned();
    let mut worst = Vec::new();
    for (name, bytes) in shapes() {
        let daemon = stage.start();
        let idle = peak(daemon.pid());
        let path = stage.config.report("hostile.json");
        // At once: what grows is looked at more than once, and may be sent in between.
        let beside = stage.config.report(".hostile.json");
        fs::write(&beside, &bytes).unwrap();
        fs::rename(&beside, &path).unwrap();
        // It was named, or it was sent.
        daemon.wait_for_line(PATIENCE, |line| {
            (line["message"] == "this file cannot be delivered"
                && line["file"] == "reports/hostile.json")
                || line["message"] == "delivered"
                // A title so long that the acknowledgement, which repeats it, is too long as well.
                || line["message"] == "not delivered"
        });
        let grown = peak(daemon.pid()) - idle;
        worst.push((grown as f64 / bytes.len() as f64, name));
        fs::remove_file(&path).unwrap();
        daemon.stop();
    }
    worst.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (times, name) in &worst {
        eprintln!("{times:5.2} times its size: {name}");
    }
    assert!(worst[0].0 < TIMES as f64, "{:?}", worst[0]);
}

#[test]
fn no_hostile_answer_takes_up_memory() {
    let mut stage = Stage::new();
    stage.config.log_filter = "info".to_owned();
    let daemon = stage.start();
    let before = peak(daemon.pid());
    let report = |n| fixtures::report(Shape::UniversalWeb, n);
    for (n, body) in [
        format!("[{}0]", much("0,")),
        format!("{{\"upserted\": [{}0]}}", much("0,")),
        format!("{{\"error\": {}}}", quoted(&much("\\u001b"))),
        format!("{{\"junk\": {}", much("[")),
    ]
    .into_iter()
    .enumerate()
    {
        let rule =
            stage.dashboard.inject(Rule::new(Fault::Status(200, Vec::new(), body)).reports());
        stage.put(&report(n));
        let id = report(n).expected.id;
        daemon.wait_for_line(PATIENCE, |line| {
            line["message"] == "not delivered" && line["id"] == id.as_str()
        });
        stage.dashboard.remove(rule);
        stage.holds(&report(n));
    }
    // A megabyte of each is read, however large they are.
    let grown = peak(daemon.pid()) - before;
    assert!(grown < SIZE as u64, "it grew by {grown} bytes");
    daemon.stop();
}

/// The bodies of hostile requests.
fn bodies() -> [String; 6] {
    let zeros = format!("[{}0]", much("0,"));
    [
        zeros.clone(),
        format!("{{\"ids\": {zeros}}}"),
        format!("{{\"video_id\": \"aB-3_xY9zQk\", \"title\": \"t\", \"junk\": {zeros}}}"),
        format!("{{\"video_id\": \"aB-3_xY9zQk\", \"title\": \"t\", \"analysis_json\": {zeros}}}"),
        much("["),
        format!("{{\"ids\": [{}\"a\"]}}", much("\"\\ud800\",")),
    ]
}

#[test]
fn no_hostile_request_takes_up_memory_at_the_sockets_of_the_daemon() {
    let mut stage = Stage::new();
    stage.config = stage
        .config
        .with_toml("[callback]\nlisten = '127.0.0.1:0'")
        .with_env("SYNC_SECRET", "a-word-between-us");
    stage.config.log_filter = "info".to_owned();
    let daemon: Daemon = stage.start();
    let line = daemon.wait_for_line(PATIENCE, |l| l["message"] == "deletions are heard of here");
    let address = line["address"].as_str().unwrap().parse().unwrap();
    let before = peak(daemon.pid());
    let headers = [
        ("X-Sync-Secret", "a-word-between-us"),
        ("Content-Type", "application/json"),
        ("Connection", "close"),
    ];
    for body in bodies() {
        // It may be closed before all is written.
        if let Ok(reply) =
            exchange(address, &request("POST", "/delete-reports", &headers, body.as_bytes()))
        {
            assert!((400..500).contains(&reply.status), "{}", reply.status);
        }
        if let Ok(reply) = exchange_at(
            &stage.config.socket(),
            &request("POST", "/upload", &headers, body.as_bytes()),
        ) {
            assert!((400..500).contains(&reply.status), "{}", reply.status);
        }
    }
    let grown = peak(daemon.pid()) - before;
    assert!(grown < SIZE as u64, "it grew by {grown} bytes");
    let report = fixtures::report(Shape::UniversalWeb, 1);
    stage.put(&report);
    stage.holds(&report);
    daemon.stop();
}

#[test]
fn no_hostile_request_takes_up_four_times_its_size_at_the_receiving_side() {
    for body in bodies() {
        let home = Home::new();
        let server = Server::start(&home);
        let before = server.peak_memory();
        let answer = server.send(
            "POST",
            "/ingest/report",
            &[("x-ingest-token", TOKEN), ("Content-Type", "application/json")],
            body.as_bytes(),
        );
        let times = (server.peak_memory() - before) as f64 / body.len() as f64;
        eprintln!("{times:5.2} times its size: {} {}", answer.status, &body[..60]);
        assert!(times < TIMES as f64, "{times} times its size: {}", &body[..60]);
    }
}
