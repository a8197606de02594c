//! What mends a thing that is wrong.

use crate::control::wire::Status;

/// What to do about a reason that the daemon gives, where it does not say so itself. What it is
/// about is told by its beginning: the name of a root or of a target.
pub fn remedy(reason: &str, status: &Status) -> Option<String> {
    let is_about =
        |name: &str| reason.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ' ']));
    let root = status.roots.iter().find(|root| !root.seen && is_about(&root.root));
    let target = status.targets.iter().find(|target| is_about(&target.name));
    let (command, text) = if let Some(root) = root {
        of_root(&root.root, &root.state)?
    } else if let Some(target) = target {
        of_target(&target.state, target.why.as_deref().unwrap_or_default())?
    } else if status.outbox.disk_full.is_some() && reason.contains("full") {
        let text = format!("make room where {} lies; all goes on by itself", status.outbox.path);
        (None, text)
    } else if reason.contains("parked") {
        let command = "ytv2d retry --state parked";
        (Some(command), format!("once the cause is mended: {command}"))
    } else {
        return None;
    };
    // It says so itself.
    let is_said = command.is_some_and(|command| reason.contains(command));
    (!is_said).then_some(text)
}

type Remedy = (Option<&'static str>, String);

fn of_root(root: &str, state: &str) -> Option<Remedy> {
    if state.starts_with("lost") {
        let text = format!(
            "mount it again, or mend watch.{root} in the configuration and restart; once it is \
             back it is taken up by itself"
        );
        Some((None, text))
    } else if state.starts_with("suspicious") {
        let command = "ytv2d rescan --accept-removals";
        let text =
            format!("if a mount has failed, mend it; if they were deleted on purpose: {command}");
        Some((Some(command), text))
    } else {
        None
    }
}

fn of_target(state: &str, why: &str) -> Option<Remedy> {
    let reload = "ytv2d reload";
    match state {
        "stopped" if why.starts_with("401") || why.starts_with("403") => {
            Some((Some(reload), format!("put the right token in place, then: {reload}")))
        }
        "stopped" => Some((Some(reload), format!("once that is mended: {reload}"))),
        "asleep" => {
            let text = "is it up, and can this machine reach it? It is tried again by itself";
            Some((None, text.to_owned()))
        }
        "paused" => {
            let command = "ytv2d resume";
            Some((Some(command), format!("to go on: {command}")))
        }
        _ => None,
    }
}
