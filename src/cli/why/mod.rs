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
    #[arg(value_name = "PATH|ID")]
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
        Err(ClientError::Refused { code: StatusCode::NOT_FOUND, error, hint }) if !args.json => {
            output::print(&page::unknown(&args.asked, &error, &hint, output::size().0))?;
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
    Ok(ExitCode::SUCCESS)
}

async fn ask(client: &Client, args: &Args) -> Result<Account, ClientError> {
    let payload = ("payload", args.payload.then_some("true"));
    match path(&args.asked) {
        Some(path) => client.get(&["why"], &[("path", Some(path.as_str())), payload]).await,
        None => client.get(&["items", &args.asked], &[payload]).await,
    }
}

/// The path that is meant, as the daemon knows it; nothing where an id is meant. What is there from
/// here is that file; anything else may be a name as the listing shows it.
fn path(asked: &str) -> Option<String> {
    let is_id = asked.parse::<ContentId>().is_ok();
    let is_name = Root::ALL.into_iter().any(|root| {
        Path::new(asked).extension().is_some_and(|extension| extension == root.extension())
    });
    if is_id && !is_name && !Path::new(asked).is_file() {
        return None;
    }
    let here = Path::new(asked);
    let found = here.exists().then(|| absolute(here).ok()).flatten();
    Some(found.map_or_else(|| asked.to_owned(), |path| path.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_a_path() {
        for id in ["aB-3_xY9zQk", "reddit:1n2abcd"] {
            assert_eq!(path(id), None);
        }
        for name in ["kettle.json", "reports/kettle.json", "/nas/x.mp3", "naïve title", "a.b"] {
            assert_eq!(path(name).as_deref(), Some(name));
        }
        let here = std::env::current_dir().unwrap().join("Cargo.toml");
        assert_eq!(path("Cargo.toml").as_deref(), here.to_str());
    }
}
