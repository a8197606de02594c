//! What becomes of a request that cannot be done: a status, what is wrong, and what to do.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};

use super::wire::Fault;
use crate::outbox::OutboxError;

/// Why a request is refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    fault: Fault,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, fault: Fault { error: error.into(), hint: hint.into() } }
    }

    /// It was asked wrongly.
    pub fn bad(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// There is no such thing.
    pub fn not_found(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// It was asked rightly, and cannot be done as things are.
    pub fn conflict(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, hint)
    }

    /// It can be done later.
    pub fn busy(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, hint)
    }

    /// The daemon is on its way out.
    pub fn stopping() -> Self {
        Self::busy("the daemon is stopping", "ask again when it runs")
    }
}

impl From<OutboxError> for Refusal {
    fn from(error: OutboxError) -> Self {
        let hint = match error.is_disk_full() {
            true => "make room on its volume, and ask again",
            false => "the daemon is on its way out; look into its log",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.fault)).into_response()
    }
}
