//! A test record that goes to a target, is read back, and is deleted again.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::line::Line;
use crate::clock;
use crate::delivery::Verdict;
use crate::id::{ContentId, TargetName, Version};
use crate::report::{self, Dates, IdPolicy, KnownAudio, Source, compose, flat_row};
use crate::target::{Answered, Load, Progress, Sent, Target, to_json};

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
    let json = match body(target.name(), &id, now) {
        Ok(json) => json,
        Err(error) => return Line::failed(CHECK, error.to_string(), "report this as a fault"),
    };
    let sent =
        target.deliver(&id, now.as_millisecond(), Load::Report(json), &Progress::default()).await;
    let shown = read(target, &id).await;
    // Whatever was answered, it may be there.
    let deleted = target.delete(&id).await;
    let left = read(target, &id).await;

    let refused = match sent {
        Sent::Verdict(Verdict::Accepted(_)) => None,
        Sent::Verdict(verdict) => Some(words(verdict)),
        Sent::Changed | Sent::Unreadable(_) => Some("it was not sent".to_owned()),
    };
    let is_deleted = matches!(&deleted, Ok(answered) if can_delete(answered));
    if !is_deleted || !matches!(left, Seen::Nothing) {
        let how = match deleted {
            Ok(answered) => answered.status.to_string(),
            Err(fault) => fault.to_string(),
        };
        let words = format!("{id} was sent, and may still be there: its deletion came to {how}");
        return Line::failed(CHECK, words, "delete it in the dashboard");
    }
    match (refused, target.name(), shown) {
        (Some(why), ..) => Line::failed(CHECK, why, "look at the dashboard's own log"),
        (None, TargetName::Dashboard, Seen::Record(title)) if title == TITLE => {
            Line::ok(CHECK, format!("stored, read back and deleted again ({id})"))
        }
        (None, TargetName::Dashboard, _) => Line::failed(
            CHECK,
            format!("{id} was acknowledged, and could not be read back"),
            "look at the dashboard's own log and database",
        ),
        // What a dashboard of then shows is a page.
        (None, TargetName::Legacy, _) => {
            Line::ok(CHECK, format!("stored and deleted again ({id})"))
        }
    }
}

/// What a record's path shows.
enum Seen {
    /// Its title.
    Record(String),
    Nothing,
    /// No record, and no proof that there is none.
    Unknown,
}

async fn read(target: &Target, id: &ContentId) -> Seen {
    match target.ask(&format!("/{id}.json")).await {
        Ok(Answered { status: 200, body, .. }) => {
            let record: Value = serde_json::from_slice(&body).unwrap_or_default();
            Seen::Record(record["video"]["title"].as_str().unwrap_or_default().to_owned())
        }
        Ok(Answered { status: 404, .. }) => Seen::Nothing,
        _ => Seen::Unknown,
    }
}

/// Whether this is the answer of a dashboard that deletes, were it only that it does not know the
/// id (contract G.1).
fn can_delete(answered: &Answered) -> bool {
    let answer: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    matches!(answered.status, 200 | 404) && answer["status"].is_string()
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accepted(_) => String::new(),
        Verdict::Later { why, .. }
        | Verdict::Unproven(why)
        | Verdict::Erred(why)
        | Verdict::Refused(why)
        | Verdict::Retired(why)
        | Verdict::Denied(why)
        | Verdict::Misdirected(why)
        | Verdict::Unreachable(why) => why,
    }
}

/// One that nobody has, nor has in it: the dashboard also deletes what has the id in any of its
/// texts (contract G.2).
fn id_of(now: Timestamp) -> ContentId {
    let seed = format!("{} {}", now.as_nanosecond(), std::process::id());
    format!("ytv2d-check-{}", Version::of(seed.as_bytes())).parse().expect("a sound id")
}

/// What goes over the wire of such a target.
fn body(target: TargetName, id: &ContentId, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    let file = json!({
        "video_id": id,
        "title": TITLE,
        "channel_name": "ytv2d",
        "indexed_at": now,
        "summary_variants": [{ "variant": "comprehensive", "text": TITLE }],
    });
    let source = Source { file_stem: id.as_str(), zone: &TimeZone::UTC, ids: IdPolicy::Prefixed };
    let report = report::read(file.to_string().as_bytes(), &source)?;
    let variants: Vec<_> =
        report.variants.iter().map(|variant| (variant.name.clone(), variant.clone())).collect();
    Ok(match target {
        TargetName::Dashboard => to_json(&compose(id, &report.fields, variants, now, None), 0)?,
        TargetName::Legacy => {
            let dates = Dates { indexed_at: now, updated_at: now };
            let audio = KnownAudio::default();
            to_json(&flat_row(id, &report.fields, &report.extras, &variants, dates, &audio), 0)?
        }
    })
}
