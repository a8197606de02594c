//! Which path leads to which handler.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, delete as deleting, get, post};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::problem::Problem;
use super::{
    Ingest, audio, content, delete, events, exports, health, listing, metrics, page, read, report,
    upload,
};
use crate::contract::{
    AUDIO_PATH, AUDIO_PUBLIC_PREFIX, BY_VIDEO_PREFIX, CONTENT_PATH, DELETE_PATH, EVENTS_PATH,
    HEALTH_PATH, INGEST_HEALTH_PATH, REPORT_PATH, REPORTS_PATH, UPLOAD_AUDIO_PATH,
};

/// What the older generation had beside [`CONTENT_PATH`], and no generation now has (contract F.2).
const GONE: [&str; 4] =
    ["/api/content/{id}", "/api/upload-report", "/api/upload-database", "/api/download-database"];

/// The whole of the ingest side as one service.
pub(super) fn router(ingest: Ingest) -> Router {
    let body = ingest.limits.body;
    let measured = from_fn_with_state(ingest.metrics.clone(), metrics::measure);
    let mut router = Router::new()
        .route(REPORT_PATH, post(report::take))
        .route(AUDIO_PATH, post(audio::take))
        .route(UPLOAD_AUDIO_PATH, post(upload::take))
        .route(DELETE_PATH, post(delete::by_name))
        .route(&format!("{DELETE_PATH}/{{id}}"), deleting(delete::by_path))
        .route(HEALTH_PATH, get(health::alive))
        .route(INGEST_HEALTH_PATH, get(health::ready))
        .route("/metrics", get(metrics::show))
        .route(REPORTS_PATH, get(listing::list))
        .route(EVENTS_PATH, get(events::follow))
        .route(&format!("{AUDIO_PUBLIC_PREFIX}{{file}}"), get(exports::serve))
        .route(&format!("{BY_VIDEO_PREFIX}{{file}}"), get(exports::by_video))
        .merge(page::routes());
    if ingest.postgres_only {
        for path in GONE.into_iter().chain([CONTENT_PATH]) {
            router = router.route(path, any(content::gone));
        }
    } else {
        router = router.route(CONTENT_PATH, post(content::take));
    }
    router
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
