//! Each row of table H with more than one source: the first that has something wins.

use super::*;

/// A source, what stands there, and what comes out of it.
type Sources<'a> = &'a [(&'a str, Value, Value)];

fn in_order(shape: Shape, field: &str, sources: Sources<'_>, default: Value) {
    in_order_over(&minimal(shape), shape, field, sources, default);
}

/// Peels the sources off one by one, each time as an absent value, as an empty one, as a value of
/// the wrong kind and as none.
fn in_order_over(base: &Value, shape: Shape, field: &str, sources: Sources<'_>, default: Value) {
    for gone in 0..=sources.len() {
        let expected = sources.get(gone).map_or(&default, |(_, _, expected)| expected);
        for nothing in [None, Some(json!("")), Some(json!([])), Some(json!(null))] {
            let mut root = base.clone();
            for (path, value, _) in &sources[gone..] {
                put(&mut root, path, value.clone());
            }
            for (path, ..) in &sources[..gone] {
                // A parent of a source that is still there must stay an object.
                let parent = sources[gone..].iter().any(|(kept, ..)| kept.starts_with(path));
                if let Some(nothing) = nothing.as_ref().filter(|_| !parent) {
                    put(&mut root, path, nothing.clone());
                }
            }
            let read = report(&root);
            assert_eq!(read.shape, shape, "{root}");
            let fields = serde_json::to_value(&read.fields).unwrap();
            assert_eq!(&fields[field], expected, "{shape:?} {field}: {root}");
        }
    }
}

/// Sources of texts that come out as they are.
fn texts<'a>(paths: &[&'a str]) -> Vec<(&'a str, Value, Value)> {
    paths
        .iter()
        .map(|path| (*path, json!(format!(" of {path} ")), json!(format!("of {path}"))))
        .collect()
}

fn lengths<'a>(paths: &[&'a str]) -> Vec<(&'a str, Value, Value)> {
    paths.iter().zip(1..).map(|(path, n)| (*path, json!(n), json!(n))).collect()
}

fn times<'a>(paths: &[&'a str]) -> Vec<(&'a str, Value, Value)> {
    let time = |day| json!(format!("2025-09-0{day}T12:00:00Z"));
    paths.iter().zip(1..).map(|(path, day)| (*path, time(day), time(day))).collect()
}

fn lists<'a>(paths: &[&'a str]) -> Vec<(&'a str, Value, Value)> {
    paths.iter().map(|path| (*path, json!([path]), json!([path]))).collect()
}

const WATCH: &str = "https://www.youtube.com/watch?v=aB-3_xY9zQk";
const STILL: &str = "https://i.ytimg.com/vi/aB-3_xY9zQk/hqdefault.jpg";

#[test]
fn titles_come_from_the_first_source_and_at_last_from_the_file_name() {
    for (shape, paths) in [
        (
            Shape::Universal,
            &[
                "title",
                "source_metadata.youtube.title",
                "metadata.title",
                "source_metadata.web.title",
                "summary.headline",
            ][..],
        ),
        (Shape::EmptiedUniversal, &["metadata.title", "summary.content.headline"]),
        (Shape::LegacyNested, &["video.title", "summary.content.headline"]),
        (Shape::Converted, &["source_metadata.youtube.title"]),
        (Shape::FlatRow, &["title"]),
        (Shape::Raw, &["metadata.title", "summary.headline"]),
        (Shape::IngestReady, &["title"]),
    ] {
        // Without a title, a URL still tells a universal file from an emptied one.
        let mut base = minimal(shape);
        if shape == Shape::Universal {
            put(&mut base, "canonical_url", json!("https://example.org/"));
        }
        in_order_over(&base, shape, "title", &texts(paths), json!("some slug"));
    }
}

#[test]
fn channels_come_from_the_first_source() {
    let universal = {
        let mut sources = texts(&["channel_name", "source_metadata.youtube.channel_name"]);
        let subreddit = "source_metadata.reddit.subreddit";
        sources.push((subreddit, json!("sailing"), json!("r/sailing")));
        sources.extend(texts(&[
            "source_metadata.web.site_label",
            "source_metadata.web.site_name",
            "metadata.channel",
            "metadata.uploader",
            "source_metadata.youtube.uploader_id",
        ]));
        sources
    };
    in_order(Shape::Universal, "channel_name", &universal, json!(null));
    for (shape, path) in [
        (Shape::EmptiedUniversal, "metadata.uploader"),
        (Shape::LegacyNested, "video.channel"),
        (Shape::Converted, "source_metadata.youtube.channel_name"),
        (Shape::FlatRow, "channel_name"),
        (Shape::Raw, "metadata.uploader"),
        (Shape::IngestReady, "channel_name"),
    ] {
        in_order(shape, "channel_name", &texts(&[path]), json!(null));
    }
}

#[test]
fn urls_come_from_the_first_source_and_at_last_from_a_youtube_id() {
    let mut universal = texts(&["canonical_url", "url", "source_metadata.web.canonical_url"]);
    universal.push((
        "source_metadata.reddit.permalink",
        json!("/r/x/1"),
        json!("https://www.reddit.com/r/x/1"),
    ));
    in_order(Shape::Universal, "canonical_url", &universal, json!(WATCH));
    for (shape, paths, default) in [
        (Shape::EmptiedUniversal, &[][..], json!(WATCH)),
        (Shape::LegacyNested, &["video.url"], json!(WATCH)),
        (Shape::Converted, &["source_metadata.youtube.canonical_url"], json!(WATCH)),
        (Shape::FlatRow, &["canonical_url"], json!(null)),
        (Shape::Raw, &["url", "metadata.url"], json!(WATCH)),
        (Shape::IngestReady, &["canonical_url"], json!(null)),
    ] {
        in_order(shape, "canonical_url", &texts(paths), default);
    }
}

#[test]
fn thumbnails_come_from_the_first_source_and_at_last_from_a_youtube_id() {
    let universal = ["thumbnail_url", "metadata.thumbnail", "source_metadata.web.top_image"];
    for (shape, paths, default) in [
        (Shape::Universal, &universal[..], json!(STILL)),
        (Shape::EmptiedUniversal, &[], json!(STILL)),
        (Shape::LegacyNested, &["video.thumbnail"], json!(STILL)),
        (Shape::Converted, &["source_metadata.youtube.thumbnail_url"], json!(null)),
        (Shape::FlatRow, &["thumbnail_url"], json!(null)),
        (Shape::Raw, &universal, json!(STILL)),
        (Shape::IngestReady, &["thumbnail_url"], json!(null)),
    ] {
        in_order(shape, "thumbnail_url", &texts(paths), default);
    }
}

#[test]
fn lengths_come_from_the_first_source() {
    let same = ["duration_seconds", "metadata.duration", "source_metadata.youtube.duration"];
    let emptied = [&same[..], &["media_metadata.video_duration_seconds"]].concat();
    for (shape, paths) in [
        (Shape::Universal, &same[..]),
        (Shape::EmptiedUniversal, &emptied),
        (
            Shape::LegacyNested,
            &[
                "video.duration",
                "stats.video_length_seconds",
                "media_metadata.video_duration_seconds",
            ],
        ),
        (Shape::Converted, &["source_metadata.youtube.duration_seconds"]),
        (Shape::FlatRow, &["duration_seconds"]),
        (Shape::Raw, &["metadata.duration"]),
        (Shape::IngestReady, &["duration_seconds"]),
    ] {
        in_order(shape, "duration_seconds", &lengths(paths), json!(null));
    }
}

#[test]
fn dates_come_from_the_first_source_and_never_from_an_upload_day() {
    for (shape, paths) in [
        (
            Shape::Universal,
            &[
                "indexed_at",
                "processed_at",
                "analysis.processing.completed_at",
                "summary.generated_at",
            ][..],
        ),
        (Shape::EmptiedUniversal, &["metadata.generated_at", "summary.content.generated_at"]),
        (
            Shape::LegacyNested,
            &["indexed_at", "metadata.generated_at", "summary.content.generated_at"],
        ),
        (Shape::Converted, &["processing_metadata.indexed_at"]),
        (Shape::FlatRow, &["indexed_at", "created_at"]),
        (Shape::Raw, &["processed_at", "summary.generated_at"]),
        (Shape::IngestReady, &["indexed_at"]),
    ] {
        let sources = times(paths);
        if shape == Shape::Raw {
            // Without the key it would be another shape.
            in_order(shape, "indexed_at", &sources[..1], json!(null));
        } else {
            in_order(shape, "indexed_at", &sources, json!(null));
        }
        let days = [(paths[0], json!("20250831")), ("metadata.upload_date", json!("20250831"))];
        assert_eq!(report(&with(shape, &days)).fields.indexed_at, None, "{shape:?}");
    }
    let raw =
        [("processed_at", json!("")), ("summary.generated_at", json!("2025-09-02T12:00:00Z"))];
    assert!(report(&with(Shape::Raw, &raw)).fields.indexed_at.is_some());
}

#[test]
fn times_without_a_zone_get_the_configured_one() {
    let zone = TimeZone::fixed(jiff::tz::offset(-7));
    let root = with(Shape::FlatRow, &[("indexed_at", json!("2025-09-02T18:44:05"))]);
    let source = Source { file_stem: "x", zone: &zone, ids: IdPolicy::Prefixed };
    let read = read(root.to_string().as_bytes(), &source).unwrap();
    assert_eq!(read.fields.indexed_at.unwrap().to_string(), "2025-09-03T01:44:05Z");
}

#[test]
fn topics_come_from_the_first_source() {
    for (shape, paths) in [
        (Shape::Universal, &["topics_json", "analysis.key_topics", "metadata.tags"][..]),
        (Shape::EmptiedUniversal, &[]),
        (Shape::LegacyNested, &["summary.topics", "summary.analysis.key_topics"]),
        (Shape::Converted, &["content_analysis.key_topics"]),
        (Shape::FlatRow, &["key_topics"]),
        (Shape::Raw, &["topics_json", "analysis.key_topics", "metadata.tags"]),
        (Shape::IngestReady, &["topics_json"]),
    ] {
        in_order(shape, "topics", &lists(paths), json!(null));
    }
}

#[test]
fn subcategories_come_from_the_first_source() {
    let entry = |name: &str, under: &[&str]| json!([{"category": name, "subcategories": under}]);
    for (shape, analysis) in [
        (Shape::Universal, "analysis"),
        (Shape::EmptiedUniversal, "analysis"),
        (Shape::LegacyNested, "summary.analysis"),
        (Shape::Converted, "content_analysis"),
        (Shape::FlatRow, "analysis"),
        (Shape::Raw, "analysis"),
        (Shape::IngestReady, "analysis_json"),
    ] {
        let (categories, category) =
            (format!("{analysis}.categories"), format!("{analysis}.category"));
        let sources = [
            (
                "subcategories_json",
                json!({"categories": entry("own", &["x"])}),
                json!({"categories": entry("own", &["x"])}),
            ),
            (
                categories.as_str(),
                entry("listed", &["y"]),
                json!({"categories": entry("listed", &["y"])}),
            ),
            (category.as_str(), json!(["bare"]), json!({"categories": entry("bare", &[])})),
        ];
        in_order(shape, "subcategories", &sources, json!(null));
    }
    let root = with(
        Shape::Universal,
        &[("analysis", json!({"category": ["A", "B"], "subcategory": "S"}))],
    );
    let both = [entry("A", &["S"]), entry("B", &["S"])];
    assert_eq!(
        report(&root).fields.subcategories,
        Some(json!({"categories": [both[0][0], both[1][0]]})),
    );
    let text = [("subcategories_json", json!("{\"categories\":[{\"category\":\"T\"}]}"))];
    assert_eq!(
        report(&with(Shape::FlatRow, &text)).fields.subcategories,
        Some(json!({"categories": [{"category": "T"}]})),
    );
}

#[test]
fn the_analysis_is_an_object_over_which_the_roots_own_wins() {
    for (shape, path) in [
        (Shape::Universal, "analysis"),
        (Shape::EmptiedUniversal, "analysis"),
        (Shape::LegacyNested, "summary.analysis"),
        (Shape::Converted, "content_analysis"),
        (Shape::FlatRow, "analysis"),
        (Shape::Raw, "analysis"),
    ] {
        let object = json!({"content_type": "a", "complexity_level": "b"});
        let own = json!({"content_type": "c", "speaker": "d"});
        let root = with(shape, &[(path, object.clone()), ("analysis_json", own)]);
        assert_eq!(
            Value::Object(report(&root).fields.analysis),
            json!({"content_type": "c", "complexity_level": "b", "speaker": "d"}),
        );
        let text = with(shape, &[(path, json!(object.to_string()))]);
        assert_eq!(Value::Object(report(&text).fields.analysis), object);
        for wrong in [json!([1]), json!("x"), json!(7), json!(null)] {
            let root = with(shape, &[(path, wrong.clone()), ("analysis_json", wrong)]);
            assert!(report(&root).fields.analysis.is_empty(), "{root}");
        }
    }
}

#[test]
fn the_language_comes_from_the_first_source() {
    for (shape, paths) in [
        (
            Shape::Universal,
            &[
                "analysis_json.language",
                "analysis.language",
                "original_language",
                "metadata.language",
                "summary_language",
                "summary.language",
            ][..],
        ),
        (Shape::LegacyNested, &["original_language", "video.language", "summary_language"]),
        (Shape::Converted, &["content_analysis.language"]),
        (Shape::FlatRow, &["analysis.language", "language"]),
    ] {
        for (gone, path) in paths.iter().enumerate() {
            let values: Vec<_> = paths[gone..].iter().map(|path| (*path, json!(path))).collect();
            assert_eq!(report(&with(shape, &values)).fields.analysis["language"], *path);
        }
    }
}

#[test]
fn the_picture_and_the_length_of_the_mp3_go_into_the_analysis() {
    for (path, value) in [
        ("summary_image_url", json!("u")),
        ("summary_image", json!({"path": "/x", "public_url": "u"})),
        ("summary.image_url", json!("u")),
        ("summary.image", json!("u")),
        ("media_metadata.summary_image_url", json!("u")),
    ] {
        let root = with(Shape::LegacyNested, &[(path, value)]);
        assert_eq!(report(&root).fields.analysis["summary_image_url"], "u", "{path}");
    }
    let root = with(
        Shape::Universal,
        &[
            ("media_metadata.mp3_duration_seconds", json!("181.4")),
            ("media.audio_duration_seconds", json!(727)),
            ("summary_image_prompt", json!("a boat")),
        ],
    );
    let analysis = report(&root).fields.analysis;
    assert_eq!(
        Value::Object(analysis),
        json!({"audio_duration_seconds": 181, "summary_image_prompt": "a boat"})
    );
}
