//! `POST /api/content` (contract F.2).

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use tracing::info;

use super::door::OldAdmitted;
use super::problem::Problem;
use super::{Ingest, body, events, flat, wire};
use crate::clock;
use crate::contract::{Action, ContentAnswer};

pub(super) async fn take(
    State(ingest): State<Ingest>,
    admitted: OldAdmitted,
    request: Request<Body>,
) -> Result<Json<ContentAnswer>, Problem> {
    let body = body::read(&ingest, request).await?;
    let (id, report) = flat::read(&wire::parse(&body.bytes)?)?;
    let bytes = body.bytes.len();
    drop(body);

    let now = clock::now();
    let video_id = report.video_id.clone();
    let shown: Vec<String> = report.summaries.iter().map(|s| s.variant.clone()).collect();
    let stored = ingest.store.put_report(report, admitted.version, now).await?;
    info!(id = ?video_id, action = stored.action.as_str(), bytes, "row taken");
    ingest.metrics.report_taken(stored.action, bytes);
    if stored.action.changes() {
        events::report_added(&ingest, &video_id, shown.iter().map(String::as_str), None);
    }
    Ok(Json(ContentAnswer {
        success: true,
        message: match (stored.action, shown.is_empty()) {
            (Action::Superseded, _) => "a newer version is there already, and stays".into(),
            (_, true) => "stored; without a summary_text it is not shown".into(),
            (_, false) => "stored".into(),
        },
        id,
        // The older generation knows two words.
        action: match stored.action {
            Action::Unchanged => Action::Updated,
            other => other,
        },
        upserted: stored.action != Action::Superseded,
        synced_at: now.to_string(),
        version: stored.superseded_by,
    }))
}

/// What answers where the older generation's endpoints were (contract F.2).
pub(super) async fn gone() -> Problem {
    Problem::Gone
}
