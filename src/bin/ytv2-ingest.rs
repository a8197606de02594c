//! The ingest side's binary.

use std::process::ExitCode;

use clap::Parser;
use ytv2d::server::cli;

fn main() -> ExitCode {
    cli::main(cli::Args::parse())
}
