//! The one line that says how a sync ended, in the words that operators of the old sync look for:
//! once a version has come to its end at every target that is sent to.

use tracing::{info, warn};

use crate::delivery::Stored;
use crate::id::TargetName;
use crate::outbox::Concluded;

/// How a version fared at all targets together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sync {
    /// Every target holds it.
    Success,
    /// These hold it, and those will not take it.
    Partial(Vec<TargetName>, Vec<TargetName>),
    /// None will take it.
    Failed,
}

/// Says how a sync ended, if it has.
pub fn report(concluded: &Concluded, targets: &[TargetName]) {
    let Concluded { id, kind, at } = concluded;
    let all = words(targets);
    match outcome(at, targets) {
        None => {}
        Some(Sync::Success) => info!(%id, %kind, targets = all, "Dual-sync SUCCESS"),
        Some(Sync::Partial(held, refused)) => {
            let (held, refused) = (words(&held), words(&refused));
            warn!(%id, %kind, held_by = held, parked_at = refused,
                "Dual-sync PARTIAL: not every target holds it; ytv2d list --state parked says why");
        }
        Some(Sync::Failed) => warn!(%id, %kind, parked_at = all,
            "Dual-sync FAILED: no target holds it; ytv2d list --state parked says why"),
    }
}

/// Nothing while it may still arrive somewhere.
fn outcome(at: &[(String, Stored)], targets: &[TargetName]) -> Option<Sync> {
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for target in targets {
        match at.iter().find(|(name, _)| name == target.as_str())?.1 {
            Stored::Current => held.push(*target),
            Stored::Parked => refused.push(*target),
            Stored::Due { .. } | Stored::WaitsForReport | Stored::Vanished | Stored::Dropped => {
                return None;
            }
        }
    }
    match (held.is_empty(), refused.is_empty()) {
        (_, true) => Some(Sync::Success),
        (true, false) => Some(Sync::Failed),
        (false, false) => Some(Sync::Partial(held, refused)),
    }
}

fn words(targets: &[TargetName]) -> String {
    targets.iter().map(|target| target.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetName::{Dashboard, Legacy};

    #[test]
    fn a_sync_has_ended_when_it_has_at_every_target_that_is_sent_to() {
        let (due, both) = (Stored::Due { due_ms: 0 }, &TargetName::ALL[..]);
        let partial = || Some(Sync::Partial(vec![Dashboard], vec![Legacy]));
        for (dashboard, legacy, targets, expected) in [
            (Stored::Current, Stored::Current, both, Some(Sync::Success)),
            (Stored::Current, due, both, None),
            (due, Stored::Current, both, None),
            (Stored::Parked, due, both, None),
            (Stored::Current, Stored::WaitsForReport, both, None),
            (Stored::Current, Stored::Vanished, both, None),
            (Stored::Current, Stored::Parked, both, partial()),
            (Stored::Parked, Stored::Parked, both, Some(Sync::Failed)),
            // A target that is not sent to is not waited for.
            (Stored::Current, due, &[Dashboard], Some(Sync::Success)),
            (Stored::Parked, Stored::Current, &[Dashboard], Some(Sync::Failed)),
        ] {
            let at = [("dashboard".to_owned(), dashboard), ("legacy".to_owned(), legacy)];
            assert_eq!(outcome(&at, targets), expected, "{at:?}");
        }
        let alone = [("dashboard".to_owned(), Stored::Current)];
        assert_eq!(outcome(&alone, both), None, "a target that has no row yet");
    }
}
