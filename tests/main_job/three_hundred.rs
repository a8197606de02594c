//! Many reports and their audio, before the start, after it, and while the daemon was stopped.

use std::collections::BTreeMap;
use std::fs;

use crate::support::daemon::Daemon;
use crate::support::fixtures::{self, Report, Shape, write_in_place, write_renamed};
use crate::support::mp3::mp3;
use crate::support::stage::{PATIENCE, Stage};

const REPORTS: usize = 300;
const AUDIOS: usize = 40;

/// An audio file: its name, whose it is, its bytes.
struct Audio {
    name: String,
    id: String,
    bytes: Vec<u8>,
}

/// Every seventh report has audio, so that each shape has some; the names are of every kind.
fn audio_of(n: usize, report: &Report) -> Option<Audio> {
    if !n.is_multiple_of(7) || n / 7 >= AUDIOS {
        return None;
    }
    let name = match n % 3 {
        0 => fixtures::older_audio_name(report.bare_id(), n),
        _ => fixtures::audio_name(report.bare_id(), n),
    };
    Some(Audio { name, id: report.expected.id.clone(), bytes: mp3(1 + n as u32 % 5, n as u64) })
}

#[test]
fn three_hundred_reports_and_forty_audio_files_arrive_right_once_and_in_order() {
    let stage = Stage::new();
    let reports = fixtures::mixed_reports(REPORTS);
    let audios: Vec<Audio> =
        reports.iter().enumerate().filter_map(|(n, report)| audio_of(n, report)).collect();
    assert_eq!(audios.len(), AUDIOS);

    // Half is there already.
    for report in &reports[..REPORTS / 2] {
        stage.put(report);
    }
    for audio in &audios[..AUDIOS / 2] {
        stage.put_audio(&audio.name, &audio.bytes);
    }
    let daemon = stage.start();
    // The other half comes while it works: audio first in some cases, in place or renamed in.
    let mut late = audios[AUDIOS / 2..].iter();
    for (n, report) in reports.iter().enumerate().skip(REPORTS / 2) {
        let put = if n % 2 == 0 { write_in_place } else { write_renamed };
        if let Some(audio) = (n % 3 == 0).then(|| late.next()).flatten() {
            put(&stage.config.export(&audio.name), &audio.bytes);
        }
        put(&stage.config.report(&report.file_name), &report.bytes());
    }
    for audio in late {
        stage.put_audio(&audio.name, &audio.bytes);
    }
    stage.wait("everything", |state| {
        state.records().count() == REPORTS
            && audios.iter().all(|audio| state.audio(&audio.id).is_some())
    });
    stage.settle();

    for report in &reports {
        let record = stage.holds(report);
        let expected = &report.expected;
        assert_eq!(record.channel_name, expected.channel, "{}", report.file_name);
        assert_eq!(record.indexed_at, expected.indexed_at, "{}", report.file_name);
        assert!(record.visible(), "{}", report.file_name);
        let sent = stage.dashboard.reports_of(&expected.id);
        assert_eq!(sent.len(), 1, "{} was sent more than once", report.file_name);
        assert_eq!(sent[0].status, Some(200));
    }
    for audio in &audios {
        stage.holds_audio(&audio.id, &audio.bytes);
        let sent = stage.dashboard.audios_of(&audio.id);
        assert_eq!(sent.len(), 1, "{} was sent more than once", audio.name);
        let report = &stage.dashboard.reports_of(&audio.id)[0];
        assert!(report.finished.unwrap() <= sent[0].started, "{} overtook its report", audio.name);
    }
    assert_eq!(stage.sent_after(0).len(), REPORTS + AUDIOS);
    assert!(stage.dashboard.max_in_flight() <= 4);
    assert_eq!(stage.dashboard.max_in_flight_per_id(), 1);
    every_delivery_has_its_line(&daemon, REPORTS + AUDIOS);

    // A restart finds nothing to do.
    daemon.stop();
    let mark = stage.mark();
    let daemon = stage.start();
    assert_eq!(found(&daemon), [("exports", 0, 0, 0), ("reports", 0, 0, 0)]);
    stage.settle();
    assert_eq!(stage.told_after(mark), [""; 0]);
    daemon.stop();

    what_changed_while_it_was_stopped(&stage, &reports, &audios);
}

/// One report is rewritten, one is new, one goes away, one is touched; one audio file is replaced
/// and one is new.
fn what_changed_while_it_was_stopped(stage: &Stage, reports: &[Report], audios: &[Audio]) {
    let rewritten = fixtures::report_revised(Shape::ALL[10 % 9], 10, 1);
    let new = fixtures::report(Shape::Raw, REPORTS + 1);
    stage.put(&rewritten);
    stage.put(&new);
    fs::remove_file(stage.config.report(&reports[11].file_name)).unwrap();
    stage.put(&reports[12]);
    stage.put_audio(&audios[2].name, &mp3(2, 9999));
    stage.put_audio(&fixtures::audio_name(reports[13].bare_id(), 1), &mp3(2, 9998));

    let mark = stage.mark();
    let daemon = stage.start();
    stage.holds(&rewritten);
    stage.holds(&new);
    stage.holds_audio(&audios[2].id, &mp3(2, 9999));
    stage.holds_audio(&reports[13].expected.id, &mp3(2, 9998));
    stage.settle();
    let mut expected = vec![
        format!("report {}", rewritten.expected.id),
        format!("report {}", new.expected.id),
        format!("audio {}", audios[2].id),
        format!("audio {}", reports[13].expected.id),
    ];
    expected.sort();
    assert_eq!(stage.told_after(mark), expected);
    assert_eq!(found(&daemon), [("exports", 1, 1, 0), ("reports", 1, 2, 1)]);
    assert!(stage.dashboard.record(&reports[11].expected.id).is_some(), "nothing is deleted there");
    daemon.stop();
}

/// What the first look through each root found to be new, changed and gone.
fn found(daemon: &Daemon) -> Vec<(&'static str, u64, u64, u64)> {
    ["exports", "reports"]
        .into_iter()
        .map(|root| {
            let line = daemon.wait_for_line(PATIENCE, |line| {
                line["message"] == "looked through" && line["root"] == root
            });
            let count = |key: &str| line[key].as_u64().unwrap();
            (root, count("new"), count("changed"), count("gone"))
        })
        .collect()
}

/// Each delivery is one line with id, target, what became of it, bytes, and the time it took.
fn every_delivery_has_its_line(daemon: &Daemon, deliveries: usize) {
    let lines = daemon.lines_saying("delivered");
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for line in &lines {
        let key = format!("{} {}", line["kind"].as_str().unwrap(), line["id"].as_str().unwrap());
        *count.entry(key).or_default() += 1;
        assert_eq!(line["target"], "dashboard");
        assert!(matches!(line["action"].as_str(), Some("created" | "updated")), "{line}");
        assert!(line["bytes"].as_u64().unwrap() > 0, "{line}");
        assert!(line["since_change_ms"].as_i64().unwrap() >= 0, "{line}");
    }
    assert!(count.values().all(|times| *times == 1), "{count:?}");
    assert!(count.len() >= deliveries);
}
