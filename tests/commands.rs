//! What a person types, and what comes of it: every command of the real binary, against a real
//! daemon or none.

mod support;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use support::command::{Running, bare, command, end, run};
use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Report, Shape, audio_name};
use support::mp3::mp3;
use support::stage::{PATIENCE, Stage};

fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalYoutube, n)
}

/// Waits until the listing has so many rows of a state.
#[track_caller]
fn rows(stage: &Stage, state: &str, count: usize) -> Vec<Value> {
    let started = Instant::now();
    let limit = (count + 1).to_string();
    loop {
        let said = run(stage, &["list", "--json", "--state", state, "--limit", &limit]);
        let rows = said.json().as_array().unwrap().clone();
        if rows.len() == count {
            return rows;
        }
        assert!(started.elapsed() < PATIENCE, "{count} {state} expected: {}", rows.len());
    }
}

/// Has a report refused for ever.
fn parked(stage: &Stage, n: usize) -> Report {
    let refused = report(n);
    let answer = r#"{"error":"video_id required"}"#;
    let fault = Fault::Status(400, Vec::new(), answer.into());
    stage.dashboard.inject(Rule::new(fault).reports().id(&refused.expected.id));
    stage.put(&refused);
    rows(stage, "parked", 1);
    refused
}

#[test]
fn without_a_daemon_a_command_says_so_in_a_line_with_how_to_start_it() {
    let stage = Stage::new();
    stage.config.write();
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["status", "--watch"],
        &["list"],
        &["why", "aB-3_xY9zQk"],
        &["why", "reports/x.json"],
        &["retry", "--all"],
        &["resend", "x"],
        &["drop", "x"],
        &["pause"],
        &["resume"],
        &["reload"],
        &["rescan"],
        &["adopt", "--dry-run"],
        &["events"],
        &["sync"],
        &["upload", "x.json"],
    ] {
        let said = run(&stage, words);
        assert_eq!((said.code, said.out.as_str()), (Some(3), ""), "{words:?}: {said:?}");
        // A pair can be delivered all the same, which is worth a line of its own.
        let lines = if words[0] == "upload" { 2 } else { 1 };
        assert_eq!(said.err.lines().count(), lines, "{words:?}: {said:?}");
        for part in ["not running", "ytv2d run", "systemctl start ytv2d"] {
            assert!(said.err.contains(part), "{words:?}: {said:?}");
        }
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_with_its_line() {
    let stage = Stage::new();
    std::fs::write(stage.config.file(), "[watch]\nreprots = 'x'\n").unwrap();
    for words in [&["status"][..], &["list"], &["config", "check"], &["config", "print"]] {
        let said = run(&stage, words);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.err.contains("line 2: watch.reprots: "), "{said:?}");
    }
}

#[test]
fn the_socket_is_named_by_option_variable_or_configuration_in_this_order() {
    let stage = Stage::new();
    let daemon = stage.start();
    let socket = stage.config.socket();
    let nowhere = stage.config.path().join("nowhere");
    let with = |option: Option<&std::path::Path>, variable: Option<&std::path::Path>| {
        let mut command = command(&stage, &["status"]);
        if let Some(path) = option {
            command.arg("--socket").arg(path);
        }
        if let Some(path) = variable {
            command.env("YTV2D_SOCKET", path);
        }
        end(command).code
    };
    assert_eq!(with(None, None), Some(0));
    assert_eq!(with(None, Some(&nowhere)), Some(3));
    assert_eq!(with(Some(&socket), Some(&nowhere)), Some(0));
    assert_eq!(with(Some(&nowhere), Some(&socket)), Some(3));
    assert_eq!(with(None, Some(std::path::Path::new(""))), Some(0));
    daemon.stop();
}

#[test]
fn a_token_that_is_refused_is_shown_with_the_command_that_mends_it() {
    let stage = Stage::new();
    let daemon = stage.start();
    stage.dashboard.set_token("another");
    stage.put(&report(1));
    daemon.wait_for_line(PATIENCE, |line| {
        line["message"].as_str().is_some_and(|text| text.contains("authentication failed"))
    });
    let said = run(&stage, &["status"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("degraded: "), "{said:?}");
    let wrong = said.out.split("what is wrong\n").nth(1).unwrap();
    assert!(wrong.contains("401") && wrong.contains("ytv2d reload"), "{wrong}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    let json = run(&stage, &["status", "--json"]);
    assert_eq!((json.code, &json.json()["healthy"]), (Some(1), &json!(false)));
    daemon.stop();
}

#[test]
fn a_listing_is_narrowed_and_its_rows_carry_what_a_script_needs() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (one, other, audio) = (report(1), report(2), mp3(1, 1));
    stage.put(&one);
    stage.put(&other);
    stage.put_audio(&audio_name(one.bare_id(), 1), &audio);
    stage.holds_audio(&one.expected.id, &audio);
    stage.holds(&other);
    let all = rows(&stage, "current", 3);
    for key in ["id", "kind", "target", "state", "path", "reason", "attempts", "due_at"] {
        assert!(all.iter().all(|row| row.get(key).is_some()), "{key} in {all:#?}");
    }
    for (words, count) in [
        (&["--kind", "audio"][..], 1),
        (&["--kind", "report"], 2),
        (&["--target", "dashboard"], 3),
        (&["--q", &one.expected.id], 2),
        (&["--limit", "2"], 2),
        (&["--state", "parked"], 0),
    ] {
        let listed = run(&stage, &[&["list", "--json"], words].concat());
        let rows = listed.json().as_array().unwrap().len();
        assert_eq!((rows, listed.code), (count, Some(0)), "{words:?}: {listed:?}");
    }
    let text = run(&stage, &["list", "--kind", "audio"]).out;
    assert!(text.starts_with(&format!("current    audio   {}", one.expected.id)), "{text}");
    assert_eq!(run(&stage, &["list", "--state", "parked"]).out, "nothing to list\n");
    for words in [&["--state", "lost"][..], &["--limit", "0"], &["--kind", "film"]] {
        assert_eq!(run(&stage, &[&["list"], words].concat()).code, Some(2), "{words:?}");
    }
    let nowhere = run(&stage, &["list", "--target", "nowhere"]);
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.err.contains("the targets are: dashboard"), "{nowhere:?}");
    daemon.stop();
}

#[test]
fn a_long_listing_ends_with_how_many_more_there_are_and_how_to_see_them() {
    let stage = Stage::new();
    let daemon = stage.start();
    assert_eq!(run(&stage, &["pause"]).code, Some(0));
    for n in 0..1003 {
        stage.put(&report(n));
    }
    rows(&stage, "due", 1003);
    let said = run(&stage, &["list", "--state", "due"]);
    let last = said.out.lines().last().unwrap();
    assert_eq!(said.out.lines().filter(|line| line.starts_with("due ")).count(), 1000);
    assert!(said.out.ends_with("--state due --limit 1003\n"), "{last}");
    let json = run(&stage, &["list", "--json", "--state", "due"]);
    assert_eq!(json.json().as_array().unwrap().len(), 1000);
    assert!(json.err.contains("3 more"), "{}", json.err);
    let whole = run(&stage, &["list", "--json", "--limit", "1003"]);
    assert_eq!((whole.json().as_array().unwrap().len(), whole.err.as_str()), (1003, ""));
    let mut ids: Vec<_> =
        whole.json().as_array().unwrap().iter().map(|row| row["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1003);
    daemon.stop();
}

#[test]
fn why_answers_for_an_id_a_path_from_here_and_a_name_of_the_listing() {
    let stage = Stage::new();
    let daemon = stage.start();
    let refused = parked(&stage, 1);
    let id = refused.expected.id.as_str();
    let by_id = run(&stage, &["why", id]);
    assert_eq!(by_id.code, Some(0), "{by_id:?}");
    for part in [
        "\nthe files\n",
        "\nthe report\n",
        "at dashboard: parked",
        "400: video_id required",
        "\nwhat to do now\n",
        "ytv2d retry",
    ] {
        assert!(by_id.out.contains(part), "{part} in {}", by_id.out);
    }
    let listed = format!("reports/{}", refused.file_name);
    let full = stage.config.report(&refused.file_name);
    for asked in [listed.as_str(), &refused.file_name, full.to_str().unwrap()] {
        let said = run(&stage, &["why", asked]);
        assert_eq!(said.code, Some(0), "{asked}: {said:?}");
        assert!(said.out.contains("at dashboard: parked"), "{asked}: {}", said.out);
    }
    let json = run(&stage, &["why", "--json", "--payload", id]).json();
    assert_eq!(json["payload"]["video_id"], id);
    let payload = run(&stage, &["why", "--payload", id]);
    assert!(payload.out.contains("\nwhat the report becomes\n{\n"), "{}", payload.out);

    let unknown = run(&stage, &["why", "no-such-id-1"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.out.contains("nothing is known of no-such-id-1"), "{unknown:?}");
    assert!(unknown.out.contains("what to do now"), "{unknown:?}");
    for json in [None, Some("--json")] {
        let words: Vec<&str> = ["why", "no_such.json"].into_iter().chain(json).collect();
        let absent = run(&stage, &words);
        assert_eq!(absent.code, Some(1), "{absent:?}");
        assert!(absent.out.contains("no_such.json"), "{absent:?}");
    }
    let outside = run(&stage, &["why", "/etc/passwd"]);
    assert_eq!(outside.code, Some(1), "{outside:?}");
    assert!(outside.out.contains("reports are taken from"), "{outside:?}");
    daemon.stop();
}

#[test]
fn each_order_does_what_it_says_and_says_what_it_did() {
    let stage = Stage::new();
    let daemon = stage.start();
    let refused = parked(&stage, 1);
    let id = refused.expected.id.as_str();

    let dropped = run(&stage, &["drop", id]);
    assert_eq!((dropped.code, dropped.out.starts_with("1 item ")), (Some(0), true), "{dropped:?}");
    rows(&stage, "dropped", 1);
    stage.dashboard.clear_faults();
    let retried = run(&stage, &["retry", id, "--json"]);
    assert_eq!(retried.json()["changed"], 1, "{retried:?}");
    stage.holds(&refused);
    rows(&stage, "current", 1);

    let mark = stage.mark();
    let resent = run(&stage, &["resend", "--all"]);
    assert!(resent.out.starts_with("1 item "), "{resent:?}");
    stage.settle();
    assert_eq!(stage.told_after(mark), [format!("report {id}")]);

    let paused = run(&stage, &["pause", "--target", "dashboard"]);
    assert!(paused.out.contains("ytv2d resume"), "{paused:?}");
    assert!(run(&stage, &["status"]).out.contains("paused"));
    let (two, three) = (report(2), report(3));
    stage.put(&two);
    stage.put(&three);
    rows(&stage, "due", 2);
    let trial = run(&stage, &["adopt", "--dry-run"]);
    assert!(trial.out.starts_with("2 items would be "), "{trial:?}");
    for report in [&two, &three] {
        assert!(trial.out.contains(&format!("\n  {}\n", report.expected.id)), "{trial:?}");
    }
    rows(&stage, "due", 2);
    assert!(run(&stage, &["adopt"]).out.starts_with("2 items taken as delivered"));
    rows(&stage, "due", 0);
    assert!(run(&stage, &["resume"]).out.starts_with("1 target "));

    assert!(run(&stage, &["reload"]).out.contains("was read again"));
    std::fs::write(stage.config.file(), "[control]\nsocket = 'ytv2d.sock'\nmodee = 1\n").unwrap();
    let socket = stage.config.socket();
    let refused = end(bare(&["reload", "--socket", socket.to_str().unwrap()]));
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("modee"), "{refused:?}");
    stage.config.write();
    for words in [&["retry", "nothing"][..], &["resend", "nothing"], &["drop", "nothing"]] {
        let unknown = run(&stage, words);
        assert_eq!(unknown.code, Some(1), "{unknown:?}");
        assert!(unknown.err.contains("nothing is known of nothing"), "{unknown:?}");
    }
    daemon.stop();
}

#[test]
fn colours_are_for_terminals_and_for_whoever_has_not_declined_them() {
    let stage = Stage::new();
    let daemon = stage.start();
    assert!(!run(&stage, &["status"]).out.contains('\x1b'));
    let mut coloured = Running::on_terminal(command(&stage, &["status"]), 80, 24);
    let text = coloured.wait_for("the page", |text| text.contains("targets"));
    assert!(text.contains("\x1b["), "{text:?}");
    assert_eq!(coloured.wait_exit().code(), Some(0));
    let mut declined = command(&stage, &["status"]);
    declined.env("NO_COLOR", "1");
    let plain = Running::on_terminal(declined, 80, 24);
    let text = plain.wait_for("the page", |text| text.contains("targets"));
    assert!(!text.contains('\x1b'), "{text:?}");
    daemon.stop();
}

#[test]
fn a_watched_status_is_redrawn_in_place_and_gives_the_terminal_back() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut watched = Running::on_terminal(command(&stage, &["status", "--watch"]), 80, 24);
    watched.wait_for("the screen", |text| text.starts_with("\x1b[?1049h\x1b[?25l\x1b[H"));
    assert!(watched.wait_for("a page", |text| text.contains("0 current")).contains("\x1b[K\r\n"));
    stage.put(&report(1));
    watched.wait_for("the delivery", |text| text.contains("1 current"));
    daemon.stop();
    watched.wait_for("the end of the daemon", |text| text.contains("not running"));
    let daemon = stage.start();
    let pages =
        watched.wait_for("a page", |text| text.contains("\x1b[H")).matches("\x1b[H").count();
    watched.wait_for("its return", |text| text.matches("\x1b[H").count() > pages + 2);
    watched.interrupt();
    assert_eq!(watched.wait_exit().code(), Some(0));
    let text = watched.wait_for("the way back", |text| text.contains("\x1b[?25h\x1b[?1049l"));
    let after = text.rsplit("\x1b[?1049l").next().unwrap();
    assert!(after.contains("targets"), "{after:?}");
    daemon.stop();
}

#[test]
fn a_watched_status_in_a_pipe_is_repeated_and_ends_with_its_reader() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut words = command(&stage, &["status", "--watch", "--json"]);
    let mut child = words.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut bytes = Vec::new();
    while bytes.iter().filter(|byte| **byte == b'\n').count() < 2 {
        let mut chunk = [0; 4096];
        let count = out.read(&mut chunk).unwrap();
        assert!(count > 0, "it ended");
        bytes.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8(bytes).unwrap();
    for line in text.lines().take(2) {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["healthy"], true);
    }
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    daemon.stop();
}

#[test]
fn events_are_shown_as_they_happen_over_a_restart_of_the_daemon() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut events = Running::piped(command(&stage, &["events", "--json"]));
    let mut people = Running::piped(command(&stage, &["events"]));
    let delivered = |report: &Report| {
        let id = report.expected.id.clone();
        move |text: &str| {
            text.lines().any(|line| {
                serde_json::from_str::<Value>(line)
                    .is_ok_and(|event| event["event"] == "delivered" && event["content"] == *id)
            })
        }
    };
    // They may begin to listen after it was delivered: it changes until they have heard of it.
    let heard = delivered(&report(1));
    let started = Instant::now();
    let mut revision = 0;
    loop {
        stage.put(&fixtures::report_revised(Shape::UniversalYoutube, 1, revision));
        stage.settle();
        revision += 1;
        let json = events.wait_for("output", |_| true);
        let text = people.wait_for("output", |_| true);
        if heard(&json) && text.contains("  delivered  ") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "no event: {json} {text}");
    }
    daemon.stop();
    let daemon = stage.start();
    let started = Instant::now();
    let heard = delivered(&report(2));
    let mut revision = 0;
    while !heard(&events.wait_for("output", |_| true)) {
        stage.put(&fixtures::report_revised(Shape::UniversalYoutube, 2, revision));
        stage.settle();
        revision += 1;
        assert!(started.elapsed() < PATIENCE, "no event after the restart");
    }
    let text = events.wait_for("output", |_| true);
    let ids: Vec<u64> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["id"].as_u64())
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    events.interrupt();
    assert_eq!(events.wait_exit().code(), Some(0));
    people.interrupt();
    assert_eq!(people.wait_exit().code(), Some(0));
    daemon.stop();
}

#[test]
fn events_end_when_nobody_reads_them_any_more() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut child = command(&stage, &["events"]).stdout(Stdio::piped()).spawn().unwrap();
    // Nothing happens, so that only the closed pipe can end it.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    daemon.stop();
}

#[test]
fn an_upload_says_what_each_target_holds_and_its_exit_status_says_how_many() {
    let stage = Stage::new();
    let daemon = stage.start();
    let (good, audio) = (report(1), mp3(1, 1));
    stage.put(&good);
    let name = audio_name(good.bare_id(), 1);
    stage.put_audio(&name, &audio);
    let (report_path, audio_path) =
        (format!("reports/{}", good.file_name), format!("exports/{name}"));
    let both = run(&stage, &["upload", &report_path, &audio_path, "--wait", "30"]);
    assert_eq!(both.code, Some(0), "{both:?}");
    assert!(
        both.out.starts_with(&format!("{}\n  dashboard: done\n", good.expected.id)),
        "{both:?}"
    );
    stage.holds_audio(&good.expected.id, &audio);
    let again = run(&stage, &["upload", &good.file_name, "--wait", "--json"]).json();
    let report = &again["postgres"]["report"];
    assert_eq!((&report["video_id"], &report["success"]), (&json!(good.expected.id), &json!(true)));
    let handed_over = run(&stage, &["upload", &good.file_name, "--wait", "0"]);
    assert_eq!(handed_over.code, Some(0), "{handed_over:?}");

    let refused = parked(&stage, 2);
    let path = stage.config.report(&refused.file_name);
    let none = run(&stage, &["upload", path.to_str().unwrap()]);
    assert_eq!(none.code, Some(1), "{none:?}");
    let missing = run(&stage, &["upload", "reports/no-such.json", "--wait"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""), "{missing:?}");
    assert!(missing.err.contains("no-such.json"), "{missing:?}");
    daemon.stop();
}

#[test]
fn the_configuration_is_checked_and_printed_with_where_each_value_comes_from() {
    let stage = Stage::new();
    stage.config.write();
    let with = |words: &[&str], pairs: &[(&str, &str)]| {
        let mut command = command(&stage, words);
        command.envs(pairs.iter().copied());
        end(command)
    };
    let token = [("INGEST_TOKEN", "s3cret-of-the-test")];
    let sound = with(&["config", "check"], &token);
    assert_eq!((sound.code, sound.out.starts_with("sound: ")), (Some(0), true), "{sound:?}");
    let faulty = with(&["config", "check"], &[("RENDER_API_URL", "ftp://x")]);
    assert_eq!((faulty.code, faulty.err.lines().count()), (Some(78), 2), "{faulty:?}");
    let json = with(&["config", "check", "--json"], &[]);
    assert_eq!((json.code, &json.json()["sound"]), (Some(78), &json!(false)));

    let mut environment = token.to_vec();
    environment.push(("RENDER_API_URL", "https://from.the.environment"));
    let printed = with(&["config", "print"], &environment);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let file = stage.config.file();
    for part in [
        "url = \"https://from.the.environment\"  # environment variable RENDER_API_URL\n"
            .to_owned(),
        "# token: hidden  # environment variable INGEST_TOKEN\n".to_owned(),
        "parallel = 4  # default\n".to_owned(),
        format!("# {}:", file.display()),
    ] {
        assert!(printed.out.contains(&part), "{part} in {}", printed.out);
    }
    assert!(!format!("{printed:?}").contains("s3cret"), "{printed:?}");
    // What was printed is a configuration, and the same one.
    std::fs::write(&file, &printed.out).unwrap();
    let again = with(&["config", "print", "--json"], &token).json();
    let url = again.as_array().unwrap().iter().find(|setting| setting["key"] == "url").unwrap();
    assert_eq!(url["value"], "https://from.the.environment");
    assert!(url["origin"]["file"]["line"].is_u64(), "{url}");
}

#[test]
fn shells_and_manuals_are_told_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = end(bare(&["completions", shell]));
        assert_eq!(script.code, Some(0));
        assert!(script.out.contains("ytv2d") && script.out.contains("resend"), "{shell}");
    }
    let page = end(bare(&["man"])).out;
    assert!(page.contains(".TH ytv2d 1") && page.contains("ytv2d\\-why(1)"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("man1");
    assert_eq!(end(bare(&["man", "--out", out.to_str().unwrap()])).code, Some(0));
    for name in commands(&[]) {
        let page = std::fs::read_to_string(out.join(format!("ytv2d-{name}.1")));
        assert!(page.is_ok_and(|page| page.contains("Example")), "{name}");
    }
    // What is piped into a program that reads a part of it is no failure.
    let mut child = Command::new("sh")
        .args(["-c", "\"$0\" completions bash | head -n 1", env!("CARGO_BIN_EXE_ytv2d")])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert!(child.wait().unwrap().success());
}

/// The commands that the help of some words lists.
fn commands(words: &[&str]) -> Vec<String> {
    let help = end(bare(&[words, &["--help"]].concat())).out;
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_command_explains_itself_with_an_example_and_takes_configuration_and_socket() {
    let names = commands(&[]);
    assert!(names.len() >= 17, "{names:?}");
    let mut paths: Vec<Vec<&str>> = names.iter().map(|name| vec![name.as_str()]).collect();
    paths.extend([vec!["config", "check"], vec!["config", "print"]]);
    for words in paths {
        let help = end(bare(&[&words[..], &["--help"]].concat()));
        assert_eq!(help.code, Some(0), "{words:?}");
        let example = format!("Example: ytv2d {}", words.join(" "));
        for part in [example.as_str(), "--config <FILE>", "--socket <PATH>"] {
            assert!(help.out.contains(part), "{words:?}: {part} in {}", help.out);
        }
    }
}
