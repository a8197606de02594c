//! `ytv2d convert`: what a report file of any shape becomes, without a daemon or a dashboard.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::ask::At;
use super::failure::Failure;
use super::output;
use crate::clock;
use crate::config::Reading;
use crate::contract::ReportPayload;
use crate::report::{self, FileFacts, Report, Source, compose, merge, universal};

/// What `convert` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The report file.
    file: PathBuf,
    /// `ingest`: the body that is sent to the dashboard. `universal`: the shape that the pipeline
    /// writes today.
    #[arg(long, value_enum, default_value_t = To::Universal)]
    to: To,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    Universal,
    Ingest,
}

/// Prints the conversion: exit status 0, 1 when the file is no report, 78 when the configuration is
/// at fault.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let reading = Reading::load(at.file().as_deref())?;
    match convert(args, &reading) {
        Ok(converted) => {
            output::print_json(&converted)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("ytv2d: {}: {error}", args.file.display());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn convert(args: &Args, reading: &Reading) -> anyhow::Result<Value> {
    let bytes = std::fs::read(&args.file)?;
    let written_at = std::fs::metadata(&args.file)?
        .modified()
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or_else(clock::now);
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let source = Source { file_stem: &stem, zone: &reading.timezone, ids: reading.ids };
    let report = report::read(bytes, &source)
        .map_err(|problem| anyhow::anyhow!("{problem}. {}", problem.hint()))?;
    Ok(match args.to {
        To::Universal => universal(&report, written_at),
        To::Ingest => serde_json::to_value(payload(&report, written_at))?,
    })
}

/// The first delivery of this file alone; audio is named once it was delivered.
fn payload(report: &Report, written_at: Timestamp) -> ReportPayload {
    let facts = FileFacts {
        made_at_ms: 0,
        mtime_ns: 0,
        name: Vec::new(),
        stands: true,
        fields: report.fields.digest(),
        variants: report.variants.iter().map(|v| (v.name.clone(), v.digest())).collect(),
    };
    let chosen = merge(&[facts]).map(|merged| merged.variants).unwrap_or_default();
    let variants = chosen.into_iter().filter_map(|chosen| {
        let variant = report.variants.iter().find(|v| v.name == chosen.source_name)?;
        Some((chosen.name, variant.clone()))
    });
    let indexed_at = report.fields.indexed_at.unwrap_or(written_at);
    compose(&report.id, &report.fields, variants.collect(), indexed_at, None)
}
