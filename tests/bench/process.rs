//! What the kernel says of a process.

use std::fs;
use std::time::Duration;

fn proc(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process lives")
}

fn number_after(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect(key);
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect(key)
}

/// Resident bytes.
pub fn memory(pid: u32) -> u64 {
    number_after(&proc(pid, "status"), "VmRSS:") << 10
}

/// The most resident bytes since the start, or since [`forget_peak`].
pub fn peak_memory(pid: u32) -> u64 {
    number_after(&proc(pid, "status"), "VmHWM:") << 10
}

/// The peak begins again at what is resident now.
pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process is ours");
}

/// How long a process has computed, by threads that have ended too, in steps of 10 ms.
pub fn cpu(pid: u32) -> Duration {
    let stat = proc(pid, "stat");
    let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
    // The fields 14 and 15 of proc(5); the name is the second.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// How often the threads of a process went to sleep so far, which is as often as they were woken.
/// What a thread did that has ended is forgotten.
pub fn sleeps(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten();
    let sleeps_of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        Some(number_after(&status, "voluntary_ctxt_switches:"))
    };
    tasks.filter_map(sleeps_of).sum()
}
