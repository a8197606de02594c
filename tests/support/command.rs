//! Runs the commands of the real `ytv2d` as a person does: to an end, in a pipe, or on a terminal.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use super::daemon::CLEARED;
use super::stage::{PATIENCE, Stage};

/// What would change how a command prints, or whom it asks.
const CLEARED_TOO: [&str; 5] = ["YTV2D_SOCKET", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"];

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// What was printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `ytv2d` with these words, in the directory of a stage, told of its configuration.
pub fn command(stage: &Stage, words: &[&str]) -> Command {
    let mut command = bare(words);
    command.arg("--config").arg(stage.config.file()).current_dir(stage.config.path());
    command
}

/// `ytv2d` with these words and nothing else.
pub fn bare(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
    for name in CLEARED.iter().chain(&CLEARED_TOO) {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn end(mut command: Command) -> Said {
    let output = command.output().expect("ytv2d runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs a command about a stage to its end.
pub fn run(stage: &Stage, words: &[&str]) -> Said {
    end(command(stage, words))
}

/// A command that goes on. Dropping it kills it.
pub struct Running {
    child: Child,
    seen: Arc<(Mutex<String>, Condvar)>,
}

impl Running {
    /// With its output in a pipe.
    pub fn piped(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("ytv2d runs");
        let out = child.stdout.take().expect("a pipe");
        Self::reading(child, out)
    }

    /// With its output on a terminal of so many columns and rows.
    pub fn on_terminal(mut command: Command, columns: u16, rows: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("a size");
        let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("a name");
        let theirs = File::options().read(true).write(true).open(name).expect("a terminal");
        let errors = theirs.try_clone().expect("a terminal");
        let command = command.env("TERM", "xterm-256color").stdout(theirs).stderr(errors);
        let child = command.spawn().expect("ytv2d runs");
        Self::reading(child, File::from(ours))
    }

    fn reading(child: Child, mut out: impl Read + Send + 'static) -> Self {
        let seen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let told = Arc::clone(&seen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A terminal whose other end is closed gives an error in place of an end.
            while let Ok(count @ 1..) = out.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                told.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                told.1.notify_all();
            }
        });
        Self { child, seen }
    }

    /// Waits until its output so far holds, and gives it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds(&seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "in vain: {what}: {seen}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        seen.clone()
    }

    /// Whether a word is in its output so far.
    pub fn has_said(&self, word: &str) -> bool {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).contains(word)
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
