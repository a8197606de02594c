//! The other end of the socket, for the command line.

mod events;
mod lines;
mod verification;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use events::Events;
pub use verification::Verification;

use super::wire::Fault;

/// How long an answer to a question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an order may take that changes every row of a large outbox, or looks at every file.
const PATIENCE_WITH_ORDERS: Duration = Duration::from_secs(60 * 60);

/// What a daemon answers to a route that it does not have.
const NO_SUCH_ROUTE: &str = "no such route";

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "not running, or not listening at {0}; start it with: ytv2d run, or: systemctl start ytv2d"
    )]
    NotRunning(String),
    #[error("{0}: you may not open it; use sudo, or join its group")]
    NotAllowed(String),
    #[error("{error} ({hint})")]
    Refused { code: StatusCode, error: String, hint: String },
    /// Daemon and command are not of the same build.
    #[error(
        "the daemon that runs (version {daemon}) and this command (version {}) are not of the same \
         build: {what}; restart the daemon: systemctl restart ytv2d",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion { daemon: String, what: String },
    #[error("the daemon broke off: {0}; see its log: journalctl -u ytv2d")]
    Broken(#[from] reqwest::Error),
}

/// The way to the daemon behind a socket.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

/// What stands behind the question mark; what has no value is left out.
pub type Query<'a> = &'a [(&'a str, Option<&'a str>)];

impl Client {
    /// A client for the daemon that listens at a path. Nothing is asked yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(socket: &Path) -> Result<Self, ClientError> {
        let http =
            reqwest::Client::builder().unix_socket(socket).no_proxy().tls_certs_only([]).build()?;
        Ok(Self { http, socket: socket.to_owned() })
    }

    /// Asks a route, given by the segments of its path.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, ClientError> {
        let request = self.http.request(Method::GET, url(path, query)).timeout(PATIENCE);
        self.understand(self.send(request).await?).await
    }

    /// Gives an order.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, ClientError> {
        let request = self.http.request(Method::POST, url(path, query));
        self.understand(self.send(request.timeout(PATIENCE_WITH_ORDERS)).await?).await
    }

    /// Gives an order that comes with JSON, and whose answer may take so much longer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        longer: Duration,
    ) -> Result<T, ClientError> {
        let json = HeaderValue::from_static("application/json");
        // A wire type is plain data, which is always JSON.
        let body = serde_json::to_vec(body).unwrap_or_default();
        let request = self.http.request(Method::POST, url(path, &[])).header(CONTENT_TYPE, json);
        let request = request.body(body).timeout(PATIENCE_WITH_ORDERS.saturating_add(longer));
        self.understand(self.send(request).await?).await
    }

    /// Listens to what happens from now on, or after the event with this id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self, after: Option<u64>) -> Result<Events, ClientError> {
        let mut headers = HeaderMap::new();
        if let Some(id) = after {
            headers.insert("last-event-id", HeaderValue::from(id));
        }
        let request = self.http.request(Method::GET, url(&["events"], &[])).headers(headers);
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(Events::new(response));
        }
        Err(self.refusal(response).await)
    }

    /// Has the dashboard compared with what it ought to hold, for as long as that takes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn verify(&self, query: Query<'_>) -> Result<Verification, ClientError> {
        let response = self.send(self.http.request(Method::POST, url(&["verify"], query))).await?;
        if response.status().is_success() {
            return Ok(Verification::new(response));
        }
        Err(self.refusal(response).await)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let shown = || self.socket.display().to_string();
        // The client's own errors are worse than the file system's.
        match tokio::net::UnixStream::connect(&self.socket).await {
            Ok(_) => Ok(request.send().await?),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(ClientError::NotAllowed(shown()))
            }
            Err(_) => Err(ClientError::NotRunning(shown())),
        }
    }

    async fn understand<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let body = response.bytes().await?;
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.misunderstood(&format!("its answer has {error}")).await),
        }
    }

    async fn refusal(&self, response: Response) -> ClientError {
        let code = response.status();
        let path = response.url().path().to_owned();
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return error.into(),
        };
        match serde_json::from_slice::<Fault>(&body) {
            Ok(fault) if fault.error == NO_SUCH_ROUTE => {
                self.misunderstood(&format!("it does not know {path}")).await
            }
            Ok(Fault { error, hint }) => ClientError::Refused { code, error, hint },
            Err(_) => ClientError::Refused {
                code,
                error: format!("{code}: {}", String::from_utf8_lossy(&body)),
                hint: "is this ytv2d's socket?".to_owned(),
            },
        }
    }

    /// The version is the one thing of the status that every daemon tells in the same way.
    async fn misunderstood(&self, what: &str) -> ClientError {
        let request = self.http.request(Method::GET, url(&["status"], &[])).timeout(PATIENCE);
        let status: Option<serde_json::Value> = match request.send().await {
            Ok(response) => {
                response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok())
            }
            Err(_) => None,
        };
        let version = status.as_ref().and_then(|status| status["version"].as_str());
        let daemon = version.unwrap_or("unknown").to_owned();
        ClientError::OtherVersion { daemon, what: what.to_owned() }
    }
}

fn url(path: &[&str], query: Query<'_>) -> Url {
    let mut url = Url::parse("http://ytv2d/").expect("a constant");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().extend(path);
    }
    let given: Vec<_> =
        query.iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect();
    if !given.is_empty() {
        url.query_pairs_mut().extend_pairs(given);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode as Code;
    use axum::response::Json;
    use axum::routing::get;
    use tokio::net::UnixListener;

    #[test]
    fn whatever_is_asked_for_stays_in_its_place() {
        for (path, query, expected) in [
            (&["status"][..], &[][..], "http://ytv2d/status"),
            (&["items", "reddit:1n2"], &[], "http://ytv2d/items/reddit:1n2"),
            (&["items", "a/b?c"], &[], "http://ytv2d/items/a%2Fb%3Fc"),
            (
                &["why"],
                &[("path", Some("/nas/a b&c.json")), ("payload", None)],
                "http://ytv2d/why?path=%2Fnas%2Fa+b%26c.json",
            ),
        ] {
            assert_eq!(url(path, query).as_str(), expected);
        }
    }

    /// Answers as a daemon of another version might.
    async fn another_version(routes: Router) -> (tempfile::TempDir, Client) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("ytv2d.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async { axum::serve(listener, routes).await });
        let client = Client::new(&socket).unwrap();
        (directory, client)
    }

    #[tokio::test]
    async fn a_daemon_of_another_version_is_named_with_its_version_and_what_to_do() {
        let fallback = async || {
            let fault = Fault { error: NO_SUCH_ROUTE.to_owned(), hint: String::new() };
            (Code::NOT_FOUND, Json(fault))
        };
        let status = async || Json(serde_json::json!({ "version": "0.0.7" }));
        let routes = Router::new().route("/status", get(status)).fallback(fallback);
        let (_directory, client) = another_version(routes).await;
        let unknown = client.post::<super::super::wire::Done>(&["resume"], &[]).await.unwrap_err();
        let strange = client.get::<super::super::wire::Status>(&["status"], &[]).await.unwrap_err();
        for (error, what) in [(unknown, "/resume"), (strange, "missing field")] {
            let text = error.to_string();
            for part in ["0.0.7", what, "systemctl restart ytv2d"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_there_and_something_else_there_are_told_apart() {
        let (directory, client) =
            another_version(Router::new().fallback(async || (Code::IM_A_TEAPOT, "tea"))).await;
        let error = client.get::<Fault>(&["status"], &[]).await.unwrap_err();
        assert!(matches!(&error, ClientError::Refused { hint, .. } if hint.contains("ytv2d's")));
        let nobody = Client::new(&directory.path().join("none")).unwrap();
        let error = nobody.get::<Fault>(&["status"], &[]).await.unwrap_err();
        assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
    }
}
