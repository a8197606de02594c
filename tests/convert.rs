//! `ytv2d convert` on files of every shape.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use support::fixtures;

fn convert(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ytv2d"))
        .current_dir(directory)
        .arg("convert")
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn converted(directory: &Path, file: &str, to: &str) -> Value {
    let output = convert(directory, &[file, "--to", to]);
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_converted_report_is_delivered_as_the_one_that_it_was_made_of() {
    let directory = tempfile::tempdir().unwrap();
    for report in fixtures::mixed_reports(36) {
        let path = directory.path();
        std::fs::write(path.join(&report.file_name), report.bytes()).unwrap();
        let mut sent = converted(path, &report.file_name, "ingest");
        assert_eq!(sent["video_id"], report.expected.id, "{}", report.file_name);
        assert_eq!(sent["title"], report.expected.title, "{}", report.file_name);
        let variants = sent["summary_variants"].as_array().unwrap();
        for (name, text) in &report.expected.variants {
            assert!(variants.iter().any(|v| v["variant"] == **name && v["text"] == **text));
        }

        let universal = converted(path, &report.file_name, "universal");
        let again = "renamed.json";
        std::fs::write(path.join(again), universal.to_string()).unwrap();
        let mut resent = converted(path, again, "ingest");
        // What the universal shape adds by itself, and what only an ingest-ready file can prove.
        for key in ["content_source", "canonical_url", "thumbnail_url"] {
            if sent[key].is_null() {
                sent[key] = resent[key].clone();
            }
        }
        for payload in [&mut sent, &mut resent] {
            payload.as_object_mut().unwrap().remove("media");
            payload["analysis_json"].as_object_mut().unwrap().remove("audio_url");
        }
        assert_eq!(resent, sent, "{}", report.file_name);
    }
}

#[test]
fn dates_are_read_in_the_configured_zone_without_any_target() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let report =
        json!({"video_id": "aB-3_xY9zQk", "title": "T", "indexed_at": "2025-09-02T18:00:00"});
    std::fs::write(path.join("r.json"), report.to_string()).unwrap();
    assert_eq!(converted(path, "r.json", "ingest")["indexed_at"], "2025-09-02T18:00:00Z");
    std::fs::write(path.join("ytv2d.toml"), "[watch]\ntimezone = 'Etc/GMT-2'\n").unwrap();
    assert_eq!(converted(path, "r.json", "ingest")["indexed_at"], "2025-09-02T16:00:00Z");

    std::fs::write(path.join("ytv2d.toml"), "[watch]\ntimezone = 'Mars/Olympus'\n").unwrap();
    assert_eq!(convert(path, &["r.json"]).status.code(), Some(78));
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("quiz.json"), "{\"questions\": []}").unwrap();
    for (file, words) in [("missing.json", "No such file"), ("quiz.json", "known report shapes")] {
        let output = convert(directory.path(), &[file]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(words) && error.contains(file), "{error}");
    }
}
