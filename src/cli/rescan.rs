//! `ytv2d rescan`: has the directories looked through, and says what came of it.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use super::ask::{At, block_on};
use super::failure::Failure;
use super::layout::clean;
use super::output;
use crate::control::wire::{Rescan, Rescanned};

/// What `rescan` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this directory, or the old database; all without it.
    #[arg(long, value_name = "ROOT", value_parser = PossibleValuesParser::new(["reports", "exports", "database"]))]
    root: Option<String>,
    /// What is missing was deleted on purpose: forget it, even where it is so much that a mount is
    /// more likely to have failed. The dashboard keeps what it has.
    #[arg(long)]
    accept_removals: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Succeeds when everything could be looked through.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    let accept_removals = args.accept_removals.then_some("true");
    let query = [("root", args.root.as_deref()), ("accept_removals", accept_removals)];
    let rescan: Rescan = block_on(async { Ok(client.post(&["rescan"], &query).await?) })?;
    if args.json {
        output::print_json(&rescan)?;
    } else {
        let lines: Vec<String> = rescan.roots.iter().map(line).collect();
        output::print(&(lines.join("\n") + "\n"))?;
    }
    Ok(ExitCode::from(u8::from(rescan.roots.iter().any(|root| root.error.is_some()))))
}

fn line(found: &Rescanned) -> String {
    let Rescanned { root, files, new, changed, gone, held_back, ms, .. } = found;
    if let Some(error) = &found.error {
        return format!("{root:<9} not looked through: {}", clean(error));
    }
    let mut line =
        format!("{root:<9} {files} files: {new} new, {changed} changed, {gone} gone, in {ms} ms");
    if let Some(why) = found.why_held_back.as_ref().filter(|_| *held_back > 0) {
        line.push_str(&format!("\n          {held_back} missing, not forgotten: {why}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_came_of_a_root() {
        let found = Rescanned {
            root: "reports".to_owned(),
            files: 20,
            new: 2,
            changed: 1,
            ms: 5,
            ..Rescanned::default()
        };
        let text = "reports   20 files: 2 new, 1 changed, 0 gone, in 5 ms";
        assert_eq!(line(&found), text);
        let why_held_back = Some("suspicious".to_owned());
        let held = Rescanned { held_back: 15, why_held_back, ..found };
        assert_eq!(line(&held), format!("{text}\n          15 missing, not forgotten: suspicious"));
        let lost = Rescanned { error: Some("lost: gone".to_owned()), ..held };
        assert_eq!(line(&lost), "reports   not looked through: lost: gone");
    }
}
