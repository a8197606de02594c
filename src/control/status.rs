//! The status: what every part last said of itself, and what it adds up to.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Desk;
use super::verify::verified;
use super::wire::{self, Status, at};
use crate::clock;
use crate::config::Watch;
use crate::delivery::ItemState;
use crate::drain::{AtOnce, InFlight, LaneStatus, Ledger};
use crate::heartbeat::{self, HeartbeatStatus};
use crate::intake::RootStatus;
use crate::outbox::{Ended, OutboxError, Tallied, Tally};
use crate::verify::Outcome;
use crate::watch::Sighting;

/// Of so many minutes each is told.
const MINUTES: usize = 15;

/// Puts the status together. It waits for nothing but the counts, and for those not long.
pub async fn compose(desk: &Desk, now_ms: i64) -> Result<Status, OutboxError> {
    let count = desk.counts.latest().await?;
    let config = desk.settings.borrow().clone();
    let roots: Vec<_> = desk.roots.iter().map(|root| root.borrow().clone()).collect();
    let lanes = desk.lane_statuses();
    let ready = roots.iter().all(|root| root.reconciled);
    let roots: Vec<_> =
        roots.iter().map(|root| root_of(root, &config.watch, &count.tally)).collect();
    let pending = roots.iter().map(|root| root.unsettled + root.troubled).sum();
    let proof = desk.verifier.last();
    let proof_of = |name: &str| proof.as_ref().filter(|proof| proof.target.as_str() == name);
    let targets: Vec<_> = lanes
        .iter()
        .map(|lane| wire::Target {
            verified: proof_of(lane.name).map(verified),
            ..target_of(lane, &count.tally, pending, now_ms)
        })
        .collect();
    let outbox = wire::Outbox {
        path: config.outbox.display().to_string(),
        size_bytes: count.size_bytes,
        schema: count.schema,
        disk_full: desk.outbox.disk_full(),
        counted_at: at(count.at_ms).unwrap_or_else(clock::now),
    };
    let rows = desk.rows.borrow().clone();
    let database = rows.path.as_ref().map(|path| wire::Database {
        path: path.display().to_string(),
        rows: count.tally.rows,
        error: rows.error.clone(),
        held_back: rows.held_back.clone(),
        last_look: rows.last_look.map(|(at, _)| at),
        last_look_ms: rows.last_look.map(|(_, took)| took.as_millis() as u64),
    });
    let mut reasons = reasons(&roots, &lanes, &count.tally, outbox.disk_full);
    reasons
        .extend(rows.error.into_iter().chain(rows.held_back).map(|why| format!("database: {why}")));
    reasons.extend(lanes.iter().filter_map(|lane| proof_of(lane.name)).filter_map(unproven));
    let heartbeat = heartbeat_of(&desk.heartbeat.borrow());
    if heartbeat.state == "unheard" {
        let why = heartbeat.why.as_deref().unwrap_or_default();
        reasons.push(format!(
            "nobody hears the heartbeat: {why}; mend heartbeat.url, or what listens there"
        ));
    }
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: (now_ms - desk.started_ms) / 1000,
        ready,
        healthy: reasons.is_empty(),
        reasons,
        roots,
        database,
        targets,
        outbox,
        heartbeat,
    })
}

fn heartbeat_of(status: &HeartbeatStatus) -> wire::Heartbeat {
    let (state, why) = match &status.state {
        heartbeat::State::Off => ("off", None),
        heartbeat::State::Beating => ("beating", None),
        heartbeat::State::Held(why) => ("held", Some(why.clone())),
        heartbeat::State::Unheard(why) => ("unheard", Some(why.clone())),
    };
    wire::Heartbeat { last: status.last, state: state.to_owned(), why }
}

/// What the last verification found that does not mend itself.
fn unproven(proof: &Outcome) -> Option<String> {
    let Outcome { target, checked, .. } = proof;
    if proof.is_loss() {
        return Some(format!(
            "{target} has lost most of what it acknowledged, of {checked} ids that were looked at; \
             ytv2d verify says which; to send everything again: ytv2d resend --all"
        ));
    }
    let left = proof.left();
    let ids = many(*checked, "id that was", "ids that were");
    (left > 0).then(|| {
        format!(
            "{target} is not level: {} in {ids} looked at; ytv2d verify says where, and ytv2d \
             verify --fix mends what can be mended from here",
            many(left, "difference", "differences")
        )
    })
}

/// The files that are not taken in yet, by name.
pub fn pending(desk: &Desk) -> Vec<wire::Pending> {
    let now = Instant::now();
    let of_root = |root: &watch::Receiver<RootStatus>| {
        let status = root.borrow();
        status.pending.iter().map(|file| wire::Pending::new(file, now)).collect::<Vec<_>>()
    };
    desk.roots.iter().flat_map(of_root).collect()
}

fn root_of(status: &RootStatus, watch: &Watch, tally: &Tally) -> wire::Root {
    let sighting = status.sighting.as_ref().map(|(sighting, _)| sighting);
    let now = Instant::now();
    let written = status.pending.iter().filter(|file| file.trouble.is_none());
    let oldest = written.map(|file| file.since).min();
    wire::Root {
        root: status.root.to_string(),
        path: status.path.display().to_string(),
        file_system: status.file_system.to_owned(),
        mode: watch.mode.as_str().to_owned(),
        state: sighting.map_or("unknown", Sighting::word).to_owned(),
        why: sighting.and_then(Sighting::why),
        seen: status.is_seen(),
        since: status.sighting.as_ref().map(|(_, since)| *since),
        files: tally.files[status.root as usize],
        last_event: status.last_event,
        overflows: status.overflows,
        last_scan: status.last_scan.map(|(at, _)| at),
        last_scan_ms: status.last_scan.map(|(_, took)| took.as_millis() as u64),
        last_canary: status.last_canary.map(|(at, _)| at),
        canary: status.last_canary.map(|(_, word)| word.to_owned()),
        unsettled: status.unsettled,
        oldest_unsettled_s: oldest.map_or(0, |since| (now - since).as_secs()),
        troubled: status.troubled,
        pending: status.pending.iter().map(|file| wire::Pending::new(file, now)).collect(),
    }
}

fn target_of(lane: &LaneStatus, tally: &Tally, pending: usize, now_ms: i64) -> wire::Target {
    let state = match &lane.shut {
        _ if lane.paused_ms.is_some() => "paused",
        None => "up",
        Some(shut) if shut.is_stopped => "stopped",
        Some(_) => "asleep",
    };
    let ledger = lane.ledger.lock().unwrap_or_else(PoisonError::into_inner);
    wire::Target {
        name: lane.name.to_owned(),
        url: lane.url.clone(),
        state: state.to_owned(),
        why: match lane.paused_ms {
            Some(_) => Some("by order; to go on: ytv2d resume".to_owned()),
            None => lane.shut.as_ref().map(|shut| shut.why.clone()),
        },
        until: lane.shut.as_ref().and_then(|shut| at(shut.until_ms)),
        counts: counts(lane, tally, pending),
        oldest_due: tally.oldest_due.iter().find(|due| due.target == lane.name).and_then(|due| {
            Some(wire::OldestDue {
                id: due.id.to_string(),
                kind: due.kind,
                since: at(due.since_ms)?,
                age_s: (now_ms - due.since_ms).max(0) / 1000,
            })
        }),
        in_flight: lane.in_flight.iter().filter_map(flight).collect(),
        concurrency: {
            let AtOnce { now, limit, most } = lane.at_once;
            wire::Concurrency { now, limit, most }
        },
        last_success: lane.last_success_ms.and_then(at),
        last_error: lane.last_error.as_ref().map(|(_, why)| why.clone()),
        last_error_at: lane.last_error.as_ref().and_then(|(ms, _)| at(*ms)),
        delivered: wire::Delivered {
            minute: ledger.pace.minute(now_ms),
            hour: ledger.pace.hour(now_ms),
            day: ledger.pace.day(now_ms),
            per_minute: ledger.pace.per_minute(MINUTES, now_ms),
        },
        totals: totals(&ledger),
        latency: ledger.latencies.quantiles(),
        verified: None,
    }
}

/// What became of everything that a lane has sent.
pub fn totals(ledger: &Ledger) -> wire::Totals {
    let ended = |ended| ledger.attempts.get(&ended).copied().unwrap_or(0);
    wire::Totals {
        created: ledger.created,
        updated: ledger.delivered.count.saturating_sub(ledger.created),
        failed: ended(Ended::Failed) + ended(Ended::Parked),
    }
}

fn flight(flight: &InFlight) -> Option<wire::InFlight> {
    Some(wire::InFlight {
        id: flight.id.to_string(),
        kind: flight.kind,
        since: at(flight.since_ms)?,
        done_bytes: flight.progress.done(),
        total_bytes: flight.progress.total(),
    })
}

/// How many items are in each state, every state being named.
fn counts(lane: &LaneStatus, tally: &Tally, pending: usize) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> =
        ItemState::ALL.map(|state| (state.as_str().to_owned(), 0)).into();
    let mut add = |state: ItemState, count: usize| {
        *counts.entry(state.as_str().to_owned()).or_default() += count;
    };
    // What is under way is still written down as due.
    let mut in_flight = lane.in_flight.len();
    add(ItemState::InFlight, in_flight);
    for items in tally.items.iter().filter(|items| items.target == lane.name) {
        let flying = if items.state == ItemState::Due { in_flight.min(items.count) } else { 0 };
        in_flight -= flying;
        add(items.state, items.count - flying);
    }
    add(ItemState::Invalid, tally.invalid);
    add(ItemState::Waiting, tally.unclaimed + pending);
    counts
}

/// Everything that is not as it should be: each says what is wrong, and what to do. A pause by order
/// is among them: it outlives restarts, and whoever finds the dashboard stale tomorrow may not be
/// the one who ordered it.
fn reasons(
    roots: &[wire::Root],
    lanes: &[LaneStatus],
    tally: &Tally,
    disk_full: Option<Timestamp>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if disk_full.is_some() {
        reasons.push(
            "the outbox's volume is full (disk_full): make room on it; all goes on by itself then"
                .to_owned(),
        );
    }
    for wire::Root { root, state, path, why, .. } in roots.iter().filter(|root| !root.seen) {
        let why = why.as_deref().unwrap_or_default();
        reasons.push(match state.as_str() {
            "lost" => format!("{root} is lost: {why}: create or mount {path}"),
            "suspicious" => format!("{root} is suspicious: {why}; if not, mount {path}"),
            _ => format!("{root} was not looked at yet: ask again in a moment"),
        });
    }
    for root in roots.iter().filter(|root| root.troubled > 0) {
        reasons.push(format!(
            "{}: {}; ytv2d list --state waiting says why",
            root.root,
            many(root.troubled, "file cannot be read for now", "files cannot be read for now")
        ));
    }
    for lane in lanes {
        let name = lane.name;
        if lane.paused_ms.is_some() {
            reasons.push(format!("{name} is paused: by order; to go on: ytv2d resume"));
        } else if let Some(shut) = &lane.shut {
            let state = if shut.is_stopped { "stopped" } else { "asleep" };
            reasons.push(format!("{name} is {state}: {}; {}", shut.why, shut.remedy));
        }
    }
    let is_sent_to = |target: &str| lanes.iter().any(|lane| lane.name == target);
    let items = || tally.items.iter().filter(|items| is_sent_to(&items.target));
    let is_parked = |items: &&Tallied| items.state == ItemState::Parked;
    let parked: usize = items().filter(is_parked).map(|items| items.count).sum();
    if parked > 0 {
        reasons.push(format!(
            "{}; ytv2d list --state parked says why; mended? ytv2d retry --state parked",
            many(parked, "item is parked", "items are parked")
        ));
    }
    let broken = tally.invalid - tally.not_ours;
    if broken > 0 {
        reasons.push(format!(
            "{}; ytv2d list --state invalid says why",
            many(broken, "file cannot be delivered", "files cannot be delivered")
        ));
    }
    let warned: usize = items().map(|items| items.warned).sum();
    if warned > 0 {
        let has = "item was acknowledged with a reservation";
        let have = "items were acknowledged with a reservation";
        reasons.push(format!("{}; ytv2d list shows it", many(warned, has, have)));
    }
    reasons
}

fn many(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
