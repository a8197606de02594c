//! The local socket: HTTP/1.1 with JSON, for the commands, `curl --unix-socket`, pipelines, and
//! whoever watches over the NAS. Who may open it may use it.

mod account;
pub mod client;
mod items;
mod orders;
pub mod pending;
mod refusal;
mod rescan;
pub mod routes;
mod socket;
mod status;
mod upload;
pub mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use socket::{adopt, bind};
pub use status::compose;

use crate::clock;
use crate::config::Config;
use crate::drain::{LaneStatus, LaneStatuses};
use crate::intake::{Handle, RootStatus};
use crate::outbox::Outbox;
use crate::watch::Hints;
use refusal::Refusal;

/// How long a file system may take to say something of a file that somebody asks about.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a reload: the keys whose change needs a restart, or what is wrong.
pub type Reloaded = Result<Vec<&'static str>, Vec<String>>;

/// Whatever can be asked about, or be told to do something.
#[derive(Clone)]
pub struct Desk {
    pub outbox: Outbox,
    /// By the number of their root.
    pub hints: [Hints; 2],
    pub roots: Vec<watch::Receiver<RootStatus>>,
    pub intakes: Vec<Handle>,
    pub lanes: watch::Receiver<LaneStatuses>,
    pub settings: watch::Receiver<Arc<Config>>,
    /// Where the daemon is asked to read its configuration again.
    pub reload: mpsc::Sender<oneshot::Sender<Reloaded>>,
    pub started_ms: i64,
}

impl Desk {
    /// How each lane is at this moment.
    fn lane_statuses(&self) -> Vec<LaneStatus> {
        self.lanes.borrow().iter().map(|lane| lane.borrow().clone()).collect()
    }

    /// The names of the targets that are sent to.
    fn target_names(&self) -> Vec<String> {
        self.lanes.borrow().iter().map(|lane| lane.borrow().name.to_owned()).collect()
    }

    /// Whether there is such a target.
    fn check_target(&self, target: &str) -> Result<(), Refusal> {
        let names = self.target_names();
        if names.iter().any(|name| name == target) {
            return Ok(());
        }
        Err(Refusal::bad(
            format!("there is no target {target}"),
            format!("the targets are: {}", names.join(", ")),
        ))
    }
}

/// Answers until told to stop.
pub async fn serve(listener: UnixListener, desk: Desk, stop: CancellationToken) {
    let serving =
        axum::serve(listener, router(desk)).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serving.await {
        warn!(%error, "the control socket is closed");
    }
}

fn router(desk: Desk) -> Router {
    type Here = State<Arc<Desk>>;
    Router::new()
        .route("/status", get(status))
        .route("/healthz", get(healthz))
        .route(
            "/items",
            get(async |State(desk): Here, Asked(asked)| items::list(&desk, asked).await.map(Json)),
        )
        .route(
            "/items/{id}",
            get(async |State(desk): Here, Path(id): Path<String>, Asked(asked): Asked<Detail>| {
                let id = id.parse().map_err(|error: crate::id::ContentIdError| {
                    Refusal::bad(
                        error.to_string(),
                        "about a file, ask by its path: /why?path=, or: ytv2d why PATH",
                    )
                })?;
                account::of_id(&desk, &id, asked.payload).await.map(Json)
            }),
        )
        .route(
            "/why",
            get(async |State(desk): Here, Asked(asked): Asked<Why>| {
                account::of_path(&desk, &asked.path, asked.payload).await.map(Json)
            }),
        )
        .route(
            "/items/{id}/retry",
            post(async |State(desk): Here, Path(id): Path<String>, Asked(asked)| {
                orders::retry_one(&desk, &id, asked).await.map(Json)
            }),
        )
        .route(
            "/items/{id}/resend",
            post(async |State(desk): Here, Path(id): Path<String>, Asked(asked)| {
                orders::resend_one(&desk, &id, asked).await.map(Json)
            }),
        )
        .route(
            "/items/{id}/drop",
            post(async |State(desk): Here, Path(id): Path<String>, Asked(asked)| {
                orders::drop_one(&desk, &id, asked).await.map(Json)
            }),
        )
        .route(
            "/retry",
            post(async |State(desk): Here, Asked(asked)| {
                orders::retry_all(&desk, asked).await.map(Json)
            }),
        )
        .route(
            "/resend",
            post(async |State(desk): Here, Asked(asked)| {
                orders::resend_all(&desk, asked).await.map(Json)
            }),
        )
        .route(
            "/pause",
            post(async |State(desk): Here, Asked(asked)| {
                orders::pause(&desk, asked).await.map(Json)
            }),
        )
        .route(
            "/resume",
            post(async |State(desk): Here, Asked(asked)| {
                orders::resume(&desk, asked).await.map(Json)
            }),
        )
        .route(
            "/adopt",
            post(async |State(desk): Here, Asked(asked)| {
                orders::adopt(&desk, asked).await.map(Json)
            }),
        )
        .route(
            "/upload",
            post(async |State(desk): Here, Given(given)| {
                upload::upload(&desk, given).await.map(Json)
            }),
        )
        .route(
            "/rescan",
            post(async |State(desk): Here, Asked(asked)| {
                rescan::answer(&desk, asked).await.map(Json)
            }),
        )
        .route("/reload", post(async |State(desk): Here| orders::reload(&desk).await.map(Json)))
        .method_not_allowed_fallback(async || {
            Refusal::bad("this route takes another method", "GET asks, POST orders: see the README")
        })
        .fallback(async || Refusal::not_found("no such route", routes::all()))
        .with_state(Arc::new(desk))
}

/// What `GET /items/{id}` may be told.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    #[serde(default)]
    payload: bool,
}

/// What `GET /why` may be told.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    path: PathBuf,
    #[serde(default)]
    payload: bool,
}

/// What stands behind the question mark, refused in our own words when it is not understood.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(asked)| Self(asked)).map_err(|error| {
            Refusal::bad(error.body_text(), routes::hint(parts.method.as_str(), parts.uri.path()))
        })
    }
}

/// The JSON of a body, likewise. Whoever sends it need not say that it is JSON.
struct Given<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let wrong = |error: String| Refusal::bad(error, routes::hint(method.as_str(), &path));
        let body =
            Bytes::from_request(request, state).await.map_err(|error| wrong(error.body_text()))?;
        serde_json::from_slice(&body).map(Self).map_err(|error| wrong(error.to_string()))
    }
}

async fn status(State(desk): State<Arc<Desk>>) -> Response {
    match status::compose(&desk, clock::now_ms()).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

async fn healthz(State(desk): State<Arc<Desk>>) -> Response {
    match status::compose(&desk, clock::now_ms()).await {
        Ok(status) => {
            let code =
                if status.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let health = wire::Health { healthy: status.healthy, reasons: status.reasons };
            (code, Json(health)).into_response()
        }
        Err(error) => Refusal::from(error).into_response(),
    }
}
