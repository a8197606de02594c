//! Which of the known shapes a report has, told by its keys alone (contract A.0).

use serde_json::{Map, Value};

use super::pick;

/// A shape of report, named as in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A.1, schema 1.0.0.
    LegacyNested,
    /// A.2, the current one.
    Universal,
    /// A.3: a legacy report that a tool rewrote as an empty universal one.
    EmptiedUniversal,
    /// A.4, a legacy report that a converter regrouped.
    Converted,
    /// A.5, a row of the old API or database.
    FlatRow,
    /// A.6, already what the ingest endpoint takes.
    IngestReady,
    /// A.8, the processor's output before any generator touched it.
    Raw,
}

impl Shape {
    /// The word for logs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::LegacyNested => "legacy-nested",
            Shape::Universal => "universal",
            Shape::EmptiedUniversal => "emptied-universal",
            Shape::Converted => "converted",
            Shape::FlatRow => "flat-row",
            Shape::IngestReady => "ingest-ready",
            Shape::Raw => "raw",
        }
    }
}

/// Columns that only a flat row has at its root: an `id` and a `title` alone may be anything.
const ROW_COLUMNS: [&str; 17] = [
    "format_source",
    "complexity_level",
    "content_type",
    "processing_status",
    "summary_text",
    "summary_type",
    "video_id",
    "channel_name",
    "canonical_url",
    "thumbnail_url",
    "duration_seconds",
    "published_at",
    "indexed_at",
    "category",
    "key_topics",
    "subcategories_json",
    "has_transcript",
];

/// The first shape that fits, in the order of contract A.0. `None`: not a report.
pub(super) fn recognise(root: &Map<String, Value>) -> Option<Shape> {
    let has = |key| root.contains_key(key);
    let object = |key| root.get(key).is_some_and(Value::is_object);
    let filled = |key| pick::string(root, key).is_some_and(|text| !text.trim().is_empty());

    if has("content_source") && has("id") && has("analysis") {
        let named = filled("title") || filled("canonical_url");
        return Some(if named { Shape::Universal } else { Shape::EmptiedUniversal });
    }
    let converted = ["content_analysis", "media_info", "processing_metadata"];
    if has("source_metadata") && converted.into_iter().any(has) && !has("analysis") {
        return Some(Shape::Converted);
    }
    if object("video") {
        return Some(Shape::LegacyNested);
    }
    if has("id") && has("title") && !object("summary") && ROW_COLUMNS.into_iter().any(has) {
        return Some(Shape::FlatRow);
    }
    let described =
        ["metadata.title", "metadata.video_id"].iter().any(|path| pick::at(root, path).is_some());
    if described && has("summary") && has("processed_at") && !has("id") && !has("content_source") {
        return Some(Shape::Raw);
    }
    (has("video_id") && has("title")).then_some(Shape::IngestReady)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_fitting_shape_in_the_order_of_the_contract_wins() {
        use Shape::*;
        let head = |title: &str, url: &str| json!({"content_source": "youtube", "id": "yt:x", "analysis": {}, "title": title, "canonical_url": url});
        for (root, shape) in [
            (head("T", ""), Some(Universal)),
            (head("", "https://example.org"), Some(Universal)),
            (head("", ""), Some(EmptiedUniversal)),
            (head(" ", ""), Some(EmptiedUniversal)),
            (
                json!({"content_source": "youtube", "id": "x", "analysis": {}}),
                Some(EmptiedUniversal),
            ),
            (
                json!({"content_source": "web", "id": "x", "analysis": {}, "title": "T", "video": {}}),
                Some(Universal),
            ),
            (json!({"source_metadata": {}, "content_analysis": {}}), Some(Converted)),
            (json!({"source_metadata": {}, "media_info": {}}), Some(Converted)),
            (
                json!({"source_metadata": {}, "processing_metadata": {}, "video": {}}),
                Some(Converted),
            ),
            (json!({"source_metadata": {}, "media_info": {}, "analysis": {}}), None),
            (json!({"source_metadata": {}}), None),
            (json!({"video": {}}), Some(LegacyNested)),
            (json!({"video": {}, "id": "x", "title": "T", "category": []}), Some(LegacyNested)),
            (json!({"video": "x.mp4"}), None),
            (json!({"id": "x", "title": "T", "format_source": "api"}), Some(FlatRow)),
            (
                json!({"id": "x", "title": "T", "complexity_level": "", "summary": "text"}),
                Some(FlatRow),
            ),
            (json!({"id": "x", "title": "T", "complexity_level": "", "summary": {}}), None),
            (json!({"id": "q1", "title": "Quiz", "questions": []}), None),
            (json!({"metadata": {"title": "T"}, "summary": {}, "processed_at": ""}), Some(Raw)),
            (json!({"metadata": {"video_id": "x"}, "summary": {}, "processed_at": ""}), Some(Raw)),
            (json!({"metadata": {"video_id": "x"}, "summary": {}}), None),
            (
                json!({"metadata": {"title": "T"}, "summary": {}, "processed_at": "", "id": "x"}),
                None,
            ),
            (json!({"video_id": "x", "title": "T"}), Some(IngestReady)),
            (json!({"video_id": "x", "title": "T", "summary_variants": []}), Some(IngestReady)),
            (json!({"video_id": "x"}), None),
            (json!({"a": 1}), None),
            (json!({}), None),
        ] {
            assert_eq!(recognise(root.as_object().unwrap()), shape, "{root}");
        }
    }
}
