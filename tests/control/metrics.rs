//! `GET /metrics`, read by a parser that lets nothing pass (OpenMetrics 1.0).

use std::collections::{BTreeMap, BTreeSet};

use super::socket::{ask, status_when};
use crate::support::fixtures::{self, Shape};
use crate::support::stage::Stage;

type Labels = BTreeMap<String, String>;

/// What a text says: families by name, and samples by name and labels.
#[derive(Default)]
struct Exposition {
    types: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("an end");
        let (mut parsed, mut helped, mut family) =
            (Self::default(), BTreeSet::new(), String::new());
        for line in body.lines() {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                    assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
                    family = name.to_owned();
                }
                (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                    assert_eq!(name, family, "{line}");
                    assert!(["gauge", "counter", "histogram", "info"].contains(&kind), "{line}");
                    parsed.types.insert(name.to_owned(), kind.to_owned());
                }
                (Some("#"), Some("UNIT"), Some(name), Some(unit)) => {
                    assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
                }
                _ => parsed.sample(&family, line),
            }
        }
        assert_eq!(helped, parsed.types.keys().cloned().collect());
        parsed
    }

    #[track_caller]
    fn sample(&mut self, family: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = match series.split_once('{') {
            None => (series, Labels::new()),
            Some((name, rest)) => (name, labels(rest.strip_suffix('}').expect("a brace"))),
        };
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} in {family}"));
        let suffixes: &[&str] = match self.types[family].as_str() {
            "gauge" => &[""],
            "counter" => &["_total"],
            "info" => &["_info"],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let before = self.samples.insert((name.to_owned(), labels), value);
        assert!(before.is_none(), "{line} comes twice");
    }

    #[track_caller]
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let found = self.samples.get(&(name.to_owned(), labels));
        *found.unwrap_or_else(|| panic!("no {name} in {:#?}", self.samples.keys()))
    }
}

/// None of the values has anything to be escaped.
#[track_caller]
fn labels(text: &str) -> Labels {
    text.split(',')
        .map(|label| {
            let (key, value) = label.split_once("=\"").expect("a label");
            let value = value.strip_suffix('"').expect("a quote");
            assert!(!value.contains(['"', '\\', '\n']), "{text}");
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn the_figures_are_open_metrics_and_say_what_has_happened() {
    let stage = Stage::new();
    let daemon = stage.start();
    let socket = stage.config.socket();
    let target = ("target", "dashboard");
    let fresh = Exposition::parse(&ask(&socket, "/metrics").text());
    assert_eq!(fresh.value("ytv2d_attempts_total", &[target, ("outcome", "delivered")]), 0.0);
    assert_eq!(fresh.value("ytv2d_delivery_latency_seconds_count", &[target]), 0.0);

    for n in 0..3 {
        stage.put(&fixtures::report(Shape::UniversalYoutube, n));
    }
    std::os::unix::fs::symlink("/dev/null", stage.config.report("link.json")).unwrap();
    status_when(&stage, "three are delivered, and one cannot be", |status| {
        let counts = &status["targets"][0]["counts"];
        counts["current"] == 3 && counts["invalid"] == 1
    });
    let reply = ask(&socket, "/metrics");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(media_type)));
    let figures = Exposition::parse(&reply.text());
    for (name, labels, value) in [
        ("ytv2d_build_info", [("version", env!("CARGO_PKG_VERSION"))].as_slice(), 1.0),
        ("ytv2d_ready", &[], 1.0),
        ("ytv2d_healthy", &[], 0.0),
        ("ytv2d_outbox_disk_full", &[], 0.0),
        ("ytv2d_root_seen", &[("root", "exports")], 1.0),
        ("ytv2d_root_files", &[("root", "reports")], 4.0),
        ("ytv2d_target_up", &[target], 1.0),
        ("ytv2d_oldest_due_seconds", &[target], 0.0),
        ("ytv2d_items", &[target, ("state", "current")], 3.0),
        ("ytv2d_items", &[target, ("state", "invalid")], 1.0),
        ("ytv2d_delivered_total", &[target], 3.0),
        ("ytv2d_attempts_total", &[target, ("outcome", "delivered")], 3.0),
        ("ytv2d_delivery_latency_seconds_count", &[target], 3.0),
        ("ytv2d_delivery_latency_seconds_bucket", &[target, ("le", "+Inf")], 3.0),
    ] {
        assert_eq!(figures.value(name, labels), value, "{name} {labels:?}");
    }
    assert!(figures.value("ytv2d_outbox_bytes", &[]) > 4096.0);
    let bytes: usize = (0..3)
        .flat_map(|n| {
            let id = fixtures::report(Shape::UniversalYoutube, n).expected.id;
            stage.dashboard.reports_of(&id)
        })
        .map(|request| request.body_len)
        .sum();
    assert_eq!(figures.value("ytv2d_delivered_bytes_total", &[target]), bytes as f64);

    // Nothing is said of what was not asked for.
    let unsaid = ["ytv2d_verified_timestamp_seconds", "ytv2d_heartbeat_beating"];
    assert!(figures.samples.keys().all(|(name, _)| !unsaid.contains(&name.as_str())));

    // What is below a bound is below every greater one.
    let mut buckets: Vec<(f64, f64)> = figures
        .samples
        .iter()
        .filter(|((name, _), _)| name == "ytv2d_delivery_latency_seconds_bucket")
        .map(|((_, labels), value)| (labels["le"].parse().unwrap(), *value))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.len() > 5 && buckets.is_sorted_by_key(|(_, count)| *count), "{buckets:?}");
    daemon.stop();
}

#[test]
fn what_was_verified_and_whether_the_heart_beats_are_figures() {
    let mut stage = Stage::new();
    let watcher = format!("{}/health", stage.dashboard.url());
    stage.config.extra_toml += &format!("[heartbeat]\nurl = '{watcher}'\nevery = '1s'");
    let daemon = stage.start();
    let reports: Vec<_> = (0..3).map(|n| fixtures::report(Shape::UniversalYoutube, n)).collect();
    reports.iter().for_each(|report| stage.put(report));
    status_when(&stage, "three are delivered, and the heart beats", |status| {
        status["targets"][0]["counts"]["current"] == 3 && status["heartbeat"]["state"] == "beating"
    });
    stage.dashboard.delete(&reports[0].expected.id);
    stage.dashboard.change(&reports[1].expected.id, |row| row.title = "another".to_owned());
    assert_eq!(stage.ask(&["verify"]).status.code(), Some(1));

    let figures = Exposition::parse(&ask(&stage.config.socket(), "/metrics").text());
    let target = ("target", "dashboard");
    for (name, labels, value) in [
        ("ytv2d_verified_ids", [target].as_slice(), 3.0),
        ("ytv2d_verified_left", &[target], 1.0),
        ("ytv2d_verified_differences", &[target, ("kind", "deleted")], 1.0),
        ("ytv2d_verified_differences", &[target, ("kind", "stale")], 1.0),
        ("ytv2d_verified_differences", &[target, ("kind", "audio_missing")], 0.0),
        ("ytv2d_heartbeat_beating", &[], 1.0),
    ] {
        assert_eq!(figures.value(name, labels), value, "{name} {labels:?}");
    }
    let status = stage.json(&["status"]);
    for (name, labels, told) in [
        (
            "ytv2d_verified_timestamp_seconds",
            [target].as_slice(),
            &status["targets"][0]["verified"]["at"],
        ),
        ("ytv2d_heartbeat_last_success_timestamp_seconds", &[], &status["heartbeat"]["last"]),
    ] {
        // The heart may have beaten since.
        let told: jiff::Timestamp = told.as_str().unwrap().parse().unwrap();
        let figure = figures.value(name, labels);
        assert!(figure > 1.6e9 && figure <= told.as_millisecond() as f64 / 1000.0, "{name}");
    }
    daemon.stop();
}
