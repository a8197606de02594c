//! Reads a report's body into memory, within bounds.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::TimeoutError;

use super::Ingest;
use super::problem::Problem;

/// How many bytes of report bodies may be in memory at a time.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Never waits: two half-read bodies that wait for each other's share would wait for ever.
    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let bytes = u32::try_from(bytes).map_err(|_| Problem::Crowded)?;
        self.0.clone().try_acquire_many_owned(bytes).map_err(|_| Problem::Crowded)
    }
}

/// A whole body and its share of the budget.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

/// Reads a decompressed body whole.
///
/// Fails with `no data received` when it is empty (contract C.4), too large, stalled, or when
/// other reports fill the memory set aside for them.
pub(super) async fn read(ingest: &Ingest, request: Request<Body>) -> Result<Whole, Problem> {
    let limit = ingest.limits.report_bytes;
    let too_large = || Problem::TooLarge { limit: limit as u64 };
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(too_large());
    }
    let mut whole = Whole { bytes: Vec::new(), _share: None };
    let mut stream = request.into_body().into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| unreadable(&error))?;
        if piece.len() > limit - whole.bytes.len() {
            return Err(too_large());
        }
        let share = ingest.budget.take(piece.len())?;
        match &mut whole._share {
            Some(sum) => sum.merge(share),
            none => *none = Some(share),
        }
        whole.bytes.extend_from_slice(&piece);
    }
    if whole.bytes.is_empty() {
        return Err(Problem::BadRequest("no data received".into()));
    }
    Ok(whole)
}

/// What a failed read of a body means.
pub(super) fn unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut causes = std::iter::successors(Some(error), |cause| cause.source());
    if causes.any(|cause| cause.is::<TimeoutError>()) {
        Problem::Stalled
    } else {
        Problem::BadRequest("the body cannot be read to its end".into())
    }
}
