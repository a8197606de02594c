//! The log: set up once, on standard error, or in the journal where that is behind it.

mod journald;

use std::io::IsTerminal;

use tracing_subscriber::fmt;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock;
use crate::config::{Log, LogFormat};
use crate::log_filter;
use journald::Journald;

/// Timestamps in UTC, to the millisecond, as every other date that we write.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(w, "{:.3}", clock::now())
    }
}

/// Starts logging. Later calls in the same process change nothing.
pub fn init(log: &Log) {
    let filter = log_filter::parse(&log.filter).unwrap_or_else(|_| log_filter::info());
    let stream = std::env::var("JOURNAL_STREAM").ok().filter(|_| log.format == LogFormat::Auto);
    if let Some(journald) = stream.as_deref().and_then(Journald::behind_stderr) {
        let _already_set = tracing_subscriber::registry().with(filter).with(journald).try_init();
        return;
    }
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_timer(Utc)
        // `target` is a field of ours: the dashboard that a line is about.
        .with_target(false);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let filtered = tracing_subscriber::registry().with(filter);
    let _already_set = match log.format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            filtered.with(lines).try_init()
        }
        LogFormat::Text | LogFormat::Auto => filtered.with(lines.with_ansi(colour)).try_init(),
    };
}
