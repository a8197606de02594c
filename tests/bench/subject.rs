//! The daemon whose figures these are: the real program with its own defaults, its log in a file.

use std::fs::File;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::ingest::TOKEN;
use crate::support::daemon::{CLEARED, Config};
use crate::support::http::{exchange_at, request};

/// Whatever takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Between two looks at how things are.
const LOOK: Duration = Duration::from_millis(10);

/// A daemon that is ready. Dropping it kills it.
pub struct Subject {
    child: Child,
    socket: std::path::PathBuf,
    /// From its start until it said that it was ready.
    pub start: Duration,
}

/// A directory for a daemon that delivers to this URL, and is otherwise as it comes.
pub fn config(url: &str) -> Config {
    let mut config = Config::new(url, TOKEN).with_toml("[log]\nformat = 'text'");
    config.log_filter = "info".to_owned();
    config.audio_quiet = "2s".to_owned();
    config
}

impl Subject {
    /// Starts it, and waits until it says to the service manager that it is ready.
    pub fn start(config: &Config) -> Self {
        Self::start_under(config, &[])
    }

    /// The same as the argument of another command.
    pub fn start_under(config: &Config, wrapper: &[&str]) -> Self {
        config.write();
        let log = File::options().create(true).append(true).open(config.path().join("log"));
        let ready = config.path().join("notify.sock");
        let _first_time = std::fs::remove_file(&ready);
        let manager = UnixDatagram::bind(&ready).expect("a socket");
        manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut words = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_ytv2d")]);
        let mut command = Command::new(words.next().expect("the program at least"));
        command.args(words).arg("run").arg("--config").arg(config.file());
        for name in CLEARED {
            command.env_remove(name);
        }
        command.env("INGEST_TOKEN", &config.token).env("NOTIFY_SOCKET", &ready);
        command.current_dir(config.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.expect("a log"));
        let began = Instant::now();
        let child = command.spawn().expect("ytv2d starts");
        let mut subject = Self { child, socket: config.socket(), start: Duration::ZERO };
        let mut message = [0; 4096];
        loop {
            let length = manager.recv(&mut message).expect("ytv2d becomes ready");
            if message[..length].starts_with(b"READY=1") {
                break;
            }
        }
        subject.start = began.elapsed();
        let _nobody_else = manager.shutdown(Shutdown::Both);
        subject
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn order(&self, path: &str) -> Value {
        let request = request("POST", path, &[("Connection", "close")], b"");
        exchange_at(&self.socket, &request).expect("an answer").json()
    }

    fn status(&self) -> Value {
        let request = request("GET", "/status", &[("Connection", "close")], b"");
        exchange_at(&self.socket, &request).expect("an answer").json()
    }

    /// Waits until so many items are in a state.
    pub fn wait_for(&self, state: &str, count: usize) {
        let began = Instant::now();
        loop {
            let status = self.status();
            if status["targets"][0]["counts"][state].as_u64() == Some(count as u64) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "never {count} {state}: {status}");
            thread::sleep(LOOK);
        }
    }

    /// The same where another command runs it, which ends with it, and would leave it running.
    pub fn stop_below(self) {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("it runs");
        let child = children.split_whitespace().next().and_then(|child| child.parse().ok());
        self.end(child.and_then(Pid::from_raw).expect("a child"));
    }

    /// Asks it to stop, and waits for its end.
    pub fn stop(self) {
        let daemon = Pid::from_child(&self.child);
        self.end(daemon);
    }

    fn end(mut self, daemon: Pid) {
        kill_process(daemon, Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "ytv2d ended with {status}");
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
