//! `ytv2d list`: items and files with their states, for people and for scripts.

use std::path::Path;
use std::process::ExitCode;

use super::ask::{self, At};
use crate::control::wire::{Item, Items};
use crate::delivery::ItemState;

/// What `list` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only one state: current, due, waiting, in_flight, parked, invalid or vanished.
    #[arg(long, value_name = "STATE")]
    state: Option<ItemState>,
    /// At most so many rows.
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    limit: usize,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// Prints the rows.
pub fn main(args: &Args, config: Option<&Path>) -> ExitCode {
    let mut path = format!("/items?limit={}", args.limit);
    if let Some(state) = args.state {
        path.push_str("&state=");
        path.push_str(state.as_str());
    }
    let items: Items = match ask::get(&args.at, config, &path) {
        Ok(items) => items,
        Err(code) => return code,
    };
    if args.json {
        ask::print_json(&items.items);
    } else if items.items.is_empty() {
        println!("nothing to list");
    } else {
        for item in &items.items {
            println!("{}", line(item));
        }
    }
    ExitCode::SUCCESS
}

fn line(item: &Item) -> String {
    let name = item.id.as_deref().or(item.path.as_deref()).unwrap_or("?");
    let target = item.target.as_deref().unwrap_or("-");
    let mut line = format!("{:<9}  {:<6}  {target:<9}  {name}", item.state.as_str(), item.kind);
    if item.id.is_some()
        && let Some(path) = &item.path
    {
        line.push_str("  ");
        line.push_str(path);
    }
    for note in [&item.reason, &item.warning].into_iter().flatten() {
        line.push_str("\n           ");
        line.push_str(note);
    }
    if let (ItemState::Waiting, Some(due)) = (item.state, item.due_at) {
        line.push_str(&format!("\n           after {} failures; again at {due:.0}", item.attempts));
    }
    line
}
