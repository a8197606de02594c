//! One whole file of each shape, and all that comes out of it.

use super::*;

fn told(report: &Report) -> Value {
    let variants: Vec<_> = report.variants.iter().map(|v| (&v.name, &v.text)).collect();
    json!({
        "id": report.id, "shape": report.shape.as_str(), "made_at": report.made_at,
        "fields": report.fields, "variants": variants, "remarks": report.remarks,
    })
}

#[test]
fn a_legacy_report_is_read_whole() {
    let root = json!({
        "metadata": {"schema_version": "1.0.0", "generated_at": "2025-09-02T18:44:05.123456",
            "report_id": "aB-3_xY9zQk_4f0c1e"},
        "video": {"url": "https://www.youtube.com/watch?v=aB-3_xY9zQk", "video_id": ID,
            "title": "How tides work", "channel": "Sea Lab", "duration": 727,
            "upload_date": "20250831", "thumbnail": "https://i.example/t.jpg", "language": ""},
        "summary": {
            "content": {"summary": "By ear.", "headline": "Tides", "summary_type": "audio",
                "generated_at": "2025-09-02T18:44:00", "bullet_points": "• one"},
            "type": "comprehensive",
            "analysis": {"category": ["Science"], "key_topics": ["moon"]},
            "topics": [], "word_count": 94, "sentiment": "calm"},
        "media_metadata": {"mp3_duration_seconds": 181, "has_audio": true},
        "original_language": "en",
    });
    assert_eq!(
        told(&report(&root)),
        json!({
            "id": ID, "shape": "legacy-nested", "made_at": "2025-09-02T18:44:05.123456Z",
            "fields": {
                "title": "How tides work", "channel_name": "Sea Lab",
                "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
                "thumbnail_url": "https://i.example/t.jpg", "duration_seconds": 727,
                "indexed_at": "2025-09-02T18:44:05.123456Z",
                "analysis": {"category": ["Science"], "key_topics": ["moon"], "language": "en",
                    "word_count": 94, "audio_duration_seconds": 181},
                "subcategories": {"categories": [{"category": "Science", "subcategories": []}]},
                "topics": ["moon"], "content_source": null, "media": null},
            "variants": [["audio", "By ear."], ["bullet-points", "• one"]],
            "remarks": [],
        }),
    );
}

#[test]
fn a_universal_report_is_read_whole() {
    let root = json!({
        "id": "reddit:1n2abcd", "content_source": "reddit", "title": "Which knot holds?",
        "canonical_url": "", "thumbnail_url": null, "duration_seconds": 0, "word_count": 4000,
        "original_language": "en", "transcript": "long", "processed_at": "2025-09-06T10:00:00",
        "metadata": {"title": "x", "uploader": "someone", "channel": "r/sailing"},
        "source_metadata": {"reddit": {"submission_id": "1n2abcd", "subreddit": "sailing",
            "author": "someone", "permalink": "/r/sailing/comments/1n2abcd/knot/"}},
        "media": {"has_audio": true, "audio_url": "/exports/x.mp3", "audio_duration_seconds": 0},
        "analysis": {"category": ["Sport"], "subcategory": null, "key_topics": ["knots"],
            "categories": [{"category": "Sport", "subcategories": ["Sailing"]}],
            "audio_url": "/exports/x.mp3",
            "processing": {"completed_at": "2025-09-06T10:00:00"}},
        "analysis_json": {"speaker": "A. Sailor", "category": ["Sports"]},
        "summary": {"summary": "A bowline.", "summary_type": "comprehensive",
            "headline": "Bowline", "language": "en", "default_variant": "comprehensive",
            "latest_variant": "audio", "audio_url": "/exports/x.mp3",
            "variants": [
                {"variant": "comprehensive", "text": "A bowline.",
                    "generated_at": "2025-09-06T09:59:00Z"},
                {"variant": "key_insights", "text": "It unties.", "html": "<b>It unties.</b>"}]},
        "summary_image": {"path": "/x/i.png", "public_url": "https://i.example/i.png"},
    });
    assert_eq!(
        told(&report(&root)),
        json!({
            "id": "reddit:1n2abcd", "shape": "universal", "made_at": "2025-09-06T10:00:00Z",
            "fields": {
                "title": "Which knot holds?", "channel_name": "r/sailing",
                "canonical_url": "https://www.reddit.com/r/sailing/comments/1n2abcd/knot/",
                "thumbnail_url": null, "duration_seconds": null,
                "indexed_at": "2025-09-06T10:00:00Z",
                "analysis": {"category": ["Sports"], "subcategory": null, "key_topics": ["knots"],
                    "categories": [{"category": "Sport", "subcategories": ["Sailing"]}],
                    "processing": {"completed_at": "2025-09-06T10:00:00"},
                    "speaker": "A. Sailor", "language": "en",
                    "summary_image_url": "https://i.example/i.png"},
                "subcategories":
                    {"categories": [{"category": "Sport", "subcategories": ["Sailing"]}]},
                "topics": ["knots"], "content_source": "reddit", "media": null},
            "variants": [["comprehensive", "A bowline."], ["key-insights", "It unties."]],
            "remarks": [],
        }),
    );
}

#[test]
fn an_emptied_report_gets_back_what_its_remains_tell() {
    let root = json!({
        "id": "yt:ab-3_xy9zqk", "content_source": "youtube", "title": "", "canonical_url": "",
        "thumbnail_url": "", "duration_seconds": 0, "published_at": "2025-09-20T00:00:00Z",
        "channel_name": "Unknown", "media": {"has_audio": true},
        "source_metadata": {"youtube": {"video_id": ""}},
        "analysis": {"category": ["General"], "processing": {"status": "pending"}},
        "metadata": {"schema_version": "1.0.0", "report_id": "aB-3_xY9zQk_4f0c1e",
            "generated_at": "2025-09-02T18:44:05"},
        "summary": {"content": "All about tides.", "type": "comprehensive"},
    });
    let report = read_as(&root, "how_tides_work_aB-3_xY9zQk", IdPolicy::Prefixed).unwrap();
    assert_eq!(
        told(&report),
        json!({
            "id": ID, "shape": "emptied-universal", "made_at": "2025-09-02T18:44:05Z",
            "fields": {
                "title": "how tides work", "channel_name": null,
                "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
                "thumbnail_url": "https://i.ytimg.com/vi/aB-3_xY9zQk/hqdefault.jpg",
                "duration_seconds": null, "indexed_at": "2025-09-02T18:44:05Z",
                "analysis": {"processing": {"status": "pending"}},
                "subcategories": null, "topics": null, "content_source": "youtube",
                "media": null},
            "variants": [["comprehensive", "All about tides."]],
            "remarks": [],
        }),
    );
}

#[test]
fn a_converted_report_is_read_whole() {
    let root = json!({
        "content_source": "youtube",
        "source_metadata": {"youtube": {"video_id": ID, "title": "How tides work",
            "channel_name": "Sea Lab", "published_at": "20250831", "duration_seconds": 727,
            "thumbnail_url": "https://i.example/t.jpg",
            "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk"}},
        "content_analysis": {"language": "en", "category": ["Science"], "key_topics": ["moon"]},
        "media_info": {"has_audio": true, "audio_duration_seconds": 727},
        "processing_metadata": {"indexed_at": "2025-09-02T18:44:05Z",
            "content_id": "aB-3_xY9zQk_4f0c1e"},
        "summary": {"content": {"summary": {"summary": "By ear.", "summary_type": "audio",
            "comprehensive": "By eye."}, "summary_type": "comprehensive"}},
    });
    assert_eq!(
        told(&report(&root)),
        json!({
            "id": ID, "shape": "converted", "made_at": "2025-09-02T18:44:05Z",
            "fields": {
                "title": "How tides work", "channel_name": "Sea Lab",
                "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
                "thumbnail_url": "https://i.example/t.jpg", "duration_seconds": 727,
                "indexed_at": "2025-09-02T18:44:05Z",
                "analysis":
                    {"language": "en", "category": ["Science"], "key_topics": ["moon"]},
                "subcategories": {"categories": [{"category": "Science", "subcategories": []}]},
                "topics": ["moon"], "content_source": "youtube", "media": null},
            "variants": [["audio", "By ear."], ["comprehensive", "By eye."]],
            "remarks": [],
        }),
    );
}

#[test]
fn a_flat_row_is_read_whole() {
    let root = json!({
        "id": "yt:ab-3_xy9zqk", "video_id": ID, "title": "How tides work",
        "canonical_url": "https://youtu.be/aB-3_xY9zQk", "thumbnail_url": "",
        "channel_name": "Sea Lab", "duration_seconds": 727.0, "has_audio": true,
        "created_at": "2025-09-02 18:44:05", "indexed_at": "",
        "category": "[\"Science\"]", "key_topics": "moon", "named_entities": [],
        "content_type": "Lecture", "complexity_level": "", "language": "en",
        "subcategories_json": "{\"categories\":[{\"category\":\"Science\",\"subcategories\":[]}]}",
        "analysis": {}, "format_source": "api",
        "summary_text": "All about tides.", "summary_type": "key_points",
    });
    assert_eq!(
        told(&report(&root)),
        json!({
            "id": ID, "shape": "flat-row", "made_at": "2025-09-02T18:44:05Z",
            "fields": {
                "title": "How tides work", "channel_name": "Sea Lab",
                "canonical_url": "https://youtu.be/aB-3_xY9zQk", "thumbnail_url": null,
                "duration_seconds": 727, "indexed_at": "2025-09-02T18:44:05Z",
                "analysis": {"category": ["Science"], "key_topics": ["moon"],
                    "content_type": "Lecture", "language": "en"},
                "subcategories": {"categories": [{"category": "Science", "subcategories": []}]},
                "topics": ["moon"], "content_source": null, "media": null},
            "variants": [["bullet-points", "All about tides."]],
            "remarks": [],
        }),
    );
}

#[test]
fn an_ingest_ready_file_passes_through() {
    let root = json!({
        "video_id": "web:0f0f0f", "title": "T", "channel_name": "Site", "content_source": "web",
        "canonical_url": "https://example.org/", "thumbnail_url": null, "duration_seconds": null,
        "indexed_at": "2025-10-20T09:15:00Z", "analysis_json": "{\"language\": \"en\"}",
        "subcategories_json": {"categories": [{"category": "A", "subcategories": []}]},
        "topics_json": ["t"], "media": {"has_audio": true, "audio_url": "/exports/audio/x.mp3"},
        "summary_variants": [{"variant": "comprehensive", "text": "x", "html": "<i>x</i>"}],
    });
    let report = report(&root);
    assert_eq!(
        told(&report),
        json!({
            "id": "web:0f0f0f", "shape": "ingest-ready", "made_at": "2025-10-20T09:15:00Z",
            "fields": {
                "title": "T", "channel_name": "Site", "canonical_url": "https://example.org/",
                "thumbnail_url": null, "duration_seconds": null,
                "indexed_at": "2025-10-20T09:15:00Z", "analysis": {"language": "en"},
                "subcategories": {"categories": [{"category": "A", "subcategories": []}]},
                "topics": ["t"], "content_source": "web",
                "media": {"has_audio": true, "audio_url": "/exports/audio/x.mp3"}},
            "variants": [["comprehensive", "x"]],
            "remarks": [],
        }),
    );
    assert_eq!(report.variants[0].html, "<i>x</i>");
}

#[test]
fn raw_output_is_read_whole() {
    let root = json!({
        "url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
        "metadata": {"title": "How tides work", "uploader": "Sea Lab", "upload_date": "20250831",
            "duration": 727, "video_id": ID, "tags": ["sea", "moon"]},
        "transcript": "long",
        "summary": {"summary": "By ear.", "headline": "Tides", "summary_type": "audio",
            "generated_at": "2025-09-04T04:31:35"},
        "analysis": {"category": ["Science"], "key_topics": []},
        "processed_at": "2025-09-04T04:31:46",
        "processor_info": {"llm_provider": "x", "model": "y"},
    });
    assert_eq!(
        told(&report(&root)),
        json!({
            "id": ID, "shape": "raw", "made_at": "2025-09-04T04:31:46Z",
            "fields": {
                "title": "How tides work", "channel_name": "Sea Lab",
                "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
                "thumbnail_url": "https://i.ytimg.com/vi/aB-3_xY9zQk/hqdefault.jpg",
                "duration_seconds": 727, "indexed_at": "2025-09-04T04:31:46Z",
                "analysis": {"category": ["Science"], "key_topics": []},
                "subcategories": {"categories": [{"category": "Science", "subcategories": []}]},
                "topics": ["sea", "moon"], "content_source": null, "media": null},
            "variants": [["audio", "By ear."]],
            "remarks": [],
        }),
    );
}

#[test]
fn when_a_report_was_made_is_told_by_the_best_clock_in_it() {
    let made = |root: &Value| report(root).made_at.map(|time| time.to_string());
    let mut root = with(Shape::Universal, &[]);
    assert_eq!(made(&root), None);
    let item = |name: &str, time: &str| json!({"variant": name, "text": "x", "generated_at": time});
    let items =
        json!([item("audio", "2025-01-02T00:00:00Z"), item("adaptive", "2025-01-01T00:00:00Z")]);
    put(&mut root, "summary_variants", items);
    assert_eq!(made(&root).as_deref(), Some("2025-01-02T00:00:00Z"));
    put(&mut root, "indexed_at", json!("2025-01-03T00:00:00Z"));
    assert_eq!(made(&root).as_deref(), Some("2025-01-03T00:00:00Z"));
    put(&mut root, "processed_at", json!("2025-01-01T00:00:00Z"));
    assert_eq!(made(&root).as_deref(), Some("2025-01-01T00:00:00Z"));
}
