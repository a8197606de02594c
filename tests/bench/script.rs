//! What a script does: `inotifywait -m` piped to `curl`.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::ingest::TOKEN;

const SCRIPT: &str = r#"
inotifywait -m -e close_write --format '%w%f' "$1" | while read -r file; do
  curl -s -o /dev/null -H 'Content-Type: application/json' -H "X-INGEST-TOKEN: $3" \
    --data-binary "@$file" "$2/ingest/report"
done
"#;

/// The script, until it is dropped.
pub struct Script(Child);

impl Script {
    /// # Errors
    /// What of it this machine has not.
    pub fn start(directory: &Path, url: &str) -> Result<Self, String> {
        for program in ["inotifywait", "curl"] {
            let found = Command::new(program).arg("--help").output();
            found.map_err(|_| format!("no {program} here: apt install inotify-tools curl"))?;
        }
        let mut command = Command::new("bash");
        command.args(["-c", SCRIPT, "script"]).arg(directory).args([url, TOKEN]);
        command.process_group(0).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("bash runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let script = Self(child);
        let is_ready = |line: std::io::Result<String>| {
            line.is_ok_and(|line| line.contains("Watches established"))
        };
        match stderr.lines().any(is_ready) {
            true => Ok(script),
            false => Err("inotifywait does not watch".to_owned()),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ended = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _status = self.0.wait();
    }
}
