//! A flat row, as the older generation sends it, becomes a [`Report`] (contract F.2; H, column A.5).
//! Pure.

use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::row;
use super::store::Report;
use crate::contract::truthy;
use crate::report;

/// Columns that the read side looks for in `analysis_json`, under these names (contract E.1).
const ANALYSIS: [&str; 9] = [
    "category",
    "subcategory",
    "content_type",
    "complexity_level",
    "language",
    "key_topics",
    "named_entities",
    "word_count",
    "audio_duration_seconds",
];

/// Columns that are the same in both generations.
const COLUMNS: [&str; 6] = [
    "title",
    "channel_name",
    "duration_seconds",
    "thumbnail_url",
    "canonical_url",
    "subcategories_json",
];

/// What a summary without a type is (contract F.2).
const DEFAULT_TYPE: &str = "audio";

/// Reads a row: its id as it was sent, and what is to be stored, under the id of this generation.
pub(super) fn read(row: &Value) -> Result<(String, Report), Problem> {
    let said = |name: &str| row.get(name).filter(|value| truthy(value));
    let id = said("id").and_then(Value::as_str);
    let (Some(id), Some(_)) = (id, said("title")) else {
        return Err(Problem::BadRequest("id and title required".into()));
    };

    // The row's own id may have lost its upper case, and its column has kept it (contract J.1).
    let own = said("video_id").and_then(Value::as_str);
    let video_id = own.unwrap_or_else(|| id.strip_prefix("yt:").unwrap_or(id));
    let mut payload = Map::from_iter([("video_id".to_owned(), video_id.into())]);
    for name in COLUMNS {
        payload.insert(name.into(), said(name).cloned().unwrap_or_default());
    }
    payload.insert("analysis_json".into(), analysis(row).into());
    payload.insert("topics_json".into(), said("key_topics").cloned().unwrap_or_default());
    payload.insert("summary_variants".into(), summaries(row).into());
    // That there is none, rows say by mistake too often to be believed (contract J.1).
    if said("has_audio").is_some() {
        payload.insert("media".into(), json!({"has_audio": true}));
    }
    // Where the card stands is settled by the first row of an id.
    let first = said("indexed_at").or_else(|| said("created_at"));
    payload.insert("indexed_at".into(), first.cloned().unwrap_or_default());

    let mut report = row::read(&payload.into())?;
    report.first_indexed_at = report.indexed_at.take();
    Ok((id.to_owned(), report))
}

/// The row's own analysis, and the columns that it does not say.
fn analysis(row: &Value) -> Map<String, Value> {
    let mut analysis = match row.get("analysis") {
        Some(Value::Object(analysis)) => analysis.clone(),
        Some(Value::String(text)) => match report::bounded_json(text) {
            Ok(Value::Object(analysis)) => analysis,
            _ => Map::new(),
        },
        _ => Map::new(),
    };
    for name in ANALYSIS {
        if let Some(value) = row.get(name).filter(|value| truthy(value)) {
            analysis.entry(name).or_insert_with(|| value.clone());
        }
    }
    analysis
}

/// The one summary of a row, and where nobody would see it a copy under a name that shows (contract
/// H.1.6): the older generation knew no rule of visibility.
fn summaries(row: &Value) -> Vec<Value> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(summary) = text("summary_text") else { return Vec::new() };
    let name = report::variant_name(text("summary_type").unwrap_or(DEFAULT_TYPE));
    let html = report::html_from_text(summary);
    let variant = |name: &str| json!({"variant": name, "text": summary, "html": html});
    let mut variants = vec![variant(&name)];
    if !report::is_visible(&name) {
        variants.push(variant(report::visible_stand_in(&name)));
    }
    variants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::store::AudioClaim;

    fn flat(more: Value) -> Value {
        let mut row = json!({"id": "yt:ab-3_xy9zqk", "title": "How tides work"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    }

    fn stored(more: Value) -> Report {
        read(&flat(more)).unwrap().1
    }

    #[test]
    fn the_column_with_the_true_case_is_the_id_and_the_sent_one_is_echoed() {
        let (id, report) = read(&flat(json!({"video_id": "aB-3_xY9zQk"}))).unwrap();
        assert_eq!((id.as_str(), report.video_id.as_str()), ("yt:ab-3_xy9zqk", "aB-3_xY9zQk"));
        assert_eq!(stored(json!({})).video_id, "ab-3_xy9zqk");
        assert_eq!(stored(json!({"id": "reddit:1n2"})).video_id, "reddit:1n2");
        for bad in [json!({"id": ""}), json!({"id": 5}), json!({"title": ""})] {
            assert!(matches!(read(&flat(bad)), Err(Problem::BadRequest(_))));
        }
    }

    #[test]
    fn columns_become_the_analysis_that_readers_look_into() {
        let report = stored(json!({
            "category": ["Sea"], "language": "en", "key_topics": ["moon"], "word_count": 7,
            "complexity_level": "", "analysis": {"language": "fr"},
            "subcategories_json": "{\"categories\": []}",
        }));
        let expected =
            json!({"category": ["Sea"], "language": "fr", "key_topics": ["moon"], "word_count": 7});
        assert_eq!(report.analysis_json.map(Value::Object), Some(expected));
        assert_eq!(report.topics_json, Some(json!(["moon"])));
        assert_eq!(report.subcategories_json, Some(json!({"categories": []})));
    }

    #[test]
    fn the_place_of_a_card_is_only_a_first_one() {
        let report = stored(json!({"created_at": "2025-09-01T10:00:00"}));
        assert_eq!(report.indexed_at, None);
        assert_eq!(report.first_indexed_at, "2025-09-01T10:00:00Z".parse().ok());
    }

    #[test]
    fn a_summary_of_whatever_type_is_seen() {
        for (kind, names) in [
            (json!(null), &["audio"][..]),
            (json!("Key Points"), &["bullet-points"]),
            (json!("deep_research"), &["deep-research", "comprehensive"]),
            (json!("audio-fr:beginner"), &["audio-fr:beginner", "audio-fr"]),
        ] {
            let report = stored(json!({"summary_text": "a\nb", "summary_type": kind}));
            let found: Vec<&str> = report.summaries.iter().map(|s| s.variant.as_str()).collect();
            assert_eq!(found, names);
            assert_eq!(report.summaries[0].html.as_deref(), Some("<p>a<br>\nb</p>"));
        }
        assert_eq!(stored(json!({"summary_text": ""})).summaries, []);
    }

    #[test]
    fn a_row_can_say_that_there_is_audio_and_not_that_there_is_none() {
        assert_eq!(stored(json!({"has_audio": true})).audio, AudioClaim::With { url: None });
        assert_eq!(stored(json!({"has_audio": false})).audio, AudioClaim::Unsaid);
    }
}
