//! The heartbeat: tells a watcher elsewhere, time and again, that all is well, so that silence
//! raises the alarm, even when the whole machine is gone.

mod verdict;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::config::{Config, Heartbeat};
use crate::drain::{LaneStatus, LaneStatuses};
use crate::intake::RootStatus;
use crate::outbox::{Outbox, OutboxError, Tally};
use crate::target::beat;
use verdict::{Vital, Vitals, verdict};

/// How things are is looked at so often, so that a watcher hears soon that all is well again.
const LOOK: Duration = Duration::from_secs(5);
/// After a beat that did not arrive, the next comes no later.
const AGAIN: Duration = Duration::from_secs(60);

/// What can be said of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeartbeatStatus {
    /// When the watcher last heard that all is well.
    pub last: Option<Timestamp>,
    pub state: State,
}

/// How the heart does.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum State {
    /// Nobody is told.
    #[default]
    Off,
    Beating,
    /// Nobody is told, since not all is well: why.
    Held(String),
    /// The watcher cannot be told: why.
    Unheard(String),
}

/// What it looks at.
pub struct Heart {
    pub outbox: Outbox,
    pub settings: watch::Receiver<Arc<Config>>,
    pub roots: Vec<watch::Receiver<RootStatus>>,
    pub lanes: watch::Receiver<LaneStatuses>,
    pub status: watch::Sender<HeartbeatStatus>,
}

impl Heart {
    /// Beats until told to stop.
    ///
    /// # Errors
    /// Only those of the outbox.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), OutboxError> {
        let mut next = Instant::now();
        loop {
            let told = self.settings.borrow_and_update().heartbeat.clone();
            let look = match &told {
                None => {
                    self.status.send_modify(|status| status.state = State::Off);
                    // Only a reload changes that.
                    Duration::MAX
                }
                Some(told) => {
                    let beat = async { self.turn(told, &mut next).await };
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        turned = beat => turned?,
                    }
                    LOOK.min(told.every)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = self.settings.changed() => next = Instant::now(),
                () = sleep(look) => {}
            }
        }
    }

    /// Looks, and beats if all is well and it is time.
    async fn turn(&self, told: &Heartbeat, next: &mut Instant) -> Result<(), OutboxError> {
        let vitals = self.vitals().await?;
        let state = match verdict(&vitals, told.overdue) {
            Err(why) => {
                // It is told at once when all is well again.
                *next = Instant::now();
                State::Held(why)
            }
            Ok(()) if Instant::now() < *next => return Ok(()),
            Ok(()) => match beat(&told.url).await {
                Ok(()) => {
                    *next = Instant::now() + told.every;
                    self.status.send_modify(|status| status.last = Some(clock::now()));
                    State::Beating
                }
                Err(why) => {
                    *next = Instant::now() + told.every.min(AGAIN);
                    State::Unheard(why)
                }
            },
        };
        let before = self.status.borrow().state.clone();
        let is_news = std::mem::discriminant(&before) != std::mem::discriminant(&state);
        match &state {
            State::Held(why) if is_news => warn!(%why, "the heartbeat is held back"),
            State::Unheard(why) if is_news => warn!(%why, "nobody hears the heartbeat"),
            State::Beating if is_news => info!("the heart beats"),
            _ => {}
        }
        self.status.send_modify(|status| status.state = state);
        Ok(())
    }

    async fn vitals(&self) -> Result<Vitals, OutboxError> {
        let now_ms = clock::now_ms();
        let tally = self.outbox.count(now_ms).await?.tally;
        let lanes: Vec<LaneStatus> =
            self.lanes.borrow().iter().map(|lane| lane.borrow().clone()).collect();
        let roots = self.roots.iter().map(|root| root.borrow());
        Ok(Vitals {
            roots: roots.map(|root| (root.root.to_string(), root.is_seen())).collect(),
            targets: lanes.iter().map(|lane| vital(lane, &tally, now_ms)).collect(),
            disk_full: self.outbox.disk_full().is_some(),
        })
    }
}

fn vital(lane: &LaneStatus, tally: &Tally, now_ms: i64) -> Vital {
    let down = match &lane.shut {
        _ if lane.paused_ms.is_some() => Some("paused"),
        None => None,
        Some(shut) if shut.is_stopped => Some("stopped"),
        Some(_) => Some("asleep"),
    };
    let oldest = tally.oldest_due.iter().find(|due| due.target == lane.name);
    let oldest_due = oldest.map(|due| {
        let age_ms = now_ms.saturating_sub(due.since_ms);
        (due.id.to_string(), Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)))
    });
    Vital { name: lane.name.to_owned(), down, oldest_due }
}
