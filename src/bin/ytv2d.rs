//! The daemon, and the commands that a person types.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ytv2d::cli::main()
}
