//! File systems that do not tell what changes, and looking by the clock.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::machine::{Mount, bytes_read, image, skipped};
use crate::support::daemon::Daemon;
use crate::support::fixtures::{self, Report, Shape, audio_name, write_in_place};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage, set_modified};

fn report(n: usize) -> Report {
    fixtures::report(Shape::IngestReady, n)
}

/// The same with another title of the same length.
fn retitled(n: usize, letter: char) -> Report {
    let mut report = report(n);
    let title = letter.to_string().repeat(20);
    report.json["title"] = json!(title);
    report.expected.title = title;
    report
}

fn is_unreliable(line: &Value, root: &str) -> bool {
    line["root"] == root
        && line["message"].as_str().unwrap().starts_with("no events can be relied on")
}

/// Waits for so many more looks through the reports.
fn looks(daemon: &Daemon, count: usize) {
    let mut seen = 0;
    daemon.wait_for_line_after(daemon.mark(), PATIENCE, |line| {
        seen += usize::from(line["message"] == "looked through" && line["root"] == "reports");
        seen == count
    });
}

#[test]
fn what_is_written_behind_fuse_is_found_and_it_is_looked_through_often_from_then_on() {
    finds_what_is_written_behind("FUSE", |_, source, root| Mount::bindfs(source, root));
}

#[test]
fn what_is_written_below_an_overlay_is_found_and_it_is_looked_through_often_from_then_on() {
    finds_what_is_written_behind("overlay", |scratch, source, root| {
        Mount::overlay(source, scratch, root)
    });
}

fn finds_what_is_written_behind(
    file_system: &str,
    mount: impl Fn(&Path, &Path, &Path) -> Result<Mount, String>,
) {
    let mut stage = Stage::new();
    stage.config.rescan = "4s".to_owned();
    stage.config = stage.config.with_toml("[watch]\nscan = '500ms'");
    let source = stage.config.path().join("source");
    fs::create_dir(&source).unwrap();
    let mount = match mount(stage.config.path(), &source, &stage.config.reports()) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let daemon = stage.start();
    let line = daemon.wait_for_line(PATIENCE, |line| {
        line["message"] == "looked through" && line["root"] == "reports"
    });
    assert_eq!((&line["file_system"], &line["seen_by"]), (&json!(file_system), &json!("events")));
    let put = |n| write_in_place(&source.join(report(n).file_name), &report(n).bytes());
    put(1);
    stage.holds(&report(1));
    // That one may have come just before a look. One of these does not.
    for n in 2.. {
        if daemon.lines().iter().any(|line| is_unreliable(line, "reports")) {
            break;
        }
        put(n);
        stage.holds(&report(n));
        assert!(n < 20, "{:?}", daemon.lines());
    }
    let line = daemon.wait_for_line(PATIENCE, |line| is_unreliable(line, "reports"));
    assert!(line["reason"].as_str().unwrap().contains("came without an event"), "{line}");
    let mark = daemon.mark();
    put(100);
    stage.holds(&report(100));
    stage.settle();
    // The exports lie elsewhere, and are none the worse.
    assert!(!daemon.lines().iter().any(|line| is_unreliable(line, "exports")));
    assert!(!daemon.lines()[mark..].iter().any(|line| is_unreliable(line, "reports")));
    daemon.stop();
    mount.unmount();
}

#[test]
fn a_backup_by_hard_links_is_no_reason_to_doubt_events() {
    let mut stage = Stage::new();
    stage.config.rescan = "1s".to_owned();
    let daemon = stage.start();
    let backup = stage.config.path().join("backup");
    fs::create_dir(&backup).unwrap();
    stage.put(&report(1));
    stage.holds(&report(1));
    let mark = stage.mark();
    let name = report(1).file_name;
    fs::hard_link(stage.config.report(&name), backup.join(&name)).unwrap();
    looks(&daemon, 5);
    assert_eq!(stage.told_after(mark), [""; 0]);
    assert!(!daemon.lines().iter().any(|line| is_unreliable(line, "reports")));
    // A link into the directory is a new file there.
    fs::write(backup.join("new.json"), report(2).bytes()).unwrap();
    fs::hard_link(backup.join("new.json"), stage.config.report("new.json")).unwrap();
    stage.holds(&report(2));
    daemon.stop();
}

/// A program in Python, since the system calls in question are unsafe in Rust; nothing, where there
/// is none. It goes on until its input ends.
fn python(program: &str, file: &Path) -> Option<Child> {
    let child = Command::new("python3")
        .args(["-c", program])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            skipped(&format!("python3: {error}"));
            return None;
        }
    };
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Some(child)
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_written_through_a_mapping_gives_no_event_and_is_found_all_the_same() {
    let mut stage = Stage::new();
    stage.config.rescan = "1s".to_owned();
    let daemon = stage.start();
    stage.put(&retitled(1, 'a'));
    stage.holds(&retitled(1, 'a'));
    // The file stays open: its close would be an event.
    let program = "import mmap, sys\n\
        file = open(sys.argv[1], 'r+b')\n\
        memory = mmap.mmap(file.fileno(), 0)\n\
        memory[:] = memory[:].replace(b'a' * 20, b'b' * 20)\n\
        memory.flush()\n\
        print('ready', flush=True)\n\
        sys.stdin.read()\n";
    let Some(child) = python(program, &stage.config.report(&report(1).file_name)) else { return };
    stage.holds(&retitled(1, 'b'));
    end(child);
    daemon.stop();
}

#[test]
fn a_file_that_another_program_holds_a_lease_on_is_waited_for_and_named() {
    let stage = Stage::new();
    let daemon = stage.start();
    // As Samba does for a client of its own. The kernel asks it to let go, and it takes its time.
    let beside = stage.config.path().join("held.json");
    fs::write(&beside, report(1).bytes()).unwrap();
    let program = "import fcntl, os, signal, sys\n\
        signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
        file = open(sys.argv[1], 'r+b')\n\
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
        print('ready', flush=True)\n\
        sys.stdin.read()\n";
    let Some(child) = python(program, &beside) else { return };
    fs::rename(&beside, stage.config.report("held.json")).unwrap();
    let begun = Instant::now();
    while !stage.said(&["status"]).0.contains("reports/held.json still being written for ") {
        assert!(begun.elapsed() < PATIENCE);
    }
    end(child);
    stage.holds(&report(1));
    daemon.stop();
}

/// Scanning alone, so that nothing else can have seen it.
fn scanning(mut stage: Stage) -> Stage {
    stage.config = stage.config.with_toml("[watch]\nmode = 'scan'\nscan = '300ms'");
    stage
}

fn sees_what_looks_the_same(stage: &Stage) {
    let daemon = stage.start();
    let path = stage.config.report(&report(1).file_name);
    let overwrite = |report: &Report| {
        // In place: the same inode.
        fs::write(&path, report.bytes()).unwrap();
        stage.holds(report);
    };
    for letter in ['a', 'b'] {
        overwrite(&retitled(1, letter));
    }
    // Twice in one go, of the same size.
    for (first, last) in [('e', 'f'), ('g', 'h')] {
        fs::write(&path, retitled(1, first).bytes()).unwrap();
        overwrite(&retitled(1, last));
    }
    // Replaced by an older file.
    let older = stage.config.path().join("older.json");
    for (ago, letter) in [(86_400, 'k'), (7 * 86_400, 'l')] {
        fs::write(&older, retitled(1, letter).bytes()).unwrap();
        set_modified(&older, ago);
        if fs::rename(&older, &path).is_err() {
            // It is another file system.
            fs::copy(&older, &path).unwrap();
            set_modified(&path, ago);
        }
        stage.holds(&retitled(1, letter));
    }
    daemon.stop();
}

#[test]
fn looking_sees_a_rewrite_of_the_same_size_at_once_and_a_replacement_by_an_older_file() {
    sees_what_looks_the_same(&scanning(Stage::new()));
}

#[test]
fn looking_sees_a_rewrite_within_the_same_second_where_times_are_whole_seconds() {
    let stage = scanning(Stage::new());
    let disk = stage.config.path().join("disk");
    let mount = match image(&disk).and_then(|()| Mount::image(&disk, &stage.config.reports())) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    sees_what_looks_the_same(&stage);
    mount.unmount();
}

#[test]
fn looking_by_the_clock_takes_in_audio_once_it_is_quiet() {
    let stage = scanning(Stage::new());
    let daemon = stage.start();
    stage.put(&report(1));
    let name = audio_name(report(1).bare_id(), 1);
    stage.put_audio(&name, &mp3(1, 1));
    stage.holds_audio(&report(1).expected.id, &mp3(1, 1));
    // The same size, and older.
    let path = stage.config.export(&name);
    fs::write(&path, mp3(1, 2)).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(86_400);
    File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    stage.holds_audio(&report(1).expected.id, &mp3(1, 2));
    assert_eq!(stage.dashboard.audios_of(&report(1).expected.id).len(), 2);
    let line = daemon.wait_for_line(PATIENCE, |line| {
        line["message"] == "looked through" && line["root"] == "exports"
    });
    assert_eq!(line["seen_by"], "scanning: watch.mode says so");
    daemon.stop();
}

#[test]
fn looking_reads_no_file_that_has_not_changed() {
    const LARGE: usize = 300_000;
    let stage = scanning(Stage::new());
    let large = |n: usize| {
        let mut report = report(n);
        report.json["transcript"] = json!("x".repeat(LARGE));
        report
    };
    let daemon = stage.start();
    for n in 0..10 {
        stage.put(&large(n));
        stage.holds(&large(n));
    }
    stage.settle();
    looks(&daemon, 2);
    let before = bytes_read(daemon.pid());
    looks(&daemon, 6);
    let read = bytes_read(daemon.pid()) - before;
    assert!(read < LARGE as u64 / 10, "{read} bytes");
    daemon.stop();
}

#[test]
fn a_directory_that_takes_no_canary_is_watched_all_the_same() {
    let stage = Stage::new();
    let source = stage.config.path().join("source");
    fs::create_dir(&source).unwrap();
    let root = stage.config.reports();
    let mount = match Mount::bind(&source, &root) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let read_only = |path: &Path| {
        crate::machine::run(&["mount", "-o", "remount,bind,ro", path.to_str().unwrap()])
    };
    if let Err(why) = read_only(&root) {
        return skipped(&why);
    }
    let daemon = stage.start();
    write_in_place(&source.join("a.json"), &report(1).bytes());
    stage.holds(&report(1));
    assert!(!daemon.lines().iter().any(|line| is_unreliable(line, "reports")));
    assert_eq!(fs::read_dir(&source).unwrap().count(), 1);
    daemon.stop();
    mount.unmount();
}
