//! Asks the running daemon, and says so when it does not run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EX_CONFIG;
use crate::config::{self, control_socket, process_environment};
use crate::control::client::{self, ClientError};

/// The program is not running (systemctl's exit status for the same).
const NOT_RUNNING: u8 = 3;

/// Where the daemon is asked.
#[derive(Debug, clap::Args)]
pub struct At {
    /// The daemon's socket; without it the one of the configuration.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Asks a route of the socket. A failure is told, and becomes an exit code.
pub fn get<T: DeserializeOwned>(at: &At, config: Option<&Path>, path: &str) -> Result<T, ExitCode> {
    ask(at, config, async |socket| client::get(socket, path).await)
}

/// Has a route of the socket do something. A failure is told, and becomes an exit code.
pub fn post<T: DeserializeOwned>(
    at: &At,
    config: Option<&Path>,
    path: &str,
    body: &impl Serialize,
) -> Result<T, ExitCode> {
    ask(at, config, async |socket| client::post(socket, path, body).await)
}

fn ask<T>(
    at: &At,
    config: Option<&Path>,
    ask: impl AsyncFnOnce(&Path) -> Result<T, ClientError>,
) -> Result<T, ExitCode> {
    let socket = match &at.socket {
        Some(socket) => socket.clone(),
        None => {
            let found = config::find(config);
            control_socket(found.as_deref(), &process_environment).map_err(|faults| {
                for fault in faults {
                    eprintln!("ytv2d: {fault}");
                }
                ExitCode::from(EX_CONFIG)
            })?
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        eprintln!("ytv2d: {error}");
        ExitCode::FAILURE
    })?;
    runtime.block_on(ask(&socket)).map_err(|error| {
        eprintln!("ytv2d: {error}");
        match error {
            ClientError::NotRunning(_) => ExitCode::from(NOT_RUNNING),
            _ => ExitCode::FAILURE,
        }
    })
}

/// Prints JSON as scripts read it.
pub fn print_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("ytv2d: {error}"),
    }
}
