//! `ytv2d check`: what it says of every part that a delivery needs, and what it leaves behind.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use support::daemon::{CLEARED, Config};
use support::dashboard::{Fault, Request, Rule};
use support::ends::Ends;
use support::fixtures::{self, Shape};
use support::stage::Stage;

/// What one run came to: its exit status, and each check with what was said of it.
struct Checked {
    status: Option<i32>,
    lines: Vec<Value>,
}

impl Checked {
    fn line(&self, check: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["check"] == check);
        found.unwrap_or_else(|| panic!("nothing of {check} in {:#?}", self.lines))
    }

    #[track_caller]
    fn says(&self, check: &str, outcome: &str, words: &str) {
        let line = self.line(check);
        assert_eq!(line["outcome"], outcome, "{line}");
        assert!(line["words"].as_str().unwrap().contains(words), "{line}");
        assert_eq!(line["advice"].is_string(), outcome != "ok", "{line}");
    }

    fn has(&self, check: &str) -> bool {
        self.lines.iter().any(|line| line["check"] == check)
    }

    fn outcomes(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect()
    }
}

fn command(config: &Config) -> Command {
    config.write();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
    for name in CLEARED {
        command.env_remove(name);
    }
    command
        .current_dir(config.path())
        .arg("check")
        .arg("--config")
        .arg(config.file())
        .env("INGEST_TOKEN", &config.token)
        .stdin(Stdio::null());
    command
}

fn check(config: &Config, arguments: &[&str]) -> Checked {
    let output = command(config).arg("--json").args(arguments).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checked = Checked {
        status: output.status.code(),
        lines: report["checks"].as_array().unwrap().clone(),
    };
    let failed = checked.outcomes().contains(&"failed");
    assert_eq!(report["ok"], !failed);
    assert_eq!(checked.status == Some(0), !failed);
    checked
}

fn deletes(request: &Request) -> bool {
    request.method == "DELETE"
}

#[test]
fn where_all_is_well_every_line_is_ok_and_nothing_is_stored() {
    let stage = Stage::new();
    let daemon = stage.start();
    let checked = check(&stage.config, &[]);
    assert_eq!(checked.status, Some(0));
    assert!(checked.outcomes().iter().all(|outcome| *outcome == "ok"), "{:#?}", checked.lines);
    checked.says("token", "ok", "accepted");
    checked.says("clock", "ok", "agree");
    checked.says("daemon", "ok", "healthy");
    checked.says("outbox", "ok", &format!("process {}", daemon.pid()));
    assert_eq!(stage.dashboard.records().len(), 0);
    let posts: Vec<_> =
        stage.dashboard.requests().into_iter().filter(|r| r.method != "GET").collect();
    assert_eq!(posts.len(), 1);
    assert_eq!((posts[0].body_len, posts[0].status), (0, Some(400)));

    let output = command(&stage.config).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), checked.lines.len(), "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");
    daemon.stop();
}

#[test]
fn the_real_ingest_side_is_found_in_order() {
    let home = ingest::Home::new();
    let server = ingest::Server::start(&home);
    let config = Config::new(&server.url(), ingest::TOKEN);
    let checked = check(&config, &[]);
    assert_eq!(checked.status, Some(0), "{:#?}", checked.lines);
    checked.says("token", "ok", "accepted");
    checked.says("ingest health", "ok", "fine");
    let wrong = check(&Config::new(&server.url(), "another"), &[]);
    wrong.says("token", "failed", "authentication failed");
}

#[test]
fn a_test_record_comes_and_goes() {
    let stage = Stage::new();
    let checked = check(&stage.config, &["--write"]);
    checked.says("test record", "ok", "deleted again");
    assert_eq!(checked.status, Some(0));
    assert_eq!(stage.dashboard.records().len(), 0);
    let sent = stage.dashboard.requests().into_iter().find(|request| request.stored.is_some());
    let id = sent.unwrap().video_id.unwrap();
    assert!(checked.line("test record")["words"].as_str().unwrap().contains(&id));
}

#[test]
fn the_legacy_target_is_checked_when_it_is_enabled() {
    let mut ends = Ends::new();
    ends.configure(true, true, "");
    let both = check(&ends.config, &["--write"]);
    assert_eq!(both.status, Some(0), "{:#?}", both.lines);
    both.says("secret", "ok", "accepted");
    assert_eq!(both.line("secret")["target"], "legacy");
    assert_eq!(both.line("token")["target"], "dashboard");
    let records: Vec<_> = both.lines.iter().filter(|line| line["check"] == "test record").collect();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|line| line["outcome"] == "ok"), "{records:#?}");
    assert!(ends.new.records().is_empty() && ends.old.flats().is_empty());
    assert_eq!(ends.old.requests().iter().filter(|request| request.stored.is_some()).count(), 1);

    ends.old.set_secret("");
    check(&ends.config, &[]).says("secret", "failed", "no SYNC_SECRET");
    ends.old.set_secret("another");
    check(&ends.config, &[]).says("secret", "failed", "authentication failed");
    ends.old.renew();
    check(&ends.config, &["--write"]).says("secret", "failed", "this dashboard is PostgreSQL-only");

    ends.configure(true, false, "");
    let one = check(&ends.config, &[]);
    assert!(!one.has("secret"));
    assert_eq!(one.status, Some(0), "{:#?}", one.lines);
}

#[test]
fn flags_that_contradict_each_other_are_a_warning() {
    let mut ends = Ends::new();
    ends.configure(true, true, "");
    let output = command(&ends.config)
        .args(["--json"])
        .envs([("POSTGRES_ONLY", "true"), ("DUAL_SYNC", "true")])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let warned = report["checks"].as_array().unwrap().iter().any(|line| {
        line["outcome"] == "warning" && line["words"].as_str().unwrap().contains("DUAL_SYNC")
    });
    assert!(warned, "{report}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn no_test_record_is_sent_to_a_dashboard_that_could_not_delete_it() {
    let stage = Stage::new();
    stage.dashboard.script(|request| deletes(request).then(|| Fault::status(501)));
    let checked = check(&stage.config, &["--write"]);
    checked.says("test record", "warning", "not sent");
    assert!(stage.dashboard.requests().iter().all(|request| request.stored.is_none()));
}

#[test]
fn a_test_record_that_stays_is_named() {
    let stage = Stage::new();
    let mut asked = 0;
    stage.dashboard.script(move |request| {
        asked += usize::from(deletes(request));
        (asked > 1 && deletes(request)).then(|| Fault::status(500))
    });
    let checked = check(&stage.config, &["--write"]);
    checked.says("test record", "failed", "may still be there");
    let id = stage.dashboard.records()[0].video_id.clone();
    assert!(checked.line("test record")["words"].as_str().unwrap().contains(&id));
}

#[test]
fn a_test_record_that_is_not_taken_is_told_with_the_dashboards_words() {
    let stage = Stage::new();
    stage.dashboard.inject(Rule::new(Fault::poison()).reports().times(1));
    let checked = check(&stage.config, &["--write"]);
    checked.says("token", "failed", "upsert_returned_false");
    assert!(!checked.has("test record"));
    let checked = check(&stage.config, &["--write"]);
    checked.says("test record", "ok", "deleted again");
    stage.dashboard.script(|request| (request.body_len > 0).then(Fault::poison));
    let checked = check(&stage.config, &["--write"]);
    checked.says("test record", "failed", "upsert_returned_false");
    assert_eq!(stage.dashboard.records().len(), 0);
}

#[test]
fn each_fault_of_the_way_ends_it_and_says_what_to_do() {
    let mut stage = Stage::new();
    stage.config.token = "another".to_owned();
    let checked = check(&stage.config, &["--write"]);
    checked.says("token", "failed", "authentication failed: 401");
    assert!(!checked.has("test record"));
    stage.config.token = stage.dashboard.token();

    let unset = Stage::new();
    unset.dashboard.set_token("");
    let checked = check(&unset.config, &[]);
    checked.says("ingest health", "failed", "no INGEST_TOKEN set");

    stage.config.url = stage.dashboard.url().replace("http:", "https:");
    let checked = check(&stage.config, &[]);
    checked.says("encryption", "failed", "secure connection");
    assert!(!checked.has("health") && !checked.has("token"));

    stage.config.url = "https://no-such-host.invalid".to_owned();
    let checked = check(&stage.config, &[]);
    checked.says("address", "failed", "no-such-host.invalid");
    assert!(!checked.has("connection"));

    stage.config.url = stage.dashboard.url();
    stage.dashboard.refuse(true);
    let checked = check(&stage.config, &[]);
    checked.says("connection", "failed", "refused");
    assert!(!checked.has("health"));
    // What is to be seen here is seen all the same.
    checked.says("reports", "ok", "0 .json files");
}

#[test]
fn what_is_wrong_on_this_machine_is_named_and_left_as_it_is() {
    let stage = Stage::new();
    let database = stage.config.path().join("ytv2_content.db");
    let mut config = stage.config;
    config.extra_toml.push_str(&format!("[content_db]\npath = {database:?}\n"));
    fs::remove_dir(config.exports()).unwrap();
    fs::write(config.outbox(), "this was an outbox once, and is none any more").unwrap();
    fs::write(&database, "neither is this a database, whatever its name").unwrap();
    fs::write(config.report("a.json"), fixtures::report(Shape::Raw, 1).bytes()).unwrap();
    let before = fs::read(config.outbox()).unwrap();

    let checked = check(&config, &[]);
    checked.says("reports", "ok", "1 .json files");
    checked.says("exports", "failed", "No such file");
    checked.says("content database", "failed", "is no SQLite database");
    checked.says("outbox", "failed", "corrupt");
    checked.says("daemon", "warning", "nobody listens");
    assert_eq!(fs::read(config.outbox()).unwrap(), before);

    fs::remove_file(&database).unwrap();
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute_batch("CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT)").unwrap();
    check(&config, &[]).says("content database", "ok", "0 rows");
}

#[test]
fn an_outbox_that_nobody_has_open_is_judged_whole() {
    let stage = Stage::new();
    check(&stage.config, &[]).says("outbox", "ok", "not there yet");
    assert!(!stage.config.outbox().exists());
    let daemon = stage.start();
    stage.settle();
    daemon.stop();
    check(&stage.config, &[]).says("outbox", "ok", "sound");
}

#[test]
fn a_daemon_that_complains_is_a_warning_with_its_reasons() {
    let stage = Stage::new();
    let daemon = stage.start();
    fs::rename(stage.config.exports(), stage.config.path().join("away")).unwrap();
    daemon.wait_for_line(support::stage::PATIENCE, |line| {
        line["root"] == "exports" && line["level"] == "ERROR"
    });
    let checked = check(&stage.config, &[]);
    checked.says("daemon", "warning", "exports");
    checked.says("exports", "failed", "No such file");
}

#[test]
fn a_faulty_configuration_is_told_whole_with_an_exit_status_of_its_own() {
    let stage = Stage::new();
    let config = stage.config.with_toml("[ingest]\nparallel = 0\n[breaker]\nfailures = 1");
    let checked = check_faulty(&config);
    assert_eq!(checked.status, Some(78));
    assert_eq!(checked.outcomes(), ["failed", "failed"]);
    checked.says("configuration", "failed", "ingest.parallel");
    assert_eq!(stage.dashboard.requests().len(), 0);
}

fn check_faulty(config: &Config) -> Checked {
    let output = command(config).arg("--json").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    Checked { status: output.status.code(), lines: report["checks"].as_array().unwrap().clone() }
}

#[test]
fn what_only_the_daemon_was_handed_is_checked_by_the_daemon() {
    let stage = Stage::new();
    let daemon = stage.start();
    // As systemd does it: the token, and the address, in the service's environment alone.
    let unhanded = |arguments: &[&str]| {
        let mut command = command(&stage.config);
        let text = stage.config.toml().replace(&format!("url = {:?}", stage.config.url), "");
        fs::write(stage.config.file(), text).unwrap();
        let output = command.env_remove("INGEST_TOKEN").arg("--json").args(arguments).output();
        let output = output.unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = report["checks"].as_array().unwrap().clone();
        Checked { status: output.status.code(), lines }
    };
    let checked = unhanded(&["--write"]);
    assert_eq!(checked.status, Some(0), "{:#?}", checked.lines);
    checked.says("configuration", "warning", "ingest.url, ingest.token_file");
    checked.says("token", "ok", "accepted");
    checked.says("test record", "ok", "deleted again");
    checked.says("daemon", "ok", "healthy");
    checked.says("reports", "ok", "0 .json files");
    assert_eq!(checked.line("token")["target"], "dashboard");

    stage.dashboard.set_token("another");
    let checked = unhanded(&[]);
    assert_eq!(checked.status, Some(1), "{:#?}", checked.lines);
    checked.says("token", "failed", "authentication failed");

    daemon.stop();
    let checked = unhanded(&[]);
    assert_eq!(checked.status, Some(78), "{:#?}", checked.lines);
    checked.says("configuration", "failed", "not set");
    let advice = checked.line("configuration")["advice"].as_str().unwrap();
    assert!(advice.contains("systemctl start ytv2d"), "{advice}");
}
