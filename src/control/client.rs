//! The other end of the socket, for the command line.

use std::path::Path;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::Fault;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to do something first.
const PATIENCE_TO_ACT: Duration = Duration::from_secs(60 * 60);

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "ytv2d is not running, or listens elsewhere than {0}; start it with: ytv2d run, or: \
         systemctl start ytv2d"
    )]
    NotRunning(String),
    #[error("{0}: you may not open it; use sudo, or join its group")]
    NotAllowed(String),
    #[error("{error} ({hint})")]
    Refused { error: String, hint: String },
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// Asks the daemon behind a socket.
pub async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    send(socket, Method::GET, path, Vec::new(), PATIENCE).await
}

/// Has the daemon behind a socket do something.
pub async fn post<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    body: &impl Serialize,
) -> Result<T, ClientError> {
    let body = serde_json::to_vec(body).expect("what is asked is JSON");
    send(socket, Method::POST, path, body, PATIENCE_TO_ACT).await
}

async fn send<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
    patience: Duration,
) -> Result<T, ClientError> {
    let shown = || socket.display().to_string();
    // The client's own errors are worse than the file system's.
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(ClientError::NotAllowed(shown()));
        }
        Err(_) => return Err(ClientError::NotRunning(shown())),
    }
    let client = Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .tls_certs_only([])
        .timeout(patience)
        .build()?;
    let response = client
        .request(method, format!("http://ytv2d{path}"))
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await?;
    if response.status() != StatusCode::OK {
        let body = response.bytes().await?;
        return Err(match serde_json::from_slice::<Fault>(&body) {
            Ok(Fault { error, hint }) => ClientError::Refused { error, hint },
            Err(_) => ClientError::Refused {
                error: String::from_utf8_lossy(&body).into_owned(),
                hint: "is this ytv2d's socket?".to_owned(),
            },
        });
    }
    let body = response.bytes().await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::Refused {
        error: format!("the answer is not understood: {error}"),
        hint: "is the daemon another version than this command?".to_owned(),
    })
}
