//! The local socket: HTTP/1.1 with JSON, for the commands, `curl --unix-socket`, pipelines, and
//! whoever watches over the NAS. Who may open it may use it.

mod account;
mod check;
pub mod client;
mod counts;
mod events;
mod items;
mod metrics;
mod orders;
pub mod pending;
mod refusal;
mod rescan;
pub mod routes;
mod socket;
mod status;
mod sync;
mod upload;
mod verify;
pub mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::RequestBodyTimeoutLayer;

pub use counts::Counts;
pub use socket::{adopt, bind};
pub use status::compose;

use crate::clock;
use crate::config::Config;
use crate::drain::{LaneStatus, LaneStatuses};
use crate::heartbeat::HeartbeatStatus;
use crate::intake::{Handle, RootStatus, RowsStatus};
use crate::journal::Journal;
use crate::listener::{self, Bounds};
use crate::outbox::Outbox;
use crate::verify::Verifier;
use crate::watch::{Questions, SourceHints};
use events::Feed;
use refusal::Refusal;

/// How long a file system may take to say something of a file that somebody asks about.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer may take, and the rest of a body.
const IN_TIME: Duration = Duration::from_secs(8);
/// Bytes that an order may have.
const BODY_MAX: usize = 64 << 10;

const BOUNDS: Bounds = Bounds {
    head: Duration::from_secs(5),
    write: Duration::from_secs(10),
    stop: Duration::from_secs(2),
    connections: 512,
    per_host: 512,
};

/// What came of a reload: the keys whose change needs a restart, or what is wrong.
pub type Reloaded = Result<Vec<&'static str>, Vec<String>>;

/// Whatever can be asked about, or be told to do something.
#[derive(Clone)]
pub struct Desk {
    pub outbox: Outbox,
    pub counts: Counts,
    pub hints: SourceHints,
    pub rows: watch::Receiver<RowsStatus>,
    pub roots: Vec<watch::Receiver<RootStatus>>,
    pub intakes: Vec<Handle>,
    pub lanes: watch::Receiver<LaneStatuses>,
    pub settings: watch::Receiver<Arc<Config>>,
    pub journal: Journal,
    pub verifier: Verifier,
    pub questions: Questions,
    /// What people ask about. It is given up before they give up, and whatever path they name, the
    /// threads that it costs are not those of the watching.
    pub inquiries: Questions,
    pub heartbeat: watch::Receiver<HeartbeatStatus>,
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
    let desk = Arc::new(desk);
    let feed = Feed::new(desk.journal.clone(), stop.clone());
    let routes = router(Arc::clone(&desk), feed, stop.clone());
    let counting = async {
        desk.counts.run().await;
        // Whatever else can be told is still told.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = listener::serve(listener, routes, BOUNDS, stop.cancelled()) => {}
        () = counting => {}
    }
}

fn router(desk: Arc<Desk>, feed: Feed, stop: CancellationToken) -> Router {
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
            get(async |State(desk): Here, Named(id), Asked(asked): Asked<Detail>| {
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
            post(async |State(desk): Here, Named(id), Asked(asked)| {
                orders::retry_one(&desk, &id, asked).await.map(Json)
            }),
        )
        .route(
            "/items/{id}/resend",
            post(async |State(desk): Here, Named(id), Asked(asked)| {
                orders::resend_one(&desk, &id, asked).await.map(Json)
            }),
        )
        .route(
            "/items/{id}/drop",
            post(async |State(desk): Here, Named(id), Asked(asked)| {
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
        .route("/reload", post(async |State(desk): Here| orders::reload(&desk).await.map(Json)))
        .route("/metrics", get(metrics))
        .layer(from_fn(in_time))
        // What follows may take as long as it takes.
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
        .route(
            "/verify",
            post(async move |State(desk): Here, Asked(asked)| {
                verify::answer(&desk, asked, stop.clone())
            }),
        )
        .route(
            "/sync",
            post(async |State(desk): Here, Asked(asked)| sync::sync(&desk, asked).await.map(Json)),
        )
        .route(
            "/check",
            post(async |State(desk): Here, Asked(asked)| Json(check::answer(&desk, asked).await)),
        )
        .route(
            "/events",
            get(async move |headers: HeaderMap, Asked(asked)| feed.listen(&headers, asked)),
        )
        .method_not_allowed_fallback(async || {
            Refusal::bad("this route takes another method", "GET asks, POST orders: see the README")
        })
        .fallback(async || Refusal::not_found("no such route", routes::all()))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(RequestBodyTimeoutLayer::new(IN_TIME))
        .with_state(desk)
}

/// Refuses what takes too long, as on a disk that does not answer any more. What was begun goes on
/// to its end, even where whoever asked does not wait for it: half an order is none.
async fn in_time(request: Request, next: Next) -> Response {
    let is_order = request.method() == Method::POST;
    match timeout(IN_TIME, tokio::spawn(next.run(request))).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Refusal::stopping().into_response(),
        },
        Err(_) => {
            let so_far = if is_order { "; it may still be carried out" } else { "" };
            Refusal::busy(
                format!("no answer within {IN_TIME:?}{so_far}"),
                "the disk under the outbox, or under a directory, is slow or dead: look into the \
                 log",
            )
            .into_response()
        }
    }
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

/// What the path names, likewise.
struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        named.map(|Path(name)| Self(name)).map_err(|error| {
            Refusal::bad(error.body_text(), "ytv2d list shows every id; in a path they are UTF-8")
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

async fn metrics(State(desk): State<Arc<Desk>>) -> Result<Response, Refusal> {
    let now_ms = clock::now_ms();
    let status = status::compose(&desk, now_ms).await?;
    let text = metrics::text(status, &desk.lane_statuses(), now_ms);
    Ok(([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}
