//! What the tests ask of the machine: mounts, images, namespaces, and the kernel's word on a process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Says that a test is skipped, past the test harness's ear for passing tests.
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(stderr(), "SKIPPED {test}: {why}");
}

/// Runs a command to its end; what it said is the error.
pub fn run(command: &[&str]) -> Result<(), String> {
    let output = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is UTF-8")
}

/// Something that is mounted, until it is dropped.
pub struct Mount {
    point: PathBuf,
    server: Option<Child>,
}

impl Mount {
    /// # Errors
    /// Why this machine does not allow it.
    pub fn tmpfs(point: &Path) -> Result<Self, String> {
        Self::new(&["mount", "-t", "tmpfs", "-o", "mode=755", "none"], point)
    }

    /// # Errors
    /// Why this machine does not allow it.
    pub fn bind(source: &Path, point: &Path) -> Result<Self, String> {
        Self::new(&["mount", "--bind", text(source)], point)
    }

    /// One directory laid over an empty one: what is written to the upper one behind it gives no
    /// events.
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub fn overlay(upper: &Path, scratch: &Path, point: &Path) -> Result<Self, String> {
        let [lower, work] = ["lower", "work"].map(|name| scratch.join(name));
        for directory in [&lower, &work] {
            fs::create_dir(directory).expect("a scratch directory");
        }
        let [lower, upper, work] = [&lower, upper, &work].map(text);
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        Self::new(&["mount", "-t", "overlay", "-o", &options, "none"], point)
    }

    /// Mounts an image that [`image`] made.
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub fn image(image: &Path, point: &Path) -> Result<Self, String> {
        Self::new(&["mount", "-o", "loop", text(image)], point)
    }

    /// A view of a directory through FUSE: what is written behind it gives no events.
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub fn bindfs(source: &Path, point: &Path) -> Result<Self, String> {
        Self::bindfs_with(&[], source, point)
    }

    /// The same, with options of bindfs(1).
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub fn bindfs_with(options: &[&str], source: &Path, point: &Path) -> Result<Self, String> {
        let device = |path: &Path| {
            fs::metadata(path).map(|metadata| std::os::unix::fs::MetadataExt::dev(&metadata)).ok()
        };
        let before = device(point);
        let mut server = Command::new("bindfs")
            .arg("-f")
            .args(options)
            .args([source, point])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("bindfs: {error}"))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while device(point) == before {
            let ended = server.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                return Err("bindfs does not mount here".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { point: point.to_owned(), server: Some(server) })
    }

    fn new(command: &[&str], point: &Path) -> Result<Self, String> {
        let mut command = command.to_vec();
        command.push(text(point));
        run(&command)?;
        Ok(Self { point: point.to_owned(), server: None })
    }

    /// Takes it away, as a person or a failing disk does.
    pub fn unmount(self) {
        drop(self);
    }

    /// The process behind it stops answering, or goes on.
    pub fn signal(&self, signal: Signal) {
        let server = self.server.as_ref().expect("a process is behind it");
        kill_process(Pid::from_child(server), signal).expect("it is there");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            let _ = kill_process(Pid::from_child(server), Signal::CONT);
        }
        if let Err(why) = run(&["umount", "-l", text(&self.point)]) {
            let _ = writeln!(stderr(), "left behind: {why}");
        }
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A small file system in a file, with times of whole seconds.
///
/// # Errors
/// Why this machine cannot make one.
pub fn image(path: &Path) -> Result<(), String> {
    let file = fs::File::create(path).expect("an image");
    file.set_len(4 << 20).expect("its size");
    run(&["mkfs.ext2", "-q", "-F", "-I", "128", text(path)])
}

/// What the kernel says of a process in a file of `/proc`.
fn proc(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process lives")
}

fn number_after(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect(key);
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect(key)
}

/// The most memory that a process has held so far, in bytes.
pub fn peak_memory(pid: u32) -> u64 {
    number_after(&proc(pid, "status"), "VmHWM:") << 10
}

/// How many bytes a process has read, from wherever.
pub fn bytes_read(pid: u32) -> u64 {
    number_after(&proc(pid, "io"), "rchar:")
}

/// How long a process has computed, by all of its threads.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = proc(pid, "stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    // The fields 14 and 15 of proc(5), in ticks of 10 ms; the name is the second.
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

/// How often each thread of a process has gone to sleep: as often as it was woken.
pub fn sleeps(pid: u32) -> BTreeMap<OsString, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten();
    tasks
        .filter_map(|task| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            Some((task.file_name(), number_after(&status, "voluntary_ctxt_switches:")))
        })
        .collect()
}

/// How often the threads of a process were woken since. What those did that have ended meanwhile
/// is not known.
pub fn wake_ups(pid: u32, since: &BTreeMap<OsString, u64>) -> Vec<u64> {
    let known = |thread| since.get(thread).copied().unwrap_or(0);
    sleeps(pid).iter().map(|(thread, count)| count - known(thread)).collect()
}
