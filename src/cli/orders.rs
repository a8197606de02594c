//! What a person can order: retry, resend, drop, pause, resume, reload, adopt.

use std::process::ExitCode;

use clap::ArgGroup;

use super::amount::grouped;
use super::ask::{At, block_on};
use super::failure::Failure;
use super::layout::clean;
use super::list::states;
use super::output;
use crate::control::wire::Done;
use crate::delivery::ItemState;

/// What every order can be told.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Only at this target.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct Retry {
    /// The id of what is to be tried again.
    #[arg(value_name = "ID", group = "which", allow_hyphen_values = true)]
    id: Option<String>,
    /// Everything that is not delivered.
    #[arg(long, group = "which")]
    all: bool,
    /// Everything in this state.
    #[arg(long, value_name = "STATE", group = "which", value_parser = states())]
    state: Option<ItemState>,
    /// Only where the reason has this text in it.
    #[arg(long, value_name = "TEXT", conflicts_with = "id")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct Resend {
    /// The id of what is to be sent again.
    #[arg(value_name = "ID", group = "which", allow_hyphen_values = true)]
    id: Option<String>,
    /// Everything that there is.
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub struct Drop {
    /// The id of what is to be forgotten.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub struct Reload {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Adopt {
    /// Only say what would be taken as delivered.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: Common,
}

/// Tries again now.
pub fn retry(args: &Retry, at: &At) -> Result<ExitCode, Failure> {
    let target = ("target", args.common.target.as_deref());
    match &args.id {
        Some(id) => order(at, &["items", id, "retry"], &[target], args.common.json),
        None => {
            let state = ("state", args.state.map(ItemState::as_str));
            let query = [state, ("reason", args.reason.as_deref()), target];
            order(at, &["retry"], &query, args.common.json)
        }
    }
}

/// Sends again though nothing has changed.
pub fn resend(args: &Resend, at: &At) -> Result<ExitCode, Failure> {
    let target = ("target", args.common.target.as_deref());
    match &args.id {
        Some(id) => order(at, &["items", id, "resend"], &[target], args.common.json),
        None => order(at, &["resend"], &[target], args.common.json),
    }
}

/// Forgets until the file changes.
pub fn forget(args: &Drop, at: &At) -> Result<ExitCode, Failure> {
    let target = ("target", args.common.target.as_deref());
    order(at, &["items", &args.id, "drop"], &[target], args.common.json)
}

/// Sends nothing more.
pub fn pause(args: &Common, at: &At) -> Result<ExitCode, Failure> {
    order(at, &["pause"], &[("target", args.target.as_deref())], args.json)
}

/// Goes on.
pub fn resume(args: &Common, at: &At) -> Result<ExitCode, Failure> {
    order(at, &["resume"], &[("target", args.target.as_deref())], args.json)
}

/// Reads the configuration again.
pub fn reload(args: &Reload, at: &At) -> Result<ExitCode, Failure> {
    order(at, &["reload"], &[], args.json)
}

/// Takes what was never acknowledged as delivered.
pub fn adopt(args: &Adopt, at: &At) -> Result<ExitCode, Failure> {
    let dry_run = ("dry_run", args.dry_run.then_some("true"));
    let target = ("target", args.common.target.as_deref());
    order(at, &["adopt"], &[dry_run, target], args.common.json)
}

/// Gives the order, and says what was done.
fn order(
    at: &At,
    path: &[&str],
    query: &[(&str, Option<&str>)],
    json: bool,
) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    let done: Done = block_on(async { Ok(client.post(path, query).await?) })?;
    if json {
        output::print_json(&done)?;
    } else {
        output::print(&told(&done))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(done: &Done) -> String {
    let mut text = clean(&done.words) + "\n";
    // What was named needs no naming again.
    if done.ids.len() > 1 {
        for id in &done.ids {
            text.push_str(&format!("  {}\n", clean(id)));
        }
        if let Some(more) = done.changed.checked_sub(done.ids.len()).filter(|more| *more > 0) {
            text.push_str(&format!("  and {} more\n", grouped(more)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_with_what_it_was_done_to() {
        let mut done = Done { changed: 1, words: "1 retried".to_owned(), ids: vec!["a".into()] };
        assert_eq!(told(&done), "1 retried\n");
        done =
            Done { changed: 4, words: "4 would be".to_owned(), ids: vec!["a".into(), "b".into()] };
        assert_eq!(told(&done), "4 would be\n  a\n  b\n  and 2 more\n");
    }
}
