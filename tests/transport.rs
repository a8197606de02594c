//! The way to the dashboard: encrypted or said not to be, to nobody but whom it was told, by nobody
//! else, and with an ear for short answers only.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use support::daemon::{CLEARED, Daemon};
use support::dashboard::{Dashboard, Fault, Rule};
use support::fixtures::{self, Report, Shape};
use support::memory::peak;
use support::stage::{PATIENCE, Stage};
use support::tls::{Authority, Front};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

/// Runs `ytv2d` on a configuration of these lines, and waits for its end.
fn run(directory: &Path, words: &[&str], toml: &str) -> Output {
    fs::write(directory.join("ytv2d.toml"), toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
    for name in CLEARED {
        command.env_remove(name);
    }
    command.env("INGEST_TOKEN", "t").env("SYNC_SECRET", "s").current_dir(directory);
    command.args(words).stdin(Stdio::null()).output().unwrap()
}

// The addresses of RFC 5737 are nobody's, and what is refused here is refused before a connection.
#[test]
fn plain_http_to_another_machine_is_a_fault_of_the_configuration_that_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let plain = "url = 'http://192.0.2.1:8080'";
    for (toml, begins) in [
        (format!("[ingest]\n{plain}"), "ingest.url: http://192.0.2.1:8080/ is plain http"),
        (
            format!("[ingest]\nenabled = false\n[legacy]\nenabled = true\n{plain}"),
            "legacy.url: http://192.0.2.1:8080/ is plain http",
        ),
        (
            "[ingest]\nurl = 'http://127.0.0.1:9'\nproxy = 'http://192.0.2.1:3128'".to_owned(),
            "ingest.url: http://127.0.0.1:9/ is plain http",
        ),
    ] {
        let output = run(directory.path(), &["run"], &toml);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(begins), "{said}");
        assert!(said.contains("use https://, or write allow_insecure = true into ["), "{said}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was begun");
        let allowed = toml.replace("url", "allow_insecure = true\nurl");
        let checked = run(directory.path(), &["config", "check"], &allowed);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// A stage whose dashboard is reached by TLS, and an authority; nothing where none can be made.
fn behind_tls(host: &str, days: i32) -> Option<(Stage, Authority, Front)> {
    let mut stage = Stage::new();
    let Some(authority) = Authority::new(stage.config.path(), "ours") else {
        eprintln!("SKIPPED: there is no openssl to make certificates with");
        return None;
    };
    let front = Front::start(&authority.sign(host, days), stage.dashboard.address());
    stage.config.url = front.url();
    let token = stage.config.path().join("token");
    fs::write(&token, stage.dashboard.token()).unwrap();
    stage.config = stage.config.with_toml(&format!("[ingest]\ntoken_file = {token:?}"));
    Some((stage, authority, front))
}

fn believing(mut stage: Stage, authority: &Authority) -> Stage {
    let file = authority.file();
    stage.config = stage.config.with_toml(&format!("ca_file = {file:?}"));
    stage
}

/// Waits until the log says why nothing arrives.
fn wait_for_why(daemon: &Daemon, words: &str) {
    let is_it = |why: &str| why.contains(words);
    daemon.wait_for_line(PATIENCE, |line| line["why"].as_str().is_some_and(is_it));
}

/// What the log, the status and the check say of a dashboard whose certificate is not believed; and
/// nothing arrives.
fn is_refused(stage: &Stage, front: &Front, words: &str) {
    let daemon = stage.start();
    stage.put(&report(1));
    wait_for_why(&daemon, "the secure connection failed: ");
    wait_for_why(&daemon, words);
    let asked = Instant::now();
    loop {
        let (status, code) = stage.said(&["status"]);
        if code == Some(1) && status.contains(words) {
            break;
        }
        assert!(asked.elapsed() < PATIENCE, "{status}");
    }
    let (listed, _) = stage.said(&["why", &report(1).expected.id]);
    assert!(listed.contains(words), "{listed}");
    let (checked, code) = stage.said(&["check"]);
    assert!(checked.contains(words), "{checked}");
    assert_ne!(code, Some(0));
    daemon.stop();
    assert_eq!(front.handshakes(), 0, "nobody went on with the conversation");
    assert_eq!(stage.dashboard.requests().len(), 0, "nothing was said");
}

#[test]
fn a_dashboard_that_shows_a_certificate_of_a_known_authority_is_delivered_to() {
    let Some((stage, authority, front)) = behind_tls("IP:127.0.0.1", 2) else { return };
    let stage = believing(stage, &authority);
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    assert!(front.handshakes() > 0);
    let (checked, code) = stage.said(&["check"]);
    assert!(checked.contains("the certificate is valid for this name"), "{checked}");
    assert_eq!(code, Some(0), "{checked}");
    daemon.stop();
}

#[test]
fn an_authority_that_is_not_known_is_named_with_what_to_do() {
    let Some((stage, _, front)) = behind_tls("IP:127.0.0.1", 2) else { return };
    is_refused(&stage, &front, "name the file of its certificate in ca_file");
    // Another authority is none the better for it.
    let other = Authority::new(stage.config.path(), "another").unwrap();
    let Some((stage, _, front)) = behind_tls("IP:127.0.0.1", 2) else { return };
    is_refused(&believing(stage, &other), &front, "name the file of its certificate in ca_file");
}

#[test]
fn a_certificate_that_has_expired_is_named() {
    let Some((stage, authority, front)) = behind_tls("IP:127.0.0.1", -1) else { return };
    is_refused(&believing(stage, &authority), &front, "has expired: renew it");
}

#[test]
fn a_certificate_for_another_name_is_named() {
    let Some((stage, authority, front)) = behind_tls("DNS:dashboard.example.org", 2) else {
        return;
    };
    is_refused(&believing(stage, &authority), &front, "certificate is for another name");
}

#[test]
fn an_authority_that_poses_as_a_server_is_named() {
    let Some((stage, authority, _)) = behind_tls("IP:127.0.0.1", 2) else { return };
    let front = Front::start(&authority.itself(), stage.dashboard.address());
    let mut stage = believing(stage, &authority);
    stage.config.url = front.url();
    is_refused(&stage, &front, "basicConstraints=CA:FALSE");
}

#[test]
fn a_new_authority_is_believed_after_a_reload() {
    let Some((stage, authority, _front)) = behind_tls("IP:127.0.0.1", 2) else { return };
    let daemon = stage.start();
    stage.put(&report(1));
    wait_for_why(&daemon, "ca_file");
    let stage = believing(stage, &authority);
    stage.config.write();
    daemon.sighup();
    stage.holds(&report(1));
    daemon.stop();
}

#[test]
fn a_redirect_is_not_followed_to_wherever_it_points() {
    let stage = Stage::new();
    let elsewhere = Dashboard::start();
    let away = Fault::Redirect(307, format!("{}/ingest/report", elsewhere.url()));
    let rule = stage.dashboard.inject(Rule::new(away).reports());
    let daemon = stage.start();
    stage.put(&report(1));
    wait_for_why(&daemon, "which is not followed");
    assert_eq!(elsewhere.requests().len(), 0);
    stage.dashboard.remove(rule);
    daemon.stop();
}

/// A port of this machine that counts whoever comes.
fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    (url, count)
}

#[test]
fn a_proxy_is_used_where_it_is_configured_and_never_because_of_the_environment() {
    let (proxy, count) = counting();
    let mut stage = Stage::new();
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        stage.config = stage.config.with_env(name, &proxy);
    }
    let daemon = stage.start();
    stage.put(&report(1));
    stage.holds(&report(1));
    daemon.stop();
    assert_eq!(count.load(Ordering::Relaxed), 0, "the environment has no say");

    stage.config = stage.config.with_toml(&format!("[ingest]\nproxy = '{proxy}'"));
    let daemon = stage.start();
    stage.put(&report(2));
    // A connection that is closed at once is reset, or ends, by what had come till then.
    wait_for_why(&daemon, "");
    daemon.stop();
    assert!(count.load(Ordering::Relaxed) > 0, "the configuration has");
    assert!(stage.dashboard.record(&report(2).expected.id).is_none());
}

#[test]
fn of_an_endless_answer_a_megabyte_is_read() {
    const ENDLESS: usize = 64 << 20;
    let stage = Stage::new();
    let answer = Fault::Status(200, Vec::new(), "[".repeat(ENDLESS));
    let rule = stage.dashboard.inject(Rule::new(answer).reports());
    let daemon: Daemon = stage.start();
    let before = peak(daemon.pid());
    stage.put(&report(1));
    let proves_nothing = |line: &serde_json::Value| line["message"] == "not delivered";
    let line = daemon.wait_for_line(PATIENCE, proves_nothing);
    assert!(line.to_string().len() < 2000, "{line}");
    let grown = peak(daemon.pid()) - before;
    assert!(grown < 8 << 20, "it grew by {grown} bytes");
    stage.dashboard.remove(rule);
    stage.holds(&report(1));
    daemon.stop();
}
