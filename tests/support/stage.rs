//! A model dashboard, a daemon's directory, and the words that most tests of the two need.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::{CLEARED, Config, Daemon};
use super::dashboard::{Dashboard, Record, Request, State};
use super::fixtures::{self, Report, Shape, audio_name, write_in_place};
use super::mp3::mp3;

/// Nothing in a test takes this long; whatever does has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The numbers of sentinels begin beyond those of every other sample.
const SENTINELS: usize = 100_000;

pub struct Stage {
    pub dashboard: Dashboard,
    pub config: Config,
    sentinels: AtomicUsize,
}

impl Stage {
    /// Failures are tried again soon, so that a test need not wait for long.
    pub fn new() -> Self {
        let dashboard = Dashboard::start();
        let config = Config::new(&dashboard.url(), &dashboard.token())
            .with_toml("[retry]\nfirst = '50ms'\nmax = '200ms'");
        Self { dashboard, config, sentinels: AtomicUsize::new(SENTINELS) }
    }

    pub fn start(&self) -> Daemon {
        Daemon::start_ready(&self.config)
    }

    /// Runs a command of the program, as a person would, and waits for its end.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
        for name in CLEARED {
            command.env_remove(name);
        }
        command.args(arguments).arg("--config").arg(self.config.file()).stdin(Stdio::null());
        command.output().expect("ytv2d runs")
    }

    /// The words that a command prints, however they are laid out, and its exit status.
    pub fn said(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.ask(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        (text.split_whitespace().collect::<Vec<_>>().join(" "), output.status.code())
    }

    /// What a command prints with `--json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[arguments, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Waits until no file is known to be still in the making.
    #[track_caller]
    pub fn wait_for_end_of_writing(&self) {
        let begun = Instant::now();
        let is_writing = |root: &Value| root["unsettled"] != 0;
        while self.json(&["status"])["roots"].as_array().expect("roots").iter().any(is_writing) {
            assert!(begun.elapsed() < PATIENCE);
        }
    }

    /// Writes a report as the pipeline does.
    pub fn put(&self, report: &Report) {
        write_in_place(&self.config.report(&report.file_name), &report.bytes());
    }

    /// Writes JSON under a name.
    pub fn put_json(&self, name: &str, json: &Value) {
        let bytes = serde_json::to_vec_pretty(json).expect("JSON");
        write_in_place(&self.config.report(name), &bytes);
    }

    /// Writes an audio file in its final place.
    pub fn put_audio(&self, name: &str, bytes: &[u8]) {
        write_in_place(&self.config.export(name), bytes);
    }

    /// Waits until something holds at the dashboard.
    #[track_caller]
    pub fn wait(&self, what: &str, holds: impl FnMut(&State) -> bool) {
        assert!(self.dashboard.wait_until(PATIENCE, holds), "in vain: {what}");
    }

    /// Waits until the dashboard shows all that is expected of a report, and gives its record.
    #[track_caller]
    pub fn holds(&self, report: &Report) -> Record {
        let expected = &report.expected;
        let there = self.dashboard.wait_until(PATIENCE, |state| {
            state.record(&expected.id).is_some_and(|record| {
                record.title == expected.title && record.texts() == expected.variants
            })
        });
        let record = self.dashboard.record(&expected.id);
        assert!(there, "expected {expected:#?}, found {record:#?}");
        record.expect("it is there")
    }

    /// Waits until the dashboard has this audio for an id, and has linked it.
    #[track_caller]
    pub fn holds_audio(&self, id: &str, bytes: &[u8]) {
        let hash = blake3::hash(bytes);
        self.wait(&format!("the audio of {id}"), |state| {
            state.audio(id).is_some_and(|audio| audio.hash == hash)
                && state.record(id).is_some_and(|record| record.has_audio)
        });
        let url = self.dashboard.record(id).and_then(|r| r.audio_url().map(str::to_owned));
        assert_eq!(url, Some(format!("/exports/audio/{}.mp3", id.replace(':', ""))));
    }

    /// Waits until everything that was dropped so far has been taken in, and whatever follows from
    /// it is delivered, but for what the dashboard holds: what is dropped now is due later, and
    /// arrives. Twice, since several go out at once.
    #[track_caller]
    pub fn settle(&self) {
        for _ in 0..2 {
            let n = self.sentinels.fetch_add(1, Ordering::Relaxed);
            let sentinel = fixtures::report(Shape::IngestReady, n);
            let bytes = mp3(1, n as u64);
            self.put(&sentinel);
            self.put_audio(&audio_name(sentinel.bare_id(), n), &bytes);
            self.holds_audio(&sentinel.expected.id, &bytes);
        }
        self.wait("nothing in flight", |state| state.in_flight() == state.held());
    }

    /// How many requests there were: what is asked for after this came later.
    pub fn mark(&self) -> usize {
        self.dashboard.requests().len()
    }

    /// The deliveries after a mark, those of [`settle`](Self::settle) left out.
    pub fn sent_after(&self, mark: usize) -> Vec<Request> {
        let last = self.sentinels.load(Ordering::Relaxed);
        let sentinels: Vec<String> = (SENTINELS..last)
            .map(|n| fixtures::report(Shape::IngestReady, n).expected.id)
            .collect();
        let mut requests = self.dashboard.requests().split_off(mark);
        requests.retain(|request| {
            let of_a_sentinel = request.video_id.as_ref().is_some_and(|id| sentinels.contains(id));
            request.method == "POST" && !of_a_sentinel
        });
        requests
    }

    /// The same in words, `"report <id>"` and `"audio <id>"`, sorted.
    pub fn told_after(&self, mark: usize) -> Vec<String> {
        let mut told: Vec<String> = self.sent_after(mark).iter().map(tell).collect();
        told.sort();
        told
    }
}

/// A request in two words.
pub fn tell(request: &Request) -> String {
    let kind = request.path.rsplit('/').next().unwrap_or_default();
    format!("{kind} {}", request.video_id.as_deref().unwrap_or("?"))
}

/// The summaries in the body of a report, by name and text.
pub fn summaries(request: &Request) -> Vec<(String, String)> {
    let items = request.json.as_ref().and_then(|json| json["summary_variants"].as_array());
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = items
        .expect("a report has summaries")
        .iter()
        .map(|item| (text(item, "variant"), text(item, "text")))
        .collect();
    found.sort();
    found
}

/// Sets when a file was written, as a copy or a backup does.
pub fn set_modified(path: &Path, seconds_ago: u64) {
    let file = fs::File::options().append(true).open(path).expect("a file");
    let then = std::time::SystemTime::now() - Duration::from_secs(seconds_ago);
    file.set_modified(then).expect("a time");
}
