//! The first line: how things are, in a breath.

use anstyle::Style;
use jiff::Timestamp;

use crate::cli::amount::{between, grouped};
use crate::cli::layout::{BAD, GOOD, NOTED};
use crate::control::wire::{Status, Target};
use crate::delivery::ItemState;

/// The verdict: a word with its colour, and what follows it.
pub fn verdict(status: &Status, now: Timestamp) -> (Style, &'static str, String) {
    let (style, word) = word(status);
    let mut parts = vec![format!("{} due", grouped(total(status, ItemState::Due)))];
    for (state, words) in [(ItemState::InFlight, "being sent"), (ItemState::Waiting, "waiting")] {
        let count = total(status, state);
        if count > 0 {
            parts.push(format!("{} {words}", grouped(count)));
        }
    }
    parts.push(match status.targets.iter().filter_map(|target| target.last_success).max() {
        Some(at) => format!("last delivery {} ago", between(at, now)),
        None => "nothing delivered since the start".to_owned(),
    });
    (style, word, format!(": {}", parts.join(", ")))
}

fn word(status: &Status) -> (Style, &'static str) {
    if !status.ready {
        (NOTED, "starting")
    } else if !status.healthy {
        (BAD, "degraded")
    } else {
        (GOOD, "healthy")
    }
}

/// How many items of a target are in a state.
pub fn count(target: &Target, state: ItemState) -> usize {
    target.counts.get(state.as_str()).copied().unwrap_or(0)
}

/// The same of all targets.
pub fn total(status: &Status, state: ItemState) -> usize {
    status.targets.iter().map(|target| count(target, state)).sum()
}
