//! `GET` and `HEAD /exports/audio/<file>`, with ranges.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;

use super::problem::Problem;
use super::{Ingest, name};

pub(super) async fn serve(
    State(ingest): State<Ingest>,
    Path(file): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    // Only what `name` could have given: no other folder, no upload that is still coming in.
    if !name::is_given(&file) {
        return Err(Problem::NotFound);
    }
    let response = ingest.media.serve(&file, request).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Err(Problem::NotFound);
    }
    Ok(response)
}
