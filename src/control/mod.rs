//! The local socket: HTTP/1.1 with JSON, for `ytv2d status`, `curl --unix-socket`, and whoever
//! watches over the NAS. Who may open it may use it.

pub mod client;
pub mod routes;
mod socket;
mod status;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use socket::bind;

use crate::clock;
use crate::config::Config;
use crate::delivery::ItemState;
use crate::drain::LaneStatus;
use crate::intake::RootStatus;
use crate::journal::Journal;
use crate::outbox::{Filter, Outbox, OutboxError};
use wire::{Fault, Items};

/// The most rows that one answer carries.
const ROWS_MAX: usize = 10_000;

/// Whatever can be asked about.
pub struct Desk {
    pub outbox: Outbox,
    pub roots: Vec<watch::Receiver<RootStatus>>,
    pub lanes: Vec<watch::Receiver<LaneStatus>>,
    pub settings: watch::Receiver<Arc<Config>>,
    pub journal: Journal,
    pub started_ms: i64,
}

/// Answers until told to stop.
pub async fn serve(listener: UnixListener, desk: Desk, stop: CancellationToken) {
    let routes = Router::new()
        .route("/status", get(status))
        .route("/items", get(items))
        .route("/healthz", get(healthz))
        .fallback(async || {
            let hint = "there are /status, /items?state=&q=&limit= and /healthz";
            refuse(StatusCode::NOT_FOUND, "no such route", hint)
        })
        .with_state(Arc::new(desk));
    let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serving.await {
        warn!(%error, "the control socket is closed");
    }
}

async fn status(State(desk): State<Arc<Desk>>) -> Response {
    match status::compose(&desk, clock::now_ms()).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => unavailable(&error),
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
        Err(error) => unavailable(&error),
    }
}

/// What may be asked of `/items`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    state: Option<String>,
    q: Option<String>,
    limit: Option<usize>,
}

async fn items(
    State(desk): State<Arc<Desk>>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => {
            let hint = "what may be asked is state, q and limit";
            return refuse(StatusCode::BAD_REQUEST, &error.body_text(), hint);
        }
    };
    let state = match asked.state.as_deref().map(str::parse::<ItemState>).transpose() {
        Ok(state) => state,
        Err(names) => return refuse(StatusCode::BAD_REQUEST, "no such state", &names),
    };
    let limit = asked.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX);
    // States that only this moment tells apart are sorted out after the rows were read.
    let filter =
        Filter { state, text: asked.q, limit: if state.is_some() { ROWS_MAX } else { limit } };
    match desk.outbox.list(filter).await {
        Err(error) => unavailable(&error),
        Ok(rows) => {
            let aloft = status::aloft(&desk);
            let now_ms = clock::now_ms();
            let items = rows
                .into_iter()
                .map(|row| wire::Item::new(row, &aloft, now_ms))
                .filter(|item| state.is_none_or(|state| item.state == state))
                .take(limit)
                .collect();
            Json(Items { items, next: None }).into_response()
        }
    }
}

fn refuse(code: StatusCode, error: &str, hint: &str) -> Response {
    (code, Json(Fault { error: error.to_owned(), hint: hint.to_owned() })).into_response()
}

fn unavailable(error: &OutboxError) -> Response {
    let hint = "the daemon is on its way out; look into its log";
    refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), hint)
}
