//! What is deleted at the dashboard is deleted here: by whom, what exactly, and for how long it
//! stays away.

mod support;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use support::command;
use support::daemon::Daemon;
use support::fixtures::{self, Report, Shape, audio_name};
use support::http::{Reply, exchange, request};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage, set_modified};

const SECRET: &str = "a-word-between-us";
const HEARD: &str = "deletions are heard of here";
const DENIED: &str = "authentication failed: whoever asks for a deletion has not shown SYNC_SECRET";

/// A stage that hears of deletions.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.config = stage
        .config
        .with_toml("[callback]\nlisten = '127.0.0.1:0'")
        .with_env("SYNC_SECRET", SECRET);
    stage
}

/// Where a daemon hears of deletions.
fn address(daemon: &Daemon) -> SocketAddr {
    let line = daemon.wait_for_line(PATIENCE, |line| line["message"] == HEARD);
    line["address"].as_str().expect("an address").parse().expect("an address")
}

fn send(daemon: &Daemon, method: &str, target: &str, body: &[u8]) -> Reply {
    let bearer = format!("Bearer {SECRET}");
    let headers = [("Authorization", bearer.as_str()), ("Connection", "close")];
    exchange(address(daemon), &request(method, target, &headers, body)).expect("an answer")
}

#[track_caller]
fn post(daemon: &Daemon, body: &Value) -> Value {
    let reply = send(daemon, "POST", "/delete-reports", body.to_string().as_bytes());
    assert_eq!(reply.status, 200, "{body}: {}", reply.text());
    reply.json()
}

fn delete(daemon: &Daemon, id: &str) -> (u16, Value) {
    let reply = send(daemon, "DELETE", &format!("/api/delete/{id}"), b"");
    (reply.status, reply.json())
}

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalYoutube, n)
}

/// Delivers a report with its audio, and gives the paths of both.
fn delivered(stage: &Stage, report: &Report, n: usize) -> [PathBuf; 2] {
    let (name, bytes) = (audio_name(report.bare_id(), n), mp3(1, n as u64));
    stage.put(report);
    stage.put_audio(&name, &bytes);
    stage.holds(report);
    stage.holds_audio(&report.expected.id, &bytes);
    [stage.config.report(&report.file_name), stage.config.export(&name)]
}

/// The names in the trash of a root, whatever the day.
fn trash(root: &Path) -> Vec<String> {
    let Ok(days) = fs::read_dir(root.join(".ytv2d-trash")) else { return Vec::new() };
    let mut names: Vec<String> = days
        .flat_map(|day| fs::read_dir(day.unwrap().path()).unwrap())
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Where a file of the trash lies.
fn trashed(path: &Path) -> PathBuf {
    let day = fs::read_dir(path.parent().unwrap().join(".ytv2d-trash")).unwrap().next();
    day.unwrap().unwrap().path().join(path.file_name().unwrap())
}

/// Has both roots looked through.
#[track_caller]
fn rescan(stage: &Stage) {
    let (said, code) = stage.said(&["rescan"]);
    assert_eq!(code, Some(0), "{said}");
}

/// The states of an id at every target, sorted.
fn states(stage: &Stage, id: &str) -> Vec<String> {
    let account = stage.json(&["why", id]);
    let things = account["things"].as_array().expect("things");
    let deliveries = things.iter().flat_map(|thing| thing["deliveries"].as_array().unwrap());
    let mut states: Vec<_> =
        deliveries.map(|delivery| delivery["state"].as_str().unwrap().to_owned()).collect();
    states.sort();
    states
}

#[test]
fn only_whoever_shows_the_secret_is_heard_and_too_many_wrong_ones_are_not() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    let [path, _] = delivered(&stage, &report, 1);
    let address = address(&daemon);
    let body = json!({ "ids": [report.expected.id] }).to_string();
    let almost = format!("Bearer {}", &SECRET[1..]);
    let (basic, bare) = (format!("Basic {SECRET}"), SECRET);
    for headers in [
        &[][..],
        &[("Authorization", "Bearer mistaken")],
        &[("Authorization", &almost)],
        &[("Authorization", &basic)],
        &[("Authorization", bare)],
        &[("X-Sync-Secret", "mistaken")],
        &[("X-Sync-Secret", "")],
        &[("X-INGEST-TOKEN", bare)],
    ] {
        let reply =
            exchange(address, &request("POST", "/delete-reports", headers, body.as_bytes()));
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.json()), (401, json!({ "error": "unauthorized" })));
    }
    let target = format!("/api/delete/{}", report.expected.id);
    let reply = exchange(address, &request("DELETE", &target, &[], b"")).unwrap();
    assert_eq!(reply.status, 401);

    // The right one is heard in between, in either header.
    for (name, value) in
        [("Authorization", format!("Bearer {bare}")), ("X-Sync-Secret", bare.to_owned())]
    {
        let headers = [(name, value.as_str()), ("Connection", "close")];
        let unknown = br#"{"ids":["nobody"]}"#;
        let reply = exchange(address, &request("POST", "/delete-reports", &headers, unknown));
        assert_eq!(reply.unwrap().status, 200, "{name}");
    }

    // The tenth, with a body that is announced and never comes: nobody waits for it.
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"POST /delete-reports HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n")
        .unwrap();
    let mut head = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 401");

    let reply = send(&daemon, "POST", "/delete-reports", body.as_bytes());
    assert_eq!(reply.status, 429, "not even the right one: {}", reply.text());
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(path.exists());
    assert_eq!(daemon.lines_saying(DENIED).len(), 10);
    for line in daemon.lines() {
        let line = line.to_string();
        assert!(!line.contains(SECRET) && !line.contains("mistaken"), "{line}");
    }
    daemon.stop();
}

#[test]
fn an_id_takes_all_its_files_to_the_trash_and_once_is_enough() {
    let stage = stage();
    let daemon = stage.start();
    let (first, other) = (report(1), report(2));
    let paths = delivered(&stage, &first, 1);
    delivered(&stage, &other, 2);
    // An older file of the same id, and other audio of it.
    let older = stage.config.report(&format!("{}_20250101_000000.json", first.bare_id()));
    fs::copy(&paths[0], &older).unwrap();
    let second = audio_name(first.bare_id(), 90);
    stage.put_audio(&second, &mp3(1, 90));
    stage.settle();
    let bytes = fs::read(&paths[0]).unwrap();
    let mark = stage.mark();

    let (status, answer) = delete(&daemon, &first.expected.id);
    assert_eq!(status, 200, "{answer}");
    let expected = json!({
        "status": "success", "message": "4 files were moved to the trash", "deleted_files": 4,
        "errors": [], "idempotent": false,
    });
    assert_eq!(answer, expected);
    assert_eq!(fs::read(trashed(&paths[0])).unwrap(), bytes);
    assert_eq!(trash(&stage.config.reports()).len(), 2);
    assert_eq!(trash(&stage.config.exports()).len(), 2);
    assert!(paths.iter().chain([&older]).all(|path| !path.exists()));

    let (status, again) = delete(&daemon, &format!("yt:{}", first.expected.id));
    assert_eq!(
        (status, &again["idempotent"], &again["deleted_files"]),
        (200, &json!(true), &json!(0))
    );
    for unknown in ["nobody", &first.expected.id[..10], "..%2Fx", "%2Fetc%2Fpasswd"] {
        let (status, answer) = delete(&daemon, unknown);
        assert_eq!((status, &answer["status"]), (404, &json!("error")), "{unknown}: {answer}");
        assert_eq!(answer["idempotent"], false);
    }
    assert_eq!(states(&stage, &first.expected.id), ["dropped", "dropped"]);
    assert_eq!(states(&stage, &other.expected.id), ["current", "current"]);
    let (said, _) = stage.said(&["why", &first.expected.id]);
    assert!(said.contains("deleted at the dashboard on 2"), "{said}");
    let rows = stage.json(&["list", "--state", "dropped"]);
    assert!(rows.to_string().contains("deleted at the dashboard on 2"), "{rows}");
    stage.settle();
    assert!(stage.told_after(mark).is_empty(), "{:?}", stage.told_after(mark));
    daemon.stop();
}

#[test]
fn files_are_named_exactly_and_never_outside_of_the_roots() {
    let stage = stage();
    let outside = stage.config.path().join("x.json");
    fs::write(&outside, "{}").unwrap();
    let daemon = stage.start();
    let reports: Vec<Report> = (0..6).map(report).collect();
    let paths: Vec<_> =
        reports.iter().enumerate().map(|(n, report)| delivered(&stage, report, n)).collect();
    let at = |name: &str| stage.config.report(name);
    symlink(&outside, at("link.json")).unwrap();
    fs::create_dir(at("directory.json")).unwrap();
    fs::write(at("directory.json/x.json"), "").unwrap();
    fs::write(at(".hidden.json"), "").unwrap();
    fs::write(at("notes.txt"), "").unwrap();
    mknodat(CWD, at("fifo.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    stage.settle();

    let id = &reports[0].expected.id;
    let stem = reports[0].file_name.strip_suffix(".json").unwrap();
    let hostile = [
        "../x",
        "../x.json",
        "..",
        ".",
        "",
        "/",
        "/etc/passwd",
        &outside.display().to_string(),
        "directory.json/x.json",
        "directory.json",
        "link",
        "link.json",
        "fifo.json",
        ".hidden",
        ".hidden.json",
        "notes.txt",
        "notes",
        "*",
        "*.json",
        "%2e%2e/x",
        "a\0.json",
        "\u{1b}[31m",
        &id[..8],
        id,
        &stem[1..],
        &format!("{stem}.html"),
        &"n".repeat(5000),
        "reports/x.json",
    ]
    .map(str::to_owned);
    let answer = post(&daemon, &json!({ "files": hostile, "ids": ["../x", "*", &id[..10]] }));
    assert_eq!(answer["deleted"], 0, "{answer}");
    assert_eq!(answer["errors"].as_array().unwrap().len(), hostile.len() + 3, "{answer:#}");
    let errors = answer["errors"].to_string();
    for why in ["is a symbolic link", "is a directory", "is a FIFO", "is a path"] {
        assert!(errors.contains(why), "{why}: {errors}");
    }
    assert!(!errors.contains('\u{1b}'));
    assert!(paths.iter().flatten().all(|path| path.exists()));
    for name in ["link.json", "directory.json/x.json", ".hidden.json", "notes.txt", "fifo.json"] {
        assert!(fs::symlink_metadata(at(name)).is_ok(), "{name}");
    }
    assert!(outside.exists());

    // A stem with its audio, a name without it, audio alone, and a file that is no report.
    let name = |n: usize| reports[n].file_name.clone();
    let stem = name(1).strip_suffix(".json").unwrap().to_owned();
    assert_eq!(post(&daemon, &json!({ "files": [stem] }))["deleted"], 2);
    let answer = post(&daemon, &json!({ "files": [name(2)], "delete_audio": false }));
    assert_eq!((&answer["deleted"], &answer["errors"]), (&json!(1), &json!([])));
    assert_eq!(answer["message"], "1 file was moved to the trash");
    let audio = paths[3][1].file_name().unwrap().to_str().unwrap();
    assert_eq!(post(&daemon, &json!({ "files": [audio] }))["deleted"], 1);
    fs::write(at("broken.json"), "{").unwrap();
    assert_eq!(post(&daemon, &json!({ "files": ["broken", "broken"] }))["deleted"], 1);
    let left: Vec<bool> = paths.iter().flatten().map(|path| path.exists()).collect();
    assert_eq!(
        left,
        [true, true, false, false, false, true, true, false, true, true, true, true],
        "report and audio of each"
    );
    assert_eq!(states(&stage, &reports[2].expected.id), ["dropped", "waiting"]);
    assert_eq!(states(&stage, &reports[3].expected.id), ["current", "dropped"]);
    daemon.stop();
}

#[test]
fn what_is_asked_wrongly_is_refused_as_ever() {
    let stage = stage();
    let daemon = stage.start();
    for body in [&b"{}"[..], br#"{"files":[]}"#, br#"{"files":[],"ids":[],"delete_audio":false}"#] {
        let reply = send(&daemon, "POST", "/delete-reports", body);
        assert_eq!((reply.status, reply.json()), (400, json!({ "error": "No files specified" })));
    }
    for body in [&b""[..], b"{", b"[]", b"\xff", br#"{"files":"x"}"#, br#"{"files":[1]}"#] {
        let reply = send(&daemon, "POST", "/delete-reports", body);
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.json()["error"].is_string(), "{}", reply.text());
    }
    let large = json!({ "files": ["x".repeat(1 << 20)] }).to_string();
    let reply = send(&daemon, "POST", "/delete-reports", large.as_bytes());
    assert_eq!(reply.status, 413, "{}", reply.text());
    for (method, target, status) in [
        ("GET", "/delete-reports", 405),
        ("POST", "/api/delete/x", 405),
        ("GET", "/", 404),
        ("DELETE", "/api/delete/", 404),
        ("POST", "/api/content", 404),
    ] {
        let reply = send(&daemon, method, target, b"");
        assert_eq!(reply.status, status, "{method} {target}");
    }
    daemon.stop();
}

#[test]
fn what_was_deleted_stays_away_until_a_file_says_something_new() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    let id = &report.expected.id;
    let paths = delivered(&stage, &report, 1);
    let saved = [fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap()];
    stage.dashboard.delete(id);
    assert_eq!(delete(&daemon, id).0, 200);
    let mark = stage.mark();
    let quiet = |when: &str| {
        rescan(&stage);
        stage.settle();
        assert!(stage.told_after(mark).is_empty(), "{when}: {:?}", stage.told_after(mark));
        assert_eq!(states(&stage, id), ["dropped", "dropped"], "{when}");
    };
    quiet("after a rescan");
    daemon.stop();
    let daemon = stage.start();
    quiet("after a restart");
    daemon.stop();
    // Back from a backup, while nobody looks and while somebody does.
    let restore =
        || paths.iter().zip(&saved).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    restore();
    set_modified(&paths[0], 3600);
    let daemon = stage.start();
    quiet("restored before the start");
    assert_eq!(delete(&daemon, id).1["deleted_files"], 2, "deleted again");
    assert_eq!(trash(&stage.config.reports()).len(), 2);
    restore();
    quiet("restored while it runs");
    for words in [&["retry", "--all"][..], &["resend", "--all"]] {
        stage.ask(words);
        stage.settle();
        assert!(stage.dashboard.record(id).is_none(), "{words:?}");
    }

    let newer = fixtures::report_revised(Shape::UniversalYoutube, 1, 1);
    stage.put(&newer);
    let record = stage.holds(&newer);
    assert!(!record.has_audio, "its audio was deleted as well");
    stage.put_audio(paths[1].file_name().unwrap().to_str().unwrap(), &mp3(2, 77));
    stage.holds_audio(id, &mp3(2, 77));
    daemon.stop();
}

#[test]
fn what_was_deleted_is_sent_when_its_file_is_back_and_it_is_ordered() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    let id = &report.expected.id;
    let paths = delivered(&stage, &report, 1);
    stage.dashboard.delete(id);
    assert_eq!(delete(&daemon, id).0, 200);
    let [from, audio] = paths.each_ref().map(|path| trashed(path));
    fs::rename(from, &paths[0]).unwrap();
    // Before it is back or after, it is the same.
    rescan(&stage);
    let (said, code) = stage.said(&["retry", id]);
    assert_eq!(code, Some(0), "{said}");
    stage.holds(&report);
    fs::rename(audio, &paths[1]).unwrap();
    stage.holds_audio(id, &mp3(1, 1));
    // The dashboard knows before the outbox does.
    stage.settle();
    assert_eq!(states(&stage, id), ["current", "current"]);
    daemon.stop();
}

#[test]
fn many_deletions_are_no_failed_mount() {
    let stage = stage();
    let daemon = stage.start();
    let reports: Vec<Report> = (0..30).map(report).collect();
    reports.iter().for_each(|report| stage.put(report));
    reports.iter().for_each(|report| drop(stage.holds(report)));
    let ids: Vec<&String> = reports.iter().map(|report| &report.expected.id).collect();
    assert_eq!(post(&daemon, &json!({ "ids": ids[..20] }))["deleted"], 20);
    for id in &ids[20..] {
        assert_eq!(delete(&daemon, id).0, 200);
    }
    rescan(&stage);
    let status = stage.json(&["status"]);
    assert_eq!(status["healthy"], true, "{status:#}");
    assert_eq!(status["roots"][0]["files"], 0, "{status:#}");
    assert!(
        !daemon.lines().iter().any(|line| line["message"].to_string().contains("failed mount"))
    );
    daemon.stop();
}

#[test]
fn the_trash_is_emptied_at_the_start_of_what_was_kept_long_enough() {
    let mut stage = stage();
    stage.config.extra_toml.push_str("keep = '1s'\n");
    let daemon = stage.start();
    let report = report(1);
    let paths = delivered(&stage, &report, 1);
    assert_eq!(delete(&daemon, &report.expected.id).0, 200);
    daemon.stop();
    let today = trashed(&paths[0]).parent().unwrap().to_owned();
    let bin = today.parent().unwrap();
    for (day, file) in [("2025-01-01", "old.json"), ("photos", "mine.json")] {
        fs::create_dir(bin.join(day)).unwrap();
        fs::write(bin.join(day).join(file), "{}").unwrap();
        set_modified(&bin.join(day).join(file), 1_000_000);
    }
    let daemon = stage.start();
    let emptied = "the trash is emptied of what was kept long enough";
    let line = daemon.wait_for_line(PATIENCE, |line| line["message"] == emptied);
    assert_eq!((&line["root"], &line["files"]), (&json!("reports"), &json!(1)));
    assert!(!bin.join("2025-01-01").exists());
    assert!(bin.join("photos/mine.json").exists());
    assert!(trashed_anywhere(bin, &report.file_name), "what was deleted a moment ago is kept");
    daemon.stop();
}

fn trashed_anywhere(bin: &Path, name: &str) -> bool {
    fs::read_dir(bin).unwrap().any(|day| day.unwrap().path().join(name).exists())
}

#[test]
fn where_nothing_can_be_moved_nothing_is_done() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    let id = &report.expected.id;
    let paths = delivered(&stage, &report, 1);
    let obstacle = stage.config.exports().join(".ytv2d-trash");
    let elsewhere = stage.config.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &obstacle).unwrap();
    for _ in 0..2 {
        let (status, answer) = delete(&daemon, id);
        assert_eq!((status, &answer["status"]), (503, &json!("error")), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains("ReadWritePaths="), "{answer}");
        let body = json!({ "ids": [id] }).to_string();
        let reply = send(&daemon, "POST", "/delete-reports", body.as_bytes());
        assert_eq!((reply.status, &reply.json()["deleted"]), (503, &json!(0)));
        assert!(reply.json()["error"].is_string());
    }
    assert!(paths.iter().all(|path| path.exists()));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "no link is followed");
    assert_eq!(states(&stage, id), ["current", "current"]);
    fs::remove_file(&obstacle).unwrap();
    assert_eq!(delete(&daemon, id).1["deleted_files"], 2);
    daemon.stop();
}

#[test]
fn both_targets_keep_what_was_deleted_away() {
    let mut ends = support::ends::Ends::new();
    ends.configure(true, true, "[callback]\nlisten = '127.0.0.1:0'");
    ends.config.env.push(("SYNC_SECRET".to_owned(), ends.old.secret()));
    let daemon = Daemon::start_ready(&ends.config);
    let report = report(1);
    ends.put(&report);
    ends.put_audio(&report, 1, mp3(1, 1));
    ends.new_is_level();
    ends.old_is_level();
    let headers = [("X-Sync-Secret", &*ends.old.secret()), ("Connection", "close")];
    let target = format!("/api/delete/yt:{}", report.expected.id);
    let reply = exchange(address(&daemon), &request("DELETE", &target, &headers, b"")).unwrap();
    assert_eq!((reply.status, &reply.json()["deleted_files"]), (200, &json!(2)));
    ends.put(&report);
    let marks = (ends.new.requests().len(), ends.old.requests().len());
    ends.ask(&["rescan"]);
    ends.settle();
    let account = ends.ask(&["why", &report.expected.id, "--json"]).stdout;
    let account: Value = serde_json::from_slice(&account).unwrap();
    let text = account["things"].to_string();
    assert_eq!(text.matches("\"state\":\"dropped\"").count(), 4, "{account:#}");
    assert_eq!((ends.new.requests().len(), ends.old.requests().len()), marks);
    daemon.stop();
}

#[test]
fn what_cannot_be_listened_with_ends_the_start_and_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (listen, secret, says) in [
        ("127.0.0.1:0", None, "whoever deletes must show a secret, and there is none"),
        ("0.0.0.0:0", Some("fifteen-letters"), "fewer than 16 characters"),
        ("localhost:6452", Some("s"), "no address with a port"),
        (&*taken, Some("s"), "name another port"),
    ] {
        let mut stage = Stage::new();
        stage.config = stage.config.with_toml(&format!("[callback]\nlisten = {listen:?}"));
        if let Some(secret) = secret {
            stage.config = stage.config.with_env("SYNC_SECRET", secret);
        }
        let daemon = Daemon::start(&stage.config);
        let status = daemon.wait_exit(PATIENCE);
        assert_eq!(status.code(), Some(78), "{listen}");
        let log = format!("{:?}", daemon.lines());
        assert!(log.contains(says) && log.contains("callback.listen"), "{listen}: {log}");
        assert!(secret.is_none_or(|secret| secret.len() == 1 || !log.contains(secret)));
    }
    // Enough of a secret, from its file, with the legacy target off.
    let mut stage = Stage::new();
    let file = stage.config.path().join("secret");
    fs::write(&file, "sixteen-letters!\n").unwrap();
    stage.config = stage
        .config
        .with_toml("[callback]\nlisten = '0.0.0.0:0'")
        .with_toml(&format!("[legacy]\nsecret_file = {:?}", file.display().to_string()));
    let daemon = stage.start();
    address(&daemon);
    daemon.stop();
}

#[test]
fn slow_and_many_connections_are_bounded() {
    let stage = stage();
    let daemon = stage.start();
    let address = address(&daemon);
    let idle: Vec<TcpStream> = (0..64).filter_map(|_| TcpStream::connect(address).ok()).collect();
    let started = Instant::now();
    // Those that say nothing are turned away, or hung up on, and then there is room.
    loop {
        let headers = [("X-Sync-Secret", SECRET), ("Connection", "close")];
        let body = br#"{"ids":["nobody"]}"#;
        match exchange(address, &request("POST", "/delete-reports", &headers, body)) {
            Ok(reply) if reply.status == 200 => break,
            Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
            Err(_) => {}
        }
        assert!(started.elapsed() < PATIENCE, "no room");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(idle);
    let (said, _) = stage.said(&["status"]);
    assert!(said.contains("healthy") || said.contains("nothing"), "{said}");
    daemon.stop();
}

#[test]
fn one_host_leaves_room_for_the_others() {
    let stage = stage();
    let daemon = stage.start();
    let address = address(&daemon);
    let headers = [("X-Sync-Secret", SECRET), ("Connection", "close")];
    let order = request("POST", "/delete-reports", &headers, br#"{"ids":["nobody"]}"#);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status_from = |host: &str| {
        runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(format!("{host}:0").parse().unwrap()).unwrap();
            let mut stream = socket.connect(address).await.unwrap();
            stream.write_all(&order).await.unwrap();
            let mut reply = vec![0; 12];
            stream.read_exact(&mut reply).await.unwrap();
            String::from_utf8(reply).unwrap()
        })
    };
    let idle: Vec<_> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(status_from("127.0.0.1"), "HTTP/1.1 503");
    assert_eq!(status_from("127.0.0.2"), "HTTP/1.1 200");
    drop(idle);
    daemon.stop();
}

#[test]
fn a_deletion_is_off_unless_it_is_configured() {
    let stage = Stage::new();
    let daemon = stage.start();
    assert!(daemon.lines_saying(HEARD).is_empty());
    let said = command::run(&stage, &["config", "print"]);
    assert!(said.out.contains("listen = \"\"") && said.out.contains("keep = \"30d\""), "{said:?}");
    daemon.stop();
}

/// Where a daemon keeps today's deleted files of a root.
fn today(root: &Path) -> PathBuf {
    let day = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date();
    root.join(".ytv2d-trash").join(day.to_string())
}

/// Keeps a file from being moved to the trash: there is no name left for it there. Gives what is in
/// the way.
fn obstruct(path: &Path) -> Vec<PathBuf> {
    let (day, name) = (today(path.parent().unwrap()), path.file_name().unwrap().to_str().unwrap());
    fs::create_dir_all(&day).unwrap();
    let in_the_way: Vec<PathBuf> = (0..1000)
        .map(|n| if n == 0 { day.join(name) } else { day.join(format!("{name}.{n}")) })
        .collect();
    in_the_way.iter().for_each(|path| fs::write(path, "").unwrap());
    in_the_way
}

#[test]
fn what_cannot_be_moved_is_named_stays_away_and_is_moved_at_the_next_start() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    let id = &report.expected.id;
    let [json, audio] = delivered(&stage, &report, 1);
    let in_the_way = obstruct(&audio);
    let mark = stage.mark();
    let (status, answer) = delete(&daemon, id);
    assert_eq!((status, &answer["deleted_files"]), (200, &json!(1)), "{answer}");
    assert!(answer["errors"].to_string().contains("cannot be moved to the trash"), "{answer}");
    assert!(!json.exists() && audio.exists());
    assert_eq!(states(&stage, id), ["dropped", "dropped"]);

    let name = audio.file_name().unwrap().to_str().unwrap();
    let is_named = |stage: &Stage| {
        let listed = stage.json(&["list", "--state", "invalid"]);
        assert_eq!(listed[0]["path"], format!("exports/{name}"), "{listed:#}");
        let reason = listed[0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("deleted at the dashboard, and cannot be moved"), "{reason}");
        assert_eq!(stage.json(&["status"])["healthy"], false);
    };
    is_named(&stage);
    // Neither a look nor an order makes anything else of it.
    rescan(&stage);
    stage.ask(&["retry", "--state", "invalid"]);
    stage.ask(&["retry", "--all"]);
    stage.settle();
    is_named(&stage);
    daemon.stop();
    let daemon = stage.start();
    stage.settle();
    is_named(&stage);
    daemon.stop();

    in_the_way.iter().for_each(|path| fs::remove_file(path).unwrap());
    let daemon = stage.start();
    daemon.wait_for_line(PATIENCE, |line| {
        line["message"] == "deleted at the dashboard: moved to the trash"
    });
    assert!(!audio.exists());
    assert_eq!(fs::read(today(&stage.config.exports()).join(name)).unwrap(), mp3(1, 1));
    stage.settle();
    assert_eq!(stage.json(&["status"])["healthy"], true);
    assert_eq!(stage.json(&["list", "--state", "invalid"]), json!([]));
    assert!(stage.told_after(mark).is_empty(), "{:?}", stage.told_after(mark));
    daemon.stop();
}

#[test]
fn what_could_not_be_moved_and_says_something_new_by_now_is_not_moved_any_more() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    let [json, _] = delivered(&stage, &report, 1);
    let in_the_way = obstruct(&json);
    assert_eq!(delete(&daemon, &report.expected.id).0, 200);
    assert!(json.exists());
    daemon.stop();
    let newer = fixtures::report_revised(Shape::UniversalYoutube, 1, 1);
    stage.put(&newer);
    in_the_way.iter().for_each(|path| fs::remove_file(path).unwrap());
    let daemon = stage.start();
    stage.holds(&newer);
    assert_eq!(fs::read(&json).unwrap(), newer.bytes());
    daemon.stop();
}

#[test]
fn a_kill_between_the_grave_and_the_trash_loses_nothing_and_the_next_start_ends_it() {
    let strace = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !strace.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no strace here (apt-get install strace)");
        return;
    }
    let mut stage = stage();
    let trace = stage.config.path().join("trace").display().to_string();
    // Nothing else in the daemon moves a file in this way.
    let words = ["strace", "-f", "-qq", "-o", &trace, "-e", "trace=renameat2", "-e"];
    stage.config.wrapper = words.map(str::to_owned).to_vec();
    stage.config.wrapper.push("inject=renameat2:signal=SIGKILL:when=1".to_owned());
    let daemon = stage.start();
    let report = report(1);
    let id = &report.expected.id;
    let paths = delivered(&stage, &report, 1);
    let headers = [("X-Sync-Secret", SECRET), ("Connection", "close")];
    let target = format!("/api/delete/{id}");
    let reply = exchange(address(&daemon), &request("DELETE", &target, &headers, b""));
    assert!(reply.is_err(), "nobody is left to answer");
    daemon.wait_exit(PATIENCE);
    assert!(paths.iter().all(|path| path.exists()));

    stage.config.wrapper.clear();
    let mark = stage.mark();
    let daemon = stage.start();
    stage.settle();
    let moved = || paths.iter().all(|path| !path.exists());
    let begun = Instant::now();
    while !moved() {
        assert!(begun.elapsed() < PATIENCE, "they are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(trash(&stage.config.reports()), [report.file_name.as_str()]);
    assert!(stage.told_after(mark).is_empty(), "{:?}", stage.told_after(mark));
    assert_eq!(states(&stage, id), ["dropped", "dropped"]);
    assert_eq!(stage.json(&["status"])["healthy"], true);
    daemon.stop();
}

#[test]
fn a_deletion_is_an_event() {
    let stage = stage();
    let daemon = stage.start();
    let report = report(1);
    delivered(&stage, &report, 1);
    let events = command::Running::piped(command::command(&stage, &["events", "--json"]));
    let begun = Instant::now();
    let mut n = 10;
    while !stage.dashboard.wait_until(Duration::from_millis(100), |_| events.has_said("seen")) {
        // It listens from some moment on, which nobody is told.
        assert!(begun.elapsed() < PATIENCE, "nobody tells of anything");
        stage.put(&self::report(n));
        n += 1;
    }
    fs::write(stage.config.report("broken.json"), "{").unwrap();
    stage.settle();
    assert_eq!(delete(&daemon, &report.expected.id).0, 200);
    assert_eq!(post(&daemon, &json!({ "files": ["broken"] }))["deleted"], 1);
    let text = events.wait_for("the events", |text| text.contains("broken.json\",\"words\":\"del"));
    let told: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|event: &Value| event["event"] == "deleted")
        .map(|event| json!([event["kind"], event["content"], event["path"]]))
        .collect();
    let id = &report.expected.id;
    let expected = [
        json!(["report", id, null]),
        json!(["audio", id, null]),
        json!([null, null, "reports/broken.json"]),
    ];
    assert_eq!(told, expected);
    daemon.stop();
}

#[test]
fn what_was_deleted_stays_away_though_the_outbox_is_lost() {
    let stage = stage();
    let daemon = stage.start();
    let (first, other) = (report(1), report(2));
    let id = &first.expected.id;
    let paths = delivered(&stage, &first, 1);
    delivered(&stage, &other, 2);
    let saved = [fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap()];
    stage.dashboard.delete(id);
    assert_eq!(delete(&daemon, id).0, 200);
    daemon.stop();
    for (path, bytes) in paths.iter().zip(&saved) {
        fs::write(path, bytes).unwrap();
    }
    let outbox = stage.config.outbox();
    for lost in ["is corrupt", "is gone"] {
        match lost {
            "is corrupt" => fs::write(&outbox, vec![b'x'; 8192]).unwrap(),
            _ => fs::remove_file(&outbox).unwrap(),
        }
        let _none = fs::remove_file(outbox.with_extension("db-wal"));
        let mark = stage.mark();
        let daemon = stage.start();
        daemon.wait_for_line(PATIENCE, |line| {
            line["message"] == "what was deleted at the dashboard before stays deleted"
        });
        stage.settle();
        let told = stage.told_after(mark);
        assert_eq!(
            told,
            [format!("audio {}", other.expected.id), format!("report {}", other.expected.id)]
        );
        assert!(stage.dashboard.record(id).is_none(), "{lost}");
        assert_eq!(states(&stage, id), ["dropped", "dropped"], "{lost}");
        let (said, _) = stage.said(&["why", id]);
        assert!(said.contains("deleted at the dashboard on 2"), "{said}");
        daemon.stop();
    }
    let daemon = stage.start();
    stage.put(&fixtures::report_revised(Shape::UniversalYoutube, 1, 1));
    stage.holds(&fixtures::report_revised(Shape::UniversalYoutube, 1, 1));
    daemon.stop();
}
