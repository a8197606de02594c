//! How it is done today: Python's `requests`, one POST a record, each on a new connection.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::ingest::TOKEN;

/// Reads paths from its input; prints the seconds that it took.
const LOOP: &str = "
import json, sys, time, requests
url, token = sys.argv[1:]
files = sys.stdin.read().splitlines()
began = time.monotonic()
for file in files:
    with open(file, encoding='utf-8') as f:
        payload = json.load(f)
    headers = {'X-INGEST-TOKEN': token}
    answer = requests.post(url + '/ingest/report', json=payload, headers=headers, timeout=30)
    answer.raise_for_status()
    answer.json()
print(time.monotonic() - began)
";

/// A Python that has `requests`.
pub struct Today {
    python: PathBuf,
}

impl Today {
    /// Makes an environment below `target` the first time.
    ///
    /// # Errors
    /// Why this machine has none.
    pub fn prepare() -> Result<Self, String> {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let python = home.join("bin/python");
        if run(Command::new(&python).args(["-c", "import requests"])).is_err() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "requests"]))?;
        }
        Ok(Self { python })
    }

    /// Sends files one after the other, and says how long that took.
    pub fn send(&self, files: &[PathBuf], url: &str) -> Duration {
        let mut command = Command::new(&self.python);
        command.args(["-c", LOOP, url, TOKEN]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python runs");
        let paths: Vec<&str> = files.iter().filter_map(|file| file.to_str()).collect();
        let input = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut &input, paths.join("\n").as_bytes()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("a child");
        assert!(output.status.success(), "today's way failed: {}", output.status);
        let seconds = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
        Duration::from_secs_f64(seconds)
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed without a word").to_owned())
}
