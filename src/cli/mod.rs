//! What a person types, and what a person reads.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, process_environment};
use crate::{core_dump, daemon, systemd, telemetry};

mod amount;
mod ask;
mod check;
mod config;
mod convert;
mod demo;
mod events;
mod failure;
mod layout;
mod list;
mod orders;
mod output;
mod paper;
mod rescan;
mod screen;
mod shim;
#[cfg(test)]
mod snapshot;
mod status;
mod sync;
mod upload;
mod verify;
mod why;

pub use failure::EX_CONFIG;

use ask::At;
use failure::Failure;

/// Keeps a dashboard level with the reports and audio files on a NAS.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch, and deliver what changes, until told to stop.
    #[command(after_help = "Example: ytv2d run --config /etc/ytv2d/ytv2d.toml")]
    Run,
    /// Say how things are: exit status 0 healthy, 1 degraded, 3 not running.
    #[command(after_help = "Example: ytv2d status --watch")]
    Status(status::Args),
    /// List items and files, the latest change first.
    #[command(after_help = "Example: ytv2d list --state parked")]
    List(list::Args),
    /// Say why a report or an audio file is, or is not, on the dashboard.
    #[command(after_help = "Example: ytv2d why data/reports/a_video.json")]
    Why(why::Args),
    /// Try again now what failed or was parked.
    #[command(after_help = "Example: ytv2d retry --state parked --reason 413")]
    Retry(orders::Retry),
    /// Send again though nothing has changed, for a dashboard that has lost something.
    #[command(after_help = "Example: ytv2d resend reddit:1n7kettle")]
    Resend(orders::Resend),
    /// Forget an item until its file changes; what the dashboard has of it stays there.
    #[command(after_help = "Example: ytv2d drop aB-3_xY9zQk")]
    Drop(orders::Drop),
    /// Send nothing until told to resume, across restarts too; changes are still noted.
    #[command(after_help = "Example: ytv2d pause --target dashboard")]
    Pause(orders::Common),
    /// Go on after a pause.
    #[command(after_help = "Example: ytv2d resume --target dashboard")]
    Resume(orders::Common),
    /// Look through the directories now, and say what came of it.
    #[command(after_help = "Example: ytv2d rescan --root reports")]
    Rescan(rescan::Args),
    /// Compare what the dashboard holds with what it ought to hold: exit status 0 level, 1 not.
    #[command(after_help = "Example: ytv2d verify --sample 200")]
    Verify(verify::Args),
    /// Read the configuration again, as SIGHUP does.
    #[command(after_help = "Example: ytv2d reload")]
    Reload(orders::Reload),
    /// Take everything that was never acknowledged as delivered, for a dashboard that has it.
    #[command(after_help = "Example: ytv2d adopt --dry-run")]
    Adopt(orders::Adopt),
    /// Show what happens, as it happens, until Ctrl-C.
    #[command(after_help = "Example: ytv2d events --json")]
    Events(events::Args),
    /// Have a report, and its audio, delivered now.
    #[command(
        after_help = "Example: ytv2d upload data/reports/a_video.json exports/a_video.mp3 --wait 30"
    )]
    Upload(upload::Args),
    /// Bring every target level with all there is, and say what came of it: exit status 0 when
    /// nothing failed, 2 when something did, 1 when nothing arrived, 3 when ytv2d is not running.
    #[command(after_help = "Example: ytv2d sync --from database --since 2025-03-01 --dry-run")]
    Sync(sync::Args),
    /// The old name of sync.
    #[command(hide = true)]
    SyncSqliteDatabase(sync::Args),
    /// The old name of upload.
    #[command(hide = true)]
    UploadToRender(upload::Args),
    /// Try everything that a delivery needs: exit status 0 when nothing failed, 1 when something
    /// did, 78 when the configuration is at fault.
    #[command(after_help = "Example: ytv2d check --write")]
    Check(check::Args),
    /// Print what a report file becomes: exit status 0, or 1 when it is no report.
    #[command(after_help = "Example: ytv2d convert data/reports/old.json --to ingest")]
    Convert(convert::Args),
    /// Print a module that stands in for the pipeline's own sync functions, for a file nas_sync.py.
    #[command(after_help = "Example: ytv2d shim python")]
    Shim(shim::Args),
    /// Check the configuration, or print it with where each value comes from.
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Example: ytv2d config print"
    )]
    Config(config::Command),
    /// Print what a shell reads to complete a line.
    #[command(after_help = "Example: ytv2d completions bash")]
    Completions(paper::Completions),
    /// Print the manual's page, or write a page for each command.
    #[command(after_help = "Example: ytv2d man --out man/man1")]
    Man(paper::Man),
    /// Try everything on this machine: both ends, in scratch directories, with sample files.
    #[command(after_help = "Example: ytv2d demo --stay")]
    Demo(demo::Args),
    /// The ingest side, for the demo, which has only this program at hand.
    #[cfg(feature = "whole")]
    #[command(hide = true)]
    Ingest(crate::server::cli::Args),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    core_dump::forbid();
    let Cli { at, command } = Cli::parse();
    let outcome = match command {
        Command::Run => run(&at),
        Command::Status(args) => status::main(&args, &at),
        Command::List(args) => list::main(&args, &at),
        Command::Why(args) => why::main(&args, &at),
        Command::Retry(args) => orders::retry(&args, &at),
        Command::Resend(args) => orders::resend(&args, &at),
        Command::Drop(args) => orders::forget(&args, &at),
        Command::Pause(args) => orders::pause(&args, &at),
        Command::Resume(args) => orders::resume(&args, &at),
        Command::Rescan(args) => rescan::main(&args, &at),
        Command::Verify(args) => verify::main(&args, &at),
        Command::Reload(args) => orders::reload(&args, &at),
        Command::Adopt(args) => orders::adopt(&args, &at),
        Command::Events(args) => events::main(&args, &at),
        Command::Upload(args) => upload::main(&args, &at),
        Command::Sync(args) => sync::main(&args, &at),
        Command::SyncSqliteDatabase(args) => {
            deprecated("sync-sqlite-database", "sync");
            sync::main(&args, &at)
        }
        Command::UploadToRender(args) => {
            deprecated("upload-to-render", "upload");
            upload::main(&args, &at)
        }
        Command::Config(command) => config::main(&command, &at),
        Command::Completions(args) => paper::completions(&args),
        Command::Man(args) => paper::man(&args),
        Command::Check(args) => check::main(&args, &at),
        Command::Convert(args) => convert::main(&args, &at),
        Command::Shim(args) => shim::main(&args),
        Command::Demo(args) => Ok(demo::main(&args)),
        #[cfg(feature = "whole")]
        Command::Ingest(args) => Ok(crate::server::cli::main(args)),
    };
    outcome.unwrap_or_else(Failure::tell)
}

/// Says which command to use instead of one from the time before ytv2d.
fn deprecated(old: &str, new: &str) {
    eprintln!("ytv2d: warning: {old} is deprecated; use: ytv2d {new}");
}

fn run(at: &At) -> Result<ExitCode, Failure> {
    let path = at.file();
    let config = Config::load(path.as_deref(), &process_environment)?;
    telemetry::init(&config.log);
    // Before there are threads, since it takes the variables out of the environment.
    let passed = systemd::passed_socket();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let outcome = runtime.block_on(daemon::run(config, path, passed));
    // What still hangs in a blocking read of a dead mount must not keep the process.
    runtime.shutdown_background();
    Ok(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::from(exit_code(&error))
        }
    })
}

/// What an operator must mend first is no matter for a restart.
fn exit_code(error: &anyhow::Error) -> u8 {
    use crate::outbox::OutboxError;
    if error.is::<daemon::Misconfigured>() {
        return EX_CONFIG;
    }
    match error.downcast_ref::<OutboxError>() {
        Some(
            OutboxError::Foreign(_)
            | OutboxError::Newer { .. }
            | OutboxError::OldSqlite(_)
            | OutboxError::Network { .. }
            | OutboxError::Directory(_),
        ) => EX_CONFIG,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command with the words that lead to it.
    fn commands(above: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for command in above.get_subcommands().filter(|command| !command.is_hide_set()) {
            let path = format!("{path} {}", command.get_name());
            commands(command, &path, found);
            found.push((path, command.clone()));
        }
    }

    #[test]
    fn every_command_has_an_example_that_can_be_typed() {
        let root = Cli::command();
        root.clone().debug_assert();
        let mut found = Vec::new();
        commands(&root, "ytv2d", &mut found);
        assert!(found.len() >= 18, "{}", found.len());
        for (path, command) in found {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = help.strip_prefix("Example: ").unwrap_or_default();
            assert!(example.starts_with(&path), "{path} has no example of itself: {help:?}");
            // Quotes are the shell's.
            let words = example.split_whitespace().map(|word| word.trim_matches('\''));
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }

    #[test]
    fn socket_and_configuration_are_named_before_or_behind_the_command() {
        for line in ["ytv2d --socket /s --config c status", "ytv2d status --socket /s --config c"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.at.socket.as_deref(), Some("/s".as_ref()));
            assert_eq!(cli.at.config.as_deref(), Some("c".as_ref()));
        }
    }

    /// As a YouTube id may.
    #[test]
    fn an_id_that_begins_like_an_option_is_an_id_and_an_option_stays_one() {
        for line in [
            "ytv2d why -_gD9HxgnbY",
            "ytv2d why -hsonYx2qKA --json",
            "ytv2d why --json --jsonx1-Y",
            "ytv2d retry -XonYx2qKAs --target t",
            "ytv2d resend -XonYx2qKAs",
            "ytv2d drop --json -XonYx2qKAs",
            "ytv2d list --q -Xon --limit 3",
            "ytv2d upload -Xon.json -Xon.mp3 --wait 3",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in ["ytv2d why -h", "ytv2d why --help", "ytv2d drop --help", "ytv2d retry -h"] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
        }
        let Command::Retry(retry) = Cli::parse_from(["ytv2d", "retry", "--all"]).command else {
            panic!("a retry")
        };
        assert!(format!("{retry:?}").contains("id: None"), "{retry:?}");
    }

    #[test]
    fn a_bulk_order_has_to_be_meant() {
        for line in ["ytv2d retry", "ytv2d resend", "ytv2d resend x --all", "ytv2d retry x --all"] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
