//! Twenty thousand files that are no reports, and a hundred that are, in one directory.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use support::daemon::Daemon;
use support::fixtures::{self, Report, Shape};
use support::memory::peak;
use support::random::Random;
use support::stage::Stage;

/// YTV2D_FLOOD=20000 is the whole of it.
const MALFORMED: usize = 2000;
const SOUND: usize = 100;
/// What the daemon may grow by, however many there are.
const GROWTH: u64 = 24 << 20;
const LONG: Duration = Duration::from_secs(300);

fn malformed() -> usize {
    std::env::var("YTV2D_FLOOD").map_or(MALFORMED, |text| text.parse().expect("a number"))
}

fn sound(n: usize) -> Report {
    fixtures::report(Shape::UniversalWeb, n)
}

/// One of many ways in which a file can be no report; never one.
fn bad(n: usize, dice: &mut Random) -> Vec<u8> {
    let whole = sound(1000 + n).bytes();
    let at = 1 + dice.in_range(0..whole.len() as u64 - 2) as usize;
    match n % 12 {
        0 => whole[..at].to_vec(),
        1 => [&whole[..at], b"\x00\x1b]0;x\x07", &whole[at..]].concat()[..whole.len()].to_vec(),
        2 => Vec::new(),
        3 => format!("[{n}, \"\u{202e}\"]").into_bytes(),
        4 => format!("{{\"colour\": {n}}}").into_bytes(),
        5 => "[".repeat(500).into_bytes(),
        6 => (0..dice.in_range(0..400) + 1).map(|_| dice.in_range(0..256) as u8 | 0x80).collect(),
        7 => [&whole[..], b"}"].concat(),
        8 => format!("{{\"video\": {{\"title\": \"{n}\"}}}}").into_bytes(),
        9 => [b"\xff\xfe".as_slice(), &whole].concat(),
        10 => format!("{{\"video_id\": \"../../{n}\", \"title\": \"t\"}}").into_bytes(),
        _ => format!("\"{}\"", "\\ud800".repeat(50)).into_bytes(),
    }
}

#[test]
fn all_sound_ones_are_delivered_all_others_are_named_and_a_person_can_read_the_status() {
    let mut stage = Stage::new();
    stage.config.log_filter = "info".to_owned();
    stage.config = stage.config.with_toml("[watch]\nreport_quiet = '1ms'");
    let mut dice = Random::seeded(8);
    let count = malformed();
    let step = count / SOUND;
    let mut names = BTreeSet::new();
    for n in 0..count {
        let name = format!("bad {n:05}.json");
        fs::write(stage.config.report(&name), bad(n, &mut dice)).unwrap();
        names.insert(format!("reports/{name}"));
        if n % step == 0 && n / step < SOUND {
            let report = sound(n / step);
            let name = format!("bad {n:05} not.json");
            fs::write(stage.config.report(&name), report.bytes()).unwrap();
        }
    }
    let daemon = Daemon::start(&stage.config);
    daemon.wait_for_line(LONG, |line| line["message"] == "starting");
    let idle = peak(daemon.pid());
    let all = (0..SOUND).map(|n| sound(n).expected.id).collect::<Vec<_>>();
    let there =
        stage.dashboard.wait_until(LONG, |state| all.iter().all(|id| state.record(id).is_some()));
    assert!(there, "the sound ones arrive");
    let mut line_count = 0;
    daemon.wait_for_line(LONG, |line| {
        line_count += usize::from(line["message"] == "this file cannot be delivered");
        line_count == count
    });
    let grown = peak(daemon.pid()) - idle;
    eprintln!("{count} malformed files: it grew by {} KiB", grown >> 10);
    assert!(grown < GROWTH, "it grew by {grown} bytes");

    let limit = (2 * count).to_string();
    let rows = stage.json(&["list", "--state", "invalid", "--limit", &limit]);
    let named: BTreeSet<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert!(row["reason"].as_str().is_some_and(|why| why.len() > 10), "{row}");
            row["path"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(named == names, "{} of {} are named", named.len(), names.len());
    assert_eq!(rows.as_array().unwrap().len(), count, "each once");
    assert_eq!(stage.dashboard.records().len(), SOUND);

    // A screenful, with the number and with where to look.
    let status = String::from_utf8(stage.ask(&["status"]).stdout).unwrap();
    assert!(status.lines().count() <= 24, "{status}");
    assert!(status.lines().all(|line| line.chars().count() <= 100), "{status}");
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("files cannot be delivered; ytv2d list --state invalid"), "{status}");
    let json: Value = stage.json(&["status"]);
    assert!(json.to_string().len() < 20_000, "{json}");
    let list = String::from_utf8(stage.ask(&["list", "--state", "invalid"]).stdout).unwrap();
    let rows = list.lines().filter(|line| line.starts_with("invalid"));
    assert_eq!(rows.count(), count.min(1000), "a thousand, and how many more there are");
    let words = list.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.contains("to see them: ytv2d list --state invalid --limit"), count > 1000);
    eprintln!("{status}");
    daemon.stop();
}
