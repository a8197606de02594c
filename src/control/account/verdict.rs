//! The words of an account: what an item waits for, what would change that, and the whole story in a
//! sentence or two. Pure.

use crate::control::wire::{DeliveryAccount, FileAccount, Thing};
use crate::delivery::{ItemState, Stored};
use crate::drain::LaneStatus;
use crate::id::Kind;
use crate::outbox::{DeliveryRecord, ItemRecord};

/// What an item waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wait {
    pub what: Option<String>,
    /// In milliseconds since 1970.
    pub until_ms: Option<i64>,
    pub remedy: Option<String>,
}

/// What an item waits for at one target, until when, and what would change that.
pub fn wait(
    state: ItemState,
    record: &ItemRecord,
    delivery: &DeliveryRecord,
    report: Option<&DeliveryRecord>,
    lane: Option<&LaneStatus>,
) -> Wait {
    let id = &record.id;
    let says = |what: String, remedy: String| Wait {
        what: Some(what),
        until_ms: None,
        remedy: Some(remedy),
    };
    let error = || delivery.error.clone().unwrap_or_else(|| "no reason was kept".to_owned());
    match state {
        ItemState::Current | ItemState::InFlight | ItemState::Invalid => Wait::default(),
        ItemState::Parked => says(
            error(),
            format!(
                "mend what it says; a changed file is tried again by itself, this one by: \
                 ytv2d retry {id}"
            ),
        ),
        ItemState::Dropped => says(
            "dropped by order: nothing is sent until its file changes".to_owned(),
            format!("to send it after all: ytv2d retry {id}"),
        ),
        ItemState::Vanished => says(
            "its file went away before it was delivered".to_owned(),
            "put the file back, and it is delivered".to_owned(),
        ),
        ItemState::Due | ItemState::Waiting => {
            if delivery.stored == Stored::WaitsForReport {
                return for_report(record, report);
            }
            if let Some(wait) = for_target(delivery, lane) {
                return wait;
            }
            if state == ItemState::Due {
                let what = "it goes as soon as there is room".to_owned();
                return Wait { what: Some(what), ..Wait::default() };
            }
            let times = match delivery.failures {
                1 => "it failed once".to_owned(),
                times => format!("it failed {times} times in a row"),
            };
            Wait {
                what: Some(format!("{times}, the last time with: {}", error())),
                until_ms: Some(delivery.due_ms),
                remedy: Some(format!("nothing need be done; to try at once: ytv2d retry {id}")),
            }
        }
    }
}

/// Audio waits for its report.
fn for_report(record: &ItemRecord, report: Option<&DeliveryRecord>) -> Wait {
    let id = &record.id;
    let (why, remedy) = match report.map(|report| report.stored) {
        None => (
            "no report of this id is on the disk".to_owned(),
            "when the report is there, both are delivered".to_owned(),
        ),
        Some(Stored::Parked) => (
            format!(
                "its report is parked: {}",
                report.and_then(|report| report.error.as_deref()).unwrap_or("no reason was kept")
            ),
            format!("mend the report, or: ytv2d retry {id}"),
        ),
        Some(Stored::Dropped) => (
            "its report was dropped by order".to_owned(),
            format!("to send both after all: ytv2d retry {id}"),
        ),
        Some(Stored::Vanished) => (
            "the file of its report went away before it was delivered".to_owned(),
            "put the report back".to_owned(),
        ),
        Some(Stored::Current | Stored::Due { .. } | Stored::WaitsForReport) => (
            "its report goes first, and is not acknowledged yet".to_owned(),
            "nothing need be done".to_owned(),
        ),
    };
    Wait { what: Some(why), until_ms: None, remedy: Some(remedy) }
}

/// Something keeps everything from a target.
fn for_target(delivery: &DeliveryRecord, lane: Option<&LaneStatus>) -> Option<Wait> {
    let target = &delivery.target;
    if delivery.paused_ms.is_some() {
        return Some(Wait {
            what: Some(format!("{target} is paused by order")),
            until_ms: None,
            remedy: Some(format!("ytv2d resume --target {target}")),
        });
    }
    let Some(lane) = lane else {
        return Some(Wait {
            what: Some(format!("{target} is switched off in the configuration")),
            until_ms: None,
            remedy: Some("switch it on, and: ytv2d reload".to_owned()),
        });
    };
    let shut = lane.shut.as_ref()?;
    let (what, remedy) = if shut.is_stopped {
        (
            format!("{target} refuses everything: {}", shut.why),
            "mend the token or the address, then: ytv2d reload".to_owned(),
        )
    } else {
        (
            format!("{target} does not answer as it should: {}", shut.why),
            "nothing need be done: it is probed, and everything goes when it is back".to_owned(),
        )
    };
    Some(Wait { what: Some(what), until_ms: Some(shut.until_ms), remedy: Some(remedy) })
}

/// The whole story.
pub fn verdict(id: Option<&str>, files: &[FileAccount], things: &[Thing]) -> String {
    if things.is_empty() {
        return of_file(files);
    }
    let name = id.unwrap_or("it");
    let story: Vec<String> = things
        .iter()
        .flat_map(|thing| {
            thing.deliveries.iter().map(move |delivery| of_delivery(name, thing.kind, delivery))
        })
        .collect();
    if story.is_empty() {
        format!("{name} is known, and no target wants it.")
    } else {
        story.join(" ")
    }
}

/// A file that belongs to nothing that is delivered.
fn of_file(files: &[FileAccount]) -> String {
    let Some(file) = files.first() else { return "Nothing is known of it.".to_owned() };
    let path = &file.path;
    match (&file.problem, file.exists) {
        (Some(problem), true) => format!("{path} is not delivered: {problem}"),
        (Some(problem), false) => format!("{path} cannot be seen: {problem}"),
        (None, false) => {
            format!("{path} does not exist, and nothing that was delivered came from it.")
        }
        (None, true) if file.kind == Kind::Audio => {
            format!("{path} waits: {}.", file.part)
        }
        (None, true) => format!(
            "{path} is there and looks sound, but was not taken in yet: it may still be being \
             written, or its directory is not seen; ytv2d status says which."
        ),
    }
}

fn of_delivery(id: &str, kind: Kind, delivery: &DeliveryAccount) -> String {
    let target = &delivery.target;
    let thing = match kind {
        Kind::Report => format!("The report {id}"),
        Kind::Audio => "Its audio".to_owned(),
    };
    let what = delivery.waits_for.as_deref().unwrap_or("no reason is known");
    match delivery.state {
        ItemState::Current => match &delivery.warning {
            None => format!("{thing} is at {target}, as it is on the disk."),
            Some(warning) => format!("{thing} is at {target}, with a reservation: {warning}."),
        },
        ItemState::InFlight => format!("{thing} is being sent to {target} at this moment."),
        ItemState::Due | ItemState::Waiting if delivery.known.is_some() => {
            format!("{thing} has changed since {target} acknowledged it: {what}.")
        }
        ItemState::Due | ItemState::Waiting => format!("{thing} is not at {target} yet: {what}."),
        ItemState::Parked => format!("{thing} is not tried any more at {target}: {what}."),
        ItemState::Dropped => format!("{thing} is not sent to {target}: {what}."),
        ItemState::Vanished => format!("{thing} never got to {target}: {what}."),
        ItemState::Invalid => format!("{thing} cannot be delivered."),
    }
}
