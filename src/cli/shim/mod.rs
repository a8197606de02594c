//! `ytv2d shim`: what stands in for the pipeline's own sync modules, printed to be put in their
//! place.

use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;

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
pub fn main(args: &Args) -> ExitCode {
    let text = match args.language {
        Language::Python => PYTHON,
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ytv2d: {error}");
            ExitCode::FAILURE
        }
    }
}
