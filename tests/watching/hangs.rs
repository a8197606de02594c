//! A file system that stops answering in the middle of something, or answers with an error.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::machine::{Mount, bytes_read, skipped};
use crate::support::daemon::Daemon;
use crate::support::fixtures::{self, Report, Shape, audio_name, write_in_place};
use crate::support::http::{exchange_at, request};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage};

/// What a slow file system gives in a second, and a file that takes much longer.
const RATE: &str = "--read-rate=300k";
const SECONDS_OF_AUDIO: u32 = 150;
/// It is to be named within this.
const NAMED: Duration = Duration::from_secs(45);

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

fn audio(n: usize) -> String {
    audio_name(report(n).bare_id(), n)
}

/// Exports behind a program that hands them out slowly, gives no events, and can be stopped.
fn slow_exports(stage: &mut Stage) -> Option<(Mount, PathBuf)> {
    let config = std::mem::take(&mut stage.config.extra_toml);
    stage.config.extra_toml = config + "[watch]\nscan = '1s'\nmode = 'scan'\n";
    let source = stage.config.path().join("source");
    fs::create_dir(&source).unwrap();
    match Mount::bindfs_with(&[RATE], &source, &stage.config.exports()) {
        Ok(mount) => Some((mount, source)),
        Err(why) => {
            skipped(&why);
            None
        }
    }
}

fn put(directory: &Path, name: &str, bytes: &[u8]) {
    write_in_place(&directory.join(name), bytes);
}

/// Waits until the daemon has read so much more than it had.
fn reads(daemon: &Daemon, before: u64, more: u64) {
    let begun = Instant::now();
    while bytes_read(daemon.pid()) < before + more {
        assert!(begun.elapsed() < PATIENCE, "{} of {more}", bytes_read(daemon.pid()) - before);
        thread::sleep(Duration::from_millis(20));
    }
}

fn threads(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().count()
}

#[test]
fn a_file_system_that_hangs_while_a_file_is_read_is_named_with_the_file_and_holds_up_nothing() {
    let mut stage = Stage::new();
    let Some((mount, source)) = slow_exports(&mut stage) else { return };
    let daemon = stage.start();
    let bytes = mp3(SECONDS_OF_AUDIO, 1);
    let before = bytes_read(daemon.pid());
    put(&source, &audio(1), &bytes);
    reads(&daemon, before, 300_000);
    mount.signal(Signal::STOP);
    let stopped = Instant::now();
    let file = format!("exports/{}", audio(1));
    let line = daemon.wait_for_line(NAMED, |line| line["file"] == file.as_str());
    assert!(line["error"].as_str().unwrap().contains("does not answer"), "{line}");
    let lost =
        daemon.wait_for_line(NAMED, |line| line["root"] == "exports" && line["why"].is_string());
    assert!(lost["why"].as_str().unwrap().contains("does not answer"), "{lost}");
    assert!(stopped.elapsed() < NAMED, "{:?}", stopped.elapsed());
    let (said, code) = stage.said(&["status"]);
    assert!(
        code == Some(1) && said.contains("exports is lost: the file system does not"),
        "{said}"
    );

    stage.put(&report(1));
    stage.holds(&report(1));
    // A root that is not there costs no further threads.
    let few = threads(&daemon);
    let mark = daemon.mark();
    assert_eq!(stage.said(&["rescan"]).1, Some(1));
    assert!(threads(&daemon) <= few + 1, "{few} threads, then {}", threads(&daemon));
    let again = |line: &Value| line["file"] == file.as_str();
    assert!(!daemon.lines()[mark..].iter().any(again), "it is said once");

    mount.signal(Signal::CONT);
    stage.holds_audio(&report(1).expected.id, &bytes);
    daemon.stop();
    mount.unmount();
}

#[test]
fn a_file_system_that_hangs_during_an_upload_is_the_files_fault_and_not_the_dashboards() {
    let mut stage = Stage::new();
    let Some((mount, source)) = slow_exports(&mut stage) else { return };
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    let bytes = mp3(SECONDS_OF_AUDIO, 1);
    let before = bytes_read(daemon.pid());
    put(&source, &audio(1), &bytes);
    // Once through for what it is, and some of it for the dashboard.
    reads(&daemon, before, bytes.len() as u64 + 300_000);
    mount.signal(Signal::STOP);
    let id = report(1).expected.id;
    let line = daemon.wait_for_line(NAMED, |line| {
        line["id"] == id.as_str() && line["message"] == "not delivered: its file cannot be read"
    });
    assert_eq!(line["file"], format!("exports/{}", audio(1)));
    assert!(line["error"].as_str().unwrap().contains("does not answer"), "{line}");
    let status = stage.json(&["status"]);
    assert_eq!(status["targets"][0]["state"], "up", "{status}");
    stage.put(&report(2));
    stage.holds(&report(2));
    let rows = stage.json(&["list", "--state", "waiting"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["id"] == id.as_str());
    let why = row.expect("it is listed")["reason"].as_str().unwrap();
    assert!(why.contains("cannot be read: the file system does not answer"), "{why}");
    mount.signal(Signal::CONT);
    daemon.stop();
    mount.unmount();
}

#[test]
fn a_file_system_that_hangs_already_at_the_start_keeps_nobody_from_starting_asking_or_reloading() {
    let mut stage = Stage::new();
    let Some((mount, source)) = slow_exports(&mut stage) else { return };
    let bytes = mp3(1, 1);
    put(&source, &audio(1), &bytes);
    mount.signal(Signal::STOP);
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));

    // Each of these has to ask the dead mount, and there are more of them than threads that answer
    // everybody else.
    let beside = stage.config.path().join("source/../exports");
    for n in 0..3 {
        let path = beside.join(audio(n));
        let query = path.to_str().expect("a path of ours is UTF-8");
        let ask = request("GET", &format!("/why?path={query}"), &[("Connection", "close")], b"");
        let reply = exchange_at(&stage.config.socket(), &ask).expect("an answer");
        assert!(reply.text().contains("does not answer"), "{}", reply.text());
    }
    let (said, code) = stage.said(&["status"]);
    assert!(code == Some(1) && said.contains("exports is lost"), "{said}");
    let (said, code) = stage.said(&["reload"]);
    assert!(code == Some(0) && said.contains("was read again"), "{said}");
    stage.put(&report(2));
    stage.holds(&report(2));

    mount.signal(Signal::CONT);
    stage.holds_audio(&report(1).expected.id, &bytes);
    daemon.stop();
    mount.unmount();
}

#[test]
fn a_file_that_cannot_be_read_is_named_once_shown_and_taken_when_it_can_be() {
    let stage = Stage::new();
    let path = stage.config.report("broken.json");
    fs::write(&path, report(1).bytes()).unwrap();
    // A regular file that gives an error, as a bad disk does: nothing is mapped at its beginning.
    let memory = PathBuf::from(format!("/proc/{}/mem", std::process::id()));
    let mount = match Mount::bind(&memory, &path) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    let says = |line: &Value| line["file"] == "reports/broken.json";
    let line = daemon.wait_for_line(PATIENCE, says);
    assert!(line["error"].as_str().unwrap().contains("Input/output error"), "{line}");
    stage.put(&report(2));
    stage.holds(&report(2));
    let (said, code) = stage.said(&["status"]);
    assert_eq!(code, Some(1), "{said}");
    for text in [
        "! reports: 1 file cannot be read for now; ytv2d list --state waiting says why",
        "reports/broken.json it cannot be read: Input/output error",
    ] {
        assert!(said.contains(text), "{text} in {said}");
    }
    let rows = stage.json(&["list", "--state", "waiting"]);
    assert_eq!(rows[0]["path"], "reports/broken.json", "{rows}");
    // It is tried again, and that is no news.
    assert_eq!(stage.said(&["rescan"]).1, Some(0));
    assert_eq!(daemon.lines().iter().filter(|line| says(line)).count(), 1);
    mount.unmount();
    assert_eq!(stage.said(&["rescan"]).1, Some(0));
    stage.holds(&report(1));
    let begun = Instant::now();
    while stage.said(&["status"]).1 != Some(0) {
        assert!(begun.elapsed() < PATIENCE);
    }
    daemon.stop();
}
