//! A disk that fails, and a kill between two writes: what was not kept is found again on the disk.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Instant;

use crate::support::daemon::{Config, Daemon};
use crate::support::dashboard::Dashboard;
use crate::support::fixtures;
use crate::support::http::{exchange, request};
use crate::{PATIENCE, command, config, holds, put, skip};

/// The calls with which SQLite changes its files.
const CALLS: &str = "pwrite64,fdatasync,fsync,ftruncate,unlink";

/// Whether faults can be put into system calls here.
fn has_strace(what: &str) -> bool {
    match command(&["strace", "-o", "/dev/null", "true"]) {
        Ok(()) => true,
        Err(why) => {
            skip(what, &why);
            false
        }
    }
}

fn trace(config: &Config) -> PathBuf {
    config.path().join("trace")
}

/// Puts the daemon under strace, which looks at the outbox's files alone.
fn under_strace(config: &mut Config, inject: &str) {
    let outbox = config.outbox().to_str().unwrap().to_owned();
    let trace = trace(config).to_str().unwrap().to_owned();
    let mut words = ["strace", "-f", "-qq", "-o", &trace, "-e"].map(str::to_owned).to_vec();
    words.extend([format!("trace={CALLS}"), "-e".to_owned(), format!("inject={inject}")]);
    for part in ["", "-wal", "-journal"] {
        words.extend(["-P".to_owned(), format!("{outbox}{part}")]);
    }
    config.wrapper = words;
}

#[test]
fn after_an_error_of_the_disk_nothing_more_is_written_and_the_next_start_recovers() {
    for call in ["fsync,fdatasync", "pwrite64"] {
        if !has_strace(&format!("a failing {call}")) {
            return;
        }
        let dashboard = Dashboard::start();
        let mut config = config(&dashboard);
        let reports = fixtures::mixed_reports(6);
        put(&config, &reports[..3]);
        let daemon = Daemon::start_ready(&config);
        holds(&dashboard, &reports[..3]);
        daemon.stop();

        put(&config, &reports[3..]);
        under_strace(&mut config, &format!("{call}:error=EIO:when=1"));
        let daemon = Daemon::start(&config);
        let status = daemon.wait_exit(PATIENCE);
        assert_eq!(status.code(), Some(1), "{call}");
        let trace = fs::read_to_string(trace(&config)).unwrap();
        let after = trace.split_once("(INJECTED)").expect("the fault fired").1;
        assert!(!CALLS.split(',').any(|call| after.contains(&format!("{call}("))), "{trace}");
        let error = daemon.lines_saying("stopped").pop().unwrap();
        assert!(error["error"].as_str().unwrap().contains("disk I/O error"), "{error}");

        config.wrapper.clear();
        let daemon = Daemon::start_ready(&config);
        holds(&dashboard, &reports);
        daemon.stop();
    }
}

#[test]
fn a_write_that_finds_no_room_ends_nothing() {
    if !has_strace("no room at the n-th write") {
        return;
    }
    let dashboard = Dashboard::start();
    let mut fired = 0;
    for n in (1..=13).step_by(3) {
        let mut config = config(&dashboard);
        Daemon::start_ready(&config).stop();
        let reports: Vec<_> =
            (0..4).map(|i| fixtures::report(fixtures::Shape::ALL[i], 10 * n + i)).collect();
        put(&config, &reports);
        under_strace(&mut config, &format!("pwrite64:error=ENOSPC:when={n}"));
        let daemon = Daemon::start_ready(&config);
        holds(&dashboard, &reports);
        assert_eq!(daemon.exited(), None, "write {n}");
        drop(daemon);
        fired += usize::from(fs::read_to_string(trace(&config)).unwrap().contains("(INJECTED)"));
    }
    assert!(fired >= 3, "only {fired} faults fired");
}

#[test]
fn a_kill_at_any_write_of_the_first_start_leaves_an_outbox_that_can_be_opened() {
    if !has_strace("a kill at the n-th write of a migration") {
        return;
    }
    let dashboard = Dashboard::start();
    let reports = fixtures::mixed_reports(1);
    let mut fired = 0;
    for n in 1.. {
        let mut config = config(&dashboard);
        under_strace(&mut config, &format!("{CALLS}:signal=SIGKILL:when={n}"));
        let daemon = Daemon::start(&config);
        // When it is ready, all writes of the schema have had their turn.
        if daemon.line_before_end(PATIENCE, |line| line["message"] == "ready") {
            break;
        }
        let status = daemon.wait_exit(PATIENCE);
        assert_eq!(status.signal(), Some(9), "{status}");
        fired += 1;
        config.wrapper.clear();
        put(&config, &reports);
        let daemon = Daemon::start_ready(&config);
        let corrupt = daemon.lines().iter().any(|line| line["moved_to"].is_string());
        assert!(!corrupt, "a kill at write {n} was taken for corruption");
        daemon.stop();
    }
    assert!(fired >= 5, "only {fired} kills");
}

#[test]
fn what_cannot_be_recorded_as_deleted_is_not_moved() {
    for (fault, status) in [("ENOSPC", Some(503)), ("EIO", None)] {
        if !has_strace(&format!("a deletion with {fault}")) {
            return;
        }
        let dashboard = Dashboard::start();
        let mut config = config(&dashboard)
            .with_toml("[callback]\nlisten = '127.0.0.1:0'")
            .with_env("SYNC_SECRET", "s3cret");
        let reports = fixtures::mixed_reports(60);
        put(&config, &reports);
        let daemon = Daemon::start_ready(&config);
        holds(&dashboard, &reports);
        daemon.stop();

        // From a write on that a start does not come to.
        under_strace(&mut config, &format!("pwrite64:error={fault}:when=40+"));
        let daemon = Daemon::start_ready(&config);
        let heard = |line: &serde_json::Value| line["message"] == "deletions are heard of here";
        let line = daemon.wait_for_line(PATIENCE, heard);
        let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        let headers = [("X-Sync-Secret", "s3cret"), ("Connection", "close")];
        let mut refused = None;
        for report in &reports {
            let target = format!("/api/delete/{}", report.expected.id);
            let reply = exchange(address, &request("DELETE", &target, &headers, b""));
            let is_there = config.report(&report.file_name).exists();
            match reply.map(|reply| reply.status) {
                Ok(200) => assert!(!is_there, "{}", report.expected.id),
                other => {
                    assert!(is_there, "{fault}: {other:?}");
                    refused = Some((report, other.ok()));
                    break;
                }
            }
        }
        let (report, answer) = refused.expect("the fault fired");
        assert!(status.is_none() || answer == status, "{fault}: {answer:?}");
        drop(daemon);
        // What the wrapper ran is killed with it, and has let go of the outbox a moment later.
        let (killed, lock) = (Instant::now(), config.path().join("outbox.db.lock"));
        while File::open(&lock).unwrap().try_lock().is_err() {
            assert!(killed.elapsed() < PATIENCE, "{fault}: it lives");
        }

        config.wrapper.clear();
        let daemon = Daemon::start_ready(&config);
        let line = daemon.wait_for_line(PATIENCE, heard);
        let address = line["address"].as_str().unwrap().parse().unwrap();
        let target = format!("/api/delete/{}", report.expected.id);
        let reply = exchange(address, &request("DELETE", &target, &headers, b"")).unwrap();
        assert_eq!((reply.status, &reply.json()["deleted_files"]), (200, &1.into()), "{fault}");
        daemon.stop();
    }
}
