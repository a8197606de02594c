//! What the pipeline's own senders lose (contract H.2), and this one keeps.

use super::*;
use crate::report::compose;

/// The payload of a lone file.
fn payload(root: &Value) -> Value {
    let report = report(root);
    let variants = report.variants.into_iter().map(|v| (v.name.clone(), v)).collect();
    let indexed_at = report.fields.indexed_at.unwrap_or_default();
    let payload = compose(&report.id, &report.fields, variants, indexed_at, None);
    serde_json::to_value(payload).unwrap()
}

fn reddit() -> Value {
    json!({
        "id": "reddit:1n2abcd", "content_source": "reddit", "title": "",
        "canonical_url": "https://www.reddit.com/r/sailing/comments/1n2abcd/",
        "processed_at": "2025-09-06T10:00:00Z",
        "metadata": {"title": "Which knot?", "uploader": "someone", "duration": 61.6,
            "thumbnail": "https://i.example/t.jpg"},
        "source_metadata": {"reddit": {"subreddit": "sailing", "author": "someone"}},
        "media": {"has_audio": true},
        "analysis": {"categories": [{"category": "Sport", "subcategories": ["Sailing"]}],
            "key_topics": ["knots"]},
        "analysis_json": {"speaker": "A. Sailor"},
        "summary": {"summary": "A bowline.", "language": "en", "default_variant": "x",
            "latest_variant": "y", "audio_url": "z",
            "variants": [{"variant": "audio", "text": "By ear."}]},
        "transcript": "long", "published_at": "2025-01-01T00:00:00Z",
    })
}

#[test]
fn other_ids_than_youtubes_get_no_yt_prefix() {
    assert_eq!(payload(&reddit())["video_id"], "reddit:1n2abcd");
}

#[test]
fn title_and_channel_are_found_beyond_the_root() {
    let payload = payload(&reddit());
    assert_eq!(payload["title"], "Which knot?");
    assert_eq!(payload["channel_name"], "r/sailing");
}

#[test]
fn thumbnail_and_length_are_found_beyond_the_root() {
    let payload = payload(&reddit());
    assert_eq!(payload["thumbnail_url"], "https://i.example/t.jpg");
    assert_eq!(payload["duration_seconds"], 62);
}

#[test]
fn the_date_is_the_files_and_never_now() {
    assert_eq!(payload(&reddit())["indexed_at"], "2025-09-06T10:00:00Z");
    let mut undated = reddit();
    put(&mut undated, "processed_at", json!(""));
    assert_eq!(report(&undated).fields.indexed_at, None);
}

#[test]
fn categories_topics_and_the_roots_own_analysis_are_sent() {
    let payload = payload(&reddit());
    assert_eq!(payload["subcategories_json"]["categories"][0]["subcategories"][0], "Sailing");
    assert_eq!(payload["topics_json"], json!(["knots"]));
    assert_eq!(payload["analysis_json"]["speaker"], "A. Sailor");
}

#[test]
fn the_sound_of_a_video_is_no_mp3() {
    let payload = payload(&reddit());
    assert_eq!(payload.get("media"), None);
    assert_eq!(payload["analysis_json"].get("audio_url"), None);
}

#[test]
fn bookkeeping_strings_are_no_variants_and_the_list_of_variants_is_read() {
    let payload = payload(&reddit());
    let variants = payload["summary_variants"].as_array().unwrap();
    let names: Vec<_> = variants.iter().map(|variant| variant["variant"].as_str()).collect();
    assert_eq!(names, [Some("audio"), Some("comprehensive")]);
}

#[test]
fn every_variant_asks_for_the_next_revision_and_has_html() {
    for variant in payload(&reddit())["summary_variants"].as_array().unwrap() {
        assert_eq!(variant["revision"], 0);
        assert_eq!(variant["summary_type"], variant["variant"]);
        assert!(variant["html"].as_str().unwrap().starts_with("<p>"));
    }
}

#[test]
fn a_summary_that_is_a_string_or_an_object_survives_conversion() {
    for content in
        [json!("text"), json!({"summary": "text"}), json!({"summary": {"summary": "text"}})]
    {
        let root = with(Shape::Converted, &[("summary.content", content)]);
        assert_eq!(payload(&root)["summary_variants"][0]["text"], "text");
    }
}

#[test]
fn nothing_is_sent_that_the_dashboard_would_ignore() {
    let payload = payload(&reddit());
    for key in ["transcript", "published_at", "id", "word_count", "summary_text"] {
        assert_eq!(payload.get(key), None, "{key}");
    }
}

#[test]
fn the_digest_of_the_fields_follows_what_is_sent() {
    let digest = |root: &Value| report(root).fields.digest();
    let base = digest(&reddit());
    for (path, value, same) in [
        ("transcript", json!("another"), true),
        ("metadata.view_count", json!(7), true),
        ("summary.summary", json!("another"), true),
        ("title", json!("another"), false),
        ("processed_at", json!("2025-09-06T10:00:01Z"), false),
        ("processed_at", json!(""), false),
        ("analysis.key_topics", json!(["x"]), false),
        ("media_metadata.mp3_duration_seconds", json!(3), false),
    ] {
        let mut root = reddit();
        put(&mut root, path, value);
        assert_eq!(digest(&root) == base, same, "{path}");
    }
}
