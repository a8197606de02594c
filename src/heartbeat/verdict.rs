//! Whether all is well enough to say so elsewhere.

use std::time::Duration;

/// How things are, as far as a heartbeat says anything about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Vitals {
    /// Each root, and whether changes in it are seen.
    pub roots: Vec<(String, bool)>,
    pub targets: Vec<Vital>,
    /// Nothing can be taken in.
    pub disk_full: bool,
}

/// How one target is.
#[derive(Clone, Debug, PartialEq)]
pub struct Vital {
    pub name: String,
    /// The word for it; nothing while it is up.
    pub down: Option<&'static str>,
    /// What has been due the longest, and for how long.
    pub oldest_due: Option<(String, Duration)>,
}

/// Says why there is to be no heartbeat, if so.
pub fn verdict(vitals: &Vitals, overdue: Duration) -> Result<(), String> {
    if vitals.disk_full {
        return Err("the outbox's volume is full".to_owned());
    }
    if let Some((root, _)) = vitals.roots.iter().find(|(_, is_seen)| !is_seen) {
        return Err(format!("{root} is not seen"));
    }
    if vitals.targets.is_empty() {
        return Err("nothing is delivered to yet".to_owned());
    }
    for Vital { name, down, oldest_due } in &vitals.targets {
        if let Some(down) = down {
            return Err(format!("{name} is {down}"));
        }
        if let Some((id, age)) = oldest_due
            && *age > overdue
        {
            return Err(format!("{id} has been due at {name} for {} s", age.as_secs()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heart_beats_only_while_all_is_well() {
        let overdue = Duration::from_secs(3600);
        let due = |seconds| Some(("v".to_owned(), Duration::from_secs(seconds)));
        let target =
            |name: &str, down, oldest_due| Vital { name: name.to_owned(), down, oldest_due };
        let up = || target("dashboard", None, None);
        for (seen, targets, disk_full, why) in [
            ([true, true], vec![up()], false, None),
            ([true, true], vec![target("dashboard", None, due(3600))], false, None),
            (
                [true, true],
                vec![target("dashboard", None, due(3601))],
                false,
                Some("v has been due at dashboard for 3601 s"),
            ),
            ([false, true], vec![up()], false, Some("reports is not seen")),
            ([true, false], vec![up()], false, Some("exports is not seen")),
            ([true, true], vec![], false, Some("nothing is delivered to yet")),
            ([true, true], vec![up()], true, Some("the outbox's volume is full")),
            (
                [true, true],
                vec![up(), target("legacy", Some("paused"), None)],
                false,
                Some("legacy is paused"),
            ),
            (
                [true, true],
                vec![target("dashboard", Some("asleep"), None)],
                false,
                Some("dashboard is asleep"),
            ),
        ] {
            let roots = ["reports", "exports"].map(str::to_owned).into_iter().zip(seen).collect();
            let vitals = Vitals { roots, targets, disk_full };
            assert_eq!(verdict(&vitals, overdue).err().as_deref(), why, "{vitals:?}");
        }
    }
}
