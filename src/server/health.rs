//! `GET /health` and `GET /health/ingest` (contract E).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::error;

use super::Ingest;

/// The process lives.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "timestamp": Timestamp::now().to_string(),
        "service": "ytv2-ingest",
    }))
}

/// The server would take a report now. Clients of the dashboard go ahead only when `token_set` and
/// `pg_dsn_set` are both true, so these say here that the door and the store are set up, whichever
/// door and store they are; unlike the dashboard, this asks the store.
pub(super) async fn ready(State(ingest): State<Ingest>) -> (StatusCode, Json<Value>) {
    let health = ingest.store.health().await;
    if let Err(error) = &health {
        error!(%error, "store failed");
    }
    let (code, status) = match health {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "error"),
    };
    let body = json!({
        "status": status,
        "auth_required": ingest.guard.asks(),
        "token_set": true,
        "pg_dsn_set": true,
        "timestamp": Timestamp::now().to_string(),
    });
    (code, Json(body))
}
