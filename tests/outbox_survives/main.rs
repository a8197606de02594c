//! The outbox outlives what disks do to it, and where it cannot, it is rebuilt from the files.

#[path = "../support/mod.rs"]
mod support;

mod corruption;
mod daemon_after_corruption;
mod dice;
mod failing_disk;
mod full_disk;
mod places;
mod volume;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::daemon::{Config, Daemon};
use support::dashboard::Dashboard;
use support::fixtures::{Report, write_renamed};

/// Nothing here takes this long; whatever does has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon's surroundings, its log without the chatter.
fn config(dashboard: &Dashboard) -> Config {
    let mut config = Config::new(&dashboard.url(), &dashboard.token());
    config.log_filter = "info".to_owned();
    config
}

fn put(config: &Config, reports: &[Report]) {
    for report in reports {
        write_renamed(&config.report(&report.file_name), &report.bytes());
    }
}

/// Waits until the dashboard shows each report as its file has it.
fn holds(dashboard: &Dashboard, reports: &[Report]) {
    let missing = |report: &&Report| {
        let expected = &report.expected;
        dashboard.record(&expected.id).is_none_or(|record| record.texts() != expected.variants)
    };
    let all = dashboard.wait_until(PATIENCE, |state| {
        reports.iter().all(|report| {
            let record = state.record(&report.expected.id);
            record.is_some_and(|record| record.texts() == report.expected.variants)
        })
    });
    let names: Vec<_> = reports.iter().filter(missing).map(|r| &r.expected.id).collect();
    assert!(all, "not delivered: {names:?}");
}

/// Starts a daemon that is not to live, and gives its exit code with the last line it logged.
fn refusal(config: &Config) -> (Option<i32>, String) {
    let daemon = Daemon::start(config);
    let status = daemon.wait_exit(PATIENCE);
    let lines = daemon.lines();
    let last = lines.last().map(|line| line["error"].as_str().unwrap_or_default().to_owned());
    (status.code(), last.unwrap_or_default())
}

/// Says that a test is skipped, past the harness, which keeps what passing tests print to itself.
fn skip(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// Runs a command, and gives what it complained of when it failed.
fn command(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", words[0]))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(format!("{}: {complaint}", words.join(" ")))
}
