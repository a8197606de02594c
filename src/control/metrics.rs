//! `GET /metrics`: the status as figures for Prometheus, in the OpenMetrics text format. Labels have
//! values of a few words only: targets, roots, states, outcomes.

use std::fmt;
use std::sync::PoisonError;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::wire::{Heartbeat, Root, Status, Target, Verified};
use crate::drain::{LATENCY_BOUNDS_S, LaneStatus, Ledger};
use crate::proof::What;

/// What [`text`] is.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of a moment, in milliseconds since 1970.
pub fn text(status: Status, lanes: &[LaneStatus], now_ms: i64) -> String {
    let ledger = |lane: &LaneStatus| {
        let ledger = lane.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        (lane.name.to_owned(), ledger.clone())
    };
    let ledgers = lanes.iter().map(ledger).collect();
    let mut registry = Registry::with_prefix("ytv2d");
    registry.register_collector(Box::new(Figures { status, ledgers, now_ms }));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes everything");
    text
}

#[derive(Debug)]
struct Figures {
    status: Status,
    /// By the name of their target.
    ledgers: Vec<(String, Ledger)>,
    now_ms: i64,
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.daemon(&mut sheet)?;
        self.roots(&mut sheet)?;
        self.targets(&mut sheet)?;
        self.proof(&mut sheet)?;
        self.heartbeat(&mut sheet)?;
        self.ledgers(&mut sheet)
    }
}

impl Figures {
    fn daemon(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Status { outbox, .. } = &self.status;
        let mut build = sheet.0.encode_descriptor("build", "What runs", None, MetricType::Info)?;
        build.encode_info(&vec![("version", self.status.version.as_str())])?;
        let one = |value: f64| [(Vec::new(), value)];
        sheet.gauge(
            "uptime",
            "Since the start",
            Some(Unit::Seconds),
            one(self.status.uptime_s as f64),
        )?;
        let help = "Whether every directory was looked through, or found missing, since the start";
        sheet.gauge("ready", help, None, one(flag(self.status.ready)))?;
        let help = "Whether all is well; GET /healthz says what is not";
        sheet.gauge("healthy", help, None, one(flag(self.status.healthy)))?;
        let help = "Size of the outbox's file and its log";
        sheet.gauge("outbox", help, Some(Unit::Bytes), one(outbox.size_bytes as f64))?;
        let help = "Whether the outbox's volume is full";
        sheet.gauge("outbox_disk_full", help, None, one(flag(outbox.disk_full.is_some())))?;
        let age_ms = self.now_ms - outbox.counted_at.as_millisecond();
        let help = "How old the counts of items are";
        sheet.gauge("count_age", help, Some(Unit::Seconds), one(age_ms.max(0) as f64 / 1000.0))
    }

    fn roots(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let each = |value: fn(&Root) -> f64| {
            let roots = self.status.roots.iter();
            roots.map(move |root| (vec![("root", root.root.as_str())], value(root)))
        };
        let help = "Whether changes in the directory are seen";
        sheet.gauge("root_seen", help, None, each(|root| flag(root.seen)))?;
        let help = "Files of the directory that are recorded";
        sheet.gauge("root_files", help, None, each(|root| root.files as f64))?;
        let help = "Files that are still being written";
        sheet.gauge("root_unsettled_files", help, None, each(|root| root.unsettled as f64))?;
        let help = "For how long the oldest of them has been";
        let oldest = each(|root| root.oldest_unsettled_s as f64);
        sheet.gauge("root_oldest_unsettled", help, Some(Unit::Seconds), oldest)?;
        let scans = self.status.roots.iter().filter_map(|root| {
            Some((
                vec![("root", root.root.as_str())],
                root.last_scan?.as_millisecond() as f64 / 1000.0,
            ))
        });
        let help = "When the directory was last looked through";
        sheet.gauge("root_last_scan_timestamp", help, Some(Unit::Seconds), scans)
    }

    fn targets(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let targets = || self.status.targets.iter();
        let each = |value: fn(&Target) -> Option<f64>| {
            targets().filter_map(move |target| Some((of(&target.name), value(target)?)))
        };
        let help = "Whether the target is sent to: not asleep, stopped or paused";
        sheet.gauge("target_up", help, None, each(|target| Some(flag(target.state == "up"))))?;
        let help = "Requests that it is given at once, at the most, as far as it bears them";
        let limits = each(|target| Some(target.concurrency.limit as f64));
        sheet.gauge("concurrency_limit", help, None, limits)?;
        let help = "For how long the oldest due item has been due";
        let ages =
            each(|target| Some(target.oldest_due.as_ref().map_or(0, |due| due.age_s) as f64));
        sheet.gauge("oldest_due", help, Some(Unit::Seconds), ages)?;
        let help = "When something was last acknowledged, since the start";
        let last = each(|target| Some(target.last_success?.as_millisecond() as f64 / 1000.0));
        sheet.gauge("last_success_timestamp", help, Some(Unit::Seconds), last)?;
        let items = targets().flat_map(|target| {
            target.counts.iter().map(|(state, count)| {
                (vec![("target", target.name.as_str()), ("state", state.as_str())], *count as f64)
            })
        });
        sheet.gauge("items", "Items, by how they stand with the target", None, items)
    }

    /// Nothing of a target that was not verified since the start.
    fn proof(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let proofs = || {
            let targets = self.status.targets.iter();
            targets.filter_map(|target| Some((target.name.as_str(), target.verified.as_ref()?)))
        };
        let each = |value: fn(&Verified) -> f64| {
            proofs().map(move |(target, verified)| (of(target), value(verified)))
        };
        let help = "When the target was last compared with what it ought to hold, since the start";
        let at = each(|verified| verified.at.as_millisecond() as f64 / 1000.0);
        sheet.gauge("verified_timestamp", help, Some(Unit::Seconds), at)?;
        let help = "Ids that were looked at then";
        sheet.gauge("verified_ids", help, None, each(|verified| verified.checked as f64))?;
        let help = "Differences that were found then, by kind";
        let differences = proofs().flat_map(|(target, verified)| {
            What::ALL.map(|what| {
                let count = verified.found.get(&what).copied().unwrap_or(0);
                (vec![("target", target), ("kind", what.as_str())], count as f64)
            })
        });
        sheet.gauge("verified_differences", help, None, differences)?;
        let help = "Differences that were found then, and do not mend themselves";
        sheet.gauge("verified_left", help, None, each(|verified| verified.left as f64))
    }

    /// Nothing where no watcher is to be told.
    fn heartbeat(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Heartbeat { last, state, .. } = &self.status.heartbeat;
        let is_on = state != "off";
        let help = "Whether the watcher is told that all is well, and hears it";
        let beating = is_on.then(|| (Vec::new(), flag(state == "beating")));
        sheet.gauge("heartbeat_beating", help, None, beating)?;
        let help = "When the watcher last heard it, since the start";
        let last = last.filter(|_| is_on);
        let last = last.map(|at| (Vec::new(), at.as_millisecond() as f64 / 1000.0));
        sheet.gauge("heartbeat_last_success_timestamp", help, Some(Unit::Seconds), last)
    }

    fn ledgers(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let each = |value: fn(&Ledger) -> u64| {
            self.ledgers.iter().map(move |(target, ledger)| (of(target), value(ledger)))
        };
        let help = "Deliveries that were acknowledged";
        sheet.counter("delivered", help, None, each(|ledger| ledger.delivered.count))?;
        let help = "Bytes of them";
        sheet.counter(
            "delivered",
            help,
            Some(Unit::Bytes),
            each(|ledger| ledger.delivered.bytes),
        )?;
        let attempts = self.ledgers.iter().flat_map(|(target, ledger)| {
            ledger.attempts.iter().map(|(ended, count)| {
                (vec![("target", target.as_str()), ("outcome", ended.as_str())], *count)
            })
        });
        sheet.counter("attempts", "Attempts, by how they ended", None, attempts)?;
        sheet.latencies(&self.ledgers)
    }
}

type Labels<'a> = Vec<(&'a str, &'a str)>;

fn of(target: &str) -> Labels<'_> {
    vec![("target", target)]
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// What the figures are written on.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn gauge<'l>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (labels, value) in samples {
            match labels.is_empty() {
                true => metric.encode_gauge(&value)?,
                false => metric.encode_family(&labels)?.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    fn counter<'l>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut metric =
            self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn latencies(&mut self, ledgers: &[(String, Ledger)]) -> fmt::Result {
        let (help, unit) = ("From the change of a file to its acknowledgement", Unit::Seconds);
        let mut metric = self.0.encode_descriptor(
            "delivery_latency",
            help,
            Some(&unit),
            MetricType::Histogram,
        )?;
        let bounds =
            || LATENCY_BOUNDS_S.into_iter().map(|bound| bound as f64).chain([f64::INFINITY]);
        for (target, ledger) in ledgers {
            let buckets: Vec<_> = bounds().zip(ledger.by_latency).collect();
            let sum_s = ledger.latency_sum_ms as f64 / 1000.0;
            metric.encode_family(&of(target))?.encode_histogram::<NoLabelSet>(
                sum_s,
                ledger.by_latency.iter().sum(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}
