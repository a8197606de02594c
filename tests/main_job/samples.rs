//! The six real reports that lie beside the project. They stay there; without them this says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::ingest::{Home, Server, TOKEN, until};
use crate::support::daemon::{Config, Daemon};
use crate::support::stage::Stage;

/// What must come of the files of one id.
#[derive(Debug, Default)]
struct Expected {
    title: String,
    channel: String,
    date: Timestamp,
    texts: BTreeMap<String, String>,
    made: DateTime,
}

fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/reports");
    let found = [beside, PathBuf::from("/work/shared/samples/reports")]
        .into_iter()
        .find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: the six real reports (../shared/samples/reports) are not here");
    }
    found
}

/// Reads the two shapes that are among them, in the plainest way: fields from the file that was
/// made last, each summary from the last file that has it.
fn expected(directory: &Path) -> BTreeMap<String, Expected> {
    let mut files: Vec<Value> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap())
        .collect();
    assert_eq!(files.len(), 6);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let made = |file: &Value| -> DateTime {
        let naive = file["processed_at"].as_str().or(file["metadata"]["generated_at"].as_str());
        naive.unwrap().parse().unwrap()
    };
    files.sort_by_key(made);
    let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
    for file in &files {
        let (head, channel, summary) = if file["video"].is_object() {
            (&file["video"], "channel", &file["summary"]["content"])
        } else {
            (&file["metadata"], "uploader", &file["summary"])
        };
        let record = expected.entry(text(&head["video_id"])).or_default();
        record.title = text(&head["title"]);
        record.channel = text(&head[channel]);
        record.made = made(file);
        record.date = match file["indexed_at"].as_str() {
            Some(zoned) => zoned.parse().unwrap(),
            None => TimeZone::UTC.to_timestamp(record.made).unwrap(),
        };
        record.texts.insert(text(&summary["summary_type"]), text(&summary["summary"]));
    }
    assert_eq!(expected.len(), 4);
    assert!(expected.contains_key("_gD9HxgnbvY"));
    assert_eq!(expected["Y4dnlvGBznU"].texts.len(), 2);
    expected
}

fn copy(directory: &Path, config: &Config) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        fs::write(
            config.report(path.file_name().unwrap().to_str().unwrap()),
            fs::read(&path).unwrap(),
        )
        .unwrap();
    }
}

#[test]
fn the_six_real_reports_arrive_at_the_dashboard_as_four_whole_records() {
    let Some(directory) = samples() else { return };
    let expected = expected(&directory);
    // Found at the start, and dropped one after the other into a running daemon.
    for at_the_start in [true, false] {
        let stage = Stage::new();
        if at_the_start {
            copy(&directory, &stage.config);
        }
        let daemon = stage.start();
        if !at_the_start {
            copy(&directory, &stage.config);
        }
        stage.wait("all summaries", |state| {
            expected.iter().all(|(id, expected)| {
                state.record(id).is_some_and(|record| record.texts() == expected.texts)
            })
        });
        assert_eq!(stage.dashboard.records().len(), 4);
        stage.settle();
        for (id, expected) in &expected {
            let record = stage.dashboard.record(id).unwrap();
            assert_eq!(record.title, expected.title);
            assert_eq!(record.channel_name, expected.channel);
            assert_eq!(record.indexed_at, expected.date, "{id}");
            assert_eq!(record.texts(), expected.texts);
            assert!(record.visible() && !record.has_audio);
        }
        daemon.stop();
    }
}

#[test]
fn the_six_real_reports_arrive_at_the_ingest_side_as_four_whole_records() {
    let Some(directory) = samples() else { return };
    let expected = expected(&directory);
    let home = Home::new();
    let server = Server::start(&home);
    let config = Config::new(&server.url(), TOKEN);
    copy(&directory, &config);
    let daemon = Daemon::start_ready(&config);
    for (id, expected) in &expected {
        let path = format!("/{id}.json");
        let texts = |record: &Value| -> BTreeMap<String, String> {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            record["summary_variants"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|item| (text(&item["variant"]), text(&item["text"])))
                .collect()
        };
        until("all summaries", || {
            let reply = server.get(&path);
            reply.status == 200 && texts(&reply.json()) == expected.texts
        });
        let record = server.get(&path).json();
        assert_eq!(record["video"]["video_id"], id.as_str());
        assert_eq!(record["video"]["title"], expected.title.as_str());
        assert_eq!(record["video"]["channel"], expected.channel.as_str());
        let date: Timestamp = record["indexed_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(date, expected.date, "{id}");
    }
    daemon.stop();
}
