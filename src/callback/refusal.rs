//! What becomes of a request that is not done.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};

use super::wire::Fault;

/// Why it is not done.
#[derive(Debug)]
pub enum Refusal {
    Unauthorized,
    /// Not for so long.
    TooMany(Duration),
    TooLarge,
    /// It did not come to its end in time.
    Stalled,
    Bad(String),
    NotFound,
    WrongMethod,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match &self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized".to_owned()),
            Self::TooMany(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too many failures: try again later".to_owned())
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too large: the limit is 1 MiB".to_owned())
            }
            Self::Stalled => {
                (StatusCode::REQUEST_TIMEOUT, "the request's body stopped coming".to_owned())
            }
            Self::Bad(why) => (StatusCode::BAD_REQUEST, why.clone()),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found".to_owned()),
            Self::WrongMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, "this path takes another method".to_owned())
            }
        };
        let mut response = (status, Json(Fault { error })).into_response();
        let headers = response.headers_mut();
        // Some of the body may be left unread.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Self::TooMany(wait) = self {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
