//! PostgreSQL stops in the middle of a sync by the real daemon, and starts again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ingest::{Home, Server, TOKEN};
use crate::postgres::{Cluster, query};
use crate::shared::payload;
use crate::support::daemon::{Config, Daemon};
use crate::support::fixtures::{self, audio_name, write_in_place};
use crate::support::mp3::mp3;

/// A number from the environment, for runs by hand: `YTV2_TEST_OUTAGE_REPORTS=2000` and
/// `YTV2_TEST_OUTAGE_SECONDS=60` are a long sync and a long absence.
fn knob(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

#[test]
fn postgres_stopped_in_the_middle_of_a_sync_costs_its_absence_and_nothing_else() {
    let Some(cluster) = Cluster::start() else { return };
    let reports = knob("YTV2_TEST_OUTAGE_REPORTS", 300);
    let absence = Duration::from_secs(knob("YTV2_TEST_OUTAGE_SECONDS", 0) as u64);
    // Ten times what it takes here; whatever takes longer has failed.
    let patience = Duration::from_secs(60 + reports as u64 / 5) + absence;

    let home = Home::at(&cluster.url);
    let server = Server::start(&home);
    let config = Config::new(&server.url(), TOKEN).with_toml("[retry]\nfirst = '50ms'");
    let reports = fixtures::mixed_reports(reports);
    let with_audio: Vec<_> = reports.iter().enumerate().step_by(20).collect();
    for report in &reports {
        write_in_place(&config.report(&report.file_name), &report.bytes());
    }
    for (n, report) in &with_audio {
        write_in_place(&config.export(&audio_name(report.bare_id(), *n)), &mp3(1, *n as u64));
    }
    let daemon = Daemon::start_ready(&config);

    let count = |sql: &str| query(&cluster.url, sql)[0][0].parse::<usize>().unwrap();
    until(patience, "a quarter has arrived", || {
        count("SELECT count(*) FROM content") >= reports.len() / 4
    });
    let mark = daemon.mark();
    cluster.stop();
    let gone = Instant::now();
    let reply = server.report(&payload("probe", "t"));
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    daemon.wait_for_line_after(mark, patience, |line| {
        line["message"] == "the target asks for a pause"
    });
    std::thread::sleep(absence.saturating_sub(gone.elapsed()));
    cluster.start_again();
    let back = Instant::now();

    until(patience, "everything has arrived", || {
        count("SELECT count(*) FROM content WHERE video_id <> 'probe'") == reports.len()
            && count("SELECT count(*) FROM content WHERE has_audio") >= with_audio.len()
    });
    println!("{} reports: all there {:?} after it was back", reports.len(), back.elapsed());
    let mut held: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let rows =
        query(&cluster.url, "SELECT video_id, variant, text, revision FROM content_summaries");
    for row in rows {
        let [id, variant, text, revision] = row.try_into().unwrap();
        // Nothing was stored twice, not even what was under way.
        assert_eq!(revision, "1", "{id} {variant}");
        held.entry(id).or_default().insert(variant, text);
    }
    let expected: BTreeMap<_, _> =
        reports.iter().map(|r| (r.expected.id.clone(), r.expected.variants.clone())).collect();
    assert!(held == expected, "{} held, {} expected", held.len(), expected.len());
    for (n, report) in with_audio {
        let url = format!("/exports/audio/{}.mp3", report.expected.id.replace(':', ""));
        assert_eq!(server.get(&url).body, mp3(1, n as u64), "{url}");
    }
    let parked = daemon
        .lines()
        .iter()
        .any(|line| line["message"].as_str().is_some_and(|message| message.starts_with("parked")));
    assert!(!parked, "an absence is nobody's fault");
    daemon.stop();
}

fn until(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
