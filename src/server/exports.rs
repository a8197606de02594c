//! `GET` and `HEAD` of audio, with ranges: by the name of its file, or by the id it belongs to.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;

use super::problem::Problem;
use super::{Ingest, ids, name};

/// `/exports/audio/<file>`.
pub(super) async fn serve(
    State(ingest): State<Ingest>,
    Path(file): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    answer(&ingest, &file, request).await
}

/// `/exports/by_video/<id>.mp3`: the audio of that very id, unlike the dashboard, which takes any
/// file with the id somewhere in its name (contract E).
pub(super) async fn by_video(
    State(ingest): State<Ingest>,
    Path(file): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let id = file.strip_suffix(".mp3").ok_or(Problem::NotFound)?;
    for id in ids::readings(id) {
        if let Some(file) = ingest.store.audio_file(id.to_owned()).await? {
            return answer(&ingest, &file, request).await;
        }
    }
    Err(Problem::NotFound)
}

async fn answer(ingest: &Ingest, file: &str, request: Request<Body>) -> Result<Response, Problem> {
    // Only what `name` could have given: no other folder, no upload that is still coming in.
    if !name::is_given(file) {
        return Err(Problem::NotFound);
    }
    let response = ingest.media.serve(file, request).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Err(Problem::NotFound);
    }
    Ok(response)
}
