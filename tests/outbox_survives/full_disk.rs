//! A full volume: nothing dies, what was delivered is marked, and with room everything goes on.

use std::path::Path;

use crate::support::daemon::Daemon;
use crate::support::dashboard::{Dashboard, Fault, Rule};
use crate::support::fixtures::{self, Report};
use crate::support::http::{exchange, exchange_at, request};
use crate::volume::Volume;
use crate::{PATIENCE, config, holds, put, skip};

const FULL: &str = "the outbox's volume is full: nothing new is taken in until there is room on \
                    it; what is recorded goes on being delivered";
const ROOM: &str = "the outbox's volume has room again";

fn sent(dashboard: &Dashboard, reports: &[Report]) -> Vec<usize> {
    reports.iter().map(|report| dashboard.reports_of(&report.expected.id).len()).collect()
}

fn a_full_volume_is_survived(kind: &str) {
    let volume = match Volume::new(kind) {
        Ok(volume) => volume,
        Err(why) => return skip(&format!("a full {kind}"), &why),
    };
    let dashboard = Dashboard::start();
    let outbox = volume.path().join("state/outbox.db");
    let config =
        config(&dashboard).with_toml(&format!("[outbox]\npath = {:?}", outbox.to_str().unwrap()));
    let reports = fixtures::mixed_reports(120);
    let (known, new) = reports.split_at(12);

    // Recorded with room, sent and answered without.
    dashboard.inject(Rule::new(Fault::HoldThenRelease).reports());
    put(&config, known);
    let daemon = Daemon::start_ready(&config);
    assert!(dashboard.wait_until(PATIENCE, |state| state.held() == 4));
    volume.fill();
    put(&config, new);
    daemon.wait_for_line(PATIENCE, |line| line["message"] == FULL);
    assert!(!beside(&outbox, ".reserve").exists(), "{kind}: the reserve was not given up");
    let status = exchange_at(&config.socket(), b"GET /status HTTP/1.0\r\n\r\n").unwrap().json();
    assert!(status["outbox"]["disk_full"].is_string(), "{kind}: {status:#}");
    assert_eq!(status["roots"][0]["seen"], true, "{kind}: {status:#}");
    let reason = status["reasons"][0].as_str().unwrap();
    assert!(reason.contains("volume is full"), "{kind}: {reason}");
    dashboard.clear_faults();
    dashboard.release();
    holds(&dashboard, known);
    daemon.stop();
    assert_eq!(daemon.lines_saying(FULL).len(), 1, "{kind}");

    // What was marked then is not sent again, by a daemon that begins on a full volume.
    let (taken, before): (Vec<_>, Vec<_>) =
        reports.iter().cloned().zip(sent(&dashboard, &reports)).filter(|(_, n)| *n > 0).unzip();
    assert!(taken.len() < reports.len(), "{kind}: there was room for all");
    let daemon = Daemon::start_ready(&config);
    daemon.wait_for_line(PATIENCE, |line| line["message"] == FULL);
    assert_eq!(daemon.exited(), None);
    volume.clear();
    daemon.wait_for_line(PATIENCE, |line| line["message"] == ROOM);
    holds(&dashboard, &reports);
    assert_eq!(sent(&dashboard, &taken), before, "{kind}: sent again");
    assert!(beside(&outbox, ".reserve").exists(), "{kind}: the reserve was not made again");
    daemon.stop();
}

fn beside(outbox: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = outbox.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[test]
fn a_full_tmpfs_is_survived() {
    a_full_volume_is_survived("tmpfs");
}

#[test]
fn a_full_ext4_is_survived() {
    a_full_volume_is_survived("ext4");
}

#[test]
fn a_full_xfs_is_survived() {
    a_full_volume_is_survived("xfs");
}

#[test]
fn a_full_btrfs_is_survived() {
    a_full_volume_is_survived("btrfs");
}

#[test]
fn a_quota_that_is_used_up_is_survived() {
    a_full_volume_is_survived("quota");
}

#[test]
fn a_volume_that_is_full_from_the_start_is_waited_for() {
    let volume = match Volume::new("tmpfs") {
        Ok(volume) => volume,
        Err(why) => return skip("a volume that is full from the start", &why),
    };
    let dashboard = Dashboard::start();
    let outbox = volume.path().join("outbox.db");
    let config =
        config(&dashboard).with_toml(&format!("[outbox]\npath = {:?}", outbox.to_str().unwrap()));
    let reports = fixtures::mixed_reports(3);
    put(&config, &reports);
    volume.fill();
    let waits = |line: &serde_json::Value| {
        line["message"] == "the outbox's volume is full: it cannot be opened until there is room"
    };
    // It can be stopped while it waits.
    let daemon = Daemon::start(&config);
    daemon.wait_for_line(PATIENCE, waits);
    daemon.stop();
    let daemon = Daemon::start(&config);
    daemon.wait_for_line(PATIENCE, waits);
    volume.clear();
    holds(&dashboard, &reports);
    daemon.stop();
}

#[test]
fn on_a_full_volume_a_deletion_is_done_whole_or_not_at_all() {
    let volume = match Volume::new("tmpfs") {
        Ok(volume) => volume,
        Err(why) => return skip("a deletion on a full volume", &why),
    };
    let dashboard = Dashboard::start();
    let outbox = volume.path().join("state/outbox.db");
    let config = config(&dashboard)
        .with_toml(&format!("[outbox]\npath = {:?}", outbox.to_str().unwrap()))
        .with_toml("[callback]\nlisten = '127.0.0.1:0'")
        .with_env("SYNC_SECRET", "s3cret");
    let reports = fixtures::mixed_reports(300);
    put(&config, &reports);
    let daemon = Daemon::start_ready(&config);
    holds(&dashboard, &reports);
    let heard = |line: &serde_json::Value| line["message"] == "deletions are heard of here";
    let line = daemon.wait_for_line(PATIENCE, heard);
    let address = line["address"].as_str().unwrap().parse().unwrap();
    let headers = [("X-Sync-Secret", "s3cret"), ("Connection", "close")];
    let delete = |ids: &[&str]| {
        let body = serde_json::json!({ "ids": ids }).to_string();
        let request = request("POST", "/delete-reports", &headers, body.as_bytes());
        exchange(address, &request).expect("an answer")
    };
    let is_there = |report: &Report| config.report(&report.file_name).exists();
    volume.fill();
    for group in reports.chunks(50) {
        let ids: Vec<&str> = group.iter().map(|report| report.expected.id.as_str()).collect();
        let reply = delete(&ids);
        let left = group.iter().filter(|report| is_there(report)).count();
        match reply.status {
            200 => assert_eq!(left, 0, "{}", reply.text()),
            503 => assert_eq!(left, group.len(), "{}", reply.text()),
            other => panic!("{other}: {}", reply.text()),
        }
    }
    volume.clear();
    let rest: Vec<&str> = reports
        .iter()
        .filter(|report| is_there(report))
        .map(|report| report.expected.id.as_str())
        .collect();
    if !rest.is_empty() {
        assert_eq!(delete(&rest).json()["deleted"], rest.len());
    }
    assert!(!reports.iter().any(is_there));
    daemon.stop();
}
