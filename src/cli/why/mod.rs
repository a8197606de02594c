//! `ytv2d why`: why a report or an audio file is, or is not, on the dashboard.

mod page;

use std::path::{Path, absolute};
use std::process::ExitCode;

use jiff::tz::TimeZone;
use reqwest::StatusCode;

use super::ask::{At, block_on};
use super::failure::Failure;
use super::output;
use crate::clock;
use crate::control::client::{Client, ClientError};
use crate::control::wire::Account;
use crate::file::Root;
use crate::id::ContentId;

/// What `why` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A report or audio file, as a path or as the listing shows it, or an id.
    #[arg(value_name = "PATH|ID", allow_hyphen_values = true)]
    asked: String,
    /// Show what the report becomes for the dashboard, too.
    #[arg(long)]
    payload: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Succeeds when something is known.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    let account = match block_on(async { Ok(ask(&client, args).await) })? {
        Ok(account) => account,
        Err(ClientError::Refused {
            code: StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST,
            error,
            hint,
        }) if !args.json => {
            output::print(&page::unknown(&error, &hint, output::size().0))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        output::print_json(&account)?;
    } else {
        let now = clock::now().to_zoned(TimeZone::system());
        output::print(&page::page(&account, &now, output::size().0))?;
    }
    let is_known = !account.things.is_empty() || account.files.iter().any(|file| file.exists);
    Ok(if is_known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(client: &Client, args: &Args) -> Result<Account, ClientError> {
    let payload = ("payload", args.payload.then_some("true"));
    match path(&args.asked) {
        Some(path) => client.get(&["why"], &[("path", Some(path.as_str())), payload]).await,
        None => client.get(&["items", &args.asked], &[payload]).await,
    }
}

/// The path that is meant, as the daemon knows it; nothing where an id is meant.
fn path(asked: &str) -> Option<String> {
    let here = Path::new(asked);
    let has_our_ending = |root: Root| here.extension().is_some_and(|e| e == root.extension());
    let is_name = Root::ALL.into_iter().any(has_our_ending) || here.is_file();
    if asked.parse::<ContentId>().is_ok() && !is_name {
        return None;
    }
    // The daemon runs in another directory. What is not there from here may be a name as the
    // listing shows it, whose directory is the word for a root.
    let parent = here.parent().unwrap_or(here);
    let is_listed =
        parent.as_os_str().is_empty() || Root::ALL.iter().any(|root| parent == root.as_str());
    let meant = match here.file_name() {
        Some(name) if is_listed && !here.exists() => name.into(),
        _ => absolute(here).unwrap_or_else(|_| here.to_owned()),
    };
    Some(meant.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn an_id_is_told_from_a_path_and_a_path_from_a_name_of_the_listing() {
        for id in ["aB-3_xY9zQk", "reddit:1n2abcd"] {
            assert_eq!(path(id), None);
        }
        let here = |name: &str| std::env::current_dir().unwrap().join(name);
        for (asked, meant) in [
            ("kettle.json", PathBuf::from("kettle.json")),
            ("reports/kettle.json", "kettle.json".into()),
            ("exports/x.mp3", "x.mp3".into()),
            ("naïve title", "naïve title".into()),
            ("/nas/x.mp3", "/nas/x.mp3".into()),
            ("data/reports/kettle.json", here("data/reports/kettle.json")),
            ("Cargo.toml", here("Cargo.toml")),
            ("LICENSE", here("LICENSE")),
        ] {
            assert_eq!(path(asked).as_deref().map(Path::new), Some(meant.as_path()), "{asked}");
        }
    }
}
