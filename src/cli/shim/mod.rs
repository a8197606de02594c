//! `ytv2d shim`: what stands in for the pipeline's own sync modules, printed to be put in their
//! place.

use std::process::ExitCode;

use clap::ValueEnum;

use super::failure::Failure;
use super::output;

/// What `shim` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The language of the pipeline.
    #[arg(value_enum)]
    language: Language,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    Python,
}

/// The module `nas_sync`, for Python 3.8 and later, of its standard library alone.
const PYTHON: &str = include_str!("nas_sync.py");

/// Prints the module.
pub fn main(args: &Args) -> Result<ExitCode, Failure> {
    let text = match args.language {
        Language::Python => PYTHON,
    };
    output::print(text)?;
    Ok(ExitCode::SUCCESS)
}
