//! Everything that can be wrong with a request, and the one function that makes it a response.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tracing::{error, info};

use super::store::StoreError;
use crate::contract::ErrorAnswer;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("not found")]
    NotFound,
    #[error("unauthorized")]
    Unauthorized,
    /// What `--postgres-only` has taken away (contract F.2).
    #[error("gone: this dashboard is PostgreSQL-only, send to /ingest/report")]
    Gone,
    /// The words of contract C.4 and D, which clients know.
    #[error("{0}")]
    BadRequest(String),
    #[error("the request's body stopped coming")]
    Stalled,
    #[error("too large: the limit is {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("cannot be stored: {0}")]
    Unstorable(#[from] Unstorable),
    #[error("too many at once")]
    Crowded,
    #[error("the store does not answer")]
    Store(StoreError),
}

/// A body that no number of attempts would get stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}")]
pub(super) struct Unstorable {
    /// Where, as a path: `summary_variants[2].text`.
    pub(super) field: String,
    /// What it has to be.
    pub(super) hint: String,
}

impl Unstorable {
    pub(super) fn new(field: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { field: field.into(), hint: hint.into() }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unstorable(why) => Unstorable::new("body", why).into(),
            error => Self::Store(error),
        }
    }
}

/// A failing media folder is a failing store.
impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Store(StoreError::Media(error))
    }
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Gone => StatusCode::GONE,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unstorable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Crowded | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// In seconds, for what passes by itself.
    fn retry_after(&self) -> Option<u8> {
        match self {
            Self::Crowded => Some(1),
            Self::Store(_) => Some(5),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unstorable(why) => Some(why.hint.clone()),
            _ => None,
        }
    }

    /// Whether some of the body may be left unread, so that the connection cannot go on.
    fn leaves_body(&self) -> bool {
        !matches!(self, Self::NotFound | Self::Unstorable(_))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match &self {
            Self::NotFound => {}
            Self::Store(error) => error!(%error, "store failed"),
            _ => info!(status = self.status().as_u16(), why = ?self, "request refused"),
        }
        let answer = ErrorAnswer { error: self.to_string(), hint: self.hint() };
        let mut response = (self.status(), Json(answer)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
        if self.leaves_body() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
