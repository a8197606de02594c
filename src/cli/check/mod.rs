//! `ytv2d check`: everything that a delivery needs, tried one by one, with what to do about what
//! is wrong.

mod here;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::ask::At;
use super::failure::{EX_CONFIG, Failure};
use super::output;
use crate::check::{self, Line};
use crate::config::{Config, Fault, process_environment};
use crate::control::client::{Client, ClientError};
use crate::control::wire::{Checked, Status};

const CONFIGURATION: &str = "configuration";

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
    let client = at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(async {
        let daemon = client.get::<Status>(&["status"], &[]).await;
        match Config::load(path.as_deref(), &process_environment) {
            Ok(config) => Ok(seen_from_here(args, path.as_deref(), &config, daemon).await),
            Err(faults) => seen_by_the_daemon(args, path.as_deref(), faults, &client, daemon).await,
        }
    });
    // What still hangs in a blocking look at a dead mount must not keep the process.
    runtime.shutdown_background();
    match checked {
        Ok(lines) => Ok(if tell(args, lines)? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(lines) => {
            tell(args, lines)?;
            Ok(ExitCode::from(EX_CONFIG))
        }
    }
}

/// All that can be checked with a configuration that is sound as it is seen from here.
async fn seen_from_here(
    args: &Args,
    path: Option<&Path>,
    config: &Config,
    daemon: Result<Status, ClientError>,
) -> Vec<Line> {
    let place = path.unwrap_or(Path::new("the built-in defaults")).display().to_string();
    let mut lines = vec![Line::ok(CONFIGURATION, place)];
    let doubt = |words: &String| Line::warning(CONFIGURATION, words, "see that it is meant");
    lines.extend(config.warnings.iter().map(doubt));
    lines.extend(check::targets(config, args.write).await);
    lines.extend(here::check(config, daemon).await);
    lines
}

/// A shell is not told what systemd hands to the service: its credentials and its EnvironmentFile.
/// Where that is all that is missing here, the daemon goes the way to the targets in our place.
/// Otherwise it gives what is wrong with the configuration.
async fn seen_by_the_daemon(
    args: &Args,
    path: Option<&Path>,
    faults: Vec<Fault>,
    client: &Client,
    daemon: Result<Status, ClientError>,
) -> Result<Vec<Line>, Vec<Line>> {
    let config = Config::load_unhanded(path, &process_environment);
    let config = match (config, &daemon) {
        (Ok(config), Ok(_)) => config,
        (config, _) => {
            let advice = match config {
                Ok(_) => {
                    "mend that; or, where systemd hands it to the service alone, start that, and \
                     check again: systemctl start ytv2d"
                }
                Err(_) => "mend that, and check again",
            };
            let failed = |fault: &Fault| Line::failed(CONFIGURATION, fault.to_string(), advice);
            return Err(faults.iter().map(failed).collect());
        }
    };
    let keys: Vec<&str> =
        faults.iter().map(|fault| fault.0.split(": ").next().unwrap_or_default()).collect();
    let words = format!("not to be seen from this shell: {}", keys.join(", "));
    let advice = "the daemon has them and was asked, as is right where systemd hands them to it";
    let mut lines = vec![Line::warning(CONFIGURATION, words, advice)];
    let write = args.write.then_some("true");
    match client.post::<Checked>(&["check"], &[("write", write)]).await {
        Ok(checked) => lines.extend(checked.lines),
        Err(error) => {
            lines.push(Line::failed("targets", error.to_string(), "ask the daemon again"))
        }
    }
    lines.extend(here::check(&config, daemon).await);
    Ok(lines)
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
