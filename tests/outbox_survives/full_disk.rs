//! A full volume: nothing dies, what was delivered is marked, and with room everything goes on.

use std::path::Path;

use crate::support::daemon::Daemon;
use crate::support::dashboard::{Dashboard, Fault, Rule};
use crate::support::fixtures::{self, Report};
use crate::support::http::exchange_at;
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
