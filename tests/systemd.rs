//! The real programs under a service manager: the test plays systemd's part, with its own sockets.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use ingest::{Home, until};
use support::daemon::Daemon;
use support::fixtures::{self, Report, Shape};
use support::stage::{PATIENCE, Stage};

/// The socket that a service is told to talk to.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    /// Has the daemon of this stage talk to it.
    fn of(stage: &mut Stage) -> Self {
        let path = stage.config.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        stage.config.env.push(("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned()));
        Self { socket }
    }

    /// The next datagram, in lines; nothing when none comes in time.
    fn hear_within(&self, patience: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 8192];
        match self.socket.recv(&mut buffer) {
            Ok(read) => {
                let said = std::str::from_utf8(&buffer[..read]).expect("plain text");
                let lines: Vec<String> = said.lines().map(str::to_owned).collect();
                for line in &lines {
                    assert!(KNOWN.iter().any(|known| line.starts_with(known)), "{said:?}");
                }
                Some(lines)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a datagram with this line, and gives all of it.
    #[track_caller]
    fn hear(&self, line: &str) -> Vec<String> {
        loop {
            let said = self.hear_within(PATIENCE).unwrap_or_else(|| panic!("in vain: {line}"));
            if said.iter().any(|said| said == line) {
                return said;
            }
        }
    }

    /// Forgets what was said so far.
    fn forget(&self) {
        while self.hear_within(Duration::from_millis(1)).is_some() {}
    }
}

const KNOWN: [&str; 7] = [
    "READY=1",
    "RELOADING=1",
    "MONOTONIC_USEC=",
    "STATUS=",
    "WATCHDOG=1",
    "EXTEND_TIMEOUT_USEC=",
    "STOPPING=1",
];

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}

fn status_in(said: &[String]) -> &str {
    let mut all = said.iter().filter_map(|line| line.strip_prefix("STATUS="));
    all.next().unwrap_or_else(|| panic!("no status: {said:?}"))
}

#[test]
fn it_is_ready_once_it_has_looked_at_everything_and_answers() {
    let mut stage = Stage::new();
    let manager = Manager::of(&mut stage);
    stage.put(&report(1));
    let daemon = Daemon::start(&stage.config);
    let said = manager.hear("READY=1");
    assert!(status_in(&said).starts_with("healthy: "), "{said:?}");
    assert!(stage.json(&["status"])["ready"].as_bool().unwrap());
    daemon.wait_ready();
    let lines = daemon.lines();
    let told: Vec<&str> = lines
        .iter()
        .map(message)
        .filter(|message| ["looked through", "ready"].contains(message))
        .collect();
    assert_eq!(told, ["looked through", "looked through", "ready"]);
    daemon.stop();
    manager.hear("STOPPING=1");
}

#[test]
fn a_reload_is_told_with_its_time_in_one_datagram_and_then_its_end() {
    let mut stage = Stage::new();
    let manager = Manager::of(&mut stage);
    let daemon = Daemon::start(&stage.config);
    manager.hear("READY=1");
    let mut times = Vec::new();
    for _ in 0..2 {
        daemon.sighup();
        let said = manager.hear("RELOADING=1");
        let time = said.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        times.push(time.expect("its time").parse::<u64>().unwrap());
        manager.hear("READY=1");
    }
    assert!(0 < times[0] && times[0] < times[1], "{times:?}");
    // What a person types is no different.
    assert_eq!(stage.said(&["rescan"]).1, Some(0));
    daemon.stop();
}

#[test]
fn the_status_says_what_is_wrong() {
    let mut stage = Stage::new();
    let manager = Manager::of(&mut stage);
    let daemon = Daemon::start(&stage.config);
    manager.hear("READY=1");
    let away = stage.config.path().join("away");
    fs::rename(stage.config.reports(), &away).unwrap();
    let said = loop {
        let said = manager.hear_within(PATIENCE).expect("a status");
        if said.iter().any(|line| line.contains("degraded")) {
            break said;
        }
    };
    assert!(status_in(&said).contains("reports"), "{said:?}");
    fs::rename(&away, stage.config.reports()).unwrap();
    while !manager.hear_within(PATIENCE).expect("a status")[0].contains("healthy") {}
    daemon.stop();
}

#[test]
fn the_watchdog_is_fed_by_a_daemon_that_idles_and_not_by_one_that_stands_still() {
    let mut stage = Stage::new();
    let manager = Manager::of(&mut stage);
    stage.config.env.push(("WATCHDOG_USEC".to_owned(), "400000".to_owned()));
    let daemon = Daemon::start(&stage.config);
    manager.hear("READY=1");
    for _ in 0..5 {
        manager.hear("WATCHDOG=1");
    }
    daemon.freeze();
    until("every thread stands still", || threads(daemon.pid()).iter().all(|state| *state == 'T'));
    manager.forget();
    assert_eq!(manager.hear_within(Duration::from_secs(1)), None);
    daemon.thaw();
    manager.hear("WATCHDOG=1");
    daemon.stop();
}

/// The state of each thread of a process, as the kernel has it.
fn threads(pid: u32) -> Vec<char> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| {
            let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            let (_, rest) = stat.rsplit_once(") ").unwrap();
            rest.chars().next().unwrap()
        })
        .collect()
}

#[test]
fn the_watchdog_is_not_fed_while_the_outbox_hangs_on_its_disk() {
    let mut stage = Stage::new();
    let manager = Manager::of(&mut stage);
    stage.config.env.push(("WATCHDOG_USEC".to_owned(), "800000".to_owned()));
    let daemon = Daemon::start(&stage.config);
    manager.hear("WATCHDOG=1");

    let Some(mut disk) = Strace::hang(&daemon, "fsync,fdatasync") else {
        eprintln!("SKIPPED: no strace may hold up the daemon here (apt-get install strace; root)");
        return;
    };
    stage.put(&report(2));
    let line = daemon.wait_for_line(PATIENCE, |line| {
        message(line).starts_with("it does not move") && line["part"] == "outbox"
    });
    assert_eq!(line["level"], "WARN");
    manager.forget();
    while let Some(said) = manager.hear_within(Duration::from_secs(2)) {
        assert!(!said.contains(&"WATCHDOG=1".to_owned()), "{said:?}");
    }
    disk.let_go();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "it moves again");
    manager.hear("WATCHDOG=1");
    stage.holds(&report(2));
    daemon.stop();
}

/// Has the daemon's next call of one kind wait for longer than any test.
struct Strace(Child);

impl Strace {
    fn hang(daemon: &Daemon, call: &str) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &daemon.pid().to_string(), "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:delay_enter=600000000")]);
        let mut child = command.stderr(Stdio::piped()).spawn().ok()?;
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let strace = Self(child);
        // It must not wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        line.contains("attached").then_some(strace)
    }

    /// The call goes through.
    fn let_go(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A command in whose first descriptor beyond the usual ones a socket is passed, as
/// sd_listen_fds(3) has it.
fn passing(socket: OwnedFd) -> (Vec<String>, Stdio) {
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    (["sh", "-c", script, "sh"].map(str::to_owned).into(), Stdio::from(socket))
}

#[test]
fn the_daemon_answers_on_a_socket_that_it_is_handed_and_leaves_it_there() {
    let stage = Stage::new();
    let path = stage.config.socket();
    let listener = UnixListener::bind(&path).unwrap();
    let (wrapper, stdin) = passing(listener.try_clone().unwrap().into());
    stage.config.write();
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).args([env!("CARGO_BIN_EXE_ytv2d"), "run", "--config"]);
    command.arg(stage.config.file()).env("INGEST_TOKEN", &stage.config.token);
    let mut child = command.stdin(stdin).stderr(Stdio::null()).spawn().unwrap();
    // Whoever comes before it is ready waits in the socket's queue.
    until("it answers", || stage.said(&["status"]).1 == Some(0));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(path.exists());
    drop(listener);
}

#[test]
fn the_ingest_side_listens_where_it_is_told_to_and_takes_its_token_as_a_credential() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let notify = home.path().join("notify");
    let manager = Manager { socket: UnixDatagram::bind(&notify).unwrap() };
    fs::write(home.path().join("token"), format!("{}\n", ingest::TOKEN)).unwrap();
    let (wrapper, stdin) = passing(listener.into());
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg(env!("CARGO_BIN_EXE_ytv2-ingest"));
    command.args(["--listen", "not an address", "--store", "sqlite:store.db"]);
    command.current_dir(home.path()).env("NOTIFY_SOCKET", &notify);
    command.env("INGEST_TOKEN", "another").env("CREDENTIALS_DIRECTORY", home.path());
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn().unwrap();
    manager.hear("READY=1");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening on http://{address}\n"));
    let server = ingest::Server::adopt(child, address);
    let report = report(3);
    let payload = serde_json::json!({
        "video_id": "aB-3_xY9zQk", "title": report.expected.title,
        "summary_variants": [{ "variant": "comprehensive", "text": "t", "revision": 0 }],
    });
    assert_eq!(server.report(&payload).status, 200);
    assert!(server.stop().success());
}

#[test]
fn the_ingest_side_refuses_a_socket_that_is_none_of_its_kind() {
    let home = Home::new();
    let listener = UnixListener::bind(home.path().join("socket")).unwrap();
    let (wrapper, stdin) = passing(listener.into());
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg(env!("CARGO_BIN_EXE_ytv2-ingest"));
    command.current_dir(home.path()).env("INGEST_TOKEN", "t").stdin(stdin);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("ListenStream="), "{said}");
}
