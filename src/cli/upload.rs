//! `ytv2d upload`: has a pair delivered now, and says what came of it.

use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::time::Duration;

use super::ask::{At, block_on};
use super::failure::Failure;
use super::layout::clean;
use super::output;
use crate::control::wire::{PairOutcome, ThingOutcome, Upload, Uploaded};

/// Some targets hold the pair, and others do not.
const SOME: u8 = 2;

/// What `upload` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The report's file, in the reports directory.
    #[arg(value_name = "REPORT", allow_hyphen_values = true)]
    report: PathBuf,
    /// The audio's file, in the exports directory.
    #[arg(value_name = "AUDIO", allow_hyphen_values = true)]
    audio: Option<PathBuf>,
    /// Wait for the outcome, for so many seconds at the most; 60 without a number. The exit status
    /// is then 0 when all targets hold the pair, 2 when some do, 1 when none does.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    wait: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Succeeds when every target holds the pair, or, without waiting, when it was taken in.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    let audio = args.audio.as_deref().map(place).transpose()?;
    let order = Upload { report: place(&args.report)?, audio, wait: args.wait };
    let longer = Duration::from_secs(args.wait.unwrap_or(0));
    let uploaded: Uploaded =
        block_on(async { Ok(client.post_json(&["upload"], &order, longer).await?) })?;
    if args.json {
        output::print_json(&uploaded)?;
    } else {
        output::print(&told(&uploaded))?;
    }
    Ok(if args.wait.is_some() { exit_code(&uploaded) } else { ExitCode::SUCCESS })
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
    use serde_json::json;

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
