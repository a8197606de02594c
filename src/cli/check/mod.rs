//! `ytv2d check`: everything that a delivery needs, tried one by one, with what to do about what
//! is wrong.

mod here;
mod line;
mod record;
mod target;
mod way;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::ask::At;
use super::failure::{EX_CONFIG, Failure};
use super::output;
use crate::config::{Config, Fault, process_environment};
use line::Line;

/// What `check` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also send a test record to the dashboard, read it back, and delete it again.
    #[arg(long)]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Line>,
}

/// Prints a line for each check: exit status 0 when nothing failed, 1 when something did, 78 when
/// the configuration is at fault.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let path = at.file();
    let place = path.as_deref().unwrap_or(Path::new("the built-in defaults")).display().to_string();
    let config = match Config::load(path.as_deref(), &process_environment) {
        Ok(config) => config,
        Err(faults) => {
            let failed = |fault: &Fault| {
                Line::failed("configuration", fault.to_string(), "mend that, and check again")
            };
            tell(args, faults.iter().map(failed).collect())?;
            return Ok(ExitCode::from(EX_CONFIG));
        }
    };
    let daemon = at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lines = vec![Line::ok("configuration", place)];
    let doubt = |words: &String| Line::warning("configuration", words, "see that it is meant");
    lines.extend(config.warnings.iter().map(doubt));
    lines.extend(runtime.block_on(async {
        let mut lines = Vec::new();
        for name in config.targets() {
            let Some(endpoint) = config.endpoint(name) else { continue };
            let way = target::check(name, endpoint, args.write).await;
            lines.extend(way.into_iter().map(|line| line.of(name)));
        }
        lines.extend(here::check(&config, &daemon).await);
        lines
    }));
    // What still hangs in a blocking look at a dead mount must not keep the process.
    runtime.shutdown_background();
    Ok(if tell(args, lines)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the lines, and says whether none of them failed.
fn tell(args: &Args, checks: Vec<Line>) -> Result<bool, Failure> {
    let ok = !checks.iter().any(Line::has_failed);
    if args.json {
        output::print_json(&Report { ok, checks })?;
    } else {
        output::print(&checks.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    }
    Ok(ok)
}
