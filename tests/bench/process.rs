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

/// What all threads of a process have done so far. What a thread did that has ended is forgotten.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    pub cpu: Duration,
    /// How often one went to sleep, which is as often as it was woken.
    pub sleeps: u64,
}

pub fn work(pid: u32) -> Work {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten();
    tasks.fold(Work::default(), |sum, task| {
        let text = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let (schedule, status) = (text("schedstat"), text("status"));
        let nanoseconds = schedule.split_whitespace().next().and_then(|word| word.parse().ok());
        let slept = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Work {
            cpu: sum.cpu + Duration::from_nanos(nanoseconds.unwrap_or_default()),
            sleeps: sum.sleeps + slept.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0),
        }
    })
}
