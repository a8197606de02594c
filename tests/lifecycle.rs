//! How the daemon is configured, starts, reloads, stops, and is killed.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use support::daemon::{CLEARED, Config, Daemon};
use support::dashboard::{Dashboard, Fault, Rule};
use support::fixtures::{self, Report, Shape, audio_name};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

/// Runs `ytv2d` to its end, with nothing of ours in the environment.
fn ytv2d(directory: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for name in CLEARED {
        command.env_remove(name);
    }
    command.envs(env.iter().copied()).output().expect("ytv2d runs")
}

/// The lines of a run that must end with 78.
fn faults(directory: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Vec<String> {
    let output = ytv2d(directory, arguments, env);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    said.lines().map(str::to_owned).collect()
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

#[test]
fn a_second_daemon_on_the_same_outbox_ends_and_names_the_first() {
    let stage = Stage::new();
    let first = stage.start();
    let second = Daemon::start(&stage.config);
    let status = second.wait_exit(PATIENCE);
    assert!(!status.success());
    let said: Vec<String> = second.lines().iter().map(Value::to_string).collect();
    let said = said.join("\n");
    assert!(said.contains("another ytv2d") && said.contains(&first.pid().to_string()), "{said}");
    // The first is none the worse for it.
    stage.put(&report(1));
    stage.holds(&report(1));
    first.stop();
    stage.start().stop();
}

#[test]
fn a_bad_configuration_ends_with_78_and_a_line_for_each_fault_with_its_key_and_line() {
    let env = [("INGEST_TOKEN", "t"), ("RENDER_API_URL", "http://127.0.0.1:9")];
    for (text, expected) in [
        ("[watch]\nreportz = 'x'", &[("line 2", "watch.reportz")][..]),
        ("\n\n[wotch]\nreports = 'x'", &[("line 3", "wotch")]),
        ("[ingest]\n\nparallel = 'four'", &[("line 3", "ingest.parallel")]),
        ("[watch]\naudio_quiet = 2", &[("line 2", "watch.audio_quiet")]),
        ("[retry]\nfirst = 'soon'", &[("line 2", "retry.first")]),
        ("[log]\nformat = 'xml'", &[("line 2", "log.format")]),
        ("[watch\nreports = 'x'", &[("line 1", "")]),
        ("[ingest]\nparallel = 0", &[("ingest.parallel", "between 1 and 64")]),
        (
            "[watch]\nreportz = 'x'\n[ingest]\nparallel = true\n[lock]\n",
            &[("line 2", "watch.reportz"), ("line 4", "ingest.parallel"), ("line 5", "lock")],
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("bad.toml"), text).unwrap();
        let lines = faults(directory.path(), &["run", "--config", "bad.toml"], &env);
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (place, key) in expected {
            assert!(lines.iter().any(|l| l.contains(place) && l.contains(key)), "{lines:?}");
        }
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing was begun");
    }
}

#[test]
fn without_a_url_a_token_or_the_file_it_ends_with_78_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("empty.toml"), "").unwrap();
    let run = ["run", "--config", "empty.toml"];
    let lines = faults(directory.path(), &run, &[]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("ingest.url") && lines[0].contains("POSTGRES_DASHBOARD_URL"));
    assert!(lines[1].contains("ingest.token_file") && lines[1].contains("INGEST_TOKEN"));
    let lines = faults(directory.path(), &run, &[("RENDER_DASHBOARD_URL", "http://127.0.0.1:9")]);
    assert!(lines.len() == 1 && lines[0].contains("INGEST_TOKEN"), "{lines:?}");
    let lines = faults(directory.path(), &run, &[("INGEST_TOKEN", "t")]);
    assert!(lines.len() == 1 && lines[0].contains("ingest.url"), "{lines:?}");
    let lines = faults(directory.path(), &["run", "--config", "none.toml"], &[]);
    assert!(lines.len() == 1 && lines[0].contains("none.toml"), "{lines:?}");
    let secret = [("INGEST_TOKEN", "two s3cret words"), ("RENDER_API_URL", "http://127.0.0.1:9")];
    let lines = faults(directory.path(), &run, &secret);
    assert!(lines.len() == 1 && !lines[0].contains("s3cret"), "{lines:?}");
}

#[test]
fn the_configuration_is_named_before_or_after_the_command_or_found_in_the_directory() {
    // The driver's command line is `ytv2d run --config FILE`, which the wrapper rearranges.
    for line in [r#""$1" --config "$4" run"#, r#""$1" run --config="$4""#, r#""$1" run"#] {
        let mut stage = Stage::new();
        let exec = format!("exec {line}");
        stage.config.wrapper = ["sh", "-c", &exec, "sh"].map(str::to_owned).to_vec();
        let daemon = stage.start();
        stage.put(&report(2));
        stage.holds(&report(2));
        daemon.stop();
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let [unused, dashboard] = [Dashboard::start(), Dashboard::start()];
    let config = Config::new(&unused.url(), "test-token")
        .with_env("RENDER_API_URL", &unused.url())
        .with_env("POSTGRES_DASHBOARD_URL", &format!("{}/", dashboard.url()));
    fs::write(config.report("r.json"), report(3).bytes()).unwrap();
    let daemon = Daemon::start_ready(&config);
    assert!(dashboard.wait_until(PATIENCE, |state| state.records().count() == 1));
    assert_eq!(unused.requests().len(), 0);
    daemon.stop();
}

#[test]
fn a_signal_lets_what_is_under_way_come_to_its_end() {
    let stage = Stage::new();
    let reports = [report(4), report(5)];
    let bytes = mp3(2, 4);
    stage.put(&reports[0]);
    let daemon = stage.start();
    stage.holds(&reports[0]);
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).times(2));
    stage.put(&reports[1]);
    stage.put_audio(&audio_name(reports[0].bare_id(), 1), &bytes);
    stage.wait("both are under way", |state| state.held() == 2);
    daemon.sigterm();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "finishing what is under way");
    stage.put(&report(6));
    stage.dashboard.release();
    assert_eq!(daemon.wait_exit(PATIENCE).code(), Some(0));
    stage.holds(&reports[1]);
    stage.holds_audio(&reports[0].expected.id, &bytes);

    // What was acknowledged is known to be; what came after the signal is found.
    let mark = stage.mark();
    let daemon = stage.start();
    stage.holds(&report(6));
    stage.settle();
    assert_eq!(stage.told_after(mark), [format!("report {}", report(6).expected.id)]);
    daemon.sigint();
    assert_eq!(daemon.wait_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.dashboard.inject(Rule::new(Fault::StallForever).reports().once());
    stage.put(&report(7));
    stage.wait("it is under way", |state| state.held() == 1);
    daemon.sigterm();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "finishing what is under way");
    let asked = Instant::now();
    daemon.sigint();
    assert!(!daemon.wait_exit(PATIENCE).success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let daemon = stage.start();
    stage.holds(&report(7));
    daemon.stop();
}

#[test]
fn a_dashboard_that_never_answers_holds_the_end_up_for_ten_seconds_and_nothing_is_lost() {
    let stage = Stage::new();
    let report = report(8);
    let bytes = mp3(1, 8);
    stage.put(&report);
    let daemon = stage.start();
    stage.holds(&report);
    stage.dashboard.inject(Rule::new(Fault::StallForever).times(2));
    let rewritten = fixtures::report_revised(Shape::UniversalWeb, 8, 1);
    let other = fixtures::report(Shape::Raw, 9);
    stage.put(&other);
    stage.put_audio(&audio_name(report.bare_id(), 1), &bytes);
    stage.wait("both are under way", |state| state.held() == 2);
    stage.put(&rewritten);
    let asked = Instant::now();
    daemon.sigterm();
    assert_eq!(daemon.wait_exit(PATIENCE).code(), Some(0));
    let took = asked.elapsed().as_secs_f64();
    assert!((9.5..13.0).contains(&took), "{took} s");
    stage.dashboard.release();
    let daemon = stage.start();
    stage.holds(&rewritten);
    stage.holds(&other);
    stage.holds_audio(&report.expected.id, &bytes);
    daemon.stop();
}

#[test]
fn what_waits_for_another_try_does_not_hold_the_end_up() {
    let mut stage = Stage::new();
    stage.config.extra_toml = "[retry]\nfirst = '1h'\nmax = '1h'".to_owned();
    stage.dashboard.inject(Rule::new(Fault::status(503)).reports());
    stage.put(&report(10));
    let daemon = stage.start();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "not delivered");
    let asked = Instant::now();
    daemon.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[test]
fn a_reload_takes_a_new_token_and_says_what_needs_a_restart() {
    let mut stage = Stage::new();
    let token = stage.config.path().join("token");
    let first = format!("[ingest]\ntoken_file = {token:?}");
    stage.config.token = String::new();
    stage.config.log_filter = "trace".to_owned();
    stage.config = stage.config.with_toml(&first);
    fs::write(&token, "an-old-token\n").unwrap();
    stage.dashboard.set_drains_rejected(true);
    stage.put(&report(11));
    let daemon = stage.start();
    daemon.wait_for_line(PATIENCE, |line| {
        line["why"].as_str().is_some_and(|why| why.contains("401"))
    });

    fs::write(&token, format!("{}\n", stage.dashboard.token())).unwrap();
    stage.config = stage.config.with_toml("[watch]\nreports = '/somewhere/else'");
    stage.config.write();
    let mark = daemon.mark();
    daemon.sighup();
    let line = daemon
        .wait_for_line_after(mark, PATIENCE, |line| message(line) == "this change needs a restart");
    assert_eq!(line["key"], "watch.reports");
    daemon.wait_for_line_after(mark, PATIENCE, |line| message(line) == "reloaded");
    stage.holds(&report(11));
    stage.put(&report(12));
    stage.holds(&report(12));

    // A faulty one changes nothing.
    fs::write(stage.config.file(), "[watch]\nreportz = 'x'").unwrap();
    daemon.sighup();
    let line = daemon
        .wait_for_line(PATIENCE, |line| message(line) == "the configuration is not taken over");
    assert!(line["fault"].as_str().unwrap().contains("watch.reportz"), "{line}");
    stage.put(&report(13));
    stage.holds(&report(13));
    daemon.stop();
    never_says(&daemon, "an-old-token");
    never_says(&daemon, &stage.dashboard.token());
}

#[test]
fn a_refusal_of_the_old_token_that_lands_after_the_reload_does_not_count() {
    let mut stage = Stage::new();
    let token = stage.config.path().join("token");
    stage.config.token = String::new();
    stage.config = stage.config.with_toml(&format!("[ingest]\ntoken_file = {token:?}"));
    fs::write(&token, "an-old-token").unwrap();
    stage.dashboard.set_drains_rejected(true);
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).reports().once());
    stage.put(&report(15));
    let daemon = stage.start();
    stage.wait("it is under way", |state| state.held() == 1);
    fs::write(&token, stage.dashboard.token()).unwrap();
    daemon.sighup();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "reloaded");
    stage.dashboard.release();
    stage.holds(&report(15));
    daemon.stop();
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_repeats_no_more_than_what_was_under_way() {
    let stage = Stage::new();
    const REPORTS: usize = 60;
    stage.dashboard.inject(Rule::new(Fault::DelayMillis(15)));
    let reports = fixtures::mixed_reports(REPORTS);
    let audios: Vec<(&Report, Vec<u8>)> =
        reports.iter().step_by(6).map(|report| (report, mp3(1, 1))).collect();
    for report in &reports {
        stage.put(report);
    }
    for (report, bytes) in &audios {
        stage.put_audio(&audio_name(report.bare_id(), 1), bytes);
    }
    let mut kills = 0;
    for stored in [15, 30, 45] {
        let daemon = Daemon::start(&stage.config);
        stage.wait("a part", |state| state.records().count() >= stored);
        daemon.kill9();
        kills += 1;
    }
    let daemon = stage.start();
    for report in &reports {
        stage.holds(report);
    }
    for (report, bytes) in &audios {
        stage.holds_audio(&report.expected.id, bytes);
    }
    stage.settle();
    let sent = stage.sent_after(0).len();
    assert!(sent <= REPORTS + audios.len() + kills * 4, "{sent} requests");
    daemon.stop();
}

#[test]
fn the_token_is_in_no_line_of_the_log() {
    let mut stage = Stage::new();
    stage.config.log_filter = "trace".to_owned();
    let report = report(14);
    for fault in [Fault::ResetAfterHeaders, Fault::status(500)] {
        stage.dashboard.inject(Rule::new(fault).reports().once());
    }
    stage.put(&report);
    stage.put_audio(&audio_name(report.bare_id(), 1), &mp3(1, 1));
    let daemon = stage.start();
    stage.wait("the faults", |state| {
        ["ResetAfterHeaders", "Status"].iter().all(|name| state.fired(name) > 0)
    });
    daemon.sighup();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "reloaded");
    stage.holds_audio(&report.expected.id, &mp3(1, 1));
    daemon.stop();
    never_says(&daemon, &stage.dashboard.token());
}

/// The log is at its most talkative, and has this in no line.
fn never_says(daemon: &Daemon, secret: &str) {
    let lines = daemon.lines();
    assert!(lines.iter().any(|line| line["level"] == "TRACE"));
    for line in lines {
        assert!(!line.to_string().contains(secret), "{line}");
    }
}
