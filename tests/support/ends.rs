//! A dashboard of today and one from before PostgreSQL, with one daemon between the disk and both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::{CLEARED, Config, Daemon};
use super::dashboard::{Dashboard, Request};
use super::fixtures::{Report, audio_name, write_in_place};
use super::http::{exchange, request};
use super::stage::{PATIENCE, tell};

/// Which summary a card of old showed, the first of these (contract C.6).
const SHOWN: [&str; 8] = [
    "comprehensive",
    "key-points",
    "bullet-points",
    "executive",
    "key-insights",
    "audio",
    "audio-fr",
    "audio-es",
];

pub struct Ends {
    pub new: Dashboard,
    pub old: Dashboard,
    pub config: Config,
    /// What lies on the disk, by id.
    pub reports: BTreeMap<String, Report>,
    pub audios: BTreeMap<String, Vec<u8>>,
    /// What a person has deleted at the dashboards, by id: the files that were in its name.
    pub deleted: BTreeMap<String, Vec<PathBuf>>,
}

/// The key of an id's row at the old end (contract J.1).
pub fn row_id(id: &str) -> String {
    if id.contains(':') { id.to_owned() } else { format!("yt:{id}") }
}

impl Ends {
    /// Nothing is sent anywhere until it is [configured](Self::configure).
    pub fn new() -> Self {
        let (new, old) = (Dashboard::start(), Dashboard::start_old());
        let config = Config::new(&new.url(), &new.token());
        std::fs::write(config.path().join("secret"), old.secret()).expect("the secret's file");
        let (reports, audios, deleted) = Default::default();
        Self { new, old, config, reports, audios, deleted }
    }

    /// Writes the configuration with these targets, and more TOML of the test's own.
    pub fn configure(&mut self, new: bool, old: bool, more: &str) {
        let secret = self.config.path().join("secret");
        self.config.extra_toml = format!(
            "[ingest]\nenabled = {new}\n[legacy]\nenabled = {old}\nurl = {:?}\nsecret_file = {:?}\n\
             [retry]\nfirst = '50ms'\nmax = '200ms'\n{more}\n",
            self.old.url(),
            secret.display().to_string()
        );
        self.config.write();
    }

    /// Has a running daemon take over what is configured by now.
    pub fn reload(&self, daemon: &Daemon) {
        let mark = daemon.mark();
        daemon.sighup();
        daemon.wait_for_line_after(mark, PATIENCE, |line| line["message"] == "reloaded");
    }

    pub fn put(&mut self, report: &Report) {
        write_in_place(&self.config.report(&report.file_name), &report.bytes());
        self.reports.insert(report.expected.id.clone(), report.clone());
    }

    /// Writes the audio of a report.
    pub fn put_audio(&mut self, report: &Report, n: usize, bytes: Vec<u8>) {
        write_in_place(&self.config.export(&audio_name(report.bare_id(), n)), &bytes);
        self.audios.insert(report.expected.id.clone(), bytes);
    }

    /// Deletes an id as a person does, at both dashboards, of which one tells the daemon. Gives how
    /// many files that took away.
    #[track_caller]
    pub fn delete(&mut self, daemon: &Daemon, id: &str) -> u64 {
        self.new.delete(id);
        self.old.delete(id);
        let heard = "deletions are heard of here";
        let line = daemon.wait_for_line(PATIENCE, |line| line["message"] == heard);
        let address = line["address"].as_str().expect("an address").parse().expect("an address");
        let bearer = format!("Bearer {}", self.old.secret());
        let headers = [("Authorization", bearer.as_str()), ("Connection", "close")];
        let target = format!("/api/delete/{}", row_id(id).replace(':', "%3A"));
        let paths = self.files_of(id);
        let reply =
            exchange(address, &request("DELETE", &target, &headers, b"")).expect("an answer");
        assert_eq!(reply.status, 200, "{id}: {}", reply.text());
        self.reports.remove(id);
        self.audios.remove(id);
        self.deleted.insert(id.to_owned(), paths);
        reply.json()["deleted_files"].as_u64().expect("a number")
    }

    /// Every file on the disk that is in the name of an id.
    fn files_of(&self, id: &str) -> Vec<PathBuf> {
        let bare = id.rsplit(':').next().unwrap_or(id);
        let roots = [self.config.reports(), self.config.exports()];
        let entries = roots.iter().flat_map(|root| std::fs::read_dir(root).expect("a root"));
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.to_string_lossy().contains(bare)).collect()
    }

    /// Puts the files of a deleted id back as they were, as a backup does.
    pub fn restore(&self, id: &str) {
        for path in &self.deleted[id] {
            std::fs::copy(trashed(path), path).expect("a file of the trash");
        }
    }

    /// What was deleted is gone at both ends, lies in the trash, and is not wanted anywhere.
    #[track_caller]
    pub fn deleted_stays_away(&self) {
        for (id, paths) in &self.deleted {
            assert!(self.new.record(id).is_none() && self.new.audio(id).is_none(), "{id}");
            assert!(self.old.flat(&row_id(id)).is_none(), "{id}");
            let name = format!("{}.mp3", id.rsplit(':').next().unwrap_or(id));
            assert!(self.old.wait_until(Duration::ZERO, |old| old.file(&name).is_none()), "{id}");
            assert!(paths.iter().all(|path| trashed(path).exists()), "{paths:?}");
            let account = self.ask(&["why", id, "--json"]).stdout;
            let account: Value = serde_json::from_slice(&account).expect("an account");
            let things = account["things"].as_array().expect("things");
            let deliveries = things.iter().flat_map(|t| t["deliveries"].as_array().expect("some"));
            let states: Vec<&Value> = deliveries.map(|delivery| &delivery["state"]).collect();
            assert!(!states.is_empty() && states.iter().all(|s| *s == "dropped"), "{states:?}");
        }
    }

    /// Waits until the end of today is level with the disk.
    #[track_caller]
    pub fn new_is_level(&self) {
        let (reports, audios) = (&self.reports, &self.audios);
        let level = self.new.wait_until(PATIENCE, |state| {
            let same = |id: &String, report: &Report| {
                state.record(id).is_some_and(|record| {
                    record.title == report.expected.title
                        && record.texts() == report.expected.variants
                        && record.has_audio == audios.contains_key(id)
                })
            };
            let audio = |id: &String| state.audio(id).map(|audio| audio.hash);
            reports.iter().all(|(id, report)| same(id, report)) && are_there(audios, audio)
        });
        let ids: Vec<_> = self.new.records().into_iter().map(|record| record.video_id).collect();
        assert!(level, "expected {:?}, found {ids:?}", reports.keys());
    }

    /// Waits until the old end is level with the disk.
    #[track_caller]
    pub fn old_is_level(&self) {
        let (reports, audios) = (&self.reports, &self.audios);
        let level = self.old.wait_until(PATIENCE, |state| {
            let same = |id: &String, report: &Report| {
                let shown = SHOWN.iter().find_map(|name| report.expected.variants.get(*name));
                state.flat(&row_id(id)).is_some_and(|row| {
                    row.text("title") == Some(&report.expected.title)
                        && row.text("video_id") == Some(id)
                        && row.summary_text.as_ref() == shown
                        && row.has_audio() == audios.contains_key(id)
                })
            };
            // The file's name has the id without its prefix (contract B.2).
            let name = |id: &str| format!("{}.mp3", id.rsplit(':').next().unwrap_or(id));
            let audio = |id: &String| state.file(&name(id)).map(|audio| audio.hash);
            reports.iter().all(|(id, report)| same(id, report)) && are_there(audios, audio)
        });
        assert!(level, "expected {reports:#?}, found {:#?}", self.old.flats());
    }

    /// Waits until nothing is pending at any target that is sent to.
    #[track_caller]
    pub fn settle(&self) {
        let started = Instant::now();
        loop {
            let status = self.status();
            let pending: u64 = status["targets"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|target| ["due", "waiting", "in_flight"].map(|s| &target["counts"][s]))
                .filter_map(Value::as_u64)
                .sum();
            if status["targets"].is_array() && pending == 0 {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "still pending: {status:#}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `ytv2d` prints and how it ends.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
        command.args(arguments).arg("--config").arg(self.config.file());
        for name in CLEARED {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).output().expect("ytv2d runs")
    }

    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.ask(&["status", "--json"]).stdout).unwrap_or_default()
    }
}

fn are_there(
    audios: &BTreeMap<String, Vec<u8>>,
    found: impl Fn(&String) -> Option<blake3::Hash>,
) -> bool {
    audios.iter().all(|(id, bytes)| found(id) == Some(blake3::hash(bytes)))
}

/// The deliveries among requests, in words, each once.
pub fn told(requests: &[Request]) -> BTreeSet<String> {
    requests.iter().filter(|request| request.method == "POST").map(tell).collect()
}

/// Where a file lies that was deleted, on whichever day.
fn trashed(path: &Path) -> PathBuf {
    let (root, name) = (path.parent().expect("a root"), path.file_name().expect("a name"));
    let days = std::fs::read_dir(root.join(".ytv2d-trash")).expect("a trash");
    let places = days.map(|day| day.expect("a day").path().join(name));
    places.into_iter().find(|place| place.exists()).expect("it is in the trash")
}
