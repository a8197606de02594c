//! The ingest side's binary.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use ytv2d::server::cli;

fn main() -> ExitCode {
    cli::main(cli::Args::parse())
}
