//! `ytv2d status`: how things are, for people and for scripts.

mod bars;
mod page;
mod verdict;
mod watch;

use std::process::ExitCode;

use super::ask::{At, block_on};
use super::failure::Failure;
use super::output;
use crate::clock;
use crate::control::wire::Status;

/// What `status` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON; with --watch one line of it each time.
    #[arg(long)]
    json: bool,
    /// Go on showing it, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Succeeds while everything is well.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    if args.watch {
        return block_on(watch::watch(&client, args.json));
    }
    let status: Status = block_on(async { Ok(client.get(&["status"], &[]).await?) })?;
    if args.json {
        output::print_json(&status)?;
    } else {
        output::print(&page::page(&status, clock::now(), output::size().0, page::View::Once))?;
    }
    Ok(ExitCode::from(u8::from(!status.healthy)))
}
