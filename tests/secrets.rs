//! Secrets stay secret: what was planted is looked for in everything that the programs put out.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;

use ingest::{Home, Server, until};
use support::daemon::{CLEARED, Daemon};
use support::dashboard::{Fault, Rule};
use support::ends::Ends;
use support::fixtures::{self, Report, Shape};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

const TOKEN: &str = "PLANTED-token-7d41c0";
const SECRET: &str = "PLANTED-secret-93bb5e";

fn report(n: usize) -> Report {
    fixtures::report(Shape::IngestReady, n)
}

/// Nothing that was planted is in it, be it text or not.
#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    let found = bytes.windows(7).position(|window| window == b"PLANTED");
    let shown = found.map(|at| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 60)]));
    assert_eq!(shown, None, "in {what}");
}

/// Every file below a directory but those that the secrets were put into.
fn clean_below(directory: &Path) -> usize {
    let mut looked_at = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            looked_at += clean_below(&path);
        } else if path.is_file()
            && !["token", "secret", "ytv2d.toml"].iter().any(|name| path.ends_with(name))
        {
            clean(&path.display().to_string(), &fs::read(&path).unwrap());
            looked_at += 1;
        }
    }
    looked_at
}

/// Runs a command of the program with the secrets in its environment, as the daemon has them.
fn ask(ends: &Ends, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
    for name in CLEARED {
        command.env_remove(name);
    }
    command.env("INGEST_TOKEN", TOKEN).env("SYNC_SECRET", SECRET);
    command.args(arguments).arg("--config").arg(ends.config.file()).current_dir(ends.config.path());
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn no_secret_is_in_any_output_whatever_goes_wrong() {
    let mut ends = Ends::new();
    ends.new.set_token(TOKEN);
    ends.old.set_secret(SECRET);
    fs::write(ends.config.path().join("secret"), SECRET).unwrap();
    // Whoever knows the address of the watcher can keep it from raising the alarm. This one is heard,
    // and does not answer as it should.
    let watcher = format!("{}/PLANTED-watcher", ends.new.url());
    ends.configure(true, true, &format!("[heartbeat]\nurl = '{watcher}'\nevery = '1s'"));
    ends.config.token = TOKEN.to_owned();
    ends.config.log_filter = "trace".to_owned();
    ends.put(&report(1));
    let audio = mp3(1, 1);
    ends.put_audio(&report(1), 1, audio);
    for end in [&ends.new, &ends.old] {
        end.inject(Rule::new(Fault::ResetAfterHeaders).once());
        end.inject(Rule::new(Fault::status(500)).once());
    }
    let daemon = Daemon::start_ready(&ends.config);
    ends.new_is_level();
    ends.old_is_level();

    // A reload, a refusal, a target that is gone, and a configuration that is at fault.
    ends.new.set_token("another");
    ends.put(&report(2));
    daemon.wait_for_line(PATIENCE, |line| {
        line["why"].as_str().is_some_and(|why| why.contains("401"))
    });
    ends.new.set_token(TOKEN);
    ends.reload(&daemon);
    ends.new_is_level();
    ends.put(&report(3));
    ends.new_is_level();

    daemon.wait_for_line(PATIENCE, |line| line["message"] == "nobody hears the heartbeat");

    let id = report(1).expected.id.clone();
    let mut said = 0;
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["list"],
        &["list", "--json"],
        &["why", &id, "--json"],
        &["config", "print"],
        &["config", "check"],
        &["rescan"],
    ] {
        let Output { stdout, stderr, .. } = ask(&ends, arguments);
        said += stdout.len();
        clean(&arguments.join(" "), &[stdout, stderr].concat());
    }
    assert!(said > 500, "the commands said {said} bytes");
    for path in
        ["status", "items", "metrics", "events", &format!("items/{id}?payload=true"), "nothing"]
    {
        let socket = ends.config.socket();
        let url = format!("http://x/{path}");
        let command = ["-sS", "-m", "2", "--unix-socket", socket.to_str().unwrap(), &url];
        if let Ok(output) = Command::new("curl").args(command).output() {
            clean(path, &output.stdout);
        }
    }
    let process = fs::read(format!("/proc/{}/cmdline", daemon.pid())).unwrap();
    assert!(process.starts_with(env!("CARGO_BIN_EXE_ytv2d").as_bytes()));
    clean("the command line", &process);

    for (fault, faulty) in [
        "[ingest]\nparallel = 'PLENTY'",
        "[heartbeat]\nurl = 'PLANTED.example.org/PLANTED'",
        "[heartbeat]\nurl = 'ftp://PLANTED.example.org/PLANTED'",
        "[heartbeat]\nurl = ['https://PLANTED.example.org']",
        "[heartbeat]\nurl = 'https://PLANTED.example.org/PLANTED",
    ]
    .iter()
    .enumerate()
    {
        fs::write(ends.config.file(), faulty).unwrap();
        let mark = daemon.mark();
        daemon.sighup();
        daemon.wait_for_line_after(mark, PATIENCE, |line| {
            line["message"] == "the configuration is not taken over"
        });
        for command in [&["run"][..], &["config", "check"], &["config", "print"]] {
            let Output { stdout, stderr, .. } = ask(&ends, command);
            clean(&format!("{} with fault {fault}", command[0]), &[stdout, stderr].concat());
        }
    }
    daemon.stop();

    let lines = daemon.lines();
    assert!(lines.iter().any(|line| line["level"] == "TRACE"), "the log is at its most talkative");
    for line in lines {
        clean("the log", line.to_string().as_bytes());
    }
    assert!(clean_below(ends.config.path()) >= 5);
}

#[test]
fn no_secret_of_the_receiving_side_is_in_any_output() {
    let home = Home::new()
        .with_env("INGEST_TOKEN", TOKEN)
        .with_env("SYNC_SECRET", SECRET)
        .with_env("RUST_LOG", "trace");
    let server = Server::start(&home);
    let payload = report(1).json;
    let bearer = format!("Bearer {SECRET}");
    let stored = server.report_with(&payload, &[("x-ingest-token", TOKEN)]);
    assert_eq!(stored.status, 200);
    let id = report(1).expected.id;
    let mut said = Vec::new();
    for (method, target, headers) in [
        ("POST", "/ingest/report", [("x-ingest-token", "mistaken")]),
        ("POST", "/ingest/report", [("x-ingest-token", TOKEN)]),
        ("POST", "/api/content", [("Authorization", bearer.as_str())]),
        ("GET", "/metrics", [("x-ingest-token", TOKEN)]),
        ("GET", "/health", [("Authorization", bearer.as_str())]),
        ("GET", "/", [("x-ingest-token", TOKEN)]),
        ("GET", &format!("/{id}.json"), [("x-ingest-token", TOKEN)]),
        ("GET", "/nothing", [("x-ingest-token", TOKEN)]),
    ] {
        let answer = server.send(method, target, &headers, b"{}");
        clean(target, &answer.body);
        said.push(answer.status);
    }
    assert!(said.contains(&401) && said.contains(&200) && said.contains(&404), "{said:?}");
    let process = fs::read(format!("/proc/{}/cmdline", server.id())).unwrap();
    assert!(!process.is_empty());
    clean("the command line", &process);
    server.stop();
    assert!(home.log().lines().count() > 1, "{}", home.log());
    assert!(clean_below(home.path()) >= 2);
}

#[test]
fn no_password_of_a_store_is_in_what_is_said_when_it_cannot_be_reached() {
    let database = "postgres://u:PLANTED-password@127.0.0.1:1/d";
    let bucket = ["--store", "sqlite:s.db", "--media", "s3://bucket/audio"];
    for arguments in [
        &["--store", database][..],
        &["--store", "postgres://u:PLANTED-password@127.0.0.1:1/d?sslmode=nonsense"],
        &["--store", "postgres://u:PLANTED-password@127.0.0.1:PLANTED/d"],
        &["--store", database, "--migrate-only"],
        &["--migrate-only"],
        &[],
        &bucket,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2-ingest"));
        command.env_clear().env("RUST_LOG", "debug,sqlite=off").env("INGEST_TOKEN", TOKEN);
        command.env("DATABASE_URL_POSTGRES_NEW", database);
        command.env("AWS_ACCESS_KEY_ID", "PLANTED-key").env("AWS_SECRET_ACCESS_KEY", "PLANTED-s3");
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_REGION", "x");
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).current_dir(directory.path());
        let (out, err) = (directory.path().join("out"), directory.path().join("err"));
        let file = |path: &Path| fs::File::create(path).unwrap();
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let mut child = command.spawn().unwrap();
        // It ends, or says that it goes on without what it cannot reach.
        until("it says something", || {
            fs::metadata(&err).is_ok_and(|file| file.len() > 0)
                || child.try_wait().is_ok_and(|ended| ended.is_some())
        });
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
        while child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ended = child.kill();
        child.wait().unwrap();
        let said = [fs::read(&out).unwrap(), fs::read(&err).unwrap()].concat();
        assert!(!said.is_empty());
        clean(&arguments.join(" ").replace("PLANTED", "…"), &said);
    }
}

#[test]
fn a_secret_that_cannot_be_used_is_not_shown() {
    let ends = Ends::new();
    for bad in ["PLANTED two words", "PLANTED\u{e9}", "\tPLANTED\u{7f}"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
        command.env_clear().env("INGEST_TOKEN", bad).env("RENDER_API_URL", "http://127.0.0.1:1");
        let output = command.arg("run").current_dir(ends.config.path()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(78));
        clean(bad, &output.stderr);
    }
}

#[test]
fn a_token_file_that_everybody_may_read_is_warned_of() {
    let mut stage = Stage::new();
    let token = stage.config.path().join("token");
    fs::write(&token, stage.dashboard.token()).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    stage.config.token = String::new();
    stage.config = stage.config.with_toml(&format!("[ingest]\ntoken_file = {token:?}"));
    let daemon = stage.start();
    let is_it = |warning: &str| warning.contains("may read") && warning.contains("chmod");
    daemon.wait_for_line(PATIENCE, |line| line["warning"].as_str().is_some_and(is_it));
    daemon.stop();
}

/// A process that is ended so as to leave a core dump, where it may have one.
fn dumps_core(command: &mut Command, ready: impl FnOnce(u32)) -> bool {
    let mut child = command.spawn().unwrap();
    ready(child.id());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::ABORT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    status.core_dumped()
}

/// Whether a process is this program by now.
fn runs(pid: u32, program: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == program)
}

#[test]
fn no_core_dump_holds_what_was_in_memory() {
    let mut ends = Ends::new();
    ends.configure(true, false, "");
    ends.config.write();
    let limit = "ulimit -c unlimited 2>/dev/null; exec \"$@\"";
    let mut sleep = Command::new("sh");
    sleep.args(["-c", limit, "sh", "sleep", "60"]).current_dir(ends.config.path());
    if !dumps_core(&mut sleep, |pid| until("it sleeps", || runs(pid, "sleep"))) {
        eprintln!("SKIPPED: no process leaves a core dump here");
        return;
    }
    let mut daemon = Command::new("sh");
    daemon.args(["-c", limit, "sh", env!("CARGO_BIN_EXE_ytv2d"), "run", "--config"]);
    daemon.arg(ends.config.file()).current_dir(ends.config.path());
    daemon.env("INGEST_TOKEN", ends.new.token()).stderr(Stdio::null());
    let socket = ends.config.socket();
    assert!(!dumps_core(&mut daemon, |_| until("it answers", || socket.exists())));
}
