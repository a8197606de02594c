//! `ytv2d upload`: has a pair delivered now, and says what came of it.

use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::time::Duration;

mod found;

use serde_json::{Value, json};

use crate::cli::ask::{At, block_on};
use crate::cli::failure::Failure;
use crate::cli::layout::clean;
use crate::cli::output;
use crate::config::{Config, process_environment};
use crate::control::client::ClientError;
use crate::control::wire::{PairOutcome, ThingOutcome, Upload, Uploaded};
use crate::delivery::ItemState;

/// Some targets hold the pair, and others do not.
const SOME: u8 = 2;
/// How many seconds the outcome is waited for.
const PATIENCE_S: u64 = 60;

/// What `upload` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The report's file, in the reports directory.
    #[arg(value_name = "REPORT", allow_hyphen_values = true, required_unless_present = "id")]
    report: Option<PathBuf>,
    /// The audio's file, in the exports directory.
    #[arg(value_name = "AUDIO", allow_hyphen_values = true)]
    audio: Option<PathBuf>,
    /// The id of what is to be delivered, in place of its files: they are found in the directories.
    #[arg(long, value_name = "ID", allow_hyphen_values = true, conflicts_with_all = ["report", "audio", "direct"])]
    id: Option<String>,
    /// The files of the id that have this in their names, as 20250901_120000.
    #[arg(long, value_name = "TIMESTAMP", requires = "id")]
    at: Option<String>,
    /// Deliver it without the daemon, which must not run.
    #[arg(long)]
    direct: bool,
    /// How many seconds to wait for the outcome at the most. With 0 the pair is only handed over,
    /// which is a success when it was taken in.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_value_t = PATIENCE_S,
          default_missing_value = "60")]
    wait: u64,
    /// Print JSON, in the shape of the old sync's result.
    #[arg(long)]
    json: bool,
}

/// Exit status 0 when all targets hold the pair, 2 when some do, 1 when none does.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let (report, audio) = (args.report.as_deref().map(place), args.audio.as_deref().map(place));
    let (report, audio) = (report.transpose()?, audio.transpose()?);
    if let Some(report) = report.as_ref().filter(|_| args.direct) {
        return direct(args, report, audio.as_deref(), at);
    }
    let client = at.client()?;
    let longer = Duration::from_secs(args.wait);
    let uploading = async {
        let (report, audio) = match (report, &args.id) {
            (Some(report), _) => (report, audio),
            (None, id) => {
                found::pair(&client, id.as_deref().unwrap_or_default(), args.at.as_deref()).await?
            }
        };
        let order = Upload { report, audio, wait: Some(args.wait) };
        Ok(client.post_json(&["upload"], &order, longer).await?)
    };
    let uploaded: Uploaded = match block_on(uploading) {
        Err(failure @ Failure::Daemon(ClientError::NotRunning(_))) if args.id.is_none() => {
            let code = failure.tell();
            eprintln!("ytv2d: to deliver without it: ytv2d upload --direct");
            return Ok(code);
        }
        uploaded => uploaded?,
    };
    tell(args, &uploaded)?;
    Ok(if args.wait == 0 { ExitCode::SUCCESS } else { exit_code(&uploaded) })
}

/// Delivers it here and now.
fn direct(args: &Args, report: &Path, audio: Option<&Path>, at: &At) -> Result<ExitCode, Failure> {
    let config = Config::load(at.file().as_deref(), &process_environment)?;
    let patience = Duration::from_secs(args.wait);
    let uploaded = block_on(async {
        let uploading = crate::direct::upload(config, report, audio, patience).await;
        uploading.map_err(|error| std::io::Error::other(format!("{error:#}")).into())
    })?;
    tell(args, &uploaded)?;
    if !uploaded.done && !args.json {
        eprintln!("ytv2d: what is not delivered stays in the outbox, for ytv2d run");
    }
    Ok(exit_code(&uploaded))
}

fn tell(args: &Args, uploaded: &Uploaded) -> Result<(), Failure> {
    if args.json {
        output::print_json(&old_result(uploaded))?;
    } else {
        output::print(&told(uploaded))?;
    }
    Ok(())
}

/// The result of the old sync, by its names of the targets: nothing where nothing was delivered.
fn old_result(uploaded: &Uploaded) -> Value {
    let id = &uploaded.id;
    let is_there = |thing: &&ThingOutcome| thing.state == ItemState::Current;
    let of = |pair: &PairOutcome| {
        let report = Some(&pair.report).filter(is_there);
        let report = report.map(|_| json!({ "success": true, "upserted": 1, "video_id": id }));
        let audio = pair.audio.as_ref().filter(is_there).map(|audio| {
            let url = &audio.public_url;
            json!({ "success": true, "saved": true, "video_id": id, "public_url": url })
        });
        json!({ "report": report, "audio": audio })
    };
    let old_name = |name: &str| match name {
        "dashboard" => "postgres",
        _ => "sqlite",
    };
    uploaded.targets.iter().map(|(name, pair)| (old_name(name).to_owned(), of(pair))).collect()
}

/// The daemon runs in another directory. A bare name that is nothing here is one in the roots.
fn place(path: &Path) -> std::io::Result<PathBuf> {
    let is_bare = path.parent().is_some_and(|parent| parent.as_os_str().is_empty());
    if is_bare && !path.exists() { Ok(path.to_owned()) } else { absolute(path) }
}

fn exit_code(uploaded: &Uploaded) -> ExitCode {
    let done = uploaded.targets.values().filter(|target| target.done).count();
    match done {
        _ if uploaded.done => ExitCode::SUCCESS,
        0 => ExitCode::FAILURE,
        _ => ExitCode::from(SOME),
    }
}

fn told(uploaded: &Uploaded) -> String {
    let mut text = format!("{}\n", clean(&uploaded.id));
    for (target, outcome) in &uploaded.targets {
        let PairOutcome { done, report, audio } = outcome;
        let word = if *done { "done" } else { "not yet" };
        text.push_str(&format!("  {}: {word}\n", clean(target)));
        text.push_str(&format!("    report  {}\n", thing(report)));
        if let Some(audio) = audio {
            text.push_str(&format!("    audio   {}\n", thing(audio)));
        }
    }
    text
}

fn thing(outcome: &ThingOutcome) -> String {
    let mut text = outcome.state.as_str().to_owned();
    if let Some(url) = &outcome.public_url {
        text.push_str(&format!(" at {}", clean(url)));
    }
    if let Some(reason) = &outcome.reason {
        text.push_str(&format!(": {}", clean(reason)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploaded(done: &[bool]) -> Uploaded {
        let targets: serde_json::Map<_, _> = done
            .iter()
            .enumerate()
            .map(|(n, done)| {
                let state = if *done { "current" } else { "waiting" };
                let audio = json!({"state": state, "reason": null, "public_url": "/a.mp3"});
                let report = json!({"state": state, "reason": "500", "public_url": null});
                let outcome = json!({"done": done, "report": report, "audio": audio});
                (format!("target{n}"), outcome)
            })
            .collect();
        let all = done.iter().all(|done| *done);
        serde_json::from_value(json!({"id": "x", "done": all, "targets": targets})).unwrap()
    }

    #[test]
    fn the_exit_status_tells_all_from_some_and_none() {
        for (done, code) in
            [(&[true, true][..], 0), (&[true, false], 2), (&[false, false], 1), (&[false], 1)]
        {
            assert_eq!(exit_code(&uploaded(done)), ExitCode::from(code), "{done:?}");
        }
    }

    #[test]
    fn each_target_says_what_it_has_of_the_pair() {
        assert_eq!(
            told(&uploaded(&[false])),
            "x\n  target0: not yet\n    report  waiting: 500\n    audio   waiting at /a.mp3\n"
        );
    }

    #[test]
    fn a_path_is_made_absolute_unless_it_is_a_bare_name_in_the_roots() {
        assert_eq!(place(Path::new("no-such.json")).unwrap(), Path::new("no-such.json"));
        assert!(place(Path::new("Cargo.toml")).unwrap().is_absolute());
        assert!(place(Path::new("data/no-such.json")).unwrap().is_absolute());
        assert_eq!(place(Path::new("/a/b.json")).unwrap(), Path::new("/a/b.json"));
    }
}
