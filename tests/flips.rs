//! Directories and files that become links to elsewhere and back, a hundred thousand times, while
//! the daemon sends and deletes: nothing of elsewhere is sent, and nothing of it is touched.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use support::daemon::Daemon;
use support::fixtures::{self, Report, Shape, audio_name};
use support::flipper::Flipper;
use support::http::{exchange, exchange_at, request};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

const SECRET: &str = "a-word-between-us";
/// Of each thing that is flipped.
const FLIPS: usize = 100_000;
const FILES: usize = 300;
/// So many turns of writing, looking and deleting there are at least.
const TURNS: usize = 15;
/// In the title and the texts of every report outside.
const MARK: &str = "OUTSIDE-OF-THE-ROOTS";

fn inside(n: usize) -> Report {
    fixtures::report(Shape::IngestReady, n)
}

/// The same name and id as inside, and other texts.
fn outside(n: usize) -> Report {
    let mut report = inside(n);
    let text = report.json.to_string().replace(&report.expected.title, MARK);
    report.json = serde_json::from_str(&text).unwrap();
    report.json["title"] = json!(MARK);
    report
}

fn mp3_inside(n: usize) -> Vec<u8> {
    mp3(1, n as u64)
}

fn mp3_outside(n: usize) -> Vec<u8> {
    mp3(1, 5000 + n as u64)
}

/// Every file below a directory, with what is in it.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// What the dashboard was ever sent has nothing of elsewhere in it.
fn nothing_outside_was_sent(stage: &Stage) {
    let hashes: Vec<_> = (0..FILES).map(|n| blake3::hash(&mp3_outside(n))).collect();
    for request in stage.dashboard.requests() {
        let sent = request.json.as_ref().map(|json| json.to_string()).unwrap_or_default();
        assert!(!sent.contains(MARK), "{sent}");
    }
    for record in stage.dashboard.records() {
        assert!(!format!("{record:?}").contains(MARK), "{record:?}");
        stage.wait("no audio from outside", |state| {
            let audio = state.audio(&record.video_id).map(|audio| audio.hash);
            audio.is_none_or(|hash| !hashes.contains(&hash))
        });
    }
}

/// A stage with a parent of its own for the roots, and elsewhere the same names with other contents.
fn stage() -> (Stage, PathBuf) {
    let mut stage = Stage::new();
    let top = stage.config.path().join("share");
    let elsewhere = stage.config.path().join("elsewhere");
    for name in ["reports", "exports"] {
        fs::create_dir_all(top.join(name)).unwrap();
        fs::create_dir_all(elsewhere.join(name)).unwrap();
    }
    let [reports, exports] = ["reports", "exports"].map(|name| top.join(name));
    stage.config = stage
        .config
        .with_toml(&format!(
            "[watch]\nreports = {reports:?}\nexports = {exports:?}\nscan = '100ms'\nrescan = '100ms'\n\
             audio_quiet = '1ms'\nreport_quiet = '1ms'\nmass_delete = '100%'\n\
             [callback]\nlisten = '127.0.0.1:0'\n[log]\nfilter = 'info'"
        ))
        .with_env("SYNC_SECRET", SECRET);
    for n in 0..FILES {
        let (name, audio) = (outside(n).file_name, audio_name(inside(n).bare_id(), n));
        fs::write(elsewhere.join("reports").join(name), outside(n).bytes()).unwrap();
        fs::write(elsewhere.join("exports").join(audio), mp3_outside(n)).unwrap();
    }
    (stage, top)
}

/// Both roots, held so that what is written into them lands there whatever is flipped.
fn hold(top: &Path) -> [fs::File; 2] {
    ["reports", "exports"].map(|name| fs::File::open(top.join(name)).unwrap())
}

/// Writes the files of a number inside.
fn put(held: &[fs::File; 2], n: usize) {
    let [reports, exports] = held.each_ref().map(path_of);
    fs::write(reports.join(inside(n).file_name), inside(n).bytes()).unwrap();
    fs::write(exports.join(audio_name(inside(n).bare_id(), n)), mp3_inside(n)).unwrap();
}

/// A path that leads to an open directory whatever becomes of its name.
fn path_of(held: &fs::File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()))
}

/// Asks for a deletion; a root that is a link at that moment makes it 503, to be asked again.
fn delete(address: SocketAddr, n: usize) -> u16 {
    let body = json!({ "ids": [inside(n).expected.id] }).to_string();
    let headers = [("X-Sync-Secret", SECRET), ("Connection", "close")];
    exchange(address, &request("POST", "/delete-reports", &headers, body.as_bytes()))
        .expect("an answer")
        .status
}

fn rescan(stage: &Stage) {
    let request = request("POST", "/rescan", &[("Connection", "close")], b"");
    // It is refused while a root cannot be read.
    let _answer = exchange_at(&stage.config.socket(), &request);
}

fn heard(daemon: &Daemon) -> SocketAddr {
    let heard = "deletions are heard of here";
    let line = daemon.wait_for_line(PATIENCE, |line| line["message"] == heard);
    line["address"].as_str().unwrap().parse().unwrap()
}

/// Has files come, sent and deleted while something is flipped, from a number on.
fn go_on_while(
    stage: &Stage,
    daemon: &Daemon,
    held: &[fs::File; 2],
    first: usize,
    flippers: Vec<Flipper>,
) {
    let address = heard(daemon);
    let begun = Instant::now();
    let (mut turn, mut moved, mut refused) = (0, 0, 0);
    while turn < TURNS || flippers.iter().any(|flipper| flipper.flips() < FLIPS) {
        if first + turn < FILES {
            put(held, first + turn);
        }
        rescan(stage);
        if (first..FILES).contains(&(first + turn / 2)) {
            match delete(address, first + turn / 2) {
                200 => moved += 1,
                _ => refused += 1,
            }
        }
        turn += 1;
    }
    let flips: Vec<usize> = flippers.into_iter().map(Flipper::stop).collect();
    eprintln!(
        "{flips:?} flips and {turn} turns in {:?}; deletions: {moved} done, {refused} refused",
        begun.elapsed()
    );
    assert!(flips.iter().all(|flips| *flips >= FLIPS));
}

/// Afterwards all is as if nothing had been.
fn all_goes_on(stage: &Stage, before: &BTreeMap<PathBuf, Vec<u8>>, elsewhere: &Path) {
    assert!(contents(elsewhere) == *before, "somebody was at what lies outside");
    let report = inside(FILES);
    fs::write(stage.config.path().join("share/reports").join(&report.file_name), report.bytes())
        .unwrap();
    stage.holds(&report);
    nothing_outside_was_sent(stage);
    assert!(contents(elsewhere) == *before);
}

#[test]
fn roots_that_become_links_and_back_let_nothing_of_elsewhere_through() {
    let (stage, top) = stage();
    let elsewhere = stage.config.path().join("elsewhere");
    let (before, held) = (contents(&elsewhere), hold(&top));
    let daemon = stage.start();
    let flippers =
        ["reports", "exports"].map(|name| Flipper::start(&top.join(name), &elsewhere.join(name)));
    go_on_while(&stage, &daemon, &held, 0, flippers.into());
    all_goes_on(&stage, &before, &elsewhere);
    daemon.stop();
}

#[test]
fn a_directory_above_the_roots_that_becomes_a_link_lets_nothing_of_elsewhere_through() {
    let (stage, top) = stage();
    let elsewhere = stage.config.path().join("elsewhere");
    let (before, held) = (contents(&elsewhere), hold(&top));
    let daemon = stage.start();
    go_on_while(&stage, &daemon, &held, 0, vec![Flipper::start(&top, &elsewhere)]);
    all_goes_on(&stage, &before, &elsewhere);
    daemon.stop();
}

#[test]
fn files_and_the_trash_that_become_links_and_back_let_nothing_of_elsewhere_through() {
    let (stage, top) = stage();
    let elsewhere = stage.config.path().join("elsewhere");
    fs::create_dir(elsewhere.join("trash")).unwrap();
    let (before, held) = (contents(&elsewhere), hold(&top));
    put(&held, 0);
    fs::create_dir(top.join("reports/.ytv2d-trash")).unwrap();
    let daemon = stage.start();
    let flip = |place: &Path, outside: PathBuf| Flipper::start(place, &outside);
    let (report, audio) = (inside(0).file_name, audio_name(inside(0).bare_id(), 0));
    let flippers = vec![
        flip(&top.join("reports").join(&report), elsewhere.join("reports").join(&report)),
        flip(&top.join("exports").join(&audio), elsewhere.join("exports").join(&audio)),
        flip(&top.join("reports/.ytv2d-trash"), elsewhere.join("trash")),
    ];
    go_on_while(&stage, &daemon, &held, 1, flippers);
    all_goes_on(&stage, &before, &elsewhere);
    daemon.stop();
}
