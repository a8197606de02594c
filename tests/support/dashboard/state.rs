//! What the model dashboard remembers: rows, audio, and the log of requests.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::audio::file_name;
use super::fault::Faults;
use super::summaries::VISIBLE;

/// Audio longer than this is remembered by its length and hash only.
const AUDIO_KEPT: usize = 16 << 20;

/// A row of `content`, with its summaries.
#[derive(Clone, Debug)]
pub struct Record {
    pub video_id: String,
    pub title: String,
    pub channel_name: String,
    pub indexed_at: Timestamp,
    pub duration_seconds: Option<i32>,
    pub thumbnail_url: Option<String>,
    pub canonical_url: Option<String>,
    pub subcategories_json: Option<Value>,
    pub analysis_json: Option<Value>,
    pub topics_json: Option<Value>,
    pub has_audio: bool,
    /// Every row of `content_summaries`, in the order of insertion.
    pub summaries: Vec<Summary>,
    /// How often the row was inserted or updated by a report.
    pub writes: usize,
}

/// A row of `content_summaries`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub variant: String,
    pub revision: i32,
    pub text: Option<String>,
    pub html: Option<String>,
    pub is_latest: bool,
}

impl Record {
    /// `analysis_json.audio_url`, where the card's player looks.
    pub fn audio_url(&self) -> Option<&str> {
        self.analysis_json.as_ref()?.get("audio_url")?.as_str()
    }

    /// The latest text of a variant.
    pub fn text(&self, variant: &str) -> Option<&str> {
        self.latest(variant)?.text.as_deref()
    }

    /// The latest text of every variant.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let latest = self.summaries.iter().filter(|summary| summary.is_latest);
        latest
            .map(|summary| (summary.variant.clone(), summary.text.clone().unwrap_or_default()))
            .collect()
    }

    /// The latest row of a variant.
    pub fn latest(&self, variant: &str) -> Option<&Summary> {
        self.revisions(variant).into_iter().find(|summary| summary.is_latest)
    }

    /// Every revision of a variant, oldest first.
    pub fn revisions(&self, variant: &str) -> Vec<&Summary> {
        self.summaries.iter().filter(|summary| summary.variant == variant).collect()
    }

    /// Whether listings and single reads show it (contract C.6).
    pub fn visible(&self) -> bool {
        self.shown().is_some()
    }

    /// The summary that a card shows: the first visible one in the order of contract C.6.
    pub fn shown(&self) -> Option<&Summary> {
        VISIBLE.iter().find_map(|name| self.latest(name).filter(|summary| summary.html.is_some()))
    }
}

/// A stored audio file.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    pub len: usize,
    pub hash: blake3::Hash,
    /// Absent for a file of more than 16 MiB.
    pub bytes: Option<Vec<u8>>,
}

impl Audio {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            len: bytes.len(),
            hash: blake3::hash(bytes),
            bytes: (bytes.len() <= AUDIO_KEPT).then(|| bytes.to_vec()),
        }
    }
}

/// One request, from its head to its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place in the order of arrival, from 0.
    pub seq: usize,
    pub peer_port: u16,
    pub method: String,
    /// The raw request target. Empty when the connection was reset before it was read.
    pub path: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// As the body has it: byte for byte, not trimmed.
    pub video_id: Option<String>,
    /// `X-Ytv2-Version`, which the dashboard ignores.
    pub version: Option<String>,
    /// The body of a report.
    pub json: Option<Value>,
    /// Bytes of the body that arrived.
    pub body_len: usize,
    /// Whether the client went away before its body was whole.
    pub aborted: bool,
    /// The fault that acted, by its name.
    pub fault: Option<String>,
    /// Set when the request changed the store: the how-manieth change it was, from 1.
    pub stored: Option<u64>,
    /// The status answered, even if only a part of the answer was sent. Absent: no answer at all.
    pub status: Option<u16>,
    /// When the head had arrived.
    pub started: Instant,
    /// When the answer was about to be sent, so always before the client has it.
    pub finished: Option<Instant>,
}

impl Request {
    /// The first header of a name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_report(&self) -> bool {
        self.method == "POST" && self.path == "/ingest/report"
    }

    pub fn is_audio(&self) -> bool {
        self.method == "POST" && self.path == "/ingest/audio"
    }
}

/// Everything behind the mutex. Tests see it in `wait_until`.
pub struct State {
    pub(super) token: String,
    pub(super) triggers: bool,
    pub(super) drains_rejected: bool,
    pub(super) closed: bool,
    pub(super) faults: Faults,
    pub(super) rows: BTreeMap<String, Record>,
    pub(super) files: BTreeMap<String, Audio>,
    requests: Vec<Request>,
    changes: u64,
    held: usize,
    releases: u64,
    in_flight: usize,
    max_in_flight: usize,
    in_flight_of: BTreeMap<String, usize>,
    max_in_flight_per_id: usize,
}

impl State {
    pub fn record(&self, id: &str) -> Option<&Record> {
        self.rows.get(id)
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.rows.values()
    }

    pub fn audio(&self, id: &str) -> Option<&Audio> {
        self.files.get(&file_name(id))
    }

    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub fn reports_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Request> {
        self.requests.iter().filter(move |r| r.is_report() && r.video_id.as_deref() == Some(id))
    }

    pub fn audios_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Request> {
        self.requests.iter().filter(move |r| r.is_audio() && r.video_id.as_deref() == Some(id))
    }

    pub fn fired(&self, name: &str) -> usize {
        self.faults.fired(name)
    }

    /// How many requests are held or stalled at this moment.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    pub fn max_in_flight_per_id(&self) -> usize {
        self.max_in_flight_per_id
    }

    pub(super) fn release(&mut self) {
        self.releases += 1;
    }

    pub(super) fn delete(&mut self, id: &str) {
        self.rows.remove(id);
        self.files.remove(&file_name(id));
    }

    /// Writes the head of a request into the log.
    pub(super) fn begin(&mut self, mut request: Request) -> usize {
        let seq = self.requests.len();
        request.seq = seq;
        self.requests.push(request);
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        seq
    }

    pub(super) fn request(&mut self, seq: usize) -> &mut Request {
        &mut self.requests[seq]
    }

    /// Writes down for which id a request turned out to be.
    pub(super) fn name(&mut self, seq: usize, id: String) {
        let count = self.in_flight_of.entry(id.clone()).or_default();
        *count += 1;
        self.max_in_flight_per_id = self.max_in_flight_per_id.max(*count);
        self.requests[seq].video_id = Some(id);
    }

    /// Writes down that a request changed the store.
    pub(super) fn stored(&mut self, seq: usize) {
        self.changes += 1;
        self.requests[seq].stored = Some(self.changes);
    }

    /// Writes the end of a request into the log. It comes before the answer's bytes, so that no
    /// client can have its answer and begin the next request while this one still counts.
    pub(super) fn finish(&mut self, seq: usize, status: Option<u16>) {
        let request = &mut self.requests[seq];
        if request.finished.is_some() {
            return;
        }
        request.status = status;
        request.finished = Some(Instant::now());
        self.in_flight -= 1;
        if let Some(count) = request.video_id.as_ref().and_then(|id| self.in_flight_of.get_mut(id))
        {
            *count -= 1;
        }
    }
}

/// The state, and the bell that rings when it changes.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub fn new(token: &str) -> Self {
        let state = State {
            token: token.to_owned(),
            triggers: true,
            drains_rejected: false,
            closed: false,
            faults: Faults::default(),
            rows: BTreeMap::new(),
            files: BTreeMap::new(),
            requests: Vec::new(),
            changes: 0,
            held: 0,
            releases: 0,
            in_flight: 0,
            max_in_flight: 0,
            in_flight_of: BTreeMap::new(),
            max_in_flight_per_id: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A test's closure that panics under the lock is that test's failure, and nobody else's.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn notify(&self) {
        self.changed.notify_all();
    }

    pub fn wait_for<'a>(
        &self,
        guard: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Holds the calling thread until the next release, and says whether the model still runs.
    pub fn hold(&self) -> bool {
        let mut state = self.lock();
        let releases = state.releases;
        state.held += 1;
        self.notify();
        while state.releases == releases && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.held -= 1;
        self.notify();
        !state.closed
    }

    /// Passes a time, unless the model is stopped first.
    pub fn pause(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wait_for(state, left);
        }
    }
}
