//! The kernel's limits on watches, lowered in a user namespace of the daemon's own.

use serde_json::Value;

use crate::machine::{run, skipped};
use crate::support::daemon::Daemon;
use crate::support::fixtures::{self, Shape};
use crate::support::stage::{PATIENCE, Stage};

fn runs_on_scanning(limit: &str, sysctl: &str) {
    let mut stage = Stage::new();
    let set = format!("echo 0 >/proc/sys/user/{limit}");
    if let Err(why) = run(&["unshare", "-Ur", "sh", "-c", &set]) {
        return skipped(&why);
    }
    let exec = format!("{set}; exec \"$@\"");
    stage.config.wrapper = ["unshare", "-Ur", "sh", "-c", &exec, "sh"].map(str::to_owned).to_vec();
    stage.config = stage.config.with_toml("[watch]\nscan = '300ms'");
    let daemon = stage.start();
    let of_reports = |line: &Value| line["root"] == "reports";
    let no_events = |line: &Value| {
        of_reports(line) && line["message"].as_str().unwrap().contains("no events can be relied on")
    };
    let line = daemon.wait_for_line(PATIENCE, no_events);
    assert!(line["reason"].as_str().unwrap().contains(sysctl), "{line}");
    let put = |n| {
        let report = fixtures::report(Shape::UniversalWeb, n);
        stage.put(&report);
        stage.holds(&report);
    };
    (0..3).for_each(put);
    stage.settle();
    // It tries again every ten seconds, and says nothing new of it.
    let raised = raise(&daemon, limit);
    if let Err(why) = raised {
        skipped(&format!("(the half in which the limit is raised) {why}"));
    } else {
        daemon.wait_for_line(PATIENCE, |line| {
            of_reports(line) && line["message"] == "the directory is watched by events again"
        });
        (3..5).for_each(put);
    }
    assert_eq!(daemon.lines().iter().filter(|line| no_events(line)).count(), 1);
    daemon.stop();
}

fn raise(daemon: &Daemon, limit: &str) -> Result<(), String> {
    let set = format!("echo 100 >/proc/sys/user/{limit}");
    let pid = daemon.pid().to_string();
    run(&["nsenter", "--target", &pid, "--user", "--preserve-credentials", "sh", "-c", &set])
}

#[test]
fn without_watches_it_looks_by_the_clock_and_names_the_sysctl_until_there_are_some() {
    runs_on_scanning("max_inotify_watches", "fs.inotify.max_user_watches");
}

#[test]
fn without_instances_it_looks_by_the_clock_and_names_the_sysctl_until_there_are_some() {
    runs_on_scanning("max_inotify_instances", "fs.inotify.max_user_instances");
}
