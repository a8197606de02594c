//! The status: what every part last said of itself, and what it adds up to.

use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Desk;
use super::wire::{self, Status, at};
use crate::delivery::ItemState;
use crate::drain::LaneStatus;
use crate::intake::RootStatus;
use crate::outbox::{OutboxError, Tally};

/// Puts the status together.
pub async fn compose(desk: &Desk, now_ms: i64) -> Result<Status, OutboxError> {
    let tally = desk.outbox.tally(now_ms).await?;
    let roots: Vec<_> = desk.roots.iter().map(|root| root_of(&root.borrow())).collect();
    let pending = roots.iter().map(|root| root.unsettled + root.troubled).sum();
    let lanes = desk.lane_statuses();
    let targets: Vec<_> = lanes.iter().map(|lane| target_of(lane, &tally, pending)).collect();
    let disk_full = desk.outbox.health().await?.disk_full;
    // What a target lacks that is not sent to is nobody's worry.
    let is_sent_to = |name: &str| targets.iter().any(|target| target.name == name);
    let warned = tally
        .items
        .iter()
        .filter(|items| is_sent_to(&items.target))
        .map(|items| items.warned)
        .sum();
    let broken = tally.invalid - tally.not_ours;
    let reasons = reasons(&roots, &targets, broken, warned, disk_full.is_some());
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: (now_ms - desk.started_ms) / 1000,
        ready: roots.iter().all(|root| root.since.is_some()),
        healthy: reasons.is_empty(),
        reasons,
        roots,
        targets,
        outbox: wire::Outbox {
            path: desk.settings.borrow().outbox.display().to_string(),
            disk_full,
            size_bytes: 0,
            schema: 1,
            counted_at: crate::clock::now(),
        },
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

fn root_of(status: &RootStatus) -> wire::Root {
    let now = Instant::now();
    let written = status.pending.iter().filter(|file| file.trouble.is_none());
    let oldest = written.map(|file| file.since).min();
    wire::Root {
        root: status.root.to_string(),
        path: status.path.display().to_string(),
        file_system: status.file_system.to_owned(),
        mode: String::new(),
        why: None,
        state: status
            .sighting
            .as_ref()
            .map_or("not looked at yet".to_owned(), |(sighting, _)| sighting.to_string()),
        seen: status.is_seen(),
        since: status.sighting.as_ref().map(|(_, since)| *since),
        files: status.files,
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

fn target_of(lane: &LaneStatus, tally: &Tally, pending: usize) -> wire::Target {
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
    let state = match &lane.shut {
        _ if lane.paused_ms.is_some() => "paused",
        None => "up",
        Some(shut) if shut.is_stopped => "stopped",
        Some(_) => "asleep",
    };
    wire::Target {
        name: lane.name.to_owned(),
        url: lane.url.clone(),
        state: state.to_owned(),
        why: match lane.paused_ms {
            Some(_) => Some("by order; to go on: ytv2d resume".to_owned()),
            None => lane.shut.as_ref().map(|shut| shut.why.clone()),
        },
        until: lane.shut.as_ref().and_then(|shut| at(shut.until_ms)),
        counts,
        in_flight: Vec::new(),
        oldest_due: None,
        delivered: wire::Delivered::default(),
        latency: None,
        last_success: lane.last_success_ms.and_then(at),
        last_error: lane.last_error.as_ref().map(|(_, why)| why.clone()),
        last_error_at: lane.last_error.as_ref().and_then(|(ms, _)| at(*ms)),
    }
}

/// Everything that is not as it should be, each in a line that says where to look.
fn reasons(
    roots: &[wire::Root],
    targets: &[wire::Target],
    broken: usize,
    warned: usize,
    disk_full: bool,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if disk_full {
        reasons.push("the outbox's volume is full (disk_full): make room".to_owned());
    }
    for root in roots.iter().filter(|root| !root.seen) {
        reasons.push(format!("{}: {}", root.root, root.state));
    }
    for root in roots.iter().filter(|root| root.troubled > 0) {
        reasons.push(format!(
            "{}: {} files cannot be read for now; ytv2d list --state waiting says why",
            root.root, root.troubled
        ));
    }
    let most = |state: ItemState| {
        targets.iter().filter_map(|target| target.counts.get(state.as_str())).max().copied()
    };
    for target in targets {
        if let Some(why) = &target.why {
            reasons.push(format!("{} is {}: {why}", target.name, target.state));
        }
    }
    if let Some(count) = most(ItemState::Parked).filter(|count| *count > 0) {
        reasons.push(format!("{count} items are parked; ytv2d list --state parked says why"));
    }
    if broken > 0 {
        reasons.push(format!(
            "{broken} files cannot be delivered; ytv2d list --state invalid says why"
        ));
    }
    if warned > 0 {
        reasons.push(format!("{warned} acknowledged with a reservation; ytv2d list shows them"));
    }
    reasons
}
