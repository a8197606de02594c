//! Clocks that jump: the one on the wall either way, and the one that timers go by ahead, as after
//! an hour in which nothing happened.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{cpu_time, skipped};
use crate::support::fixtures::{self, Report, Shape, audio_name};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage};

/// How far a clock is off, for a daemon under libfaketime.
struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A clock that is right at first. With `timers` the one that timers go by follows it.
    fn of(stage: &mut Stage, timers: bool) -> Option<Self> {
        let library = fs::read_dir("/usr/lib").ok().and_then(|directories| {
            directories
                .flatten()
                .map(|directory| directory.path().join("faketime/libfaketime.so.1"))
                .find(|path| path.exists())
        });
        let Some(library) = library else {
            skipped("libfaketime is not there (Debian: apt install faketime)");
            return None;
        };
        let clock = Self { file: stage.config.path().join("clock") };
        clock.set("+0");
        for (name, value) in [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("NO_FAKE_STAT", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", if timers { "0" } else { "1" }),
        ] {
            stage.config.env.push((name.to_owned(), value.to_owned()));
        }
        Some(clock)
    }

    fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

fn put(stage: &Stage, n: usize) {
    stage.put(&report(n));
    stage.put_audio(&audio_name(report(n).bare_id(), n), &mp3(1, n as u64));
}

fn holds(stage: &Stage, n: usize) {
    stage.holds(&report(n));
    stage.holds_audio(&report(n).expected.id, &mp3(1, n as u64));
}

/// What the daemon's clock shows, in its log.
fn year(line: &Value) -> i16 {
    let at = line["timestamp"].as_str().expect("a time");
    at[..4].parse().expect("a year")
}

#[test]
fn a_clock_that_jumps_either_way_loses_nothing_and_keeps_nobody_busy() {
    const PERIOD: Duration = Duration::from_secs(2);
    for (to, years) in [("-800d", -2), ("+800d", 2), ("-50m", 0)] {
        let mut stage = Stage::new();
        // As long as people are used to, so that what is due lies in the future after a jump back.
        stage.config.extra_toml = "[retry]\nfirst = '1s'\nmax = '5m'\n".to_owned();
        let Some(clock) = Clock::of(&mut stage, false) else { return };
        let daemon = stage.start();
        let this_year = year(&daemon.lines()[0]);
        put(&stage, 1);
        holds(&stage, 1);
        // One that fails, and waits for its next try.
        stage.dashboard.refuse(true);
        let mark = daemon.mark();
        put(&stage, 2);
        daemon.wait_for_line_after(mark, PATIENCE, |line| {
            line["message"].as_str().is_some_and(|text| text.starts_with("not delivered"))
        });
        clock.set(to);
        let mark = daemon.mark();
        put(&stage, 3);
        stage.dashboard.refuse(false);
        holds(&stage, 2);
        holds(&stage, 3);
        let line = daemon.wait_for_line_after(mark, PATIENCE, |line| line["id"].is_string());
        assert!((year(&line) - this_year - years).abs() <= 1, "{to}: {line}");
        assert!(years == 0 || year(&line) != this_year, "{to}: {line}");

        let before = cpu_time(daemon.pid());
        thread::sleep(PERIOD);
        let spent = cpu_time(daemon.pid()) - before;
        assert!(spent < PERIOD / 10, "{spent:?} of {PERIOD:?}, {to}");
        // And back again.
        clock.set("+0");
        put(&stage, 4);
        holds(&stage, 4);
        let all: Vec<Report> = (1..5).map(report).collect();
        assert_eq!(stage.dashboard.records().len(), all.len());
        assert_eq!(stage.json(&["status"])["healthy"], true);
        daemon.stop();
    }
}

#[test]
fn a_canary_is_sent_again_when_an_hour_has_gone_by() {
    let mut stage = Stage::new();
    let Some(clock) = Clock::of(&mut stage, true) else { return };
    let daemon = stage.start();
    let canary = |after: &Value| {
        let begun = Instant::now();
        loop {
            let root = stage.json(&["status"])["roots"][0].clone();
            if root["last_canary"].is_string() && root["last_canary"] != *after {
                assert_eq!(root["canary"], "seen", "{root}");
                assert_eq!(root["state"], "events", "{root}");
                return root["last_canary"].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{root}");
            thread::sleep(Duration::from_millis(100));
        }
    };
    let first = canary(&Value::Null);
    put(&stage, 1);
    holds(&stage, 1);
    stage.settle();
    assert_eq!(canary(&Value::Null), first, "one is enough");
    clock.set("+61m");
    let second = canary(&first);
    clock.set("+122m");
    assert_ne!(canary(&second), first);
    daemon.stop();
}
