//! Which path leads to which handler.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::problem::Problem;
use super::{Ingest, audio, exports, health, read, report};
use crate::contract::{
    AUDIO_PATH, AUDIO_PUBLIC_PREFIX, HEALTH_PATH, INGEST_HEALTH_PATH, REPORT_PATH,
};

/// The whole of the ingest side as one service.
pub(super) fn router(ingest: Ingest) -> Router {
    let body = ingest.limits.body;
    Router::new()
        .route(REPORT_PATH, post(report::take))
        .route(AUDIO_PATH, post(audio::take))
        .route(HEALTH_PATH, get(health::alive))
        .route(INGEST_HEALTH_PATH, get(health::ready))
        .route(&format!("{AUDIO_PUBLIC_PREFIX}{{file}}"), get(exports::serve))
        // `/<id>.json` is no pattern a router can hold: an id may have anything in it.
        .fallback(elsewhere)
        .with_state(ingest)
        // The handlers count for themselves, since the two endpoints differ by far.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyTimeoutLayer::new(body))
}

async fn elsewhere(
    method: Method,
    uri: Uri,
    State(ingest): State<Ingest>,
) -> Result<Response, Problem> {
    match read::id_of(uri.path()) {
        Some(id) if method == Method::GET || method == Method::HEAD => {
            read::record(&ingest, id).await
        }
        _ => Err(Problem::NotFound),
    }
}
