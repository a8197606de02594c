//! Which path leads to which handler.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::problem::Problem;
use super::{Ingest, audio, events, exports, health, listing, metrics, page, read, report};
use crate::contract::{
    AUDIO_PATH, AUDIO_PUBLIC_PREFIX, BY_VIDEO_PREFIX, EVENTS_PATH, HEALTH_PATH, INGEST_HEALTH_PATH,
    REPORT_PATH, REPORTS_PATH,
};

/// The whole of the ingest side as one service.
pub(super) fn router(ingest: Ingest) -> Router {
    let body = ingest.limits.body;
    let measured = from_fn_with_state(ingest.metrics.clone(), metrics::measure);
    Router::new()
        .route(REPORT_PATH, post(report::take))
        .route(AUDIO_PATH, post(audio::take))
        .route(HEALTH_PATH, get(health::alive))
        .route(INGEST_HEALTH_PATH, get(health::ready))
        .route("/metrics", get(metrics::show))
        .route(REPORTS_PATH, get(listing::list))
        .route(EVENTS_PATH, get(events::follow))
        .route(&format!("{AUDIO_PUBLIC_PREFIX}{{file}}"), get(exports::serve))
        .route(&format!("{BY_VIDEO_PREFIX}{{file}}"), get(exports::by_video))
        .merge(page::routes())
        // `/<id>.json` is no pattern a router can hold: an id may have anything in it.
        .fallback(elsewhere)
        .with_state(ingest)
        .layer(from_fn(page::unguessed))
        // The handlers count for themselves, since the two endpoints differ by far.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyTimeoutLayer::new(body))
        .layer(measured)
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
