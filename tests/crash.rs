//! Whatever moment the daemon dies at, nothing is lost, and little is sent twice.
//!
//! - `YTV2D_KILLS=2000` is how often it is killed at random moments (30 by itself).
//! - `YTV2D_SYSCALLS=20` is at how many places it is killed in each system call (8 by itself).
//! - `YTV2D_POWER_CUTS=200` is how often the power fails on each file system (10 by itself).
//! - `YTV2D_SEED=…` repeats the choices of a run, which prints its seed.
//!
//! The judge is the real ingest side: at the end it holds what is on the disk. A proxy before it
//! counts what came twice. What a machine cannot do (no strace, no loop devices, not root) is
//! skipped, and said: `cargo test --test crash -- --nocapture`.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use ingest::{Home, Server, TOKEN, until};
use support::daemon::{Config, Daemon};
use support::fixtures::{self, Report, Shape, write_in_place, write_renamed};
use support::mp3::mp3;
use support::proxy::{Deed, Passage, Proxy};
use support::random::Random;

const LONG: Duration = Duration::from_secs(30);
/// Requests under way at once: `[ingest] parallel`.
const PARALLEL: usize = 4;
const SETTINGS: &str = "[retry]\nfirst = '50ms'\n[ingest]\nparallel = 4";

fn count(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

fn report(n: usize, revision: u32) -> Report {
    fixtures::report_revised(Shape::UniversalYoutube, n, revision)
}

/// What stands on the disk in the end.
#[derive(Clone, Default)]
struct Disk {
    reports: BTreeMap<usize, Report>,
    audio: BTreeMap<usize, Vec<u8>>,
}

impl Disk {
    /// Writes a report, in one of the two ways in which the pipeline does.
    fn put(&mut self, config: &Config, n: usize, revision: u32) {
        let report = report(n, revision);
        let path = config.report(&report.file_name);
        if revision.is_multiple_of(2) {
            write_in_place(&path, &report.bytes());
        } else {
            write_renamed(&path, &report.bytes());
        }
        self.reports.insert(n, report);
    }

    fn put_audio(&mut self, config: &Config, n: usize, seed: u64) {
        let bytes = mp3(1, seed);
        let bare = fixtures::youtube_id(n);
        write_in_place(&config.export(&fixtures::audio_name(&bare, n)), &bytes);
        self.audio.insert(n, bytes);
    }

    /// Waits until the server holds all of it.
    fn wait_level(&self, server: &Server, daemon: &Daemon) {
        for report in self.reports.values() {
            let path = format!("/{}.json", report.expected.id);
            self.wait_for(daemon, &path, || {
                let held = server.get(&path).json_or_null()["summary_variants"].clone();
                let held = held.as_array().cloned().unwrap_or_default();
                report.expected.variants.iter().all(|(name, text)| {
                    held.iter()
                        .any(|one| one["variant"] == json!(name) && one["text"] == json!(text))
                })
            });
        }
        for (n, bytes) in &self.audio {
            let path = format!("/exports/audio/{}.mp3", fixtures::youtube_id(*n));
            self.wait_for(daemon, &path, || server.get(&path).body == *bytes);
        }
    }

    fn wait_for(&self, daemon: &Daemon, what: &str, holds: impl FnMut() -> bool) {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(what, holds)));
        assert!(told.is_ok(), "{what} is not level: {:#?}", daemon.lines());
    }
}

/// A pipeline that never rests: new reports, other texts, audio.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Disk>,
}

impl Writer {
    /// How many things it writes about. Each is written again and again.
    const IDS: u64 = 60;

    fn start(config: Arc<Config>, mut random: Random) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut disk = Disk::default();
            let mut revision = 0;
            while !stopped.load(Ordering::Relaxed) {
                let n = random.in_range(0..Self::IDS) as usize;
                if n.is_multiple_of(4) && disk.reports.contains_key(&n) && random.one_in(2) {
                    disk.put_audio(&config, n, random.next());
                } else {
                    revision += 1;
                    disk.put(&config, n, revision);
                }
                thread::sleep(random.millis(1..12));
            }
            disk
        });
        Self { stop, thread }
    }

    fn stop(self) -> Disk {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer")
    }
}

/// What a run of blows has shown.
#[derive(Debug, Default)]
struct Tally {
    blows: usize,
    /// Blows that fell while a request was under way.
    in_flight: usize,
    acknowledged: usize,
    repeats: usize,
}

/// Lets a daemon work under load and strikes it down again and again, then compares. A blow says
/// how many requests were under way once the daemon could not hear of their answers any more.
/// `most_repeats` is how many deliveries one blow may have repeated.
fn under_blows(
    blows: usize,
    mut config: Config,
    mut random: Random,
    most_repeats: Option<usize>,
    mut strike: impl FnMut(&Daemon, &Proxy) -> usize,
) -> Tally {
    let home = Home::new();
    let server = Server::start(&home);
    let proxy = Proxy::start(server.address);
    let mut late = Random::seeded(random.next());
    // Most blows are to fall between the storing and the hearing of it.
    proxy.decide(move |_| Deed::AnswerAfter(late.millis(0..20)));
    config.url = proxy.url();
    config.log_filter = "info".to_owned();
    config.audio_quiet = "30ms".to_owned();
    let config = Arc::new(config);
    let writer = Writer::start(Arc::clone(&config), Random::seeded(random.next()));

    let mut tally = Tally::default();
    for blow in 0..blows {
        proxy.set_epoch(blow);
        let daemon = Daemon::start(&config);
        if !random.one_in(3) {
            // While it delivers; otherwise wherever it is by then, its start included.
            let busy = proxy.wait_until(LONG, |passages| {
                passages.iter().any(|one| one.epoch == blow && one.is_report() && one.under_way)
            });
            assert!(busy, "nothing is delivered: {:#?}", daemon.lines());
        }
        thread::sleep(random.millis(0..150));
        let under_way = strike(&daemon, &proxy);
        tally.blows += 1;
        tally.in_flight += usize::from(under_way > 0);
        let errors: Vec<_> =
            daemon.lines().into_iter().filter(|line| line["level"] == "ERROR").collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    let disk = writer.stop();
    proxy.set_epoch(blows);
    let daemon = Daemon::start_ready(&config);
    disk.wait_level(&server, &daemon);
    daemon.stop();

    let mut heard: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for passage in proxy.passages() {
        if passage.method == "POST" && passage.status == Some(200) {
            tally.acknowledged += 1;
            // Not by its number: an outbox that forgot would give it another.
            let Passage { path, id, content, epoch, .. } = passage;
            heard.entry((path, id, content.map(|hash| hash.to_hex()))).or_default().push(epoch);
        }
    }
    let mut repeats_after = vec![0; blows + 1];
    for (what, epochs) in &heard {
        for pair in epochs.windows(2) {
            assert_ne!(pair[0], pair[1], "{what:?} came twice without a blow between");
            repeats_after[pair[0]] += 1;
        }
    }
    tally.repeats = repeats_after.iter().sum();
    if let Some(bound) = most_repeats {
        let most = repeats_after.iter().max();
        assert!(most <= Some(&bound), "more than was under way: {repeats_after:?}");
    }
    println!("{tally:?}");
    assert!(
        tally.in_flight > 0,
        "no blow fell while a request was under way: the run proves nothing"
    );
    assert!(tally.repeats > 0, "nothing came twice: the run proves nothing");
    tally
}

fn kill9(daemon: &Daemon, proxy: &Proxy) -> usize {
    daemon.signal(Signal::KILL);
    let under_way = proxy.under_way();
    assert_eq!(daemon.kill9().signal(), Some(9), "{:#?}", daemon.lines());
    under_way
}

#[test]
fn killed_at_random_moments_under_load_it_loses_nothing_and_repeats_only_what_was_under_way() {
    let kills = count("YTV2D_KILLS", 30);
    let config = Config::new("", TOKEN).with_toml(SETTINGS);
    let tally =
        under_blows(kills, config, Random::from_environment("kills"), Some(PARALLEL), kill9);
    assert_eq!(tally.blows, kills);
}

// At each system call.

/// The calls that leave something behind: in files, on the network, in the log.
const CALLS: [&str; 9] =
    ["openat", "read", "write", "writev", "pwrite64", "fdatasync", "fsync", "sendto", "unlink"];

fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    if !found {
        println!("SKIPPED: there is no strace here (apt-get install strace)");
    }
    found
}

/// The daemon under strace with these words.
fn traced(config: &mut Config, words: &[&str]) {
    // Not with --seccomp-bpf, which is quicker and keeps injections from firing.
    config.wrapper = ["strace", "-f", "-qq"].map(str::to_owned).to_vec();
    config.wrapper.extend(words.iter().map(|word| (*word).to_owned()));
}

fn scene(server: &Server) -> Config {
    let mut config = Config::new(&server.url(), TOKEN).with_toml(SETTINGS);
    config.log_filter = "info".to_owned();
    config.audio_quiet = "20ms".to_owned();
    config
}

/// Plays a scene: two reports and audio lie there at the start; once they are delivered, one is
/// written again and another comes. Ends early when the daemon does.
fn play(config: &Config, server: &Server, from: usize) -> (Daemon, Disk) {
    let mut disk = Disk::default();
    disk.put(config, from, 0);
    disk.put(config, from + 1, 0);
    disk.put_audio(config, from, 7);
    let daemon = Daemon::start(config);
    let delivered = |expected: usize| {
        until("it delivers or dies", || {
            daemon.exited().is_some() || daemon.lines_saying("delivered").len() >= expected
        });
    };
    delivered(3);
    disk.put(config, from, 1);
    disk.put(config, from + 2, 0);
    delivered(5);
    if daemon.exited().is_none() {
        disk.wait_level(server, &daemon);
    }
    (daemon, disk)
}

/// Ends a daemon that runs under strace, by its own process, so that strace ends as it does.
fn end_traced(daemon: &Daemon) -> ExitStatus {
    let pid = daemon.pid();
    // Without a child the kill has fired after all, and strace is about to end as well.
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    if let Some(child) = child.and_then(Pid::from_raw) {
        let _ = kill_process(child, Signal::TERM);
    }
    daemon.wait_exit(LONG)
}

#[test]
fn killed_at_a_system_call_it_goes_on_where_it_was() {
    if !has_strace() {
        return;
    }
    let home = Home::new();
    let server = Server::start(&home);

    // How often a thread makes each call, if nothing happens to it.
    let mut config = scene(&server);
    let trace = config.path().join("trace");
    let only = format!("trace={}", CALLS.join(","));
    traced(&mut config, &["-e", &only, "-o", trace.to_str().unwrap()]);
    let (daemon, _) = play(&config, &server, 0);
    assert!(daemon.exited().is_none(), "{:#?}", daemon.lines());
    assert!(end_traced(&daemon).success());
    let mut made: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(&trace).unwrap().lines() {
        let mut words = line.split([' ', '(']).filter(|word| !word.is_empty());
        let (Some(thread), Some(call)) = (words.next(), words.next()) else { continue };
        *made.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let places = count("YTV2D_SYSCALLS", 8);
    let mut points = Vec::new();
    for call in CALLS {
        let most = made.iter().filter(|((name, _), _)| name == call).map(|(_, made)| *made).max();
        let most = most.unwrap_or(0);
        let mut at: Vec<usize> = (1..=places).map(|place| most * place / places).collect();
        at.retain(|n| *n > 0);
        at.dedup();
        points.extend(at.into_iter().map(|n| (call, n)));
    }

    let next = AtomicUsize::new(0);
    let fired = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((call, n)) = points.get(at) else { return };
                    if killed_at(&server, call, *n, 10 * (at + 1)) {
                        fired.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (fired, planned) = (fired.into_inner(), points.len());
    println!("{fired} of {planned} kills fired: {points:?}");
    assert!(fired >= 10 && fired * 2 >= planned, "only {fired} of {planned} kills fired");
}

/// Kills a daemon at the n-th call of some thread, and says whether that fired; what is on the disk
/// arrives in any case.
fn killed_at(server: &Server, call: &str, n: usize, from: usize) -> bool {
    let mut config = scene(server);
    let (only, inject) =
        (format!("trace={call}"), format!("inject={call}:signal=SIGKILL:when={n}"));
    traced(&mut config, &["-o", "/dev/null", "-e", &only, "-e", &inject]);
    let (daemon, disk) = play(&config, server, from);
    let status = daemon.exited().unwrap_or_else(|| end_traced(&daemon));
    if status.success() {
        // The threads shared the calls out in another way this time.
        return false;
    }
    assert_eq!(status.signal(), Some(9), "{call} {n}: {:#?}", daemon.lines());
    config.wrapper.clear();
    let daemon = Daemon::start_ready(&config);
    disk.wait_level(server, &daemon);
    daemon.stop();
    true
}

// Power.

/// A file system of its own in a file, mounted; what was not synced is lost in a cut.
struct Volume {
    dir: TempDir,
    kind: &'static str,
}

impl Volume {
    /// Makes one, or says why this machine cannot.
    fn new(kind: &'static str) -> Result<Self, String> {
        let volume = Self { dir: tempfile::tempdir().expect("a scratch directory"), kind };
        File::create(volume.image()).and_then(|file| file.set_len(320 << 20)).expect("an image");
        fs::create_dir(volume.path()).expect("a mount point");
        run(&format!("mkfs.{kind}"), &["-q", path(&volume.image())])?;
        volume.mount()?;
        // Whether the plug can be pulled is tried before anything depends on it.
        volume.cut()?;
        Ok(volume)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-t", self.kind, "-o", "loop", path(&self.image()), path(&self.path())])
    }

    /// Stops the file system where it is, its journal not flushed, and mounts it again.
    fn cut(&self) -> Result<(), String> {
        run("xfs_io", &["-x", "-c", "shutdown", path(&self.path())])?;
        let probe = fs::write(self.path().join("probe"), "x");
        assert!(probe.is_err(), "the file system still takes something");
        run("umount", &[path(&self.path())])?;
        self.mount()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", path(&self.path())]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    match Command::new(program).args(words).output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { stderr, .. }) => {
            Err(format!("{program} {words:?}: {}", String::from_utf8_lossy(&stderr).trim()))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}

fn power_cuts_on(kind: &'static str) {
    let cuts = count("YTV2D_POWER_CUTS", 10);
    let volume = match Volume::new(kind) {
        Ok(volume) => volume,
        Err(reason) => {
            println!("SKIPPED: no power cuts on {kind} here: {reason}");
            return;
        }
    };
    let outbox = volume.path().join("outbox.db");
    let settings = format!("{SETTINGS}\n[outbox]\npath = {outbox:?}");
    let config = Config::new("", TOKEN).with_toml(&settings);
    let random = Random::from_environment(kind);
    // What was acknowledged a moment before may be sent again as well.
    let tally = under_blows(cuts, config, random, None, |daemon, proxy| {
        // Stopped first, so that nothing it does can race with the plug.
        daemon.freeze();
        let under_way = kill9(daemon, proxy);
        volume.cut().expect("a cut");
        under_way
    });
    assert_eq!(tally.blows, cuts);
}

#[test]
fn a_power_cut_on_ext4_loses_nothing_that_was_acknowledged() {
    power_cuts_on("ext4");
}

#[test]
fn a_power_cut_on_xfs_loses_nothing_that_was_acknowledged() {
    power_cuts_on("xfs");
}

#[test]
fn what_was_acknowledged_is_on_the_disk_a_moment_later() {
    if !has_strace() {
        return;
    }
    let home = Home::new();
    let server = Server::start(&home);
    let mut config = scene(&server);
    let trace = config.path().join("trace");
    // SQLite's own syncs, of commits that wait for the disk, are calls of fsync.
    traced(&mut config, &["-y", "-e", "trace=fdatasync", "-o", trace.to_str().unwrap()]);
    let mut disk = Disk::default();
    disk.put(&config, 1, 0);
    let daemon = Daemon::start(&config);
    disk.wait_level(&server, &daemon);
    until("the log is synced", || {
        fs::read_to_string(&trace).is_ok_and(|trace| trace.contains("outbox.db-wal>"))
    });
    assert!(end_traced(&daemon).success());
}
