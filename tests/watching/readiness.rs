//! When a file is taken in: as soon as it is whole, and not before.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::machine::cpu_time;
use crate::support::fixtures::{self, Report, Shape, audio_name, write_renamed};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage};

const CANNOT: &str = "this file cannot be delivered";

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

fn pause(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

#[test]
fn a_report_in_two_closes_is_one_delivery_and_is_called_malformed_only_after_quiet() {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = report(1);
    let (path, bytes) = (stage.config.report(&report.file_name), report.bytes());
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    fs::write(&path, head).unwrap();
    let begun = Instant::now();
    daemon.wait_for_line(PATIENCE, |line| line["message"] == CANNOT);
    assert!(begun.elapsed() > Duration::from_millis(4900), "{:?}", begun.elapsed());
    pause(1000);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(tail).unwrap();
    stage.holds(&report);

    // In pieces that are close enough together nothing is said at all.
    let other = fixtures::report(Shape::FlatRow, 2);
    let (path, bytes) = (stage.config.report(&other.file_name), other.bytes());
    for piece in bytes.chunks(bytes.len() / 3 + 1) {
        OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(piece).unwrap();
        pause(1500);
    }
    stage.holds(&other);
    stage.settle();
    assert_eq!(daemon.lines_saying(CANNOT).len(), 1);
    assert_eq!(stage.told_after(0).len(), 2);
    daemon.stop();
}

#[test]
fn the_quiet_of_a_report_that_does_not_parse_is_configurable() {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[watch]\nreport_quiet = '20s'");
    let daemon = stage.start();
    let (path, bytes) = (stage.config.report(&report(1).file_name), report(1).bytes());
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    // Longer than the default.
    pause(6000);
    fs::write(&path, &bytes).unwrap();
    stage.holds(&report(1));
    assert_eq!(daemon.lines_saying(CANNOT).len(), 0);
    daemon.stop();
}

#[test]
fn a_whole_report_is_taken_at_once_closed_or_renamed_in() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    for n in 2..6 {
        let begun = Instant::now();
        match n % 2 {
            0 => stage.put(&report(n)),
            _ => write_renamed(&stage.config.report(&report(n).file_name), &report(n).bytes()),
        }
        stage.holds(&report(n));
        // Far less than any quiet that is waited for.
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    daemon.stop();
}

fn one_delivery_of_growing_audio(watch: &str) {
    let mut stage = Stage::new();
    stage.config.audio_quiet = "700ms".to_owned();
    stage.config = stage.config.with_toml(watch);
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    let bytes = mp3(20, 1);
    let path = stage.config.export(&audio_name(report(1).bare_id(), 1));
    let mut file = File::create(&path).unwrap();
    for piece in bytes.chunks(bytes.len() / 20 + 1) {
        file.write_all(piece).unwrap();
        pause(150);
    }
    // Closed in the middle, as some copies do.
    drop(file);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"the end").unwrap();
    let whole = [bytes.as_slice(), b"the end"].concat();
    stage.holds_audio(&report(1).expected.id, &whole);
    assert_eq!(stage.dashboard.audios_of(&report(1).expected.id).len(), 1);
    daemon.stop();
}

#[test]
fn audio_that_grows_for_longer_than_its_quiet_is_one_delivery() {
    one_delivery_of_growing_audio("");
}

#[test]
fn audio_that_grows_is_one_delivery_where_it_is_looked_for_by_the_clock() {
    one_delivery_of_growing_audio("[watch]\nmode = 'scan'\nscan = '200ms'");
}

#[test]
fn a_file_of_the_future_and_one_of_1970_are_delivered() {
    let stage = Stage::new();
    let put = |n: usize| {
        let then = match n % 2 {
            0 => SystemTime::UNIX_EPOCH,
            _ => SystemTime::now() + Duration::from_secs(10 * 365 * 86_400),
        };
        let report = report(n);
        stage.put(&report);
        let audio = audio_name(report.bare_id(), n);
        stage.put_audio(&audio, &mp3(1, n as u64));
        for path in [stage.config.report(&report.file_name), stage.config.export(&audio)] {
            File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
        }
    };
    (0..2).for_each(put);
    let daemon = stage.start();
    (2..4).for_each(put);
    for n in 0..4 {
        stage.holds(&report(n));
        stage.holds_audio(&report(n).expected.id, &mp3(1, n as u64));
    }
    daemon.stop();
}

/// Runs something while two files grow that will never end; a report and audio.
fn while_files_grow(stage: &Stage, act: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let paths = [
        stage.config.report("endless.json"),
        stage.config.export(&audio_name(report(99).bare_id(), 99)),
    ];
    /// However `act` ends: the files would grow for ever, and the scope wait for it.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut files = paths.map(|path| File::create(path).unwrap());
            files[0].write_all(b"{\"title\": \"").unwrap();
            while !stop.load(Ordering::Relaxed) {
                files.iter_mut().for_each(|file| file.write_all(&[b'x'; 100]).unwrap());
                pause(5);
            }
        });
        let _stop = Stop(&stop);
        act();
    });
}

#[test]
fn files_that_never_stop_growing_cost_next_to_nothing_and_hold_nobody_up() {
    const PERIOD: Duration = Duration::from_secs(4);
    for watch in ["", "[watch]\nmode = 'scan'\nscan = '1s'"] {
        let mut stage = Stage::new();
        stage.config = stage.config.with_toml(watch);
        let daemon = stage.start();
        while_files_grow(&stage, || {
            stage.put(&report(1));
            let audio = audio_name(report(1).bare_id(), 1);
            stage.put_audio(&audio, &mp3(1, 1));
            stage.holds_audio(&report(1).expected.id, &mp3(1, 1));
            let before = cpu_time(daemon.pid());
            thread::sleep(PERIOD);
            let spent = cpu_time(daemon.pid()) - before;
            assert!(spent < PERIOD / 10, "{spent:?} of {PERIOD:?}, {watch}");
        });
        stage.settle();
        assert_eq!(stage.told_after(0).len(), 2, "{watch}");
        daemon.stop();
    }
}

#[test]
fn what_is_still_being_written_is_named_in_the_status_and_the_list_until_it_is_taken() {
    let mut stage = Stage::new();
    // Longer than a command takes on a machine that has other things to do.
    stage.config.audio_quiet = "1500ms".to_owned();
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    let name = audio_name(report(1).bare_id(), 1);
    let shown = format!("exports/{name} still being written for ");
    let (mut bytes, mut file) = (Vec::new(), File::create(stage.config.export(&name)).unwrap());
    let begun = Instant::now();
    let mut grow = || {
        let piece = mp3(1, bytes.len() as u64);
        file.write_all(&piece).unwrap();
        bytes.extend(piece);
        assert!(begun.elapsed() < PATIENCE);
    };
    while !stage.said(&["status"]).0.contains(&shown) {
        grow();
    }
    // Its age grows with it, and begins anew with no piece.
    loop {
        grow();
        let rows = stage.json(&["list", "--state", "waiting"]);
        let row = &rows[0];
        assert_eq!(row["path"], format!("exports/{name}"), "{rows}");
        assert_eq!((&row["kind"], &row["state"]), (&"audio".into(), &"waiting".into()), "{rows}");
        if row["reason"] == "still being written for 2 s" {
            break;
        }
    }
    assert!(stage.dashboard.audio(&report(1).expected.id).is_none());
    drop(file);
    stage.holds_audio(&report(1).expected.id, &bytes);
    while stage.json(&["list", "--state", "waiting"]).as_array().is_none_or(|rows| !rows.is_empty())
    {
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(stage.said(&["status"]).1, Some(0));
    daemon.stop();
}
