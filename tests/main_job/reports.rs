//! Reports that change, and several files that make one record.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::dashboard::{Fault, Record, Rule};
use crate::support::fixtures::{self, Report, Shape};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage, summaries};

/// An ingest-ready report: its two summaries stand in a list, where a test can change them.
fn ready(n: usize) -> Report {
    fixtures::report(Shape::IngestReady, n)
}

/// Changes the text of its comprehensive (0) or its bullet-points (1) summary.
fn retext(report: &mut Report, place: usize, text: &str) {
    let item = &mut report.json["summary_variants"][place];
    item["text"] = json!(text);
    let name = item["variant"].as_str().unwrap().to_owned();
    report.expected.variants.insert(name, text.to_owned());
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_rewrite_sends_only_the_changed_summary_with_revision_0_and_its_text_becomes_the_latest() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut report = ready(1);
    stage.put(&report);
    stage.holds(&report);
    retext(&mut report, 1, "- rewritten");
    stage.put(&report);
    let record = stage.holds(&report);
    assert_eq!(record.revisions("bullet-points").len(), 2);
    assert_eq!(record.revisions("comprehensive").len(), 1);
    let sent = stage.dashboard.reports_of(&report.expected.id);
    assert_eq!(summaries(&sent[1]), pairs(&[("bullet-points", "- rewritten")]));
    for request in &sent {
        for item in request.json.as_ref().unwrap()["summary_variants"].as_array().unwrap() {
            assert_eq!(item["revision"], 0);
            assert!(item["html"].as_str().is_some_and(|html| !html.is_empty()), "{item}");
        }
    }

    // Fields alone: the record changes, and no summary is sent.
    report.json["title"] = json!("Another title");
    report.expected.title = "Another title".to_owned();
    stage.put(&report);
    stage.holds(&report);
    stage.settle();
    let sent = stage.dashboard.reports_of(&report.expected.id);
    assert_eq!((sent.len(), summaries(&sent[2])), (3, Vec::new()));
    daemon.stop();
}

#[test]
fn a_summary_that_went_away_is_not_taken_back_and_nothing_is_sent_for_it() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut report = ready(2);
    stage.put(&report);
    stage.holds(&report);
    stage.settle();
    report.json["summary_variants"].as_array_mut().unwrap().pop();
    stage.put(&report);
    stage.settle();
    assert_eq!(stage.dashboard.reports_of(&report.expected.id).len(), 1);
    stage.holds(&report);
    daemon.stop();
}

/// Three files of one id: the newest has the fields and one summary, the middle one has two, the
/// oldest has a third beside old words.
fn three_files(n: usize) -> [Report; 3] {
    let make = |revision: u32, variants: &[(&str, &str)]| {
        let mut report = fixtures::report_revised(Shape::IngestReady, n, revision);
        let items: Vec<Value> =
            variants.iter().map(|(name, text)| json!({ "variant": name, "text": text })).collect();
        report.json["summary_variants"] = json!(items);
        report.json["title"] = json!(format!("Title {revision}"));
        report.file_name = format!("file_{n}_{revision}.json");
        report
    };
    [
        make(0, &[("comprehensive", "old c"), ("bullet-points", "old b"), ("executive", "old e")]),
        make(1, &[("comprehensive", "mid c"), ("bullet-points", "mid b")]),
        make(2, &[("comprehensive", "new c")]),
    ]
}

/// What three such files add up to.
fn is_their_sum(record: &Record) -> bool {
    let texts = json!({ "comprehensive": "new c", "bullet-points": "mid b", "executive": "old e" });
    record.title == "Title 2" && json!(record.texts()) == texts
}

#[test]
fn several_files_of_one_id_make_one_record_in_whatever_order_they_are_found() {
    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let stage = Stage::new();
    let daemon = stage.start();
    let ids: Vec<String> = (0..6).map(|n| three_files(n)[0].expected.id.clone()).collect();
    for step in 0..3 {
        for (n, order) in ORDERS.iter().enumerate() {
            stage.put(&three_files(n)[order[step]]);
        }
        stage.settle();
        for (id, order) in ids.iter().zip(ORDERS) {
            let newest = order[..=step].iter().max().unwrap();
            let record = stage.dashboard.record(id).unwrap();
            assert_eq!(record.title, format!("Title {newest}"), "{order:?} after {step}");
        }
    }
    for (id, order) in ids.iter().zip(ORDERS) {
        let record = stage.dashboard.record(id).unwrap();
        assert!(is_their_sum(&record), "{order:?}: {record:#?}");
        // Older words that were found later never went out.
        for variant in record.texts().keys() {
            let age = |text: &str| ["old", "mid", "new"].iter().position(|a| text.starts_with(a));
            let revisions = record.revisions(variant);
            let ages = revisions.iter().map(|summary| age(summary.text.as_deref().unwrap()));
            assert!(ages.is_sorted_by(|a, b| a < b), "{order:?}: {record:#?}");
        }
    }
    daemon.stop();

    // All at once, by a daemon that knows nothing yet.
    std::fs::remove_file(stage.config.outbox()).unwrap();
    ids.iter().for_each(|id| stage.dashboard.delete(id));
    let daemon = stage.start();
    stage.wait("all of them", |state| {
        ids.iter().all(|id| state.record(id).is_some_and(is_their_sum))
    });
    daemon.stop();
}

#[test]
fn a_dashboard_without_its_second_migration_gets_the_texts_with_a_number_of_ours() {
    let stage = Stage::new();
    stage.dashboard.set_triggers(false);
    let daemon = stage.start();
    let report = ready(4);
    stage.put(&report);
    let record = stage.holds(&report);
    stage.settle();
    let sent = stage.dashboard.reports_of(&report.expected.id);
    let revisions: Vec<i64> = sent
        .iter()
        .map(|r| r.json.as_ref().unwrap()["summary_variants"][0]["revision"].as_i64().unwrap())
        .collect();
    assert_eq!(revisions.len(), 2);
    assert!(revisions[0] == 0 && revisions[1] > 1_700_000_000, "{revisions:?}");
    assert_eq!(i64::from(record.latest("comprehensive").unwrap().revision), revisions[1]);
    assert_eq!(daemon.lines_saying("delivered, with a reservation").len(), 0);
    daemon.stop();
}

#[test]
fn texts_that_are_not_taken_are_offered_twice_and_then_warned_of() {
    let stage = Stage::new();
    let daemon = stage.start();
    let report = ready(5);
    let id = &report.expected.id;
    let short = r#"{"upserted":1,"summaries_upserted":0,"verify_row":null}"#;
    let fault = Fault::Status(200, Vec::new(), short.to_owned());
    let rule = stage.dashboard.inject(Rule::new(fault).reports().id(id));
    stage.put(&report);
    let line =
        daemon.wait_for_line(PATIENCE, |line| line["message"] == "delivered, with a reservation");
    assert_eq!((&line["level"], &line["id"]), (&json!("WARN"), &json!(id)));
    assert!(line["warning"].as_str().unwrap().contains("002_fix_triggers"), "{line}");
    stage.settle();
    assert_eq!(stage.dashboard.reports_of(id).len(), 2, "it is not tried for ever");
    daemon.stop();

    // The warning stays, where the status will find it.
    let outbox = rusqlite::Connection::open(stage.config.outbox()).unwrap();
    let kept = outbox.query_row(
        "SELECT count(*) FROM delivery WHERE warning LIKE '%002_fix_triggers%'",
        [],
        |row| row.get::<_, i64>(0),
    );
    assert_eq!(kept.unwrap(), 1);
    drop(outbox);

    // The next change offers all of them again.
    stage.dashboard.remove(rule);
    let daemon = stage.start();
    let changed = fixtures::report_revised(Shape::IngestReady, 5, 1);
    stage.put(&changed);
    stage.holds(&changed);
    daemon.stop();
}

#[test]
fn the_date_of_a_record_stays_the_same_from_one_send_to_the_next() {
    let stage = Stage::new();
    let mut daemon = stage.start();
    // One that says when it was made, and one that does not.
    let mut dated = ready(6);
    let mut undated = ready(7);
    undated.json.as_object_mut().unwrap().remove("indexed_at");
    for round in 0..3 {
        for report in [&mut dated, &mut undated] {
            retext(report, 0, &format!("round {round}"));
            stage.put(report);
        }
        stage.holds(&dated);
        stage.holds(&undated);
        if round == 1 {
            daemon.stop();
            daemon = stage.start();
        }
    }
    for report in [&dated, &undated] {
        let sent = stage.dashboard.reports_of(&report.expected.id);
        let dates: Vec<&str> = sent
            .iter()
            .map(|request| request.json.as_ref().unwrap()["indexed_at"].as_str().unwrap())
            .collect();
        assert_eq!(dates.len(), 3);
        assert!(dates.iter().all(|date| *date == dates[0] && date.ends_with('Z')), "{dates:?}");
    }
    let record = stage.dashboard.record(&dated.expected.id).unwrap();
    assert_eq!(record.indexed_at, dated.expected.indexed_at);
    daemon.stop();
}

#[test]
fn a_report_that_is_rewritten_during_its_own_upload_ends_at_its_last_version() {
    let stage = Stage::new();
    let daemon = stage.start();
    let version = |revision| fixtures::report_revised(Shape::UniversalYoutube, 11, revision);
    let id = version(0).expected.id;
    let held = Rule::new(Fault::HoldThenRelease).reports().id(&id).once();
    stage.dashboard.inject(held);
    stage.put(&version(0));
    stage.wait("the first version", |state| state.held() == 1);
    for revision in 1..=5 {
        stage.put(&version(revision));
    }
    stage.settle();
    assert_eq!(stage.dashboard.reports_of(&id).len(), 1, "one request of an id at a time");
    stage.dashboard.release();
    stage.holds(&version(5));
    stage.settle();
    assert_eq!(stage.dashboard.reports_of(&id).len(), 2, "what came between is not worth sending");
    assert_eq!(stage.dashboard.max_in_flight_per_id(), 1);
    daemon.stop();
}

#[test]
fn a_report_that_changes_all_the_time_ends_at_its_last_version() {
    let stage = Stage::new();
    stage.dashboard.inject(Rule::new(Fault::DelayMillis(15)).reports());
    let daemon = stage.start();
    let version = |revision| fixtures::report_revised(Shape::LegacyNested, 12, revision);
    for revision in 0..60 {
        stage.put(&version(revision));
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.holds(&version(59));
    stage.settle();
    stage.holds(&version(59));
    daemon.stop();
}

#[test]
fn what_follows_a_rewrite_while_the_audio_goes_up_keeps_the_audio() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut report = ready(13);
    let (id, bytes) = (report.expected.id.clone(), mp3(2, 13));
    stage.put(&report);
    stage.holds(&report);
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).audio().once());
    stage.put_audio(&fixtures::audio_name(report.bare_id(), 13), &bytes);
    stage.wait("the upload", |state| state.held() == 1);
    retext(&mut report, 0, "with its audio under way");
    stage.put(&report);
    stage.settle();
    stage.dashboard.release();
    stage.holds(&report);
    stage.holds_audio(&id, &bytes);
    let last = stage.dashboard.reports_of(&id).pop().unwrap().json.unwrap();
    assert_eq!(last["media"]["has_audio"], true);
    daemon.stop();
}
