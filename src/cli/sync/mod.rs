//! `ytv2d sync`: has every source looked through, and stays until every target is level.

mod bar;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;
use signal_hook::consts::SIGINT;
use signal_hook_tokio::Signals;

use super::amount::grouped;
use super::ask::{At, block_on};
use super::failure::Failure;
use super::layout::clean;
use super::output;
use crate::control::client::Client;
use crate::control::wire::{Rescanned, Status, Synced, SyncedTarget, Target};
use bar::Bar;

/// Between two looks at the status.
const TICK: Duration = Duration::from_millis(500);
/// How long a target may take nothing before nobody waits for it any longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Some targets, or some things, were not reached.
const SOME: u8 = 2;
/// Of a command that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// What `sync` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where from: the reports and their audio, the old database, or both; whatever there is
    /// without it.
    #[arg(long, value_name = "SOURCE",
          value_parser = PossibleValuesParser::new(["reports", "database", "both"]))]
    from: Option<String>,
    /// Only look, and say how things stand and what would be sent. (While the daemon runs, whatever
    /// is new is sent by itself all the same.)
    #[arg(long)]
    dry_run: bool,
    /// Only what changed since then: a date, a date and a time, or an RFC 3339 timestamp.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Send again what the targets hold already.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    /// Nothing failed.
    done: bool,
    sources: Vec<Rescanned>,
    targets: BTreeMap<String, TargetOutcome>,
    /// Files and rows of which nothing can be delivered.
    invalid: usize,
}

/// Numbers of deliveries, a report and its audio being two.
#[derive(Debug, Default, Serialize)]
struct TargetOutcome {
    created: u64,
    updated: u64,
    unchanged: u64,
    /// Not there: refused, or waiting for another try.
    failed: u64,
    /// Why, where it is the target's.
    why: Option<String>,
}

/// Succeeds when every target holds everything.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    block_on(async {
        let mut signals = Signals::new([SIGINT])?;
        tokio::select! {
            code = sync(args, &client) => code,
            _ = signals.next() => {
                eprintln!(
                    "\nytv2d: no longer looking on; the daemon goes on by itself: ytv2d status, or \
                     ytv2d sync again"
                );
                Ok(ExitCode::from(INTERRUPTED))
            }
        }
    })
}

async fn sync(args: &Args, client: &Client) -> Result<ExitCode, Failure> {
    let begun: Synced = order(args, client, args.dry_run, args.force).await?;
    if args.dry_run {
        if args.json {
            output::print_json(&begun)?;
        } else {
            output::print(&foretold(&begun))?;
        }
        return Ok(looked(&begun.sources));
    }
    let why = look_on(client, &begun).await?;
    let ended = order(args, client, true, false).await?;
    let status: Status = client.get(&["status"], &[]).await?;
    let outcome = outcome(begun, &ended, &status.targets, why);
    if args.json {
        output::print_json(&outcome)?;
    } else {
        output::print(&told(&outcome))?;
    }
    Ok(outcome.exit_code())
}

async fn order(
    args: &Args,
    client: &Client,
    dry_run: bool,
    force: bool,
) -> Result<Synced, Failure> {
    let since = args.since.map(|since| since.to_string());
    let query = [
        ("from", args.from.as_deref()),
        ("since", since.as_deref()),
        ("force", force.then_some("true")),
        ("dry_run", dry_run.then_some("true")),
    ];
    Ok(client.post(&["sync"], &query).await?)
}

/// Waits until nothing is on its way any more, or nothing more arrives; says then what keeps a
/// target from taking what is left.
async fn look_on(client: &Client, begun: &Synced) -> Result<BTreeMap<String, String>, Failure> {
    let total: usize = begun.targets.values().map(|target| target.due + target.forced).sum();
    let mut bar = Bar::new(total);
    let (mut least, mut sent, mut moved, mut idle) = (usize::MAX, 0, Instant::now(), None);
    loop {
        let status: Status = client.get(&["status"], &[]).await?;
        // Audio is taken in once it has been quiet for a while.
        let unsettled: usize = status.roots.iter().map(|root| root.unsettled).sum();
        let left: usize = unsettled + status.targets.iter().map(on_its_way).sum::<usize>();
        bar.show(left)?;
        // A large file on a thin line is one item for as long as it takes.
        let flights = status.targets.iter().flat_map(|target| &target.in_flight);
        let sent_now: u64 = flights.map(|flight| flight.done_bytes).sum();
        if left < least || sent_now != sent {
            (least, sent, moved) = (least.min(left), sent_now, Instant::now());
        }
        let is_shut = |target: &&Target| target.state == "stopped" || target.state == "paused";
        let open = status.targets.iter().filter(|target| !is_shut(target));
        let reachable: usize = unsettled + open.map(on_its_way).sum::<usize>();
        // The counts may be those of a moment ago: they are to say so twice.
        let counted_at = status.outbox.counted_at;
        let is_over = reachable == 0 && idle.is_some_and(|before| before != counted_at);
        if reachable > 0 {
            idle = None;
        } else if idle.is_none() {
            idle = Some(counted_at);
        }
        if is_over || moved.elapsed() > PATIENCE {
            bar.end()?;
            let shut = status.targets.into_iter().filter(|target| target.state != "up");
            return Ok(shut
                .map(|target| {
                    let why = target.why.unwrap_or_default();
                    (target.name, format!("{}: {why}", target.state))
                })
                .collect());
        }
        tokio::time::sleep(TICK).await;
    }
}

fn on_its_way(target: &Target) -> usize {
    ["due", "in_flight"].iter().filter_map(|state| target.counts.get(*state)).sum()
}

fn outcome(
    begun: Synced,
    ended: &Synced,
    targets: &[Target],
    mut why: BTreeMap<String, String>,
) -> Outcome {
    let mut outcomes = BTreeMap::new();
    for (name, now) in &ended.targets {
        let before = begun.targets.get(name).map(|target| target.totals).unwrap_or_default();
        let totals = targets.iter().find(|target| target.name == *name);
        let totals = totals.map(|target| target.totals).unwrap_or_default();
        let created = totals.created.saturating_sub(before.created);
        let updated = totals.updated.saturating_sub(before.updated);
        outcomes.insert(
            name.clone(),
            TargetOutcome {
                created,
                updated,
                unchanged: (now.current as u64).saturating_sub(created + updated),
                failed: (now.due + now.waiting + now.parked) as u64,
                why: why.remove(name),
            },
        );
    }
    let done = outcomes.values().all(|target| target.failed == 0)
        && begun.sources.iter().all(|source| source.error.is_none());
    Outcome { done, sources: begun.sources, targets: outcomes, invalid: ended.invalid }
}

impl Outcome {
    fn exit_code(&self) -> ExitCode {
        let is_there = |target: &TargetOutcome| {
            target.created + target.updated + target.unchanged > 0 || target.failed == 0
        };
        if self.done {
            ExitCode::SUCCESS
        } else if self.targets.values().any(is_there)
            && self.sources.iter().any(|source| source.error.is_none())
        {
            ExitCode::from(SOME)
        } else {
            ExitCode::FAILURE
        }
    }
}

fn told(outcome: &Outcome) -> String {
    let mut text = unseen(&outcome.sources);
    for source in outcome.sources.iter() {
        if let Some(why) = source.why_held_back.as_ref().filter(|_| source.held_back > 0) {
            text.push_str(&format!("{}: {}\n", source.root, clean(why)));
        }
    }
    for (name, target) in &outcome.targets {
        let TargetOutcome { created, updated, unchanged, failed, why } = target;
        text.push_str(&format!(
            "{}: {} created, {} updated, {} unchanged, {} failed\n",
            clean(name),
            grouped(*created),
            grouped(*updated),
            grouped(*unchanged),
            grouped(*failed)
        ));
        if *failed > 0 {
            let why = why.as_deref().map(|why| format!("{}; ", clean(why))).unwrap_or_default();
            text.push_str(&format!(
                "  {why}ytv2d list says why, --state parked or --state waiting; what waits is tried \
                 again by itself\n"
            ));
        }
    }
    text.push_str(&not_for_delivery(outcome.invalid));
    text
}

/// Of a dry run: whether every source could be looked through.
fn looked(sources: &[Rescanned]) -> ExitCode {
    match sources.iter().filter(|source| source.error.is_some()).count() {
        0 => ExitCode::SUCCESS,
        all if all == sources.len() => ExitCode::FAILURE,
        _ => ExitCode::from(SOME),
    }
}

fn unseen(sources: &[Rescanned]) -> String {
    let line = |source: &Rescanned| {
        let error = source.error.as_ref()?;
        Some(format!("{}: not looked through: {}\n", source.root, clean(error)))
    };
    sources.iter().filter_map(line).collect()
}

fn foretold(synced: &Synced) -> String {
    let mut text = unseen(&synced.sources);
    for source in synced.sources.iter().filter(|source| source.error.is_none()) {
        let things = if source.root == "database" { "rows" } else { "files" };
        text.push_str(&format!(
            "{}: {} {things}, {} new, {} changed, {} gone since they were last taken in\n",
            source.root,
            grouped(source.files as u64),
            grouped(source.new as u64),
            grouped(source.changed as u64),
            grouped(source.gone as u64)
        ));
    }
    let untaken: usize = synced.sources.iter().map(|source| source.new + source.changed).sum();
    let more = match untaken {
        0 => String::new(),
        _ => format!(", and up to {} more that are new or changed", grouped(untaken as u64)),
    };
    for (name, target) in &synced.targets {
        let SyncedTarget { current, due, waiting, parked, dropped, forced, .. } = *target;
        text.push_str(&format!(
            "{}: {} would be sent{more}, {} of them again; {} unchanged, {} parked, {} dropped\n",
            clean(name),
            grouped(due + waiting + forced),
            grouped(forced),
            grouped(current - forced),
            grouped(parked),
            grouped(dropped)
        ));
    }
    text.push_str(&not_for_delivery(synced.invalid));
    text
}

fn not_for_delivery(invalid: usize) -> String {
    match invalid {
        0 => String::new(),
        _ => format!(
            "{} of the files and rows cannot be delivered; ytv2d list --state invalid says why\n",
            grouped(invalid)
        ),
    }
}

/// A moment as people write it; without a zone it is the one of this machine.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    text.parse::<DateTime>()
        .and_then(|at| at.to_zoned(TimeZone::system()))
        .map(|at| at.timestamp())
        .map_err(|error| format!("{error}; write it like 2025-03-01 or 2025-03-01T10:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(errors: &[bool], targets: &[(u64, u64)]) -> Outcome {
        let source = |is_wrong: &bool| Rescanned {
            error: is_wrong.then(|| "lost".to_owned()),
            ..Rescanned::default()
        };
        let target = |&(unchanged, failed): &(u64, u64)| TargetOutcome {
            unchanged,
            failed,
            ..TargetOutcome::default()
        };
        let sources: Vec<_> = errors.iter().map(source).collect();
        Outcome {
            done: targets.iter().all(|(_, failed)| *failed == 0) && !errors.contains(&true),
            sources,
            targets: targets.iter().map(target).zip(0..).map(|(t, n)| (n.to_string(), t)).collect(),
            invalid: 0,
        }
    }

    #[test]
    fn the_exit_status_tells_all_from_some_and_none() {
        for (errors, targets, code) in [
            (&[false][..], &[(3, 0), (3, 0)][..], 0),
            (&[false], &[(0, 0)], 0),
            (&[false], &[(3, 0), (0, 3)], 2),
            (&[false], &[(2, 1)], 2),
            (&[false], &[(0, 3)], 1),
            (&[false, true], &[(3, 0)], 2),
            (&[true], &[(3, 0)], 1),
        ] {
            let outcome = outcome(errors, targets);
            assert_eq!(outcome.exit_code(), ExitCode::from(code), "{outcome:?}");
        }
    }

    #[test]
    fn a_moment_is_written_in_any_of_the_usual_ways() {
        for text in ["2025-03-01", "2025-03-01T10:00", "2025-03-01 10:00", "2025-03-01T10:00:00Z"] {
            assert!(moment(text).is_ok(), "{text}");
        }
        assert!(moment("yesterday").unwrap_err().contains("2025-03-01"));
    }
}
