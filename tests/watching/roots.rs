//! Roots that come and go. Each time: a named state in the log, nothing taken for deleted, and what
//! did not change is not sent again.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::machine::{Mount, image, run, skipped};
use crate::support::daemon::Daemon;
use crate::support::dashboard::{Fault, Rule};
use crate::support::fixtures::{self, Report, Shape, write_in_place};
use crate::support::stage::{PATIENCE, Stage};

const LOST: &str = "a watched directory cannot be read";
const OTHER: &str = "another directory, or another mount";
const SUSPICIOUS: &str = "so many files are gone at once";
const AGAIN: &str = "the directory is watched by events again";
const VANISHED: &str = "its file is gone before it was delivered";

fn reports(numbers: std::ops::Range<usize>) -> Vec<Report> {
    numbers.map(|n| fixtures::report(Shape::UniversalWeb, n)).collect()
}

fn write(directory: &Path, reports: &[Report]) {
    for report in reports {
        write_in_place(&directory.join(&report.file_name), &report.bytes());
    }
}

fn all_hold(stage: &Stage, reports: &[Report]) {
    reports.iter().for_each(|report| drop(stage.holds(report)));
}

fn says(line: &Value, message: &str) -> bool {
    line["root"] == "reports" && line["message"].as_str().is_some_and(|m| m.starts_with(message))
}

fn wait_for(daemon: &Daemon, mark: usize, message: &str) -> Value {
    daemon.wait_for_line_after(mark, PATIENCE, |line| says(line, message))
}

fn never_said(daemon: &Daemon, message: &str) {
    let lines: Vec<_> =
        daemon.lines().into_iter().filter(|line| line.to_string().contains(message)).collect();
    assert_eq!(lines, [Value::Null; 0]);
}

/// Waits until so many reports are taken in, be they delivered or not.
fn all_known(daemon: &Daemon, count: usize) {
    let begun = Instant::now();
    loop {
        let mark = daemon.mark();
        daemon.sighup();
        if wait_for(daemon, mark, "looked through")["known"] == count {
            return;
        }
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// What was sent after a mark, as the ids of reports.
fn sent_after(stage: &Stage, mark: usize) -> Vec<String> {
    stage.sent_after(mark).into_iter().filter_map(|request| request.video_id).collect()
}

fn ids(reports: &[Report]) -> Vec<String> {
    reports.iter().map(|report| report.expected.id.clone()).collect()
}

#[test]
fn a_root_that_is_not_there_yet_is_waited_for_and_taken_up() {
    let stage = Stage::new();
    fs::remove_dir(stage.config.reports()).unwrap();
    let daemon = stage.start();
    let line = wait_for(&daemon, 0, LOST);
    assert_eq!(line["level"], "ERROR");
    assert!(line["why"].as_str().unwrap().contains("No such file"), "{line}");
    assert_eq!(line["path"].as_str().map(Path::new), Some(stage.config.reports().as_path()));
    fs::create_dir(stage.config.reports()).unwrap();
    write(&stage.config.reports(), &reports(0..2));
    all_hold(&stage, &reports(0..2));
    wait_for(&daemon, 0, AGAIN);
    stage.settle();
    daemon.stop();
}

#[test]
fn what_was_due_while_its_root_was_away_is_no_fault_of_the_dashboard_and_goes_when_both_are_back() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (root, away) = (stage.config.reports(), stage.config.path().join("away"));
    write(&root, &reports(0..1));
    all_hold(&stage, &reports(0..1));
    stage.dashboard.refuse(true);
    write(&root, &reports(1..8));
    daemon.wait_for_line(PATIENCE, |line| {
        line["message"].as_str().is_some_and(|message| message.starts_with("nothing gets through"))
    });
    all_known(&daemon, 8);

    let mark = daemon.mark();
    fs::rename(&root, &away).unwrap();
    wait_for(&daemon, mark, LOST);
    let mark = daemon.mark();
    stage.dashboard.refuse(false);
    let unreadable = "not delivered: its file cannot be read";
    daemon.wait_for_line_after(mark, PATIENCE, |line| line["message"] == unreadable);
    let status = stage.json(&["status"]);
    let why = status["targets"][0]["why"].as_str().unwrap_or_default();
    assert!(!why.contains("file"), "{status:#}");

    fs::rename(&away, &root).unwrap();
    all_hold(&stage, &reports(0..8));
    stage.settle();
    never_said(&daemon, VANISHED);
    daemon.stop();
}

#[test]
fn a_root_that_is_renamed_away_is_let_go_and_taken_up_again_when_it_is_back() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (root, away) = (stage.config.reports(), stage.config.path().join("away"));
    write(&root, &reports(0..5));
    all_hold(&stage, &reports(0..5));

    let (mark, sent) = (daemon.mark(), stage.mark());
    fs::rename(&root, &away).unwrap();
    fs::create_dir(&root).unwrap();
    write(&root, &reports(5..6));
    write(&away, &reports(6..7));
    all_hold(&stage, &reports(5..6));
    let line = wait_for(&daemon, mark, SUSPICIOUS);
    assert_eq!(line["gone"].as_u64(), Some(5), "{line}");
    assert_eq!(sent_after(&stage, sent), ids(&reports(5..6)));

    let mark = daemon.mark();
    fs::rename(&root, stage.config.path().join("other")).unwrap();
    fs::rename(&away, &root).unwrap();
    all_hold(&stage, &reports(6..7));
    wait_for(&daemon, mark, AGAIN);
    stage.settle();
    assert_eq!(sent_after(&stage, sent), ids(&reports(5..7)));
    never_said(&daemon, VANISHED);
    daemon.stop();
}

#[test]
fn a_root_that_is_deleted_and_made_again_is_taken_up_and_restored_files_are_not_sent_again() {
    let stage = Stage::new();
    let daemon = stage.start();
    let root = stage.config.reports();
    write(&root, &reports(0..5));
    all_hold(&stage, &reports(0..5));
    let (mark, sent) = (daemon.mark(), stage.mark());
    fs::remove_dir_all(&root).unwrap();
    wait_for(&daemon, mark, LOST);
    fs::create_dir(&root).unwrap();
    write(&root, &reports(0..6));
    all_hold(&stage, &reports(5..6));
    wait_for(&daemon, mark, AGAIN);
    stage.settle();
    assert_eq!(sent_after(&stage, sent), ids(&reports(5..6)));
    never_said(&daemon, VANISHED);
    daemon.stop();
}

#[test]
fn a_file_system_mounted_over_a_root_and_taken_away_again_is_noticed_both_times() {
    let stage = Stage::new();
    let root = stage.config.reports();
    let daemon = stage.start();
    write(&root, &reports(0..5));
    all_hold(&stage, &reports(0..5));
    let sent = stage.mark();
    for round in 0..2 {
        let (new, mark) = (reports(10 + round..11 + round), daemon.mark());
        let mount = match Mount::tmpfs(&root) {
            Ok(mount) => mount,
            Err(why) => return skipped(&why),
        };
        write(&root, &new);
        all_hold(&stage, &new);
        let line = wait_for(&daemon, mark, OTHER);
        assert_eq!(line["file_system"], "tmpfs");
        wait_for(&daemon, mark, SUSPICIOUS);

        let mark = daemon.mark();
        mount.unmount();
        wait_for(&daemon, mark, OTHER);
        wait_for(&daemon, mark, AGAIN);
        let new = reports(20 + round..21 + round);
        write(&root, &new);
        all_hold(&stage, &new);
    }
    stage.settle();
    let expected: Vec<String> =
        [10, 20, 11, 21].iter().flat_map(|n| ids(&reports(*n..n + 1))).collect();
    assert_eq!(sent_after(&stage, sent), expected);
    never_said(&daemon, VANISHED);
    daemon.stop();
}

#[test]
fn a_share_that_the_host_mounts_later_is_seen_by_a_service_in_a_namespace_of_its_own() {
    let mut stage = Stage::new();
    let wrapper = ["unshare", "--mount", "--propagation", "slave"];
    if let Err(why) = run(&[&wrapper[..], &["true"]].concat()) {
        return skipped(&why);
    }
    stage.config.wrapper = wrapper.map(str::to_owned).to_vec();
    // A host under systemd shares its mounts; others are made to, here.
    let (root, here) = (stage.config.reports(), stage.config.path());
    let shared = Mount::bind(here, here);
    let share = ["mount", "--make-shared", here.to_str().unwrap()];
    let shared = match shared.and_then(|mount| run(&share).map(|()| mount)) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    let mark = daemon.mark();
    let mount = Mount::tmpfs(&root).unwrap();
    assert_eq!(wait_for(&daemon, mark, OTHER)["file_system"], "tmpfs");
    write(&root, &reports(0..3));
    all_hold(&stage, &reports(0..3));
    let mark = daemon.mark();
    mount.unmount();
    wait_for(&daemon, mark, SUSPICIOUS);
    never_said(&daemon, VANISHED);
    daemon.stop();
    shared.unmount();
}

#[test]
fn a_file_system_that_is_taken_away_and_put_back_between_two_looks_is_watched_again() {
    let stage = Stage::new();
    let (root, disk) = (stage.config.reports(), stage.config.path().join("disk"));
    let mount = match image(&disk).and_then(|()| Mount::image(&disk, &root)) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    write(&root, &reports(0..3));
    all_hold(&stage, &reports(0..3));
    // The same device and the same inode as before, and no watch any more.
    let mark = daemon.mark();
    daemon.freeze();
    mount.unmount();
    let mount = Mount::image(&disk, &root).unwrap();
    daemon.thaw();
    write(&root, &reports(3..4));
    all_hold(&stage, &reports(3..4));
    wait_for(&daemon, mark, OTHER);
    write(&root, &reports(4..5));
    all_hold(&stage, &reports(4..5));
    assert_eq!(stage.told_after(0).len(), 5);
    never_said(&daemon, SUSPICIOUS);
    daemon.stop();
    mount.unmount();
}

#[test]
fn a_root_whose_mount_fails_has_not_lost_its_files() {
    let stage = Stage::new();
    let root = stage.config.reports();
    // The volume stays alive while the root, a second mount of it, comes and goes.
    let volume = stage.config.path().join("volume");
    fs::create_dir(&volume).unwrap();
    let mounts = Mount::tmpfs(&volume).and_then(|v| Mount::bind(&volume, &root).map(|r| (v, r)));
    let (whole, mount) = match mounts {
        Ok(mounts) => mounts,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    write(&root, &reports(0..8));
    all_hold(&stage, &reports(0..8));
    stage.dashboard.refuse(true);
    write(&root, &reports(8..10));
    all_known(&daemon, 10);
    let (mark, sent) = (daemon.mark(), stage.mark());
    mount.unmount();
    let line = wait_for(&daemon, mark, SUSPICIOUS);
    assert_eq!((line["gone"].as_u64(), line["known"].as_u64()), (Some(10), Some(10)), "{line}");

    stage.dashboard.refuse(false);
    let mark = daemon.mark();
    let mount = Mount::bind(&volume, &root).unwrap();
    all_hold(&stage, &reports(8..10));
    wait_for(&daemon, mark, AGAIN);
    stage.settle();
    let mut told = sent_after(&stage, sent);
    told.sort();
    assert_eq!(told, {
        let mut ids = ids(&reports(8..10));
        ids.sort();
        ids
    });
    never_said(&daemon, VANISHED);
    daemon.stop();
    mount.unmount();
    whole.unmount();
}

#[test]
fn a_root_that_is_a_link_is_followed_to_another_directory() {
    let stage = Stage::new();
    let root = stage.config.reports();
    let [first, second] = ["first", "second"].map(|name| stage.config.path().join(name));
    fs::remove_dir(&root).unwrap();
    for directory in [&first, &second] {
        fs::create_dir(directory).unwrap();
    }
    symlink(&first, &root).unwrap();
    let daemon = stage.start();
    write(&first, &reports(0..1));
    all_hold(&stage, &reports(0..1));
    let mark = daemon.mark();
    // As ln -sfn does.
    let new = stage.config.path().join("link");
    symlink(&second, &new).unwrap();
    fs::rename(&new, &root).unwrap();
    write(&second, &reports(1..2));
    all_hold(&stage, &reports(1..2));
    wait_for(&daemon, mark, OTHER);
    write(&second, &reports(2..3));
    all_hold(&stage, &reports(2..3));
    daemon.stop();
}

#[test]
fn what_is_written_to_the_source_of_a_bind_mount_is_seen() {
    let stage = Stage::new();
    let source = stage.config.path().join("source");
    fs::create_dir(&source).unwrap();
    let mount = match Mount::bind(&source, &stage.config.reports()) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    write(&source, &reports(0..3));
    all_hold(&stage, &reports(0..3));
    never_said(&daemon, "no events can be relied on");
    daemon.stop();
    mount.unmount();
}

#[test]
fn a_root_that_may_not_be_read_is_lost_until_it_may() {
    let mut stage = Stage::new();
    let wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    if rustix::process::geteuid().is_root() {
        // The daemon does without the right to read everything.
        if let Err(why) = run(&[wrapper[0], wrapper[1], "true"]) {
            return skipped(&why);
        }
        stage.config.wrapper = wrapper.map(str::to_owned).to_vec();
    }
    let daemon = stage.start();
    let root = stage.config.reports();
    write(&root, &reports(0..5));
    all_hold(&stage, &reports(0..5));
    let (mark, sent) = (daemon.mark(), stage.mark());
    fs::set_permissions(&root, Permissions::from_mode(0o000)).unwrap();
    let line = wait_for(&daemon, mark, LOST);
    assert!(line["why"].as_str().unwrap().contains("Permission denied"), "{line}");
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    write(&root, &reports(5..6));
    all_hold(&stage, &reports(5..6));
    wait_for(&daemon, mark, AGAIN);
    stage.settle();
    assert_eq!(sent_after(&stage, sent), ids(&reports(5..6)));
    daemon.stop();
}

#[test]
fn a_file_system_that_does_not_answer_is_named_and_holds_up_no_other_root() {
    let stage = Stage::new();
    let (root, source) = (stage.config.exports(), stage.config.path().join("source"));
    fs::create_dir(&source).unwrap();
    let mount = match Mount::bindfs(&source, &root) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    let mark = daemon.mark();
    mount.signal(Signal::STOP);
    let line = daemon.wait_for_line_after(mark, PATIENCE, |line| line["root"] == "exports");
    assert!(line["why"].as_str().unwrap().contains("does not answer"), "{line}");
    write(&stage.config.reports(), &reports(0..2));
    all_hold(&stage, &reports(0..2));
    mount.signal(Signal::CONT);
    let again = |line: &Value| line["root"] == "exports" && line["message"] == AGAIN;
    daemon.wait_for_line_after(mark, PATIENCE, again);
    stage.settle();
    daemon.stop();
    mount.unmount();
}

#[test]
fn most_files_gone_within_a_moment_are_held_back_and_delivered_when_they_are_back() {
    let stage = Stage::new();
    // Nothing gets through, and nothing is given up either.
    let slow = stage.dashboard.inject(Rule::new(Fault::HoldThenRelease));
    let daemon = stage.start();
    let (root, away) = (stage.config.reports(), stage.config.path().join("away"));
    fs::create_dir(&away).unwrap();
    write(&root, &reports(0..20));
    all_known(&daemon, 20);
    let mark = daemon.mark();
    for report in reports(0..15) {
        fs::rename(root.join(&report.file_name), away.join(&report.file_name)).unwrap();
    }
    let line = wait_for(&daemon, mark, SUSPICIOUS);
    assert_eq!((line["gone"].as_u64(), line["known"].as_u64()), (Some(15), Some(20)), "{line}");
    stage.dashboard.remove(slow);
    stage.dashboard.release();
    all_hold(&stage, &reports(15..20));
    // While they are missed, that is all that is done and said about them.
    daemon.sighup();
    daemon.wait_for_line_after(mark, PATIENCE, |line| says(line, "looked through"));
    for report in reports(0..15) {
        fs::rename(away.join(&report.file_name), root.join(&report.file_name)).unwrap();
    }
    all_hold(&stage, &reports(0..15));
    daemon.sighup();
    wait_for(&daemon, mark, AGAIN);
    never_said(&daemon, VANISHED);
    assert_eq!(stage.told_after(0).len(), 20);
    daemon.stop();
}
