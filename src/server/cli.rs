//! `ytv2-ingest` as a command: what it is told, and its start and end.

use std::io::{self, Write};
use std::net::TcpListener as StdListener;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use sd_notify::NotifyState;
use secrecy::SecretString;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::failure::Failure;
use super::handed;
use super::kept::{DATABASE_VARIABLE, MediaAt, StoreAt};
use super::{Guard, Ingest, Limits, Pictures};
use crate::log_filter;

/// The configuration is wrong: starting again as it is will not help (EX_CONFIG).
const EXIT_CONFIG: u8 = 78;

/// Takes reports and audio files over HTTP, keeps them, and serves them back.
///
/// Writing needs the token: the systemd credential "token", else the environment variable
/// INGEST_TOKEN. Clients of the older generation (/api/content, /api/upload-audio) show another
/// secret instead, "sync_secret" or SYNC_SECRET; either will do for deleting. The address of a
/// database, with its password, is better given in DATABASE_URL_POSTGRES_NEW than on the command
/// line, which everybody on the machine can read.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "ytv2-ingest", version)]
pub struct Args {
    /// Where to listen; port 0 picks a free one. A socket that systemd passes goes before it.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,

    /// Where to keep the records: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE; without
    /// it, what DATABASE_URL_POSTGRES_NEW says, else sqlite:ytv2-ingest.db.
    // Not parsed here, since a complaint would repeat it, password and all.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,

    /// Make and change no tables of a PostgreSQL database: they have to be up to date.
    #[arg(long, conflicts_with = "migrate_only")]
    no_migrate: bool,

    /// Bring the tables up to date, and end.
    #[arg(long)]
    migrate_only: bool,

    /// Where to keep the audio files: a folder, or s3://BUCKET/FOLDER with the credentials, the
    /// region and the endpoint in the usual AWS_* variables.
    #[arg(long, value_name = "MEDIA", default_value = "ytv2-media")]
    media: MediaAt,

    /// Let anyone write. Only on a loopback address.
    #[arg(long)]
    no_auth: bool,

    /// Answer the older generation's /api/content with 410, as the dashboard does now.
    #[arg(long)]
    postgres_only: bool,

    /// Let the page load pictures from wherever reports say, such as YouTube, which then sees who
    /// looks. Otherwise it draws something in their place.
    #[arg(long)]
    outside_pictures: bool,

    /// How long a request's head may take.
    #[arg(long, hide = true, value_parser = duration, default_value = "15s")]
    head_timeout: Duration,

    /// How long the next piece of a body may take.
    #[arg(long, hide = true, value_parser = duration, default_value = "30s")]
    body_timeout: Duration,

    /// How many connections there may be at a time.
    #[arg(long, hide = true, default_value_t = Limits::default().connections)]
    connections: usize,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|error: jiff::Error| error.to_string())?;
    span.try_into().map_err(|_| "must not be negative".to_owned())
}

/// Runs the server until SIGTERM or SIGINT. Logs to stderr, and prints the address to stdout once
/// it listens: `listening on http://127.0.0.1:8080`.
pub fn main(args: Args) -> ExitCode {
    crate::core_dump::forbid();
    log_to_stderr();
    // Before there are threads.
    let passed = handed::listener();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(serve(args, passed));
            // What is still in flight was cut off; a thread stuck on a dead disk must not hold us.
            runtime.shutdown_timeout(Duration::from_secs(1));
            outcome
        }
        Err(error) => Err(anyhow::Error::new(error).context("cannot start").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ytv2-ingest: {failure}");
            match failure {
                Failure::Config(_) => ExitCode::from(EXIT_CONFIG),
                Failure::Other(_) => ExitCode::FAILURE,
            }
        }
    }
}

async fn serve(args: Args, passed: io::Result<Option<StdListener>>) -> Result<(), Failure> {
    let database = std::env::var(DATABASE_VARIABLE).ok();
    let store_at = StoreAt::choose(args.store.as_deref(), database.as_deref())?;
    if args.migrate_only {
        return store_at.migrate().await;
    }
    let secret = |credential: &str, variable: &str| {
        handed::secret(credential, variable).map_err(|error| {
            let what = format!("the systemd credential {credential:?} cannot be read: {error}");
            Failure::Config(what)
        })
    };
    let token = secret("token", "INGEST_TOKEN")?;
    let secret = secret("sync_secret", "SYNC_SECRET")?;
    let guard = guard(args.no_auth, token)?;
    // Before anything else is there, so that no signal finds the default of dying at once.
    let mut signals = signal_hook_tokio::Signals::new([SIGTERM, SIGINT])
        .map_err(|error| anyhow::Error::new(error).context("cannot listen for signals"))?;

    let passed = passed.map_err(|error| {
        Failure::Config(format!(
            "systemd passed something else than a TCP socket ({error}): ListenStream= must be an address and a port"
        ))
    })?;
    let listener = match passed {
        Some(listener) => TcpListener::from_std(listener),
        None => TcpListener::bind(&args.listen).await,
    };
    let listener = listener.map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot listen on {}", args.listen))
    })?;
    let address = listener.local_addr().map_err(anyhow::Error::new)?;
    if matches!(guard, Guard::Open) && !address.ip().is_loopback() {
        return Err(Failure::Config(format!(
            "--no-auth would let anyone who reaches {address} write: set INGEST_TOKEN, or listen on 127.0.0.1"
        )));
    }

    let media = args.media.open().await?;
    let store = store_at.open(!args.no_migrate).await?;

    let limits = Limits {
        head: args.head_timeout,
        body: args.body_timeout,
        connections: args.connections,
        ..Limits::default()
    };
    if matches!(guard, Guard::Open) {
        warn!("anyone on this machine may write");
    }
    // Whoever reads it may be gone, which is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    info!(%address, store = ?store_at, media = ?args.media, "listening");
    let _nobody_asked = sd_notify::notify(&[NotifyState::Ready]);

    let lost = tokio_util::sync::CancellationToken::new();
    let stop = async {
        tokio::select! {
            signal = signals.next() => info!(?signal, "told to stop"),
            () = store.lost() => lost.cancel(),
        }
    };
    let mut ingest = Ingest::new(store.clone(), media, guard, limits);
    if !args.no_auth {
        match shown(secret.as_deref()) {
            Some(secret) => ingest.old_guard = Guard::token(&SecretString::from(secret)),
            None => info!("SYNC_SECRET is not set, so /api/content lets nobody in"),
        }
    }
    ingest.postgres_only = args.postgres_only;
    if args.outside_pictures {
        ingest.pictures = Pictures::Outside;
    }
    super::run(listener, ingest, stop).await;
    if lost.is_cancelled() {
        return Err(
            anyhow::anyhow!("the store has stopped; a restart recovers what it holds").into()
        );
    }
    Ok(())
}

fn guard(no_auth: bool, token: Option<String>) -> Result<Guard, Failure> {
    if no_auth {
        return Ok(Guard::Open);
    }
    match shown(token.as_deref()) {
        Some(token) => Ok(Guard::token(&SecretString::from(token))),
        None => Err(Failure::Config(
            "set INGEST_TOKEN to the secret that writers must show, or give --no-auth on a loopback address"
                .into(),
        )),
    }
}

/// A secret from the environment, if there is anything in it.
fn shown(secret: Option<&str>) -> Option<&str> {
    secret.map(str::trim).filter(|secret| !secret.is_empty())
}

fn log_to_stderr() {
    use std::io::IsTerminal;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| log_filter::parse(&text).ok());
    let filter = asked.unwrap_or_else(log_filter::info);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails only if there is a subscriber already, which then is the one to use.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_its_defaults_are_the_limits() {
        Args::command().debug_assert();
        let args = <Args as clap::Parser>::parse_from(["ytv2-ingest"]);
        let limits = Limits::default();
        assert_eq!((args.head_timeout, args.body_timeout), (limits.head, limits.body));
    }

    #[test]
    fn without_a_token_there_is_no_guard() {
        for token in [None, Some(String::new()), Some(" \n".into())] {
            assert!(matches!(guard(false, token.clone()), Err(Failure::Config(_))));
            assert!(matches!(guard(true, token), Ok(Guard::Open)));
        }
        assert!(matches!(guard(false, Some(" x\n".into())), Ok(Guard::Token(_))));
    }
}
