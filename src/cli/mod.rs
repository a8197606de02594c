//! What a person types, and what a person reads.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, process_environment};
use crate::{core_dump, daemon, systemd, telemetry};

mod ask;
mod demo;
mod list;
mod rescan;
mod status;

/// The configuration is at fault, so that a restart cannot help (sysexits.h).
pub const EX_CONFIG: u8 = 78;

/// Keeps a dashboard level with the reports and audio files on a NAS.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration; without it ./ytv2d.toml, then /etc/ytv2d/ytv2d.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch, and deliver what changes, until told to stop.
    #[command(after_help = "Example: ytv2d run --config /etc/ytv2d/ytv2d.toml")]
    Run,
    /// Say how things are: exit status 0 healthy, 1 degraded, 3 not running.
    #[command(after_help = "Example: ytv2d status")]
    Status(status::Args),
    /// List items and files, the latest change first.
    #[command(after_help = "Example: ytv2d list --state parked")]
    List(list::Args),
    /// Look through the directories now, and say what came of it.
    #[command(after_help = "Example: ytv2d rescan --root reports")]
    Rescan(rescan::Args),
    /// Try everything on this machine: both ends, in scratch directories, with sample files.
    #[command(after_help = "Example: ytv2d demo --stay")]
    Demo(demo::Args),
    /// The ingest side, for the demo, which has only this program at hand.
    #[command(hide = true)]
    Ingest(crate::server::cli::Args),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run => run(cli.config),
        Command::Status(args) => status::main(&args, cli.config.as_deref()),
        Command::List(args) => list::main(&args, cli.config.as_deref()),
        Command::Rescan(args) => rescan::main(&args, cli.config.as_deref()),
        Command::Demo(args) => demo::main(&args),
        Command::Ingest(args) => crate::server::cli::main(args),
    }
}

fn run(named: Option<PathBuf>) -> ExitCode {
    core_dump::forbid();
    let path = config::find(named.as_deref());
    let config = match Config::load(path.as_deref(), &process_environment) {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                eprintln!("ytv2d: {fault}");
            }
            return ExitCode::from(EX_CONFIG);
        }
    };
    telemetry::init(&config.log);
    // Before there are threads, since it takes the variables out of the environment.
    let passed = systemd::passed_socket();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("ytv2d: {error}");
                return ExitCode::FAILURE;
            }
        };
    let outcome = runtime.block_on(daemon::run(config, path, passed));
    // What still hangs in a blocking read of a dead mount must not keep the process.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::from(exit_code(&error))
        }
    }
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
