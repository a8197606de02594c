//! How things are, in the line that the service manager shows. Pure.

use crate::control::wire::Status;
use crate::delivery::ItemState;

/// The line: a word, what is on its way, and the first reason of a word that is not "healthy".
pub fn line(status: &Status) -> String {
    let word = match (status.ready, status.healthy) {
        (false, _) => "starting",
        (true, false) => "degraded",
        (true, true) => "healthy",
    };
    let total = |state: ItemState| -> usize {
        status.targets.iter().filter_map(|target| target.counts.get(state.as_str())).sum()
    };
    let mut line = format!("{word}: {} due", total(ItemState::Due));
    for (state, words) in [(ItemState::InFlight, "being sent"), (ItemState::Waiting, "waiting")] {
        match total(state) {
            0 => {}
            count => line.push_str(&format!(", {count} {words}")),
        }
    }
    match status.reasons.as_slice() {
        [] => {}
        [reason] => line.push_str(&format!("; {reason}")),
        [reason, others @ ..] => {
            line.push_str(&format!("; {reason}; {} more: ytv2d status", others.len()));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(reasons: &[&str]) -> Status {
        serde_json::from_value(serde_json::json!({
            "version": "0", "uptime_s": 1, "ready": true, "healthy": reasons.is_empty(),
            "reasons": reasons, "roots": [],
            "targets": [],
            "outbox": {
                "path": "o", "size_bytes": 0, "schema": 1, "disk_full": null,
                "counted_at": "2026-01-01T00:00:00Z",
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_wrong_comes_with_the_word() {
        assert_eq!(line(&status(&[])), "healthy: 0 due");
        assert_eq!(line(&status(&["a: b"])), "degraded: 0 due; a: b");
        let line = line(&status(&["a", "b", "c"]));
        assert_eq!(line, "degraded: 0 due; a; 2 more: ytv2d status");
    }

    #[test]
    fn before_everything_was_looked_through_it_is_starting() {
        let status = Status { ready: false, ..status(&["a"]) };
        assert!(line(&status).starts_with("starting: "));
    }
}
