//! `ytv2d config`: whether the configuration is sound, and where each value comes from.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::ask::At;
use super::failure::{EX_CONFIG, Failure};
use super::layout::{ASIDE, HEADING, clean, styled};
use super::output;
use crate::config::{Config, Origin, Setting, explain, process_environment};

/// What `config` can be told.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say what is wrong with the configuration, a line for each fault; exit status 78 if anything.
    #[command(after_help = "Example: ytv2d config check --config /etc/ytv2d/ytv2d.toml")]
    Check(Args),
    /// Print the configuration that counts, with where each value comes from; secrets are hidden.
    #[command(after_help = "Example: ytv2d config print")]
    Print(Args),
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `config check` finds.
#[derive(Serialize)]
struct Checked {
    /// The file that counts; nothing where there is none.
    file: Option<PathBuf>,
    sound: bool,
    faults: Vec<String>,
}

/// Succeeds when the configuration is one to run with.
pub fn main(command: &Command, at: &At) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(args) => check(args, at),
        Command::Print(args) => print(args, at),
    }
}

fn check(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let file = at.file();
    let loaded = Config::load(file.as_deref(), &process_environment);
    let faults = loaded.err().unwrap_or_default();
    let sound = faults.is_empty();
    if args.json {
        let faults = faults.iter().map(ToString::to_string).collect();
        output::print_json(&Checked { file, sound, faults })?;
        return Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) });
    }
    if !sound {
        return Err(Failure::Config(faults));
    }
    let file = match file {
        Some(file) => clean(&file.display().to_string()),
        None => "no file, the defaults and the environment".to_owned(),
    };
    output::print(&format!("sound: {file}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn print(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let file = at.file();
    let settings = explain(file.as_deref(), &process_environment)?;
    if args.json {
        output::print_json(&settings)?;
    } else {
        output::print(&document(&settings))?;
    }
    match Config::load(file.as_deref(), &process_environment) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(faults) => Err(faults.into()),
    }
}

/// As TOML, which could be used as it is. What is secret, and what is no key of a file, is a comment.
fn document(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in settings {
        if setting.section != section {
            section = &setting.section;
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n", styled(HEADING, &format!("[{section}]"))));
        }
        let mut origin = format!("# {}", clean(&setting.origin.to_string()));
        if let Some(name) = setting.under {
            origin.push_str(&format!(", in {name}"));
        }
        let key = &setting.key;
        let line = match &setting.value {
            Some(value) => format!("{key} = {value}"),
            None if setting.origin == Origin::Missing => {
                format!("# {key}: not set")
            }
            None => format!("# {key}: hidden"),
        };
        text.push_str(&format!("{line}  {}\n", styled(ASIDE, &origin)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigFile;

    #[test]
    fn what_is_printed_is_the_configuration_that_it_is_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ytv2d.toml");
        let written = "[watch]\nignore = [\"a\\\"b\", '\\d']\ntimezone = 'Europe/Berlin'\n\
                       [limits]\nreport = '3 MiB'\n";
        std::fs::write(&path, written).unwrap();
        let settings =
            explain(Some(&path), &|name| (name == "INGEST_TOKEN").then(|| "s3cret".to_owned()));
        let text = document(&settings.unwrap());
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(ConfigFile::parse(&text).unwrap(), ConfigFile::parse(written).unwrap());
        for line in [
            "exports = \"exports\"  # default\n",
            "ytv2d.toml:3\n",
            "# token: hidden  # environment variable INGEST_TOKEN\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("s3cret"));
    }
}
