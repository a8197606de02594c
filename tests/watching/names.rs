//! Names: which are ours, and how the others are left alone. And what is no file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use serde_json::Value;

use crate::machine::{run, skipped};
use crate::support::daemon::Daemon;
use crate::support::fixtures::{self, Report, Shape, audio_name};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

/// What the issue lists, contract A.7, and what a copy or an editor leaves.
const REPORTS_IGNORED: [&str; 24] = [
    ".hidden.json",
    "._report.json",
    "report.tmp",
    "report.json.tmp",
    "report.json.part",
    "report.json.partial",
    "~report.json",
    ".@__thumb",
    ".stfolder",
    ".syncthing.report.json.tmp",
    ".syncthing.report.json",
    ".nfs000000000001.json",
    ".nfs0000000000012",
    ".backfill_state",
    ".duration_backfill_state",
    ".media_metadata_backfill_state",
    ".postgres_backfill_state.json",
    "video_ids_to_fix.json",
    "report.json~",
    ".report.json.swp",
    "report.txt",
    "report.html",
    ".json",
    "desktop.ini",
];
const DIRECTORIES_IGNORED: [&str; 4] = ["@eaDir", "#recycle", "#snapshot", "backfill_backups"];

#[test]
fn names_that_are_not_ours_are_left_alone_without_a_request_or_a_word() {
    let stage = Stage::new();
    let put = |n: usize| {
        for name in REPORTS_IGNORED {
            stage.put_json(name, &report(n).json);
        }
        for directory in DIRECTORIES_IGNORED {
            for root in [stage.config.reports(), stage.config.exports()] {
                fs::create_dir_all(root.join(directory)).unwrap();
                fs::write(root.join(directory).join("report.json"), report(n).bytes()).unwrap();
            }
        }
        let mut audio = fixtures::ignored_audio_names(report(0).bare_id(), n);
        let sound = audio_name(report(0).bare_id(), n);
        audio.extend([format!(".{sound}"), format!("~{sound}"), format!("{sound}.partial")]);
        for name in audio {
            stage.put_audio(&name, &mp3(1, n as u64));
        }
    };
    // There at the start, and later.
    put(1);
    let daemon = stage.start();
    stage.put(&report(0));
    stage.holds(&report(0));
    put(2);
    stage.settle();
    assert_eq!(stage.told_after(0), [format!("report {}", report(0).expected.id)]);
    let spoken_of: Vec<Value> = daemon
        .lines()
        .into_iter()
        .filter(|line| {
            line["level"] == "WARN" || line["level"] == "ERROR" || line["file"].is_string()
        })
        .collect();
    assert_eq!(spoken_of, [Value::Null; 0]);
    daemon.stop();
}

#[test]
fn names_that_end_in_capitals_are_ours_by_events_and_by_looking() {
    for watch in ["", "[watch]\nmode = 'scan'\nscan = '300ms'"] {
        let mut stage = Stage::new();
        stage.config = stage.config.with_toml(watch);
        let put = |n: usize, report_ending: &str, audio_ending: &str| {
            let name = report(n).file_name.replace(".json", report_ending);
            stage.put_json(&name, &report(n).json);
            let name = audio_name(report(n).bare_id(), n).replace(".mp3", audio_ending);
            stage.put_audio(&name, &mp3(1, n as u64));
        };
        // There at the start, and later.
        put(1, ".JSON", ".MP3");
        let daemon = stage.start();
        put(2, ".Json", ".Mp3");
        // The audio of a report that has the same name, but for the ending.
        stage.put_json("by name alone.JSON", &report(3).json);
        stage.holds(&report(3));
        stage.put_audio("by name alone.MP3", &mp3(1, 3));
        for n in 1..4 {
            stage.holds(&report(n));
            stage.holds_audio(&report(n).expected.id, &mp3(1, n as u64));
        }
        daemon.stop();
    }
}

#[test]
fn names_may_be_ignored_and_be_ours_again_by_a_reload() {
    let mut stage = Stage::new();
    let plain = std::mem::take(&mut stage.config.extra_toml);
    let ignoring = |patterns: &str| format!("{plain}[watch]\nignore = [{patterns}]\n");
    stage.config.extra_toml = ignoring("'draft_*'");
    let daemon = stage.start();
    let put = |name: &str, n| stage.put_json(name, &report(n).json);
    put("draft_1.json", 1);
    put("final.json", 2);
    stage.holds(&report(2));
    stage.settle();
    assert!(stage.dashboard.record(&report(1).expected.id).is_none());

    stage.config.extra_toml = ignoring("'final*'");
    stage.config.write();
    daemon.sighup();
    stage.holds(&report(1));
    // What is recorded, and ignored by now, is not looked at either.
    stage.put_json("final.json", &report(3).json);
    stage.settle();
    assert!(stage.dashboard.record(&report(3).expected.id).is_none());

    stage.config.extra_toml = ignoring("");
    stage.config.write();
    daemon.sighup();
    stage.holds(&report(3));
    daemon.stop();
}

#[test]
fn names_of_any_bytes_are_delivered_and_shown_without_a_control_character() {
    for format in ["text", "json"] {
        let mut stage = Stage::new();
        stage.config = stage.config.with_toml(&format!("[log]\nformat = '{format}'"));
        let daemon = Daemon::start(&stage.config);
        let names: [&[u8]; 9] = [
            b"not \xff\xfe UTF-8.json",
            b"two\nlines.json",
            b"\x1b[31mred\x1b[0m.json",
            b"tab\tand return\r.json",
            b"\x01\x02\x7f.json",
            "over\u{202e}ride.json".as_bytes(),
            "c1 \u{9b}31m.json".as_bytes(),
            b"-rf.json",
            b"'\"; $(id) %n {}.json",
        ];
        let write = |prefix: &str, name: &[u8], bytes: &[u8]| {
            let name = [prefix.as_bytes(), name].concat();
            fs::write(stage.config.reports().join(OsStr::from_bytes(&name)), bytes).unwrap();
        };
        for (n, name) in names.iter().enumerate() {
            write("", name, &report(n).bytes());
            // One to be complained about.
            write("bad", name, b"[]");
        }
        (0..names.len()).for_each(|n| drop(stage.holds(&report(n))));
        let mut complaints = 0;
        daemon.wait_for_line(PATIENCE, |line| {
            complaints += usize::from(line.to_string().contains("this file cannot be delivered"));
            complaints == names.len()
        });
        stage.settle();
        daemon.stop();
        for line in daemon.lines() {
            let said =
                if format == "json" { line.to_string() } else { line["message"].to_string() };
            let text: String = serde_json::from_str::<Value>(&said)
                .ok()
                .map_or_else(String::new, |value| flat(&value));
            let bad = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(bad), "{text:?}");
            if format == "text" {
                // Every line is one that the log began.
                assert!(text.starts_with("20") && text[..30].contains('T'), "{text:?}");
            }
        }
    }
}

/// Every text in a value.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields.values().map(flat).collect(),
        _ => String::new(),
    }
}

#[test]
fn what_is_no_regular_file_is_never_opened_nor_followed() {
    let mut stage = Stage::new();
    let trace = stage.config.path().join("trace");
    if let Err(why) = run(&["strace", "-o", "/dev/null", "true"]) {
        return skipped(&why);
    }
    let strace = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o"];
    stage.config.wrapper = strace.map(str::to_owned).to_vec();
    stage.config.wrapper.push(trace.to_str().unwrap().to_owned());
    stage.config = stage.config.with_toml("[watch]\nscan = '300ms'\nrescan = '300ms'");

    let outside = stage.config.path().join("outside.json");
    fs::write(&outside, report(9).bytes()).unwrap();
    let make = |root: &Path, names: [&str; 6]| {
        let at = |n: usize| root.join(names[n]);
        symlink(&outside, at(0)).unwrap();
        symlink("/proc/self/environ", at(1)).unwrap();
        mknodat(CWD, at(2), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        drop(UnixListener::bind(at(3)).unwrap());
        fs::create_dir(at(4)).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        if mknodat(CWD, at(5), FileType::CharacterDevice, mode, makedev(1, 3)).is_err() {
            skipped("(the device) no device can be made here");
        }
    };
    let reports = ["link.json", "proc.json", "fifo.json", "socket.json", "dir.json", "null.json"];
    let audio = [1, 2, 3, 4, 5, 6].map(|n| audio_name(report(n).bare_id(), n));
    make(&stage.config.reports(), reports);
    make(&stage.config.exports(), audio.each_ref().map(String::as_str));
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    stage.settle();
    let mut looks = 0;
    daemon.wait_for_line_after(daemon.mark(), PATIENCE, |line| {
        looks += usize::from(line["message"] == "looked through");
        looks == 6
    });
    assert!(stage.dashboard.record(&report(9).expected.id).is_none());
    // Neither are they passed over in silence.
    let rows = stage.json(&["list", "--state", "invalid"]);
    for (root, names) in [("reports", reports), ("exports", audio.each_ref().map(String::as_str))] {
        for (n, kind) in
            ["link", "link", "FIFO", "socket", "directory", "device"].iter().enumerate()
        {
            let path = format!("{root}/{}", names[n]);
            let Some(row) = rows.as_array().unwrap().iter().find(|row| row["path"] == *path) else {
                assert_eq!(*kind, "device", "{path} in {rows}");
                continue;
            };
            assert!(row["reason"].as_str().unwrap().contains(kind), "{row}");
        }
    }
    let opened = fs::read_to_string(&trace).unwrap();
    assert!(opened.contains(&report(1).file_name), "the trace shows what is opened");
    for name in reports.iter().copied().chain(audio.iter().map(String::as_str)) {
        assert!(!opened.contains(&format!("\"{name}\"")), "{name} was opened");
    }
    assert!(!opened.contains("outside.json") && !opened.contains("environ"));
}
