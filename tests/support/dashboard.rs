//! A model of the real dashboard (contract 0, C, D, E, F), with its flaws, and with faults on demand.
//!
//! One thread a connection, state in memory behind one mutex, and a condition variable that tells
//! of every change, so that a test waits for what it wants to see and never sleeps.

mod audio;
mod connection;
pub mod fault;
mod legacy;
mod listener;
mod listing;
mod pyjson;
mod reads;
mod record;
mod report;
mod request;
mod routes;
pub mod state;
mod summaries;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use fault::{Fault, Rule, RuleId};
pub use legacy::FlatRecord;
use listener::Listener;
pub use record::{Audio, Record, Summary};
pub use request::Request;
use state::Shared;
pub use state::State;

/// A running model dashboard; dropping it stops it.
pub struct Dashboard {
    shared: Arc<Shared>,
    listener: Listener,
}

impl Dashboard {
    /// Starts one on a free port of 127.0.0.1, with the token `"test-token"`.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::new("test-token"));
        let listener = Listener::start(Arc::clone(&shared));
        Self { shared, listener }
    }

    /// The same as it was before PostgreSQL: with the legacy endpoints, and without the others.
    pub fn start_old() -> Self {
        let dashboard = Self::start();
        dashboard.with(|state| state.old = true);
        dashboard
    }

    /// Brings an old one over to PostgreSQL: its rows answer 410 from now on.
    pub fn renew(&self) {
        self.with(|state| state.old = false);
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens; the port stays the same over [`refuse`](Self::refuse).
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The token that it takes.
    pub fn token(&self) -> String {
        self.with(|state| state.token.clone())
    }

    /// Changes the token that it takes; an empty one answers 401 to everything (contract C.2).
    pub fn set_token(&self, token: &str) {
        self.with(|state| state.token = token.to_owned());
    }

    /// The secret of the legacy endpoints.
    pub fn secret(&self) -> String {
        self.with(|state| state.secret.clone())
    }

    /// Changes that secret; with an empty one they are not configured.
    pub fn set_secret(&self, secret: &str) {
        self.with(|state| state.secret = secret.to_owned());
    }

    /// Whether migration 002 is applied (contract C.5). Without it revision 0 fails. On at first.
    pub fn set_triggers(&self, applied: bool) {
        self.with(|state| state.triggers = applied);
    }

    /// Whether a request that is rejected by its head has its body read all the same. The real one
    /// does not (contract C.1, "Early reject"), so a large body may end in a reset; nor does this
    /// one at first.
    pub fn set_drains_rejected(&self, drains: bool) {
        self.with(|state| state.drains_rejected = drains);
    }

    // What it holds.

    /// The row of an id, visible or not.
    pub fn record(&self, id: &str) -> Option<Record> {
        self.with(|state| state.record(id).cloned())
    }

    /// Every row, in the order of the ids.
    pub fn records(&self) -> Vec<Record> {
        self.with(|state| state.records().cloned().collect())
    }

    /// The row of the old `content` under this key.
    pub fn flat(&self, id: &str) -> Option<FlatRecord> {
        self.with(|state| state.flat(id).cloned())
    }

    /// Every row of the old `content`, by its key.
    pub fn flats(&self) -> Vec<(String, FlatRecord)> {
        self.with(|state| state.flat.iter().map(|(id, row)| (id.clone(), row.clone())).collect())
    }

    /// The stored audio of an id, found as the dashboard finds it: by the id's file name.
    pub fn audio(&self, id: &str) -> Option<Audio> {
        self.with(|state| state.audio(id).cloned())
    }

    /// Deletes a row with its summaries and its audio, as a person does in the browser.
    pub fn delete(&self, id: &str) {
        self.with(|state| state.delete(id));
    }

    /// Changes a row behind everybody's back, as a person at the database does.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Record)) {
        self.with(|state| change(state.rows.get_mut(id).expect("a row")));
    }

    /// Puts a row there that nobody has delivered.
    pub fn insert(&self, record: Record) {
        self.with(|state| state.rows.insert(record.video_id.clone(), record));
    }

    /// Puts another audio file in the place of an id's, or none.
    pub fn replace_audio(&self, id: &str, bytes: Option<&[u8]>) {
        self.with(|state| match bytes {
            Some(bytes) => state.files.insert(audio::file_name(id), Audio::new(bytes)),
            None => state.files.remove(&audio::file_name(id)),
        });
    }

    // What it has seen.

    /// Every request whose head arrived, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.with(|state| state.requests().to_vec())
    }

    /// The requests to `POST /ingest/report` for an id.
    pub fn reports_of(&self, id: &str) -> Vec<Request> {
        self.with(|state| state.reports_of(id).cloned().collect())
    }

    /// The requests to `POST /ingest/audio` for an id.
    pub fn audios_of(&self, id: &str) -> Vec<Request> {
        self.with(|state| state.audios_of(id).cloned().collect())
    }

    /// The most requests that were ever in flight together.
    pub fn max_in_flight(&self) -> usize {
        self.with(|state| state.max_in_flight())
    }

    /// The most requests for one id that were ever in flight together, over all ids.
    pub fn max_in_flight_per_id(&self) -> usize {
        self.with(|state| state.max_in_flight_per_id())
    }

    /// Waits until the condition holds, and says whether it came to hold in time.
    #[must_use]
    pub fn wait_until(&self, timeout: Duration, mut holds: impl FnMut(&State) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        loop {
            if holds(&state) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.wait_for(state, left);
        }
    }

    // What goes wrong.

    /// Adds a rule. Rules are asked in the order in which they were added; the first that matches
    /// and has not run out acts.
    pub fn inject(&self, rule: Rule) -> RuleId {
        self.with(|state| state.faults.add(rule))
    }

    /// Decides the fault of each request that no rule takes, by a closure that sees all of it.
    pub fn script(&self, script: impl FnMut(&Request) -> Option<Fault> + Send + 'static) {
        self.with(|state| state.faults.set_script(Some(Box::new(script))));
    }

    /// Takes one rule away.
    pub fn remove(&self, rule: RuleId) {
        self.with(|state| state.faults.remove(rule));
    }

    /// Takes every rule and the script away. What is held stays held.
    pub fn clear_faults(&self) {
        self.with(|state| state.faults.clear());
    }

    /// How often a fault acted: by its variant's name (`"ResetAfterCommit"`), or by the name that
    /// [`Rule::named`] gave. `"Refuse"` counts the times that [`refuse`](Self::refuse) was turned on.
    pub fn fired(&self, name: &str) -> usize {
        self.with(|state| state.faults.fired(name))
    }

    /// Lets everything go that is held at this moment: a held request is then processed, a
    /// stalled one is closed.
    pub fn release(&self) {
        self.with(State::release);
    }

    /// Turns the refusing of connections on or off. It has taken effect when this returns. The
    /// port stays ours meanwhile: nobody else can be given it.
    pub fn refuse(&self, refuse: bool) {
        if refuse {
            self.with(|state| state.faults.count("Refuse"));
        }
        self.listener.refuse(refuse);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.shared.lock());
        self.shared.notify();
        result
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // What is held lets go of its connection; nothing is processed any more.
        self.with(|state| state.closed = true);
        self.listener.stop();
    }
}
