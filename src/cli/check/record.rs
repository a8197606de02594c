//! A test record that goes to the dashboard, is read back, and is deleted again.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::line::Line;
use crate::clock;
use crate::contract::{ReportPayload, SummaryVariant};
use crate::delivery::Verdict;
use crate::id::{ContentId, Version};
use crate::target::{Answered, Target, to_json};

const CHECK: &str = "test record";
const TITLE: &str = "A test record of ytv2d check, which deletes it again";

/// Sends nothing that could not be taken back: first it is seen whether the dashboard deletes.
pub async fn round_trip(target: &Target) -> Line {
    let now = clock::now();
    let id = id_of(now);
    match target.delete(&id).await {
        Ok(answered) if can_delete(&answered) => {}
        Ok(Answered { status, .. }) => {
            let words = format!("not sent, since it could not be deleted: {status}");
            return Line::warning(CHECK, words, "the dashboard has no DELETE /api/delete/<id>");
        }
        Err(fault) => {
            return Line::failed(CHECK, fault.to_string(), "look at the dashboard's own log");
        }
    }
    let json = match to_json(&payload(&id, now)) {
        Ok(json) => json,
        Err(error) => return Line::failed(CHECK, error.to_string(), "report this as a fault"),
    };
    let refused = match target.report(json, now.as_millisecond()).await {
        Verdict::Accepted(_) => None,
        Verdict::Later { why, .. }
        | Verdict::Unproven(why)
        | Verdict::Refused(why)
        | Verdict::Denied(why)
        | Verdict::Misdirected(why)
        | Verdict::Unreachable(why) => Some(why),
    };
    let shown = read(target, &id).await;
    // Whatever was answered, it may be there.
    let deleted = target.delete(&id).await;
    let left = read(target, &id).await;

    let shows = |seen: &Seen| matches!(seen, Seen::Record(title) if title == TITLE);
    match (refused, shows(&shown), left) {
        (_, _, Seen::Record(_) | Seen::Nothing(Some(_))) => {
            let how = match deleted {
                Ok(answered) => answered.status.to_string(),
                Err(fault) => fault.to_string(),
            };
            let words =
                format!("{id} was sent, and may still be there: its deletion came to {how}");
            Line::failed(CHECK, words, "delete it in the dashboard")
        }
        (Some(why), ..) => Line::failed(CHECK, why, "look at the dashboard's own log"),
        (None, true, Seen::Nothing(None)) => {
            Line::ok(CHECK, format!("stored, read back and deleted again ({id})"))
        }
        (None, false, Seen::Nothing(None)) => Line::failed(
            CHECK,
            format!("{id} was acknowledged, and could not be read back"),
            "look at the dashboard's own log and database",
        ),
    }
}

/// What a path shows.
enum Seen {
    /// The title of a record.
    Record(String),
    /// No record, and why that is no proof that there is none.
    Nothing(Option<String>),
}

async fn read(target: &Target, id: &ContentId) -> Seen {
    match target.ask(&format!("/{id}.json")).await {
        Ok(Answered { status: 200, body, .. }) => {
            let record: Value = serde_json::from_slice(&body).unwrap_or_default();
            Seen::Record(record["video"]["title"].as_str().unwrap_or_default().to_owned())
        }
        Ok(Answered { status: 404, .. }) => Seen::Nothing(None),
        Ok(Answered { status, .. }) => Seen::Nothing(Some(status.to_string())),
        Err(fault) => Seen::Nothing(Some(fault.to_string())),
    }
}

/// Whether this is the answer of a dashboard that deletes, were it only that it does not know the
/// id (contract G.1).
fn can_delete(answered: &Answered) -> bool {
    let answer: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    matches!(answered.status, 200 | 404) && answer["status"].is_string()
}

/// One that nobody has, nor has in it: the dashboard also deletes what has the id in any of its
/// texts (contract G.2).
fn id_of(now: Timestamp) -> ContentId {
    let seed = format!("{} {}", now.as_nanosecond(), std::process::id());
    format!("ytv2d-check-{}", Version::of(seed.as_bytes())).parse().expect("a sound id")
}

fn payload(id: &ContentId, now: Timestamp) -> ReportPayload {
    let name = "comprehensive".to_owned();
    ReportPayload {
        video_id: id.to_string(),
        title: TITLE.to_owned(),
        channel_name: Some("ytv2d".to_owned()),
        indexed_at: now.to_string(),
        duration_seconds: None,
        thumbnail_url: None,
        canonical_url: None,
        subcategories_json: None,
        analysis_json: Map::new(),
        topics_json: None,
        media: None,
        content_source: None,
        summary_variants: vec![SummaryVariant {
            variant: name.clone(),
            text: TITLE.to_owned(),
            html: format!("<p>{TITLE}</p>"),
            revision: 0,
            summary_type: name,
        }],
    }
}
