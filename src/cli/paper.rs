//! `ytv2d completions` and `ytv2d man`: what shells and manuals know of the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;

use super::failure::Failure;
use super::{Cli, output};

#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell to print them for.
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write a page for the program, and one for each command, into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints what a shell reads to complete a line.
pub fn completions(args: &Completions) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ytv2d", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual's page, or writes all of them.
pub fn man(args: &Man) -> Result<ExitCode, Failure> {
    match &args.out {
        Some(directory) => {
            std::fs::create_dir_all(directory)?;
            clap_mangen::generate_to(Cli::command(), directory)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            output::print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
