//! The legacy target beside the other one: neither waits for the other, each is told what it can
//! take, and one line says how it ended.

mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use support::daemon::{CLEARED, Daemon};
use support::dashboard::{Fault, Request, Rule};
use support::ends::{Ends, row_id, told};
use support::fixtures::{self, Report, Shape};
use support::mp3::mp3;
use support::stage::PATIENCE;

fn report(n: usize) -> Report {
    fixtures::report(Shape::IngestReady, n)
}

fn revised(n: usize) -> Report {
    fixtures::report_revised(Shape::IngestReady, n, 1)
}

fn started(new: bool, old: bool, more: &str) -> (Ends, Daemon) {
    let mut ends = Ends::new();
    ends.configure(new, old, more);
    let daemon = Daemon::start_ready(&ends.config);
    (ends, daemon)
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}

fn posts(requests: &[Request]) -> usize {
    requests.iter().filter(|request| request.method == "POST").count()
}

#[test]
fn one_that_hangs_or_lets_nobody_in_never_holds_up_the_other() {
    // It hangs: everything it can be given at once is under way there for ever.
    let (mut ends, daemon) = started(true, true, "");
    ends.old.inject(Rule::new(Fault::StallForever).path("/api/content"));
    for n in 0..20 {
        ends.put(&report(n));
    }
    ends.new_is_level();
    assert!(ends.old.wait_until(PATIENCE, |state| state.held() == 2), "it hangs");
    ends.old.clear_faults();
    ends.old.release();
    ends.old_is_level();

    // The other one lets nobody in.
    ends.new.set_token("another");
    for n in 20..40 {
        ends.put(&report(n));
    }
    ends.old_is_level();
    let refused = daemon.wait_for_line(PATIENCE, |line| {
        message(line).starts_with("authentication failed") && line["target"] == "dashboard"
    });
    assert!(refused["why"].as_str().unwrap().starts_with("401"), "{refused}");
    let status = ends.status();
    let states: Vec<_> =
        status["targets"].as_array().unwrap().iter().map(|t| (&t["name"], &t["state"])).collect();
    assert_eq!(
        format!("{states:?}"),
        r#"[(String("dashboard"), String("stopped")), (String("legacy"), String("up"))]"#
    );

    ends.new.set_token("test-token");
    ends.reload(&daemon);
    ends.new_is_level();
    ends.settle();
    daemon.stop();
}

#[test]
fn a_dashboard_that_has_gone_over_to_postgresql_is_left_alone_and_the_log_says_so() {
    let (mut ends, daemon) = started(true, true, "");
    ends.put(&report(1));
    ends.old_is_level();
    ends.old.renew();
    ends.put(&report(2));
    let gone = daemon.wait_for_line(PATIENCE, |line| {
        message(line).contains("this dashboard is PostgreSQL-only")
    });
    assert_eq!(gone["target"], "legacy", "{gone}");
    ends.new_is_level();
    let mark = ends.old.requests().len();
    for n in 3..6 {
        ends.put(&report(n));
    }
    ends.new_is_level();
    let status = String::from_utf8(ends.ask(&["status"]).stdout).unwrap();
    assert!(status.contains("this dashboard is PostgreSQL-only"), "{status}");
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("switch it off: legacy.enabled = false"), "{status}");
    assert_eq!(ends.old.requests().len(), mark, "it is asked nothing any more");

    // Switched off, it is nobody's worry.
    ends.configure(true, false, "");
    ends.reload(&daemon);
    ends.settle();
    let output = ends.ask(&["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let listed = String::from_utf8(ends.ask(&["list", "--json"]).stdout).unwrap();
    assert!(listed.contains("\"dashboard\"") && !listed.contains("legacy"), "{listed}");
    daemon.stop();
}

#[test]
fn audio_beyond_the_limit_is_parked_without_a_request_and_the_rest_goes_on() {
    let (mut ends, daemon) = started(true, true, "");
    let (large, small) = (report(1), report(2));
    ends.put(&large);
    ends.put(&small);
    ends.old_is_level();
    ends.put_audio(&large, 1, mp3(1700, 1));
    ends.new_is_level();
    let parked = daemon.wait_for_line(PATIENCE, |line| message(line).starts_with("parked"));
    assert_eq!((&parked["target"], &parked["kind"]), (&"legacy".into(), &"audio".into()));
    assert!(parked["why"].as_str().unwrap().contains("25 MiB"), "{parked}");
    let partial =
        daemon.wait_for_line(PATIENCE, |line| message(line).starts_with("Dual-sync PARTIAL"));
    assert_eq!(
        (&partial["held_by"], &partial["parked_at"]),
        (&"dashboard".into(), &"legacy".into())
    );
    assert!(!told(&ends.old.requests()).iter().any(|words| words.starts_with("upload-audio")));

    let id = large.expected.id.clone();
    ends.audios.remove(&id);
    ends.put_audio(&small, 1, mp3(1, 2));
    ends.old_is_level();
    let rows: Value =
        serde_json::from_slice(&ends.ask(&["list", "--json", "--state", "parked"]).stdout).unwrap();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["target"]), (1, &"legacy".into()));

    // A smaller file is sent.
    ends.put_audio(&large, 1, mp3(2, 3));
    ends.new_is_level();
    ends.old_is_level();
    daemon.stop();
}

#[test]
fn a_row_goes_again_only_when_something_in_it_has_changed() {
    let (mut ends, daemon) = started(true, true, "");
    let mut both = report(1);
    both.json["summary_variants"] = serde_json::json!([
        {"variant": "comprehensive", "text": "the whole"},
        {"variant": "key-insights", "text": "first"},
    ]);
    both.expected.variants = [("comprehensive", "the whole"), ("key-insights", "first")]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
    ends.put(&both);
    ends.new_is_level();
    ends.old_is_level();
    ends.settle();
    // A summary that a row has no room for.
    both.json["summary_variants"][1]["text"] = "second".into();
    both.expected.variants.insert("key-insights".to_owned(), "second".to_owned());
    ends.put(&both);
    ends.new_is_level();
    ends.settle();
    assert_eq!((posts(&ends.new.requests()), posts(&ends.old.requests())), (2, 1));
    let row = ends.old.flat(&row_id(&both.expected.id)).unwrap();
    assert_eq!((row.writes, row.summary_type.as_str()), (1, "comprehensive"));

    both.json["summary_variants"][0]["text"] = "the whole again".into();
    both.expected.variants.insert("comprehensive".to_owned(), "the whole again".to_owned());
    ends.put(&both);
    ends.new_is_level();
    ends.old_is_level();
    ends.settle();
    let actions: Vec<_> = daemon
        .lines_saying("delivered")
        .into_iter()
        .filter(|line| line["target"] == "legacy")
        .map(|line| line["action"].clone())
        .collect();
    assert_eq!(actions, ["created", "updated"]);

    // The receipt keeps it.
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&ends.ask(arguments).stdout).unwrap()
    };
    let account = json(&["why", &both.expected.id, "--json"]);
    let deliveries = account["things"][0]["deliveries"].as_array().unwrap().clone();
    let legacy = deliveries.iter().find(|delivery| delivery["target"] == "legacy").unwrap();
    assert_eq!(legacy["action"], "updated", "{account:#}");
    let said = String::from_utf8(ends.ask(&["why", &both.expected.id]).stdout).unwrap();
    assert!(said.contains("acknowledged as updated"), "{said}");
    let listed = json(&["list", "--json"]);
    let row = listed.as_array().unwrap().iter().find(|row| row["target"] == "legacy").unwrap();
    assert_eq!(row["action"], "updated", "{listed:#}");
    daemon.stop();
}

#[test]
fn audio_follows_its_report_under_a_bare_name_and_its_row_says_so() {
    let (mut ends, daemon) = started(false, true, "");
    let reddit = fixtures::report(Shape::UniversalReddit, 3);
    ends.put_audio(&reddit, 1, mp3(3, 1));
    ends.put(&reddit);
    ends.old_is_level();
    ends.settle();
    let posts: Vec<_> =
        ends.old.requests().into_iter().filter(|request| request.method == "POST").collect();
    let paths: Vec<_> = posts.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/api/content", "/api/upload-audio", "/api/content"]);
    for request in &posts {
        assert_eq!(request.header("authorization"), Some("Bearer test-secret"));
        assert_eq!(request.header("x-ingest-token"), None);
        assert!(request.header("content-length").is_some());
    }
    assert_eq!(posts[1].video_id.as_deref(), Some(reddit.bare_id()), "its name");
    let row = ends.old.flat(&reddit.expected.id).unwrap();
    assert_eq!(row.columns["audio_duration_seconds"], 3);
    assert_eq!(ends.new.requests().len(), 0, "the other end is not asked anything");
    daemon.stop();
}

#[test]
fn a_sync_has_one_line_that_says_how_it_ended() {
    let (mut ends, daemon) = started(true, true, "");
    let audio = report(1);
    ends.put(&audio);
    ends.new_is_level();
    ends.old_is_level();
    ends.settle();
    ends.put_audio(&audio, 1, mp3(1, 1));
    ends.new_is_level();
    ends.old_is_level();
    // The row that says so is part of the audio's sync.
    ends.settle();
    ends.put(&revised(1));
    ends.new_is_level();
    ends.old_is_level();
    ends.settle();
    let told: Vec<_> = daemon
        .lines_saying("Dual-sync SUCCESS")
        .iter()
        .map(|line| {
            format!("{} {} at {}", line["kind"], line["id"], line["targets"]).replace('"', "")
        })
        .collect();
    let id = &audio.expected.id;
    let of = |kind| format!("{kind} {id} at dashboard, legacy");
    assert_eq!(told, [of("report"), of("audio"), of("report")]);

    // Both refuse it.
    for end in [&ends.new, &ends.old] {
        end.script(|request| (request.method == "POST").then(|| Fault::status(400)));
    }
    ends.put(&report(2));
    let failed =
        daemon.wait_for_line(PATIENCE, |line| message(line).starts_with("Dual-sync FAILED"));
    assert_eq!(failed["parked_at"], "dashboard, legacy");
    let parked = daemon.wait_for_line(PATIENCE, |line| {
        message(line).starts_with("parked") && line["target"] == "legacy"
    });
    assert!(parked["why"].as_str().unwrap().starts_with("400"), "{parked}");
    daemon.stop();
}

#[test]
fn a_wrong_secret_stops_the_target_until_the_right_one_is_there() {
    let (mut ends, daemon) = started(true, true, "");
    ends.old.set_secret("another");
    ends.put(&report(1));
    let refused =
        daemon.wait_for_line(PATIENCE, |line| message(line).starts_with("authentication failed"));
    assert_eq!(refused["target"], "legacy");
    ends.new_is_level();
    fs::write(ends.config.path().join("secret"), "another\n").unwrap();
    ends.reload(&daemon);
    ends.old_is_level();

    // The server has no secret of its own.
    ends.old.set_secret("");
    let mark = daemon.mark();
    ends.put(&report(2));
    let refused = daemon.wait_for_line_after(mark, PATIENCE, |line| {
        message(line).starts_with("authentication failed")
    });
    assert!(refused["why"].as_str().unwrap().contains("Sync not configured"), "{refused}");
    daemon.stop();
}

#[test]
fn reports_pass_audio_that_is_sent_slowly() {
    let slow = "[limits]\nupload = '20kB/s'\n[watch]\naudio_quiet = '100ms'";
    let (mut ends, daemon) = started(true, false, &format!("{slow}\n"));
    ends.configure(true, false, &format!("{slow}\n"));
    // Without a limit this would take its room for two minutes.
    let first = report(0);
    ends.put(&first);
    ends.new_is_level();
    let before = ends.audios.clone();
    for n in 1..=8 {
        ends.put(&report(n));
    }
    ends.new_is_level();
    for n in 0..=8 {
        ends.put_audio(&report(n), 1, mp3(160, n as u64));
    }
    let uploading = |requests: &[Request]| {
        requests.iter().filter(|r| r.is_audio() && r.finished.is_none()).count()
    };
    let begun = ends.new.wait_until(PATIENCE, |state| uploading(state.requests()) == 3);
    assert!(begun, "three of four may be audio");
    let audios = std::mem::replace(&mut ends.audios, before);
    for n in 10..30 {
        ends.put(&report(n));
    }
    ends.new_is_level();
    assert!(ends.new.requests().iter().all(|r| !r.is_audio() || r.finished.is_none()));

    // What is under way goes on at the new rate at once.
    ends.audios = audios;
    ends.configure(true, false, "[watch]\naudio_quiet = '100ms'");
    ends.reload(&daemon);
    ends.new_is_level();
    daemon.stop();
}

#[test]
fn a_flag_that_is_no_boolean_is_named_and_contradictions_are_told() {
    let mut ends = Ends::new();
    ends.configure(true, true, "");
    ends.config.env =
        [("DUAL_SYNC", "yes"), ("POSTGRES_ONLY", "TRUE"), ("SQLITE_SYNC_ENABLED", "true")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let daemon = Daemon::start_ready(&ends.config);
    let warnings: Vec<_> = daemon
        .lines()
        .into_iter()
        .filter(|line| line["level"] == "WARN")
        .filter_map(|line| line["warning"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    assert!(warnings[0].starts_with("DUAL_SYNC: \"yes\" is neither true nor false"));
    assert!(warnings[1].starts_with("POSTGRES_ONLY and SQLITE_SYNC_ENABLED are both true"));
    ends.put(&report(1));
    ends.new_is_level();
    assert_eq!(ends.old.requests().len(), 0);
    daemon.stop();
}

#[test]
fn without_any_target_it_ends_with_78_and_says_which_switches_there_are() {
    let mut ends = Ends::new();
    for (new, env) in
        [(false, &[][..]), (true, &[("POSTGRES_ONLY", "true"), ("PG_INGEST_ENABLED", "false")])]
    {
        ends.configure(new, false, "");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
        command.arg("run").arg("--config").arg(ends.config.file()).stdin(Stdio::null());
        for name in CLEARED {
            command.env_remove(name);
        }
        let output = command.env("INGEST_TOKEN", "t").envs(env.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("no target is enabled") && said.contains("POSTGRES_ONLY"), "{said}");
    }
}

#[test]
fn a_row_that_was_taken_without_an_answer_is_not_forgotten_when_the_file_changes_back() {
    let (mut ends, daemon) = started(false, true, "");
    ends.put(&report(1));
    ends.old_is_level();
    ends.settle();
    let rows = || Rule::new(Fault::ResetAfterCommit).path("/api/content");
    ends.old.inject(rows().once());
    ends.old.inject(Rule::new(Fault::status(503)).path("/api/content"));
    ends.put(&revised(1));
    ends.old_is_level();
    daemon.wait_for_line(PATIENCE, |line| message(line) == "not delivered");
    ends.put(&report(1));
    ends.old.clear_faults();
    ends.old_is_level();
    daemon.stop();
}

#[test]
fn what_was_adopted_gets_its_whole_row_with_its_next_change() {
    let mut ends = Ends::new();
    ends.configure(true, true, "[watch]\nfirst_run = 'adopt'");
    let mut two = report(1);
    two.json["summary_variants"] = serde_json::json!([
        {"variant": "audio", "text": "spoken"}, {"variant": "comprehensive", "text": "the whole"},
    ]);
    two.expected.variants = [("audio", "spoken"), ("comprehensive", "the whole")]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
    ends.put(&two);
    let daemon = Daemon::start_ready(&ends.config);
    ends.put(&report(2));
    assert!(
        ends.old.wait_until(PATIENCE, |state| {
            state.flat(&row_id(&report(2).expected.id)).is_some()
        })
    );
    assert!(ends.old.flat(&row_id(&two.expected.id)).is_none(), "it is taken to be there");
    // The summary that the row has is not the one that has changed.
    two.json["summary_variants"][0]["text"] = "spoken again".into();
    two.json["title"] = "Another title".into();
    two.expected.title = "Another title".to_owned();
    ends.put(&two);
    ends.old_is_level();
    daemon.stop();
}

#[test]
fn a_target_that_comes_back_while_its_last_request_is_under_way_waits_for_that() {
    let (mut ends, daemon) = started(true, true, "");
    ends.old.inject(Rule::new(Fault::HoldThenRelease).path("/api/content").once());
    ends.put(&report(1));
    assert!(ends.old.wait_until(PATIENCE, |state| state.held() == 1), "it is under way");
    for old in [false, true] {
        ends.configure(true, old, "");
        ends.reload(&daemon);
    }
    ends.put(&revised(1));
    ends.new_is_level();
    assert_eq!(posts(&ends.old.requests()), 1, "two would race each other");
    ends.old.release();
    ends.old_is_level();
    assert_eq!(ends.old.max_in_flight_per_id(), 1);
    daemon.stop();
}

/// What systemd makes of an environment file, by the program of its own that reads such files for a
/// user's session; nothing where that is not here.
fn as_systemd_hands_over(text: &str) -> Option<Vec<(String, String)>> {
    const READER: &str =
        "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator";
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("environment.d")).unwrap();
    fs::write(home.path().join("environment.d/nas.conf"), text).unwrap();
    let output = Command::new(READER).env("XDG_CONFIG_HOME", home.path()).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (name.to_owned(), quoted.unwrap_or(value).to_owned())
    };
    Some(text.lines().map(pair).filter(|(name, _)| CLEARED.contains(&name.as_str())).collect())
}

#[test]
fn an_env_file_of_the_old_sync_is_taken_as_systemd_hands_it_over() {
    let mut ends = Ends::new();
    ends.configure(true, false, "");
    let (url, secret) = (ends.old.url(), ends.old.secret());
    let text = format!(
        "# The NAS\r\nDUAL_SYNC=\"true\"  \r\nSQLITE_SYNC_ENABLED='TRUE'\r\n\
         ; RENDER_API_URL=nowhere\r\nRENDER_DASHBOARD_URL=\"{url}/\"   \r\nSYNC_SECRET='{secret}'\r\n"
    );
    let Some(handed) = as_systemd_hands_over(&text) else {
        eprintln!(
            "SKIPPED: systemd's reader of environment files is not here (apt install systemd)"
        );
        return;
    };
    assert_eq!(handed.len(), 4, "{handed:?}");
    ends.config.env = handed;
    let daemon = Daemon::start_ready(&ends.config);
    ends.put(&report(1));
    ends.new_is_level();
    ends.old_is_level();
    assert!(!daemon.lines().iter().any(|line| line["warning"].is_string()));
    daemon.stop();
}

#[test]
fn what_a_container_hands_over_with_its_quotes_is_named() {
    let mut ends = Ends::new();
    ends.configure(true, false, "");
    let url = format!("\"{}\"", ends.new.url());
    for (variable, value) in [("POSTGRES_DASHBOARD_URL", &*url), ("INGEST_TOKEN", "'test-token'")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2d"));
        command.arg("run").arg("--config").arg(ends.config.file()).stdin(Stdio::null());
        for name in CLEARED {
            command.env_remove(name);
        }
        let output = command.env("INGEST_TOKEN", "t").env(variable, value).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(&format!("{variable}: ")) && said.contains("in quotes"), "{said}");
    }
}
