//! Files that cannot be delivered: each is named once, with what is wrong and what to do, and none
//! delays the others.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use support::daemon::Daemon;
use support::fixtures::{self, Report, Shape, audio_name};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

const CANNOT: &str = "this file cannot be delivered";

/// What is wrong with a file: its name, what makes it so, and words of the line that names it, of
/// what is wrong and of what to do.
struct Bad {
    name: &'static str,
    make: fn(&Path),
    wrong: &'static str,
    to_do: &'static str,
}

const BAD: [Bad; 13] = [
    Bad {
        name: "half.json",
        make: |path| fs::write(path, &sound(0).bytes()[..200]).unwrap(),
        wrong: "not JSON",
        to_do: "write it again",
    },
    Bad {
        name: "words.json",
        make: |path| fs::write(path, "These are words.\n").unwrap(),
        wrong: "not JSON",
        to_do: "mend the JSON",
    },
    Bad {
        name: "noise.json",
        make: |path| fs::write(path, [0xff, 0x00, 0xfe, 0x80].repeat(99)).unwrap(),
        wrong: "not JSON",
        to_do: "write it again",
    },
    Bad {
        name: "empty.json",
        make: |path| fs::write(path, "").unwrap(),
        wrong: "the file is empty",
        to_do: "write it again, or delete it",
    },
    Bad {
        name: "list.json",
        make: |path| fs::write(path, "[1, 2, 3]").unwrap(),
        wrong: "its root is not an object",
        to_do: "Move it out",
    },
    Bad {
        name: "settings.json",
        make: |path| fs::write(path, r#"{"colour": "green"}"#).unwrap(),
        wrong: "none of the known report shapes",
        to_do: "Move it out",
    },
    Bad {
        name: "unknown_video_x.json",
        make: |path| fs::write(path, without_id().to_string()).unwrap(),
        wrong: "no id",
        to_do: "Add the id",
    },
    Bad {
        name: "deep.json",
        make: |path| fs::write(path, deep(200)).unwrap(),
        wrong: "nested deeper",
        to_do: "find out what wrote it",
    },
    Bad {
        name: "large.json",
        make: |path| File::create(path).unwrap().set_len(50 << 20).unwrap(),
        wrong: "52428800 bytes",
        to_do: "limits.report",
    },
    Bad {
        name: "directory.json",
        make: |path| fs::create_dir(path).unwrap(),
        wrong: "a directory",
        to_do: "move it away",
    },
    Bad {
        name: "dangling.json",
        make: |path| symlink("nowhere", path).unwrap(),
        wrong: "a symbolic link",
        to_do: "move it away",
    },
    Bad {
        name: "linked.json",
        make: |path| symlink("/etc/passwd", path).unwrap(),
        wrong: "a symbolic link",
        to_do: "move it away",
    },
    Bad { name: "fifo.json", make: fifo, wrong: "a FIFO", to_do: "move it away" },
];

fn sound(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, 500 + n)
}

fn without_id() -> Value {
    let mut raw = fixtures::report(Shape::Raw, 1).json;
    raw.as_object_mut().unwrap().remove("url");
    let metadata = raw["metadata"].as_object_mut().unwrap();
    metadata.remove("url");
    metadata.remove("video_id");
    raw
}

fn deep(levels: usize) -> String {
    let nest = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let mut json = sound(0).json.to_string();
    json.truncate(json.len() - 1);
    format!("{json}, \"nest\": {nest}}}")
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn remove(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// The complaints about a file of the reports directory.
fn complaints(daemon: &Daemon, name: &str) -> Vec<Value> {
    let file = format!("reports/{name}");
    let mut lines = daemon.lines();
    lines.retain(|line| line["file"] == file.as_str() && line["level"] != "DEBUG");
    lines
}

/// Waits until every bad file was named, and looks at how.
fn each_is_named_once(daemon: &Daemon) {
    for bad in &BAD {
        let file = format!("reports/{}", bad.name);
        let line = daemon.wait_for_line(PATIENCE, |line| {
            line["message"] == CANNOT && line["file"] == file.as_str()
        });
        let problem = line["problem"].as_str().unwrap();
        assert!(problem.contains(bad.wrong) && problem.contains(bad.to_do), "{line}");
        assert!(!problem.contains('\n'), "{line}");
    }
    for bad in &BAD {
        assert_eq!(complaints(daemon, bad.name).len(), 1, "{}", bad.name);
    }
}

#[test]
fn each_bad_file_is_named_once_delays_no_other_and_is_delivered_when_it_is_mended() {
    let mut stage = Stage::new();
    stage.config.rescan = "500ms".to_owned();
    let daemon = stage.start();
    for bad in &BAD {
        (bad.make)(&stage.config.report(bad.name));
    }
    let reports: Vec<Report> = (1..=30).map(sound).collect();
    reports.iter().for_each(|report| stage.put(report));
    reports.iter().for_each(|report| drop(stage.holds(report)));
    each_is_named_once(&daemon);
    // Sound reports did not wait for those that might have become whole yet.
    let lines = daemon.lines();
    let place = |holds: &dyn Fn(&Value) -> bool| lines.iter().position(holds).unwrap();
    let complaint = place(&|line| line["file"] == "reports/half.json");
    for report in &reports {
        let id = report.expected.id.as_str();
        assert!(place(&|line| line["message"] == "delivered" && line["id"] == id) < complaint);
    }

    // Looking again says nothing again, even when something goes on in what is no report.
    fs::write(stage.config.report("directory.json").join("inside"), "x").unwrap();
    fs::remove_file(stage.config.report("directory.json").join("inside")).unwrap();
    let mark = daemon.mark();
    let mut looks = 0;
    daemon.wait_for_line_after(mark, PATIENCE, |line| {
        looks += usize::from(line["message"] == "looked through" && line["root"] == "reports");
        looks == 3
    });
    each_is_named_once(&daemon);

    // Nor does a restart.
    daemon.stop();
    let daemon = stage.start();
    stage.settle();
    for bad in &BAD {
        assert_eq!(complaints(&daemon, bad.name), [json!(null); 0], "{}", bad.name);
    }

    // What is mended is delivered.
    for (n, bad) in BAD.iter().enumerate() {
        let path = stage.config.report(bad.name);
        let report = Report { file_name: bad.name.to_owned(), ..sound(100 + n) };
        remove(&path);
        stage.put(&report);
        stage.holds(&report);
    }
    daemon.stop();
    assert_eq!(stage.told_after(0).len(), 30 + BAD.len());
}

#[test]
fn bad_files_that_are_there_already_delay_neither_the_start_nor_the_others() {
    let stage = Stage::new();
    for bad in &BAD {
        (bad.make)(&stage.config.report(bad.name));
    }
    let report = sound(1);
    stage.put(&report);
    let daemon = stage.start();
    stage.holds(&report);
    assert_eq!(complaints(&daemon, "half.json").len(), 0, "it might still become whole");
    each_is_named_once(&daemon);
    daemon.stop();
}

#[test]
fn a_report_that_is_no_utf_8_is_read_as_latin_1_with_a_word_about_it() {
    let stage = Stage::new();
    // One whose summary is a plain text.
    let mut report = sound(8);
    report.json["title"] = json!("Café");
    report.expected.title = "Café".to_owned();
    for text in report.expected.variants.values_mut() {
        *text = "naïve".to_owned();
    }
    report.json["summary"] = json!("naïve");
    let text = String::from_utf8(report.bytes()).unwrap();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let daemon = stage.start();
    fs::write(stage.config.report("latin.json"), latin).unwrap();
    stage.holds(&report);
    stage.settle();
    let lines = complaints(&daemon, "latin.json");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0]["remark"].as_str().unwrap().contains("not UTF-8"), "{}", lines[0]);
    daemon.stop();
    let daemon = stage.start();
    stage.settle();
    assert_eq!(complaints(&daemon, "latin.json"), [json!(null); 0]);
    daemon.stop();
}

#[test]
fn a_name_that_is_no_utf_8_is_named_once_and_its_content_is_delivered() {
    let stage = Stage::new();
    let (good, bad) = (sound(3), OsStr::from_bytes(b"caf\xe9.json"));
    let daemon = stage.start();
    fs::write(stage.config.reports().join(bad), good.bytes()).unwrap();
    fs::write(stage.config.reports().join(OsStr::from_bytes(b"bad\xff.json")), "[]").unwrap();
    stage.holds(&good);
    let said = "reports/bad\\xff.json";
    daemon.wait_for_line(PATIENCE, |line| line["message"] == CANNOT && line["file"] == said);
    stage.settle();
    let lines = complaints(&daemon, "caf\\xe9.json");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0]["message"].as_str().unwrap().contains("rename it"), "{}", lines[0]);
    daemon.stop();
    let daemon = stage.start();
    stage.settle();
    assert_eq!(complaints(&daemon, "caf\\xe9.json"), [json!(null); 0]);
    daemon.stop();
}

#[test]
fn a_file_that_may_not_be_read_is_named_once_and_delivered_when_it_may() {
    let mut stage = Stage::new();
    let report = Report { file_name: "locked.json".to_owned(), ..sound(4) };
    let path = stage.config.report("locked.json");
    fs::write(&path, report.bytes()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    if File::open(&path).is_ok() {
        // Whoever runs this may read every file; the daemon then does without that right.
        let wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        if !Command::new(wrapper[0]).args([wrapper[1], "true"]).status().is_ok_and(|s| s.success())
        {
            eprintln!("SKIPPED: this user may read every file, and cannot give that up");
            return;
        }
        stage.config.wrapper = wrapper.map(str::to_owned).to_vec();
    }
    let daemon = stage.start();
    daemon.wait_for_line(PATIENCE, |line| {
        line["message"] == CANNOT && line["problem"].as_str().unwrap().contains("let the user")
    });
    stage.settle();
    assert_eq!(complaints(&daemon, "locked.json").len(), 1);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    stage.holds(&report);
    daemon.stop();
}

#[test]
fn files_that_are_no_reports_are_left_alone_without_a_word() {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = sound(5);
    let names = [
        ".hidden.json",
        "._apple.json",
        "report.json.tmp",
        "report.tmp",
        ".backfill_state",
        ".postgres_backfill_state.json",
        "video_ids_to_fix.json",
        "notes.txt",
    ];
    for name in names {
        stage.put_json(name, &report.json);
    }
    fs::create_dir(stage.config.report("backfill_backups")).unwrap();
    stage.put_json("backfill_backups/report.json", &report.json);
    stage.settle();
    assert_eq!(stage.told_after(0), [""; 0]);
    let warnings: Vec<_> =
        daemon.lines().into_iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warnings, [json!(null); 0]);
    daemon.stop();
}

#[test]
fn what_is_no_regular_audio_file_is_named_once_and_holds_no_other_up() {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = sound(6);
    stage.put(&report);
    let named = |n: usize| stage.config.export(&audio_name(report.bare_id(), n * 60));
    fs::create_dir(named(5)).unwrap();
    symlink("nowhere", named(6)).unwrap();
    fifo(&named(7));
    // A sound one, and one that is no MP3: the dashboard takes any bytes, and so its length alone
    // stays unknown.
    stage.put_audio(&audio_name(report.bare_id(), 60), &mp3(1, 6));
    stage.holds_audio(&report.expected.id, &mp3(1, 6));
    stage.put_audio(&audio_name(report.bare_id(), 8 * 60), b"no MP3 at all");
    stage.holds_audio(&report.expected.id, b"no MP3 at all");
    for n in 5..=7 {
        let file = format!("exports/{}", audio_name(report.bare_id(), n * 60));
        let named = |line: &&Value| line["message"] == CANNOT && line["file"] == file.as_str();
        assert_eq!(daemon.lines().iter().filter(named).count(), 1, "{file}");
    }
    daemon.stop();
}
