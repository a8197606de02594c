//! `ytv2-ingest` as a command: what it is told, and its start and end.

use std::io::{self, Write};
use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sd_notify::NotifyState;
use secrecy::SecretString;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::handed;
use super::store::{OpenError, Sqlite, Store};
use super::{Guard, Ingest, Limits, Media};

/// The configuration is wrong: starting again as it is will not help (EX_CONFIG).
const EXIT_CONFIG: u8 = 78;

/// Takes reports and audio files over HTTP, keeps them, and serves them back.
///
/// Writing needs the token: the systemd credential "token", else the environment variable
/// INGEST_TOKEN.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "ytv2-ingest", version)]
pub struct Args {
    /// Where to listen; port 0 picks a free one. A socket that systemd passes goes before it.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,

    /// Where to keep the records.
    #[arg(long, value_name = "sqlite:PATH", default_value = "sqlite:ytv2-ingest.db")]
    store: StoreAt,

    /// Where to keep the audio files.
    #[arg(long, value_name = "DIR", default_value = "ytv2-media")]
    media: PathBuf,

    /// Let anyone write. Only on a loopback address.
    #[arg(long)]
    no_auth: bool,

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

/// Which store, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
enum StoreAt {
    Sqlite(PathBuf),
}

impl FromStr for StoreAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err("a store is sqlite: and the path of its file, such as sqlite:ytv2-ingest.db"),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|error: jiff::Error| error.to_string())?;
    span.try_into().map_err(|_| "must not be negative".to_owned())
}

/// Why the server did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Config(String),
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
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
    let token = handed::secret("token", "INGEST_TOKEN").map_err(|error| {
        Failure::Config(format!("the systemd credential \"token\" cannot be read: {error}"))
    })?;
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

    let media = Media::open(&args.media).map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot use the folder {}", args.media.display()))
    })?;
    let StoreAt::Sqlite(path) = &args.store;
    let store = Sqlite::open(path).map_err(|error| match error {
        OpenError::Foreign(_) | OpenError::Newer { .. } | OpenError::Library(_) => {
            Failure::Config(error.to_string())
        }
        error => {
            anyhow::Error::new(error).context(format!("cannot open {}", path.display())).into()
        }
    })?;
    let store: Arc<dyn Store> = Arc::new(store);

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
    info!(%address, store = ?args.store, media = ?args.media, "listening");
    let _nobody_asked = sd_notify::notify(&[NotifyState::Ready]);

    let lost = tokio_util::sync::CancellationToken::new();
    let stop = async {
        tokio::select! {
            signal = signals.next() => info!(?signal, "told to stop"),
            () = store.lost() => lost.cancel(),
        }
    };
    super::run(listener, Ingest::new(store.clone(), media, guard, limits), stop).await;
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
    match token.as_deref().map(str::trim) {
        Some(token) if !token.is_empty() => Ok(Guard::token(&SecretString::from(token))),
        _ => Err(Failure::Config(
            "set INGEST_TOKEN to the secret that writers must show, or give --no-auth on a loopback address"
                .into(),
        )),
    }
}

fn log_to_stderr() {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Fails only if there is a subscriber already, which then is the one to use.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
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
        assert_eq!(args.store, StoreAt::Sqlite("ytv2-ingest.db".into()));
    }

    #[test]
    fn a_store_is_named_by_its_kind_and_path() {
        assert_eq!("sqlite:a:b".parse(), Ok(StoreAt::Sqlite("a:b".into())));
        for bad in ["", "sqlite:", "x.db", "mysql:x"] {
            assert!(bad.parse::<StoreAt>().is_err(), "{bad}");
        }
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
