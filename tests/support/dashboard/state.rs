//! Everything that the model dashboard remembers, behind one mutex, and the bell that rings when
//! it changes.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::audio::file_name;
use super::fault::Faults;
use super::legacy::FlatRecord;
use super::record::{Audio, Record};
use super::request::Request;

/// Everything behind the mutex. Tests see it in `wait_until`.
pub struct State {
    pub(super) token: String,
    pub(super) secret: String,
    pub(super) old: bool,
    pub(super) triggers: bool,
    pub(super) drains_rejected: bool,
    pub(super) closed: bool,
    pub(super) faults: Faults,
    pub(super) rows: BTreeMap<String, Record>,
    pub(super) flat: BTreeMap<String, FlatRecord>,
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

    /// The row of the old `content` under this key, such as `yt:…`.
    pub fn flat(&self, id: &str) -> Option<&FlatRecord> {
        self.flat.get(id)
    }

    /// What was uploaded under this name.
    pub fn file(&self, name: &str) -> Option<&Audio> {
        self.files.get(name)
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
        self.flat.remove(id);
        self.files.remove(&file_name(id));
        // What it was before PostgreSQL has other keys for the same.
        self.flat.remove(id);
        self.flat.remove(&format!("yt:{id}"));
        self.files.remove(&format!("{}.mp3", id.rsplit(':').next().unwrap_or(id)));
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
            secret: "test-secret".to_owned(),
            old: false,
            triggers: true,
            drains_rejected: false,
            closed: false,
            faults: Faults::default(),
            rows: BTreeMap::new(),
            flat: BTreeMap::new(),
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
