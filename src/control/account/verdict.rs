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
        ItemState::Dropped if record.buried_ms.is_some() => says(
            format!("{}: nothing is sent until a file says something new of it", error()),
            format!("to send it after all: put its file back, and: ytv2d retry {id}"),
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
                return for_report(record, delivery, report);
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
fn for_report(
    record: &ItemRecord,
    audio: &DeliveryRecord,
    report: Option<&DeliveryRecord>,
) -> Wait {
    let id = &record.id;
    let remedy = match report.map(|report| report.stored) {
        Some(Stored::Parked) => format!("mend the report; to try it at once: ytv2d retry {id}"),
        Some(Stored::Dropped) => format!("to send both after all: ytv2d retry {id}"),
        None | Some(Stored::Vanished) => "when the report is there, both are delivered".to_owned(),
        Some(Stored::Current | Stored::Due { .. } | Stored::WaitsForReport) => {
            "nothing need be done: the report goes first".to_owned()
        }
    };
    let waits = audio.waits.as_deref().unwrap_or("waits for its report");
    Wait { what: Some(format!("it {waits}")), until_ms: None, remedy: Some(remedy) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::Shut;
    use crate::id::Version;

    fn record(kind: Kind) -> ItemRecord {
        ItemRecord {
            item: 1,
            kind,
            id: "abc".parse().unwrap(),
            want: Version::of(b"want"),
            want_no: 7,
            changed_ms: 0,
            buried_ms: None,
            files: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    fn delivery(stored: Stored) -> DeliveryRecord {
        DeliveryRecord {
            target: "dashboard".to_owned(),
            paused_ms: None,
            stored,
            due_ms: 5000,
            failures: 3,
            error: Some("500: no".to_owned()),
            waits: None,
            known: None,
            known_no: None,
            acked_ms: None,
            action: None,
            summaries: Vec::new(),
            public_url: None,
            warning: None,
            attempts: Vec::new(),
        }
    }

    fn lane(shut: Option<(bool, &str)>) -> LaneStatus {
        let shut = shut.map(|(is_stopped, why)| Shut {
            is_stopped,
            remedy: "",
            why: why.to_owned(),
            until_ms: 9000,
        });
        LaneStatus { name: "dashboard", shut, ..LaneStatus::default() }
    }

    #[test]
    fn an_item_says_what_it_waits_for_until_when_and_what_would_change_that() {
        let due = Stored::Due { due_ms: 5000 };
        let (up, asleep) = (lane(None), lane(Some((false, "no answer in time"))));
        let stopped = lane(Some((true, "401: unauthorized")));
        for (state, stored, lane, what, until, remedy) in [
            (ItemState::Current, Stored::Current, &up, None, None, None),
            (ItemState::Due, due, &up, Some("it goes as soon as there is room"), None, None),
            (
                ItemState::Waiting,
                due,
                &up,
                Some("it failed 3 times in a row, the last time with: 500: no"),
                Some(5000),
                Some("ytv2d retry abc"),
            ),
            (
                ItemState::Due,
                due,
                &asleep,
                Some("no answer in time"),
                Some(9000),
                Some("nothing need"),
            ),
            (
                ItemState::Due,
                due,
                &stopped,
                Some("401: unauthorized"),
                Some(9000),
                Some("ytv2d reload"),
            ),
            (
                ItemState::Parked,
                Stored::Parked,
                &up,
                Some("500: no"),
                None,
                Some("ytv2d retry abc"),
            ),
            (ItemState::Dropped, Stored::Dropped, &up, Some("by order"), None, Some("ytv2d retry")),
            (
                ItemState::Vanished,
                Stored::Vanished,
                &up,
                Some("went away"),
                None,
                Some("put the file"),
            ),
        ] {
            let wait = wait(state, &record(Kind::Report), &delivery(stored), None, Some(lane));
            assert_eq!(wait.until_ms, until, "{state:?}: {wait:?}");
            for (said, expected) in [(&wait.what, what), (&wait.remedy, remedy)] {
                match (said, expected) {
                    (None, None) => {}
                    (Some(said), Some(words)) => assert!(said.contains(words), "{said}"),
                    other => panic!("{state:?}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_pause_and_a_switched_off_target_are_named_before_anything_else() {
        let due = Stored::Due { due_ms: 0 };
        let mut paused = delivery(due);
        paused.paused_ms = Some(1);
        let of = |delivery, lane: Option<&LaneStatus>| {
            wait(ItemState::Due, &record(Kind::Report), delivery, None, lane).what.unwrap()
        };
        assert_eq!(of(&paused, Some(&lane(Some((true, "401"))))), "dashboard is paused by order");
        assert!(of(&delivery(due), None).contains("switched off"));
    }

    #[test]
    fn audio_says_what_it_waits_for_and_what_its_report_needs() {
        for (report, remedy) in [
            (None, "when the report is there"),
            (Some(Stored::Due { due_ms: 0 }), "the report goes first"),
            (Some(Stored::Parked), "mend the report"),
            (Some(Stored::Dropped), "ytv2d retry abc"),
            (Some(Stored::Vanished), "when the report is there"),
        ] {
            let report = report.map(delivery);
            let audio = DeliveryRecord {
                waits: Some("waits for its report, which is elsewhere".to_owned()),
                ..delivery(Stored::WaitsForReport)
            };
            let (record, lane) = (record(Kind::Audio), lane(None));
            let wait = wait(ItemState::Waiting, &record, &audio, report.as_ref(), Some(&lane));
            assert_eq!(wait.what.as_deref(), Some("it waits for its report, which is elsewhere"));
            assert!(wait.remedy.as_deref().unwrap().contains(remedy), "{wait:?}");
        }
    }
}
