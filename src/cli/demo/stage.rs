//! The demo's stage: scratch directories, and both programs as processes of their own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::PATIENCE;
use crate::clock;
use crate::config::{FLAGS, URL_VARIABLES};

/// Both ends, running. Dropping it ends them at once.
pub struct Stage {
    scratch: TempDir,
    pub reports: PathBuf,
    pub exports: PathBuf,
    url: String,
    ingest: Actor,
    daemon: Actor,
    lines: mpsc::UnboundedReceiver<Line>,
    /// Deliveries that were heard of in passing.
    heard: Vec<Delivered>,
}

/// A delivery, as the daemon's log tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Delivered {
    /// When the answer was settled.
    pub timestamp: Timestamp,
    pub kind: String,
    pub id: String,
    pub action: String,
    pub since_change_ms: i64,
}

impl Delivered {
    /// Milliseconds from a moment to the acknowledgement.
    pub fn ms_since(&self, moment: Timestamp) -> i64 {
        self.timestamp.as_millisecond() - moment.as_millisecond()
    }
}

/// A line of the daemon's log.
#[derive(Debug, Deserialize)]
struct Line {
    message: String,
    level: String,
    #[serde(flatten)]
    rest: serde_json::Value,
}

/// A program of the demo.
struct Actor(Child);

impl Drop for Actor {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Stage {
    /// Starts both ends, and returns when the daemon says that it is ready.
    pub async fn build() -> anyhow::Result<Self> {
        let scratch = tempfile::Builder::new().prefix("ytv2d-demo-").tempdir()?;
        let at = |name: &str| scratch.path().join(name);
        let (reports, exports) = (at("reports"), at("exports"));
        std::fs::create_dir(&reports)?;
        std::fs::create_dir(&exports)?;
        // Known to nobody else, and gone with the demo.
        let token = blake3::hash(scratch.path().as_os_str().as_encoded_bytes()).to_hex();

        let (ingest, url) = start_ingest(scratch.path(), &token)?;
        let config = at("ytv2d.toml");
        std::fs::write(
            &config,
            toml_of(&[
                ("watch", &[("reports", &reports), ("exports", &exports)]),
                ("outbox", &[("path", &at("outbox.db"))]),
                ("control", &[("socket", &at("ytv2d.sock"))]),
            ]) + &format!("[ingest]\nurl = {url:?}\n[log]\nformat = \"json\"\n"),
        )?;
        let (daemon, lines) = start_daemon(&config, &at("ytv2d.log"), &token)?;
        let mut stage =
            Self { scratch, reports, exports, url, ingest, daemon, lines, heard: Vec::new() };
        stage.line("ready", |_| true, PATIENCE).await?;
        Ok(stage)
    }

    pub fn place(&self) -> &Path {
        self.scratch.path()
    }

    pub fn log_path(&self) -> PathBuf {
        self.scratch.path().join("ytv2d.log")
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Writes a report as the pipeline does, in place and in pieces, and says when it was closed.
    pub fn drop_report(&self, name: &str, text: &str) -> anyhow::Result<Timestamp> {
        write(&self.reports.join(name), text.as_bytes())
    }

    /// Writes an audio file, and says when it was closed.
    pub fn drop_audio(&self, name: &str, bytes: &[u8]) -> anyhow::Result<Timestamp> {
        write(&self.exports.join(name), bytes)
    }

    /// Waits for the next delivery of a thing.
    pub async fn delivered(
        &mut self,
        kind: &str,
        id: &str,
        patience: Duration,
    ) -> anyhow::Result<Delivered> {
        let rest = self
            .line("delivered", |rest| rest["kind"] == kind && rest["id"] == id, patience)
            .await
            .with_context(|| format!("the {kind} of {id} did not arrive"))?;
        Ok(serde_json::from_value(rest)?)
    }

    /// The next delivery, of whatever; nothing once the daemon has ended.
    pub async fn next(&mut self) -> Option<Delivered> {
        loop {
            let line = self.lines.recv().await?;
            if let Some(delivered) = line.delivered() {
                return Some(delivered);
            }
            if line.level != "INFO" {
                println!("  {}: {} {}", line.level.to_lowercase(), line.message, line.rest);
            }
        }
    }

    /// Every delivery so far: the ones that were waited for, and any others.
    pub fn all_delivered<'a>(
        &'a mut self,
        waited_for: &'a [Delivered],
    ) -> impl Iterator<Item = &'a Delivered> {
        while let Ok(line) = self.lines.try_recv() {
            self.heard.extend(line.delivered());
        }
        waited_for.iter().chain(&self.heard)
    }

    /// Stops both ends as a service manager would, and removes everything.
    pub async fn clean_up(self) -> anyhow::Result<()> {
        let Self { scratch, ingest, daemon, .. } = self;
        for (name, actor) in [("ytv2d", daemon), ("the ingest side", ingest)] {
            let status = tokio::task::spawn_blocking(move || stop(actor)).await??;
            ensure!(status.success(), "{name} ended with {status}");
        }
        scratch.close()?;
        Ok(())
    }

    /// Waits for a line of the log, and gives its fields.
    async fn line(
        &mut self,
        message: &str,
        matches: impl Fn(&serde_json::Value) -> bool,
        patience: Duration,
    ) -> anyhow::Result<serde_json::Value> {
        let find = async {
            while let Some(line) = self.lines.recv().await {
                if line.message == message && matches(&line.rest) {
                    return Ok(line.rest);
                }
                if line.level != "INFO" {
                    eprintln!("  {}: {} {}", line.level.to_lowercase(), line.message, line.rest);
                }
                self.heard.extend(line.delivered());
            }
            bail!("the daemon ended; its last words are above")
        };
        timeout(patience, find).await.context("waited in vain")?
    }
}

impl Line {
    fn delivered(&self) -> Option<Delivered> {
        if self.message != "delivered" {
            return None;
        }
        serde_json::from_value(self.rest.clone()).ok()
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<Timestamp> {
    let mut file = File::create(path)?;
    for piece in bytes.chunks(8192) {
        file.write_all(piece)?;
    }
    drop(file);
    Ok(clock::now())
}

/// Paths as TOML, whatever is in them.
fn toml_of(sections: &[(&str, &[(&str, &Path)])]) -> String {
    sections
        .iter()
        .flat_map(|(section, keys)| {
            let keys = keys.iter().map(|(key, path)| {
                format!("{key} = {}\n", serde_json::json!(path.to_string_lossy()))
            });
            std::iter::once(format!("[{section}]\n")).chain(keys)
        })
        .collect()
}

/// This same program, with nothing of the caller's environment that could send it elsewhere.
fn myself(token: &str) -> anyhow::Result<Command> {
    Ok(program(&std::env::current_exe()?, token))
}

/// The ingest side: in this program, or in one that lies beside it.
fn receiver(token: &str) -> anyhow::Result<Command> {
    let own = std::env::current_exe()?;
    if cfg!(feature = "whole") {
        let mut command = program(&own, token);
        command.arg("ingest");
        return Ok(command);
    }
    Ok(program(&own.with_file_name("ytv2-ingest"), token))
}

fn program(path: &Path, token: &str) -> Command {
    let mut command = Command::new(path);
    for name in URL_VARIABLES.into_iter().chain(FLAGS) {
        command.env_remove(name);
    }
    for name in ["CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.env("INGEST_TOKEN", token).stdin(Stdio::null());
    command
}

fn start_ingest(scratch: &Path, token: &str) -> anyhow::Result<(Actor, String)> {
    let mut store = std::ffi::OsString::from("sqlite:");
    store.push(scratch.join("dashboard.db"));
    let mut child = receiver(token)?
        .args(["--listen", "127.0.0.1:0", "--store"])
        .arg(store)
        .arg("--media")
        .arg(scratch.join("media"))
        .stdout(Stdio::piped())
        .stderr(File::create(scratch.join("ingest.log"))?)
        .spawn()
        .context("the ingest side cannot be started")?;
    let stdout = child.stdout.take().context("no output")?;
    let actor = Actor(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
    let url = url.with_context(|| {
        let mut log = String::new();
        let _unreadable = File::open(scratch.join("ingest.log"))
            .and_then(|mut file| file.read_to_string(&mut log));
        format!("the ingest side did not start: {}", log.trim())
    })?;
    Ok((actor, url))
}

fn start_daemon(
    config: &Path,
    log: &Path,
    token: &str,
) -> anyhow::Result<(Actor, mpsc::UnboundedReceiver<Line>)> {
    let mut child = myself(token)?
        .arg("run")
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("the daemon cannot be started")?;
    let stderr = child.stderr.take().context("no log")?;
    let (lines, received) = mpsc::unbounded_channel();
    let mut log = File::create(log)?;
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _kept_if_it_can_be = writeln!(log, "{line}");
            match serde_json::from_str(&line) {
                Ok(line) => {
                    let _nobody_listens = lines.send(line);
                }
                Err(_) => eprintln!("  {line}"),
            }
        }
    });
    Ok((Actor(child), received))
}

fn stop(mut actor: Actor) -> anyhow::Result<ExitStatus> {
    if let Some(status) = actor.0.try_wait()? {
        return Ok(status);
    }
    let pid = rustix::process::Pid::from_child(&actor.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    Ok(actor.0.wait()?)
}
