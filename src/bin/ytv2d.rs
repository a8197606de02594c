//! The daemon, and the commands that a person types.

use std::process::ExitCode;

fn main() -> ExitCode {
    ytv2d::cli::main()
}
