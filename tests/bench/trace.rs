//! What a daemon asks of the kernel, by strace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::subject::Subject;
use crate::support::daemon::Config;

/// System calls, a line each.
pub struct Trace(Vec<String>);

impl Trace {
    /// How many files were opened whose names end so.
    pub fn opened(&self, ending: &str) -> usize {
        let ending = format!("{ending}\"");
        self.count(|line| line.contains("openat(") && line.contains(&ending))
    }

    /// How many calls wrote to a file whose path has this in it.
    pub fn wrote_to(&self, path: &str) -> usize {
        let is_write =
            |line: &str| ["write(", "write64(", "writev("].iter().any(|w| line.contains(w));
        self.count(|line| is_write(line) && line.contains(path))
    }

    /// How many calls brought something to the disk.
    pub fn synced(&self) -> usize {
        self.count(|line| line.contains("fsync(") || line.contains("fdatasync("))
    }

    fn count(&self, holds: impl Fn(&str) -> bool) -> usize {
        self.0.iter().filter(|line| holds(line)).count()
    }
}

/// A whole start, until it is ready.
///
/// # Errors
/// Why this machine cannot trace.
pub fn of_a_start(config: &Config) -> Result<Trace, String> {
    present()?;
    let file = config.path().join("trace");
    let words = ["strace", "-f", "-qq", "-e", "trace=openat", "-o", file.to_str().expect("UTF-8")];
    Subject::start_under(config, &words).stop_below();
    read(&file)
}

/// What a daemon that runs does meanwhile.
///
/// # Errors
/// Why this machine cannot trace.
pub fn meanwhile(daemon: &Subject, config: &Config, act: impl FnOnce()) -> Result<Trace, String> {
    present()?;
    let file = config.path().join("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=write,pwrite64,writev,pwritev,fsync,fdatasync"])
        .args(["-p", &daemon.pid().to_string(), "-o"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut said = BufReader::new(strace.stderr.take().expect("a pipe")).lines();
    let attached = said.find(|line| line.as_ref().map_or(true, |line| line.contains("attached")));
    if attached.is_none() {
        let _status = strace.wait();
        return Err("strace may not attach to a process here".to_owned());
    }
    act();
    kill_process(Pid::from_child(&strace), Signal::INT).map_err(|error| error.to_string())?;
    let _status = strace.wait();
    read(&file)
}

fn present() -> Result<(), String> {
    let found = Command::new("strace").arg("-V").output();
    found.map(drop).map_err(|_| "no strace here: apt install strace".to_owned())
}

fn read(file: &std::path::Path) -> Result<Trace, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    Ok(Trace(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()))
}
