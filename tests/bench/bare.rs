//! The bare limit: loops on the daemon's own HTTP client that read, parse and POST, and remember
//! nothing. Each runs as a process of its own, as the daemon does: this program under another word.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::fs::inotify;
use serde_json::Value;

use crate::ingest::TOKEN;
use crate::road;

const DRAIN: &str = "bare-drain";
/// Heard, read and sent in one thread.
pub const WATCH: &str = "bare-watch";
/// The same by the daemon's own road.
pub const ROAD: &str = "bare-road";

/// Whether this process is one of the loops; it has come to its end then.
pub fn was_asked_for() -> bool {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some(DRAIN) => drain_loop(Path::new(&words[2]), &words[3], &words[4]),
        Some(WATCH) => watch_loop(Path::new(&words[2]), &words[3]),
        Some(ROAD) => road::watch_loop(Path::new(&words[2]), &words[3]),
        _ => return false,
    }
    true
}

/// Sends every file of a directory, so many at once, and gives the time from the first look at the
/// directory to the last answer.
pub fn drain(directory: &Path, url: &str, parallel: usize) -> Duration {
    let output = loop_command(DRAIN, directory, url).arg(parallel.to_string()).output();
    let output = output.expect("the bare loop runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seconds = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
    Duration::from_secs_f64(seconds)
}

/// A loop that waits for events of a directory, until it is dropped.
pub struct Watching(Child);

impl Watching {
    pub fn start(which: &str, directory: &Path, url: &str) -> Self {
        let mut child = loop_command(which, directory, url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bare loop runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a word");
        Self(child)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn loop_command(word: &str, directory: &Path, url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(word).arg(directory).arg(url).stdin(Stdio::null());
    command
}

pub fn client() -> Client {
    // As the daemon's: an address in plain HTTP needs no certificates.
    Client::builder().tls_certs_only([]).no_proxy().build().expect("a client")
}

fn drain_loop(directory: &Path, url: &str, parallel: &str) {
    let parallel: usize = parallel.parse().expect("a number");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let began = Instant::now();
    let entries = fs::read_dir(directory).expect("a directory");
    let files: Arc<Vec<PathBuf>> = Arc::new(entries.flatten().map(|entry| entry.path()).collect());
    let (client, next) = (client(), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..parallel)
        .map(|_| {
            let (files, client, next) = (Arc::clone(&files), client.clone(), Arc::clone(&next));
            let url = url.to_owned();
            runtime.spawn(async move {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    post(&client, &url, body(file)).await;
                }
            })
        })
        .collect();
    for sender in senders {
        runtime.block_on(sender).expect("every file is taken");
    }
    println!("{}", began.elapsed().as_secs_f64());
}

fn watch_loop(directory: &Path, url: &str) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client();
    let events = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
    let written = inotify::WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&events, directory, written).expect("a watch");
    println!("watching");
    std::io::stdout().flush().expect("somebody listens");
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&events, &mut buffer);
    while let Ok(event) = events.next() {
        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
        if let Some(name) = name {
            runtime.block_on(post(&client, url, body(&directory.join(name))));
        }
    }
}

/// Reads and parses a report, and makes it JSON again.
pub fn body(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).expect("a report");
    let report: Value = serde_json::from_slice(&bytes).expect("JSON");
    serde_json::to_vec(&report).expect("JSON")
}

pub async fn post(client: &Client, url: &str, body: Vec<u8>) {
    let answer = client
        .post(format!("{url}/ingest/report"))
        .header("content-type", "application/json")
        .header("x-ingest-token", TOKEN)
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.bytes().await.expect("the rest of the answer");
}
