//! `DELETE /api/delete/<id>` and `POST /api/delete` (contract G.1).

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;
use tracing::info;

use super::door::EitherAdmitted;
use super::problem::Problem;
use super::store::Deleted;
use super::{Ingest, body, events, ids, wire};
use crate::contract::DeleteAnswer;

pub(super) async fn by_path(
    _: EitherAdmitted,
    State(ingest): State<Ingest>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    delete(&ingest, &id).await
}

#[derive(Deserialize)]
pub(super) struct Named {
    id: Option<String>,
}

/// The id stands in the query or in the body.
pub(super) async fn by_name(
    _: EitherAdmitted,
    State(ingest): State<Ingest>,
    Query(named): Query<Named>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let id = match named.id {
        Some(id) => id,
        None => {
            let body = body::read(&ingest, request).await?;
            let id = wire::parse(&body.bytes)?.get("id").and_then(Value::as_str).map(str::to_owned);
            id.ok_or_else(|| Problem::BadRequest("id required".into()))?
        }
    };
    delete(&ingest, &id).await
}

/// Deletes the record of exactly this id, or of what it means, and its audio.
async fn delete(ingest: &Ingest, asked: &str) -> Result<Response, Problem> {
    for id in ids::readings(asked) {
        let media = ingest.media.clone();
        let remove = Box::new(move |name| media.remove(name).boxed());
        let deleted = ingest.store.delete(id.to_owned(), remove).await?;
        if deleted.record || deleted.audio {
            let Deleted { record, files, .. } = deleted;
            info!(id = ?id, record, files, "report deleted");
            events::report_deleted(ingest, id);
            return Ok(Json(DeleteAnswer {
                status: "success".into(),
                message: format!("{id} is deleted"),
                deleted_files: deleted.files,
                errors: Vec::new(),
                idempotent: false,
            })
            .into_response());
        }
    }
    info!(id = ?asked, "nothing to delete");
    let answer = DeleteAnswer {
        status: "error".into(),
        message: format!("there is no {asked}"),
        deleted_files: 0,
        errors: Vec::new(),
        idempotent: true,
    };
    Ok((StatusCode::NOT_FOUND, Json(answer)).into_response())
}
