//! What can be said of one lane at any time.

use std::sync::{Arc, Mutex};

pub use super::dispatcher::AtOnce;
use super::ledger::Ledger;
use crate::id::{ContentId, Kind};
use crate::target::Progress;

/// The state of a lane, as it last knew it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct LaneStatus {
    pub name: &'static str,
    pub url: String,
    /// Why nothing is sent but probes, and until when; nothing while the target is up.
    pub shut: Option<Shut>,
    /// Since when nothing is sent, by order.
    pub paused_ms: Option<i64>,
    /// What is under way.
    pub in_flight: Vec<InFlight>,
    pub at_once: AtOnce,
    pub last_success_ms: Option<i64>,
    pub last_error: Option<(i64, String)>,
    pub ledger: Arc<Mutex<Ledger>>,
}

/// A request that is under way.
#[derive(Clone, Debug)]
pub struct InFlight {
    pub kind: Kind,
    pub id: ContentId,
    pub since_ms: i64,
    pub progress: Arc<Progress>,
}

impl LaneStatus {
    /// Whether a request for this is under way.
    pub fn is_sending(&self, kind: Kind, id: &ContentId) -> bool {
        self.in_flight.iter().any(|flight| flight.kind == kind && flight.id == *id)
    }
}

/// Why a target is left alone.
#[derive(Clone, Debug)]
pub struct Shut {
    /// It takes a person to go on.
    pub is_stopped: bool,
    /// What ends it.
    pub remedy: &'static str,
    pub why: String,
    pub until_ms: i64,
}
