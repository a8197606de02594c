//! The pipeline's own calls, on a real Python with the module that `ytv2d shim python` prints.

mod support;

use std::process::{Command, Output};

use serde_json::Value;

use support::daemon::{Config, Daemon};
use support::dashboard::{Fault, Rule};
use support::ends::{Ends, row_id};
use support::fixtures::{self, Report, Shape, write_in_place};
use support::mp3::mp3;
use support::stage::Stage;

/// The directories of the old guide, below the one that the pipeline runs in.
const REPORTS: &str = "data/reports";
const EXPORTS: &str = "exports";

/// A stage whose directory has the module and the pipeline's own folders.
fn stage() -> Stage {
    let mut stage = Stage::new();
    let reports = stage.config.path().join(REPORTS);
    std::fs::create_dir_all(&reports).unwrap();
    stage.config.extra_toml.push_str(&format!("[watch]\nreports = {reports:?}\n"));
    print_module(&stage.config);
    stage
}

fn print_module(config: &Config) {
    let module = Command::new(env!("CARGO_BIN_EXE_ytv2d")).args(["shim", "python"]).output();
    let module = module.unwrap();
    assert!(module.status.success());
    std::fs::write(config.path().join("nas_sync.py"), module.stdout).unwrap();
}

fn python(stage: &Stage, lines: &str) -> (Value, String) {
    python_at(&stage.config, lines)
}

/// Runs lines of Python where the pipeline runs; what they print is JSON.
fn python_at(config: &Config, lines: &str) -> (Value, String) {
    let Output { status, stdout, stderr } = Command::new("python3")
        .args(["-B", "-W", "error", "-c", &format!("import json\n{lines}")])
        .current_dir(config.path())
        .env_remove("YTV2D_PATHS")
        .env("YTV2D_SOCKET", config.socket())
        .env("YTV2D_WAIT", "30")
        .output()
        .expect("these tests need python3");
    let errors = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{errors}");
    (serde_json::from_slice(&stdout).unwrap_or_default(), errors)
}

fn put(stage: &Stage, name: &str, report: &Report) {
    write_in_place(&stage.config.path().join(REPORTS).join(name), &report.bytes());
}

#[test]
fn the_lines_of_the_old_guide_do_what_they_did() {
    let stage = stage();
    let daemon = stage.start();
    let (report, audio) = (fixtures::report(Shape::LegacyNested, 1), mp3(1, 1));
    put(&stage, "video_id.json", &report);
    stage.put_audio("audio_video_id.mp3", &audio);

    let (_, errors) = python(
        &stage,
        r#"
from nas_sync import dual_sync_upload
dual_sync_upload("data/reports/video_id.json", "exports/audio_video_id.mp3")
"#,
    );
    assert_eq!(errors, "");
    stage.holds(&report);
    stage.holds_audio(&report.expected.id, &audio);

    let (_, errors) = python(
        &stage,
        r#"
from nas_sync import sync_content_via_api
sync_content_via_api()  # Respects POSTGRES_ONLY / SQLITE_SYNC_ENABLED
"#,
    );
    assert_eq!(errors, "");
    daemon.stop();
}

#[test]
fn what_was_delivered_is_told_in_the_old_result_map() {
    let stage = stage();
    let daemon = stage.start();
    let (report, audio) = (fixtures::report(Shape::UniversalYoutube, 2), mp3(1, 2));
    put(&stage, &report.file_name, &report);
    stage.put_audio("audio_x.mp3", &audio);
    let (told, _) = python(
        &stage,
        &format!(
            "from pathlib import Path\nfrom nas_sync import dual_sync_upload\n\
             path = Path('{REPORTS}') / {:?}\n\
             print(json.dumps([dual_sync_upload(path), dual_sync_upload(path, Path('{EXPORTS}/audio_x.mp3'))]))",
            report.file_name
        ),
    );
    assert_eq!(told[0]["postgres"]["report"]["upserted"], 1, "{told}");
    assert_eq!(told[0]["postgres"]["audio"], Value::Null, "{told}");
    let id = &report.expected.id;
    assert_eq!(told[1]["postgres"]["audio"]["public_url"], format!("/exports/audio/{id}.mp3"));
    stage.holds_audio(id, &audio);
    daemon.stop();
}

#[test]
fn with_two_targets_the_map_has_both_and_one_is_enough() {
    let mut ends = Ends::new();
    ends.configure(true, true, "");
    print_module(&ends.config);
    let daemon = Daemon::start_ready(&ends.config);
    let (one, two) =
        (fixtures::report(Shape::IngestReady, 7), fixtures::report(Shape::IngestReady, 8));
    ends.put(&one);
    let call = |report: &Report| {
        format!(
            "import logging; logging.basicConfig(level=logging.INFO)\n\
             from nas_sync import dual_sync_upload\n\
             print(json.dumps(dual_sync_upload('reports/{}')))",
            report.file_name
        )
    };
    let (told, errors) = python_at(&ends.config, &call(&one));
    assert_eq!(told["postgres"]["report"]["upserted"], 1, "{told} {errors}");
    assert_eq!(told["sqlite"]["report"]["success"], true, "{told} {errors}");
    assert!(errors.contains("Dual-sync SUCCESS"), "{errors}");
    assert!(ends.old.flat(&row_id(&one.expected.id)).is_some());

    ends.old.set_secret("another");
    ends.put(&two);
    let (told, errors) = python_at(&ends.config, &call(&two));
    assert_eq!(told["postgres"]["report"]["upserted"], 1, "{told} {errors}");
    assert_eq!(told["sqlite"]["report"], Value::Null, "{told} {errors}");
    assert!(errors.contains("Partial sync for"), "{errors}");
    assert!(errors.contains("postgres=ok; sqlite=fail"), "{errors}");
    daemon.stop();
}

#[test]
fn the_older_functions_answer_true_or_false() {
    let stage = stage();
    let daemon = stage.start();
    let (one, two) = (fixtures::report(Shape::Raw, 3), fixtures::report(Shape::LegacyNested, 4));
    put(&stage, "paired.json", &one);
    stage.put_audio("paired.mp3", &mp3(1, 3));
    let id = two.expected.id.clone();
    put(&stage, &format!("{id}_20250901_120000.json"), &two);
    stage.put_audio(&format!("audio_{id}_20250901_120000.mp3"), &mp3(1, 4));
    let (told, errors) = python(
        &stage,
        &format!(
            "from nas_sync import *\n\
             print(json.dumps([upload_to_render('{REPORTS}/paired.json', max_retries=2),\n\
                 sync_report_to_render({id:?}, '20250901_120000'),\n\
                 sync_report_to_render('no-such-id', '20250901_120000'),\n\
                 upload_to_render('{REPORTS}/missing.json'), sync_sqlite_database()]))"
        ),
    );
    assert_eq!(told, serde_json::json!([true, true, false, false, true]), "{errors}");
    assert!(errors.contains("deprecated, use sync_content_via_api()"), "{errors}");
    assert!(errors.contains("Report file not found"), "{errors}");
    stage.holds_audio(&one.expected.id, &mp3(1, 3));
    stage.holds_audio(&id, &mp3(1, 4));
    daemon.stop();
}

#[test]
fn what_the_dashboard_refuses_is_false_and_says_why() {
    let stage = stage();
    let daemon = stage.start();
    let report = fixtures::report(Shape::UniversalWeb, 5);
    let answer = r#"{"error":"video_id required"}"#;
    let refused = Fault::Status(400, Vec::new(), answer.into());
    stage.dashboard.inject(Rule::new(refused).reports());
    put(&stage, "refused.json", &report);
    let (told, errors) = python(
        &stage,
        &format!(
            "from nas_sync import *\n\
             print(json.dumps([dual_sync_upload('{REPORTS}/refused.json'), sync_content_via_api()]))"
        ),
    );
    assert_eq!(told, serde_json::json!([false, false]), "{errors}");
    assert!(errors.contains("video_id required"), "{errors}");
    daemon.stop();
}

/// Both kinds of absence: no socket at all, and one that nobody answers any more.
#[test]
fn without_a_daemon_every_function_says_so_and_fails_as_it_used_to() {
    let stage = stage();
    put(&stage, "one.json", &fixtures::report(Shape::FlatRow, 6));
    let calls = format!(
        "from nas_sync import *\n\
         print(json.dumps([dual_sync_upload('{REPORTS}/one.json'), sync_content_via_api(),\n\
             upload_to_render('{REPORTS}/one.json'), sync_sqlite_database(),\n\
             sync_report_to_render('one', 'x', reports_dir='{REPORTS}')]))"
    );
    let never = python(&stage, &calls);
    let daemon = Daemon::start_ready(&stage.config);
    daemon.kill9();
    assert!(stage.config.socket().exists());
    for (told, errors) in [never, python(&stage, &calls)] {
        assert_eq!(told, serde_json::json!([false, false, false, false, false]));
        assert_eq!(errors.matches("ytv2d is not running").count(), 4, "{errors}");
        assert!(errors.contains("systemctl start ytv2d"), "{errors}");
    }
}
