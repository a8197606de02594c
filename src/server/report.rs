//! `POST /ingest/report` (contract C).

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use jiff::Timestamp;
use tracing::info;

use super::door::Admitted;
use super::problem::Problem;
use super::{Ingest, body, events, row, wire};
use crate::contract::ReportAnswer;
use crate::contract::answer::VerifyRow;

pub(super) async fn take(
    admitted: Admitted,
    State(ingest): State<Ingest>,
    request: Request<Body>,
) -> Result<Json<ReportAnswer>, Problem> {
    let body = body::read(&ingest, request).await?;
    let report = row::read(&wire::parse(&body.bytes)?)?;
    let (video_id, bytes) = (report.video_id.clone(), body.bytes.len());
    drop(body);
    let names: Vec<String> = report.summaries.iter().map(|s| s.variant.clone()).collect();
    let indexed_at = report.indexed_at;

    let stored = ingest.store.put_report(report, admitted.version, Timestamp::now()).await?;
    info!(
        id = ?video_id,
        action = stored.action.as_str(),
        summaries = stored.summaries,
        bytes,
        "report taken"
    );
    ingest.metrics.report_taken(stored.action, bytes);
    if stored.action.changes() {
        let names = names.iter().map(String::as_str);
        events::report_added(&ingest, &video_id, names, indexed_at);
    }
    Ok(Json(ReportAnswer {
        upserted: 1,
        summaries_upserted: Some(stored.summaries),
        embedding_updated: Some(false),
        verify_row: Some(VerifyRow { video_id, title: Some(stored.title) }),
        action: Some(stored.action),
        version: stored.superseded_by,
    }))
}
