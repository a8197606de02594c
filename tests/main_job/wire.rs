//! What goes over the wire: framing, headers, versions, and that a failed attempt is made again.

use std::time::Duration;

use serde_json::Value;

use crate::support::dashboard::{Fault, Request, Rule};
use crate::support::fixtures::{self, Shape};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage};

fn version(request: &Request) -> i64 {
    request.version.as_ref().expect("a version").parse().expect("a number")
}

#[test]
fn requests_have_an_exact_length_and_nothing_that_the_dashboard_does_not_understand() {
    let stage = Stage::new();
    let report = fixtures::report(Shape::UniversalReddit, 3);
    let bytes = mp3(3, 1);
    stage.put(&report);
    stage.put_audio(&fixtures::audio_name(report.bare_id(), 3), &bytes);
    let daemon = stage.start();
    stage.holds_audio(&report.expected.id, &bytes);
    daemon.stop();
    let sent = stage.sent_after(0);
    assert_eq!(sent.len(), 2);
    for request in &sent {
        let header = |name| request.header(name);
        assert_eq!(header("content-length"), Some(request.body_len.to_string().as_str()));
        assert_eq!(header("x-ingest-token"), Some("test-token"));
        for absent in ["transfer-encoding", "content-encoding", "expect", "referer"] {
            assert_eq!(header(absent), None, "{absent} in {:?}", request.headers);
        }
        assert!(version(request) > 0);
    }
    assert_eq!(sent[0].header("content-type"), Some("application/json"));
    let form = sent[1].header("content-type").unwrap();
    assert!(form.starts_with("multipart/form-data; boundary="), "{form}");
}

#[test]
fn the_version_of_an_id_grows_with_each_change_and_over_a_restart() {
    let stage = Stage::new();
    let mut daemon = stage.start();
    for revision in 0..4 {
        let report = fixtures::report_revised(Shape::Raw, 8, revision);
        stage.put(&report);
        stage.holds(&report);
        if revision == 2 {
            daemon.stop();
            daemon = stage.start();
        }
    }
    // A new outbox knows nothing, and still goes on from there: its numbers come from the clock.
    daemon.stop();
    std::fs::remove_file(stage.config.outbox()).unwrap();
    let daemon = stage.start();
    let id = fixtures::report(Shape::Raw, 8).expected.id;
    stage.wait("a repeat", |state| state.reports_of(&id).count() == 5);
    let versions: Vec<i64> = stage.dashboard.reports_of(&id).iter().map(version).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    daemon.stop();
}

#[test]
fn a_failed_attempt_is_made_again_until_it_is_delivered() {
    let stage = Stage::new();
    let daemon = stage.start();
    let faults = [
        ("an error", Fault::poison()),
        ("a proxy's error", Fault::status(502)),
        ("a reset", Fault::ResetAfterHeaders),
        ("a reset after the commit", Fault::ResetAfterCommit),
        ("half an answer", Fault::TruncatedAnswer),
        ("a portal's page", Fault::Html200),
    ];
    for (n, (name, fault)) in faults.into_iter().enumerate() {
        let report = fixtures::report(Shape::UniversalWeb, n);
        let bytes = mp3(1, n as u64);
        let id = &report.expected.id;
        stage.dashboard.inject(Rule::new(fault.clone()).reports().id(id).named(name).once());
        stage.dashboard.inject(Rule::new(fault).audio().id(id).named(name).once());
        stage.put_audio(&fixtures::audio_name(report.bare_id(), n), &bytes);
        stage.put(&report);
        stage.holds(&report);
        stage.holds_audio(id, &bytes);
        stage.wait(name, |state| {
            state.reports_of(id).count() == 2 && state.audios_of(id).count() == 2
        });
        assert_eq!(stage.dashboard.fired(name), 2, "{name}");
    }
    stage.settle();
    assert_eq!(stage.sent_after(0).len(), 4 * 6);
    daemon.stop();
}

#[test]
fn what_a_refusing_dashboard_did_not_get_it_gets_when_it_is_back_even_after_a_restart() {
    let stage = Stage::new();
    let daemon = stage.start();
    let [first, second] = [1, 2].map(|n| fixtures::report(Shape::FlatRow, n));
    let refused = |line: &Value| {
        line["level"] == "WARN" && line["why"].as_str().is_some_and(|why| why.contains("refused"))
    };
    stage.dashboard.refuse(true);
    stage.put(&first);
    daemon.wait_for_line(PATIENCE, refused);
    stage.dashboard.refuse(false);
    stage.holds(&first);
    stage.settle();

    stage.dashboard.refuse(true);
    let mark = daemon.mark();
    stage.put(&second);
    daemon.wait_for_line_after(mark, PATIENCE, refused);
    daemon.stop();
    stage.dashboard.refuse(false);
    let daemon = stage.start();
    stage.holds(&second);
    assert_eq!(stage.told_after(0).len(), 2);
    daemon.stop();
}

#[test]
fn no_more_than_the_configured_number_of_requests_is_under_way() {
    let mut stage = Stage::new();
    stage.config = stage.config.with_toml("[ingest]\nparallel = 2");
    stage.dashboard.inject(Rule::new(Fault::DelayMillis(30)).reports());
    let reports = fixtures::mixed_reports(12);
    reports.iter().for_each(|report| stage.put(report));
    let daemon = stage.start();
    for report in &reports {
        stage.holds(report);
    }
    assert_eq!(stage.dashboard.max_in_flight(), 2);
    daemon.stop();
}

#[test]
fn a_slow_answer_is_read_to_its_end() {
    let stage = Stage::new();
    let report = fixtures::report(Shape::Converted, 5);
    let slow = Fault::SlowAnswer(Duration::from_millis(1));
    stage.dashboard.inject(Rule::new(slow).reports());
    stage.put(&report);
    let daemon = stage.start();
    stage.holds(&report);
    daemon.wait_for_line(PATIENCE, |line| line["message"] == "delivered");
    stage.settle();
    assert_eq!(stage.told_after(0).len(), 1);
    daemon.stop();
}
