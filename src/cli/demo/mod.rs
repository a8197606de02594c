//! `ytv2d demo`: the whole road on this machine, with sample files, and proof at the end.

mod check;
mod samples;
mod stage;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;

use samples::{Audio, SAMPLES};
use stage::{Delivered, Stage};

/// How long any one thing may take. Far more than it does, since machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the demo can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep both ends running at the end, and say where to drop files of your own.
    #[arg(long)]
    stay: bool,
}

/// Runs the demo; succeeds only if everything held.
pub fn main(args: &Args) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let outcome =
        runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(play(args)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ytv2d demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn play(args: &Args) -> anyhow::Result<()> {
    let mut stage = Stage::build().await?;
    println!("ytv2d demo: both ends on this machine, in {}", stage.place().display());
    println!("  ingest side  {}", stage.url());
    println!("  daemon       watching {} and {}", stage.reports.display(), stage.exports.display());

    println!("\nDropping {} reports, of every shape that the pipeline ever wrote:", SAMPLES.len());
    let mut deliveries = Vec::new();
    for sample in SAMPLES {
        let closed = stage.drop_report(sample.file_name, sample.text)?;
        let delivered = stage.delivered("report", sample.id, PATIENCE).await?;
        show(&delivered, delivered.ms_since(closed), sample.title);
        deliveries.push(delivered);
    }

    let audio = Audio::sample();
    println!("\nDropping an MP3, which is taken after two quiet seconds:");
    let closed = stage.drop_audio(&audio.file_name, &audio.bytes)?;
    let delivered = stage.delivered("audio", audio.id, PATIENCE).await?;
    show(&delivered, delivered.ms_since(closed), &audio.file_name);
    deliveries.push(delivered);

    println!("\nRewriting a report:");
    let rewrite = samples::rewrite();
    let closed = stage.drop_report(rewrite.sample.file_name, &rewrite.text)?;
    let delivered = stage.delivered("report", rewrite.sample.id, PATIENCE).await?;
    ensure!(delivered.action == "updated", "the rewritten report was {}", delivered.action);
    show(&delivered, delivered.ms_since(closed), rewrite.sample.title);
    deliveries.push(delivered);

    println!("\nReading everything back from the ingest side:");
    for line in check::everything(stage.url(), &audio, &rewrite).await? {
        println!("  {line}");
    }
    let mut per_thing = BTreeMap::<_, usize>::new();
    for delivery in stage.all_delivered(&deliveries) {
        *per_thing.entry((delivery.kind.clone(), delivery.id.clone())).or_default() += 1;
    }
    let sent: usize = per_thing.values().sum();
    ensure!(
        sent == SAMPLES.len() + 2,
        "{sent} deliveries instead of {}: something was sent twice",
        SAMPLES.len() + 2
    );
    println!("  {sent} deliveries, one for each file and change: nothing was sent twice");

    if args.stay {
        stay(&mut stage).await?;
    }
    stage.clean_up().await.context("cleaning up")?;
    println!("\nAll of it held. Both ends stopped cleanly, and nothing is left behind.");
    Ok(())
}

fn show(delivered: &Delivered, ms: i64, what: &str) {
    let Delivered { kind, id, action, .. } = delivered;
    println!("  {ms:>6} ms  {kind:<6}  {action:<8}  {id:<16}  {what}");
}

/// Shows what arrives until somebody has seen enough.
async fn stay(stage: &mut Stage) -> anyhow::Result<()> {
    println!("\nStaying. Drop files of your own, and see them arrive here:");
    println!("  reports (*.json) into {}", stage.reports.display());
    println!("  audio (*.mp3) into    {}", stage.exports.display());
    println!("  a page to look at     {}/", stage.url());
    println!("  one record            curl {}/{}.json", stage.url(), SAMPLES[0].id);
    println!("  the daemon's log      {}", stage.log_path().display());
    println!("  the end               Ctrl-C");
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(()),
            delivered = stage.next() => match delivered {
                Some(delivered) => show(&delivered, delivered.since_change_ms, ""),
                // Ctrl-C reaches the daemon too.
                None => return Ok(()),
            },
        }
    }
}
