//! How much memory a process has held.

use std::fs;

/// The most that it has held so far, in bytes.
pub fn peak(pid: u32) -> u64 {
    value(pid, "VmHWM:")
}

/// What it holds now, in bytes.
pub fn held(pid: u32) -> u64 {
    value(pid, "VmRSS:")
}

fn value(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}
