//! `GET /metrics`: what this process has done, and what the store holds.
//!
//! No label has a value that comes from outside: routes are those of the router, the rest are words
//! of the program.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tracing::warn;

use super::Ingest;
use super::store::Totals;
use crate::contract::Action;

/// Upper bounds in seconds, from a cached read to an upload over a slow line.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1800.0];

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The numbers of one server. A clone counts on.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Answered, Counter>,
    durations: Family<Routed, Histogram>,
    taken: Family<Taken, Counter>,
    received: Family<Kind, Counter>,
    pub(super) event_streams: Gauge,
    pub(super) events_missed: Counter,
    held: Held,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Routed {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Taken {
    kind: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// What the store said last.
#[derive(Clone, Default)]
struct Held {
    up: Gauge,
    records: Gauge,
    visible: Gauge,
    audio_files: Gauge,
    audio_bytes: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            taken: Family::default(),
            received: Family::default(),
            event_streams: Gauge::default(),
            events_missed: Counter::default(),
            held: Held::default(),
        };
        let mut all = Registry::with_prefix("ytv2_ingest");
        all.register("requests", "Requests answered", metrics.requests.clone());
        let help = "Time from a request's head to its answer's head";
        all.register_with_unit("request_duration", help, Unit::Seconds, metrics.durations.clone());
        let help = "Reports and audio files taken, by what became of them";
        all.register("taken", help, metrics.taken.clone());
        let help = "Bodies of reports and audio files taken, decompressed";
        all.register_with_unit("received", help, Unit::Bytes, metrics.received.clone());
        all.register("event_streams", "Readers of the events", metrics.event_streams.clone());
        let help = "Times that a reader of the events was told of a gap";
        all.register("events_missed", help, metrics.events_missed.clone());
        let held = &metrics.held;
        let help = "Whether the store answered when these numbers were asked for";
        all.register("store_up", help, held.up.clone());
        all.register("records", "Records in the store", held.records.clone());
        all.register("records_visible", "Records that listings show", held.visible.clone());
        all.register("audio_files", "Audio files in the store", held.audio_files.clone());
        let help = "All audio files together";
        all.register_with_unit("audio", help, Unit::Bytes, held.audio_bytes.clone());
        metrics.registry = Arc::new(Mutex::new(all));
        metrics
    }

    pub(super) fn report_taken(&self, action: Action, bytes: usize) {
        self.count("report", action, bytes as u64);
    }

    pub(super) fn audio_taken(&self, action: Action, bytes: u64) {
        self.count("audio", action, bytes);
    }

    fn count(&self, kind: &'static str, action: Action, bytes: u64) {
        self.taken.get_or_create(&Taken { kind, action: action.as_str() }).inc();
        self.received.get_or_create(&Kind { kind }).inc_by(bytes);
    }
}

impl Held {
    fn say(&self, totals: Option<Totals>) {
        self.up.set(totals.is_some().into());
        // While the store is away, what it held last is the best guess.
        let Some(totals) = totals else { return };
        self.records.set(totals.records);
        self.visible.set(totals.visible);
        self.audio_files.set(totals.audio_files);
        self.audio_bytes.set(totals.audio_bytes);
    }
}

pub(super) async fn show(State(ingest): State<Ingest>) -> Response {
    let totals = ingest.store.totals().await;
    if let Err(error) = &totals {
        warn!(%error, "no numbers from the store");
    }
    ingest.metrics.held.say(totals.ok());
    let registry = ingest.metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Counts a request and how long it took to begin an answer.
pub(super) async fn measure(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None if request.uri().path().ends_with(".json") => "/{id}.json".to_owned(),
        None => "elsewhere".to_owned(),
    };
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    metrics.requests.get_or_create(&Answered { route: route.clone(), status }).inc();
    let seconds = begun.elapsed().as_secs_f64();
    metrics.durations.get_or_create(&Routed { route }).observe(seconds);
    response
}
