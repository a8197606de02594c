//! Drives the real `ytv2d` binary: starts it, reads its log, signals it, sees how it ends.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde_json::Value;

pub use config::Config;

mod config;

/// How long a daemon may take to be ready.
pub const READY: Duration = Duration::from_secs(30);
/// How many lines of the log a failure shows.
const SHOWN: usize = 60;

/// Variables of the surroundings that would change what the daemon does.
pub const CLEARED: [&str; 17] = [
    "INGEST_TOKEN",
    "POSTGRES_DASHBOARD_URL",
    "RENDER_DASHBOARD_URL",
    "RENDER_API_URL",
    "PG_INGEST_ENABLED",
    "POSTGRES_ONLY",
    "SQLITE_SYNC_ENABLED",
    "DUAL_SYNC",
    "SYNC_SECRET",
    "RUST_LOG",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
];

/// A daemon that was started. Dropping it kills it.
pub struct Daemon {
    shared: Arc<Shared>,
    // Unlike a process id, this never comes to mean another process.
    process: OwnedFd,
    pid: u32,
    wrapped: bool,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    lines: Vec<Value>,
    log_ended: bool,
    exit: Option<ExitStatus>,
}

impl Daemon {
    /// Writes the configuration and starts `ytv2d run` on it. It does not wait for anything.
    pub fn start(config: &Config) -> Self {
        config.write();
        let binary = env!("CARGO_BIN_EXE_ytv2d").to_owned();
        let mut words = config.wrapper.iter().chain([&binary]);
        let mut command = Command::new(words.next().expect("the binary at least"));
        command.args(words).arg("run").arg("--config").arg(config.file());
        command.current_dir(config.path());
        if !config.wrapper.is_empty() {
            // So that the end of the test takes what the wrapper runs with it.
            command.process_group(0);
        }
        for name in CLEARED {
            command.env_remove(name);
        }
        command.env("INGEST_TOKEN", &config.token).envs(config.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ytv2d starts");
        let pid = child.id();
        // The child is not waited for yet, so its id is still its own.
        let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("a pidfd");
        let stderr = child.stderr.take().expect("a piped stderr");

        let shared = Arc::new(Shared::default());
        let log = Arc::clone(&shared);
        thread::spawn(move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.change(|seen| seen.lines.push(parse(&line)));
                line.clear();
            }
            log.change(|seen| seen.log_ended = true);
        });
        let end = Arc::clone(&shared);
        thread::spawn(move || {
            let status = child.wait().expect("ytv2d can be waited for");
            end.change(|seen| seen.exit = Some(status));
        });
        Self { shared, process, pid, wrapped: !config.wrapper.is_empty() }
    }

    /// Starts it and waits until it is ready.
    pub fn start_ready(config: &Config) -> Self {
        let daemon = Self::start(config);
        daemon.wait_ready();
        daemon
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the line whose message is "ready".
    pub fn wait_ready(&self) {
        self.wait_for_line(READY, |line| line["message"] == "ready");
    }

    /// Waits for a line of the log, past ones included, and gives it. Panics with the last lines
    /// when it does not come, at once if the daemon has ended.
    ///
    /// A line is a JSON object whose fields stand at its root; what is no JSON is a `message`.
    pub fn wait_for_line(&self, timeout: Duration, holds: impl FnMut(&Value) -> bool) -> Value {
        self.wait_for_line_after(0, timeout, holds)
    }

    /// The same, leaving out the first so many lines: what [`mark`](Self::mark) gave.
    pub fn wait_for_line_after(
        &self,
        mark: usize,
        timeout: Duration,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> Value {
        let mut next = mark;
        let seen = self.wait(timeout, |seen| {
            while let Some(line) = seen.lines.get(next) {
                if holds(line) {
                    return true;
                }
                next += 1;
            }
            seen.log_ended
        });
        match seen.lines.get(next) {
            Some(line) => line.clone(),
            None if seen.log_ended => fail("ytv2d ended without the line", &seen),
            None => fail("the line did not come in time", &seen),
        }
    }

    /// Waits until a line of the log has come or the daemon has ended, and says whether it came.
    pub fn line_before_end(&self, timeout: Duration, holds: impl Fn(&Value) -> bool) -> bool {
        let came = |seen: &Seen| seen.lines.iter().any(&holds);
        let seen = self.wait(timeout, |seen| came(seen) || seen.log_ended);
        let came = came(&seen);
        if !came && !seen.log_ended {
            fail("neither the line nor the end came in time", &seen);
        }
        came
    }

    /// How many lines there are: whatever is waited for after this comes later.
    pub fn mark(&self) -> usize {
        self.shared.lock().lines.len()
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<Value> {
        self.shared.lock().lines.clone()
    }

    /// Every line so far with this message.
    pub fn lines_saying(&self, message: &str) -> Vec<Value> {
        let lines = self.lines();
        lines.into_iter().filter(|line| line["message"] == message).collect()
    }

    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    pub fn sigint(&self) {
        self.signal(Signal::INT);
    }

    pub fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    /// Stops its clockwork where it stands, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it, and waits until it is gone.
    pub fn kill9(&self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait_exit(READY)
    }

    /// Sends a signal. To a daemon that has ended it does nothing.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.process, signal);
    }

    /// Whether it has ended, and how.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.shared.lock().exit
    }

    /// Waits until it has ended and its log is read to the end. Panics if it does not end in time.
    pub fn wait_exit(&self, timeout: Duration) -> ExitStatus {
        let seen = self.wait(timeout, |seen| seen.exit.is_some() && seen.log_ended);
        match seen.exit {
            Some(status) if seen.log_ended => status,
            _ => fail("ytv2d did not end in time", &seen),
        }
    }

    /// Asks it to stop, and expects a clean end.
    pub fn stop(&self) {
        self.sigterm();
        let status = self.wait_exit(READY);
        if !status.success() {
            fail(&format!("ytv2d ended with {status}"), &self.shared.lock());
        }
    }

    fn wait(
        &self,
        timeout: Duration,
        mut holds: impl FnMut(&Seen) -> bool,
    ) -> MutexGuard<'_, Seen> {
        let deadline = Instant::now() + timeout;
        let mut seen = self.shared.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if holds(&seen) || left.is_zero() {
                return seen;
            }
            let woken = self.shared.changed.wait_timeout(seen, left);
            seen = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.pid.cast_signed()).filter(|_| self.wrapped);
        if let Some(group) = group.filter(|_| self.exited().is_none()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.signal(Signal::KILL);
        drop(self.wait(READY, |seen| seen.exit.is_some()));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// A line as an object with its fields at the root, whether they were under "fields" or not.
fn parse(line: &[u8]) -> Value {
    let text = String::from_utf8_lossy(line);
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(&text) else {
        return serde_json::json!({ "message": text.trim_end() });
    };
    if let Some(Value::Object(fields)) = object.remove("fields") {
        object.extend(fields);
    }
    Value::Object(object)
}

fn fail(what: &str, seen: &Seen) -> ! {
    let from = seen.lines.len().saturating_sub(SHOWN);
    let lines: Vec<String> = seen.lines[from..].iter().map(Value::to_string).collect();
    let (exit, all) = (seen.exit, seen.lines.len());
    panic!("{what} (exit: {exit:?}); the last of {all} log lines:\n{}", lines.join("\n"));
}
