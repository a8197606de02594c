//! A conversion to the universal shape loses nothing of the record.

use jiff::Timestamp;

use super::*;
use crate::report::{pick, universal, youtube};

const SHAPES: [Shape; 7] = [
    Shape::LegacyNested,
    Shape::Universal,
    Shape::EmptiedUniversal,
    Shape::Converted,
    Shape::FlatRow,
    Shape::IngestReady,
    Shape::Raw,
];

fn written_at() -> Timestamp {
    "2025-10-01T12:00:00Z".parse().unwrap()
}

/// What a shape adds by itself when it is the universal one.
fn completed(mut report: Report) -> Report {
    let bare = report.id.as_str();
    let other = report.fields.content_source.as_deref().is_some_and(|source| source != "youtube");
    let is_youtube = youtube::is_id(bare) && !other;
    let fields = &mut report.fields;
    if is_youtube {
        fields.canonical_url.get_or_insert_with(|| youtube::watch_url(bare));
        fields.thumbnail_url.get_or_insert_with(|| youtube::still_url(bare));
    }
    fields.content_source.get_or_insert_with(|| {
        let prefix = report.id.as_str().split_once(':').map(|(prefix, _)| prefix);
        prefix.unwrap_or(if is_youtube { "youtube" } else { "other" }).to_owned()
    });
    fields.indexed_at.get_or_insert_with(written_at);
    let topics = fields.analysis.get("key_topics").map(pick::list).unwrap_or_default();
    fields.topics =
        fields.topics.take().or_else(|| (!topics.is_empty()).then_some(Value::Array(topics)));
    // Only an ingest-ready file can prove that there is an MP3 (contract A.2).
    fields.media = None;
    // Figures that only a video has.
    if !is_youtube {
        report.extras.view_count = None;
        report.extras.like_count = None;
        if fields.content_source.as_deref() != Some("reddit") {
            report.extras.comment_count = None;
        }
    }
    report.made_at.get_or_insert_with(written_at);
    report.shape = Shape::Universal;
    report.remarks.clear();
    report
}

#[track_caller]
fn keeps(root: &Value, file_stem: &str) {
    for ids in [IdPolicy::Prefixed, IdPolicy::Bare] {
        let Ok(report) = read_as(root, file_stem, ids) else { continue };
        let converted = universal(&report, written_at());
        let mut again = read_as(&converted, "another_name", ids)
            .unwrap_or_else(|problem| panic!("{problem}: {root} became {converted}"));
        again.remarks.clear();
        assert_eq!(again, completed(report), "{root} became {converted}");
        assert_eq!(universal(&again, written_at())["summary"], converted["summary"]);
    }
}

#[test]
fn every_sample_is_the_same_record_in_the_universal_shape() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/src/samples");
    let mut shapes = Vec::new();
    for entry in std::fs::read_dir(samples).unwrap() {
        let path = entry.unwrap().path();
        let root: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        shapes.push(read_as(&root, stem, IdPolicy::Prefixed).unwrap().shape);
        keeps(&root, stem);
    }
    for shape in SHAPES {
        assert!(shapes.contains(&shape), "there is no sample of {}", shape.as_str());
    }
}

/// Whatever may stand in a file of any shape, one by one and each with each.
fn pieces() -> Vec<(&'static str, Value)> {
    vec![
        ("indexed_at", json!("2025-09-02T18:44:05.123456789Z")),
        ("processed_at", json!("2025-09-03T00:00:00")),
        ("metadata.generated_at", json!("2025-09-01T10:00:00")),
        ("channel_name", json!("  r/sailing ")),
        ("canonical_url", json!("https://example.org/?a=1&b=<>")),
        ("thumbnail_url", json!("https://example.org/i.png")),
        ("duration_seconds", json!("727.4")),
        ("content_source", json!("youtube")),
        ("analysis_json", json!({"key_topics": ["a"], "language": " en ", "deep": [[{"x": 0.1}]]})),
        ("analysis.key_topics", json!(["b"])),
        ("content_analysis.key_topics", json!(["c", ""])),
        ("topics_json", json!(["d"])),
        ("key_topics", json!("[\"e\"]")),
        ("category", json!(["Science"])),
        ("analysis.category", json!(["General"])),
        ("analysis.categories", json!([{"category": "A", "subcategories": ["B"]}])),
        ("subcategories_json", json!("{\"categories\": [{\"category\": \"C\"}]}")),
        ("media", json!({"has_audio": true, "audio_url": "/exports/audio/x.mp3"})),
        ("media_metadata.mp3_duration_seconds", json!(181)),
        ("summary_image.public_url", json!("https://example.org/s.png")),
        ("original_language", json!("fr")),
        ("summary_text", json!("Line one.\n\nLine <two> & \"three\".")),
        ("summary_type", json!("audio_fr:Upper_Beginner")),
        (
            "summary_variants",
            json!([
                {"variant": "deep research", "text": "Deep.", "html": "<b>Deep.</b>"},
                {"variant": "audio", "text": " Heard. ", "generated_at": "2025-09-04T00:00:00"},
            ]),
        ),
        ("published_at", json!("2025-08-30T00:00:00")),
        ("video.upload_date", json!("20250831")),
        ("metadata.channel_id", json!("UC1")),
        ("word_count", json!("4000")),
        ("media.transcript_chars", json!(12)),
        ("has_transcript", json!(true)),
        ("view_count", json!(3_000_000_000_i64)),
        ("source_metadata.reddit.num_comments", json!(4)),
        ("title", json!("A title\twith \u{7}odd things")),
    ]
}

#[test]
fn whatever_stands_in_a_file_of_any_shape_is_kept() {
    let pieces = pieces();
    for shape in SHAPES {
        keeps(&minimal(shape), "some_slug");
        for first in &pieces {
            for second in &pieces {
                let root = with(shape, &[first.clone(), second.clone()]);
                keeps(&root, "unknown_video_20250904_043146");
            }
        }
        keeps(&with(shape, &pieces), "some_slug");
    }
}

#[test]
fn other_sources_keep_their_ids() {
    for (id, source) in [
        ("reddit:1n2abcd", "reddit"),
        ("1n2abcd", "reddit"),
        ("web:0f0f0f0f", "web"),
        ("hash:0123456789ab", "elsewhere"),
        ("anything", "elsewhere"),
    ] {
        keeps(
            &json!({"id": id, "content_source": source, "analysis": {}, "title": "T"}),
            "some_slug",
        );
    }
    for id in ["web:0f0f", "reddit:x", "anything", "aB-3_xY9zQk"] {
        keeps(&json!({"video_id": id, "title": "T"}), "some_slug");
    }
}

#[test]
fn a_legacy_report_has_the_keys_of_the_universal_shape() {
    let root = with(
        Shape::LegacyNested,
        &[
            ("video.title", json!("How tides work")),
            ("metadata.generated_at", json!("2025-09-02T18:44:05")),
            ("summary.content.audio", json!("By ear.")),
            ("summary.content.comprehensive", json!("By eye.")),
        ],
    );
    let converted = universal(&report(&root), written_at());
    assert_eq!(converted["id"], format!("yt:{ID}"));
    assert_eq!(converted["content_source"], "youtube");
    assert_eq!(converted["source_metadata"]["youtube"]["video_id"], ID);
    assert_eq!(converted["processed_at"], "2025-09-02T18:44:05Z");
    assert_eq!(converted["summary"]["summary"], "By eye.");
    assert_eq!(converted["summary"]["default_variant"], "comprehensive");
    assert_eq!(converted["summary"]["variants"][0]["kind"], "audio");
}

#[test]
fn a_source_that_contradicts_the_id_is_not_written_where_it_would_hide_the_id() {
    for source in ["youtube", "youtuBe", "yt", "YT"] {
        let root = json!({
            "content_source": source, "id": "x:aB:3_xY9zQk", "title": "t",
            "summary": {"summary": "s"}, "analysis": {},
        });
        let report = read_as(&root, "slug", IdPolicy::Bare).unwrap();
        assert_eq!(report.id.as_str(), "3_xY9zQk");
        let converted = universal(&report, written_at());
        let again = read_as(&converted, "slug", IdPolicy::Bare).unwrap();
        assert_eq!(again.id, report.id, "{source}");
    }
}
