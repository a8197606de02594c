//! The steps of contract H.1, on whole files.

use super::*;

/// Names and texts of what is found when these values stand in a file.
fn found(shape: Shape, values: &[(&str, Value)]) -> Vec<(String, String)> {
    let report = report(&with(shape, values));
    report.variants.into_iter().map(|v| (v.name, v.text)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn candidates_are_taken_in_the_order_of_the_contract() {
    let summary = json!({
        "summary": "main", "summary_type": "key_insights", "headline": "h", "audio": "ear",
        "variants": [{"variant": "executive", "text": "listed"}],
    });
    let values = [
        ("summary", summary),
        ("summary_variants", json!([{"variant": "adaptive", "text": "root"}])),
    ];
    assert_eq!(
        found(Shape::Universal, &values),
        pairs(&[
            ("adaptive", "root"),
            ("executive", "listed"),
            ("key-insights", "main"),
            ("audio", "ear"),
        ]),
    );
}

#[test]
fn a_plain_string_is_a_comprehensive_summary() {
    let text = [("summary", json!("plain"))];
    assert_eq!(found(Shape::Universal, &text), pairs(&[("comprehensive", "plain")]));
    let text = [("summary", json!("plain"))];
    assert_eq!(found(Shape::LegacyNested, &text), pairs(&[("comprehensive", "plain")]));
    let content = [("summary.content", json!("plain"))];
    assert_eq!(found(Shape::LegacyNested, &content), pairs(&[("comprehensive", "plain")]));
    let typed = [("summary", json!({"content": "plain", "type": "bullet-points"}))];
    assert_eq!(found(Shape::LegacyNested, &typed), pairs(&[("bullet-points", "plain")]));
}

#[test]
fn the_innermost_type_names_the_text() {
    let text = |types: &[(&str, Value)]| {
        let mut values = vec![("summary.content.summary", json!("t"))];
        values.extend_from_slice(types);
        found(Shape::LegacyNested, &values).remove(0).0
    };
    let inner = ("summary.content.summary_type", json!("audio"));
    let root = ("summary_type", json!("executive"));
    let media = ("media_metadata.summary_type", json!("adaptive"));
    let outer = ("summary.type", json!("key-insights"));
    assert_eq!(text(&[outer.clone(), media.clone(), root.clone(), inner]), "audio");
    assert_eq!(text(&[outer.clone(), media.clone(), root]), "executive");
    assert_eq!(text(&[outer.clone(), media]), "adaptive");
    assert_eq!(text(&[outer]), "key-insights");
    assert_eq!(text(&[]), "comprehensive");
}

#[test]
fn bookkeeping_is_no_summary() {
    let summary = json!({
        "summary": "main", "headline": "a", "summary_type": "audio", "generated_at": "b",
        "default_variant": "c", "latest_variant": "d", "language": "e", "proficiency": "f",
        "proficiency_level": "g", "audio_url": "h", "html": "i", "text": "j", "type": "k",
    });
    assert_eq!(found(Shape::Universal, &[("summary", summary)]), pairs(&[("audio", "main")]));
    let legacy = json!({
        "content": {"comprehensive": "c", "audio": "a"}, "type": "comprehensive",
        "sentiment": "calm", "image_url": "u", "image": "v",
    });
    assert_eq!(
        found(Shape::LegacyNested, &[("summary", legacy)]),
        pairs(&[("audio", "a"), ("comprehensive", "c")]),
    );
}

#[test]
fn items_keep_name_and_text_under_several_keys() {
    let items = json!([
        {"variant": "a", "summary_type": "x", "text": "1", "summary": "y"},
        {"summary_type": "b", "type": "x", "summary": "2", "content": "y"},
        {"type": "c", "content": "3"},
        {"variant": "d", "text": {"summary": "4"}},
        {"variant": "e", "text": {"comprehensive": "5"}},
        {"variant": "f", "text": {"summary": {"summary": "too deep"}}},
        {"variant": "g", "text": "", "summary": "6"},
        {"text": "7"},
        {"variant": "h", "text": "  "},
        {"variant": "i", "text": 7},
        "no object", 1, null, [],
    ]);
    assert_eq!(
        found(Shape::IngestReady, &[("summary_variants", items)]),
        pairs(&[
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("d", "4"),
            ("e", "5"),
            ("g", "6"),
            ("comprehensive", "7"),
        ]),
    );
}

#[test]
fn an_object_in_the_texts_place_is_looked_into_once() {
    let nested = json!({"summary": "main", "headline": "h", "audio": "ear"});
    let values = [("summary.content.summary", nested.clone())];
    let expected = pairs(&[("comprehensive", "main"), ("audio", "ear")]);
    assert_eq!(found(Shape::Converted, &values), expected);
    let values = [("summary.content.summary.summary", nested)];
    assert_eq!(found(Shape::Converted, &values), []);
}

#[test]
fn a_mended_report_still_has_its_legacy_summary() {
    let content = json!({"summary": "main", "summary_type": "audio", "bullet_points": "• b"});
    let values = [("summary", json!({"content": content, "type": "comprehensive"}))];
    let expected = pairs(&[("audio", "main"), ("bullet-points", "• b")]);
    assert_eq!(found(Shape::Universal, &values), expected);
}

#[test]
fn failures_are_no_summaries() {
    let failure = json!({"error": "no tokens", "summary": "Failed.", "headline": "Failed"});
    for (shape, path) in [
        (Shape::Universal, "summary"),
        (Shape::LegacyNested, "summary.content"),
        (Shape::EmptiedUniversal, "summary.content"),
        (Shape::Converted, "summary.content.summary"),
    ] {
        assert_eq!(found(shape, &[(path, failure.clone())]), [], "{shape:?}");
    }
    let kept = json!({
        "error": "later failure", "summary": "Failed.",
        "variants": [
            {"variant": "audio", "text": "fine"},
            {"variant": "executive", "text": "Failed.", "error": "x"}],
    });
    assert_eq!(found(Shape::Universal, &[("summary", kept)]), pairs(&[("audio", "fine")]));
    let no_failure = json!({"error": null, "summary": "fine"});
    let expected = pairs(&[("comprehensive", "fine")]);
    assert_eq!(found(Shape::Universal, &[("summary", no_failure)]), expected);
}

#[test]
fn of_one_name_the_newest_stays_and_else_the_first() {
    let item = |name: &str, text: &str, at: Value| json!({"variant": name, "text": text, "generated_at": at});
    let items = json!([
        item("audio", "old", json!("2025-09-01T00:00:00Z")),
        item("key_points", "first", json!(null)),
        item("Audio", "new", json!("2025-09-02T00:00:00Z")),
        item("bullet-points", "second", json!("not a time")),
        item("audio", "undated", json!(null)),
    ]);
    assert_eq!(
        found(Shape::IngestReady, &[("summary_variants", items)]),
        pairs(&[("audio", "new"), ("bullet-points", "first")]),
    );
}

#[test]
fn every_summary_has_html_of_its_own_or_made_from_its_text() {
    let items = json!([
        {"variant": "a", "text": "x", "html": "<i>x</i>"},
        {"variant": "b", "text": "x < y\n\nz", "html": ""},
        {"variant": "c", "text": "x", "html": null},
    ]);
    let report = report(&with(Shape::IngestReady, &[("summary_variants", items)]));
    let html: Vec<_> = report.variants.iter().map(|variant| variant.html.as_str()).collect();
    assert_eq!(html, ["<i>x</i>", "<p>x &lt; y</p>\n<p>z</p>", "<p>x</p>"]);
}

#[test]
fn a_flat_row_has_the_one_summary_of_its_columns() {
    let values = [("summary_text", json!("t")), ("summary_type", json!("audio"))];
    assert_eq!(found(Shape::FlatRow, &values), pairs(&[("audio", "t")]));
    assert_eq!(found(Shape::FlatRow, &values[..1]), pairs(&[("comprehensive", "t")]));
    assert_eq!(found(Shape::FlatRow, &values[1..]), []);
}

#[test]
fn the_digest_of_a_summary_is_of_text_and_html_and_not_of_its_name() {
    let read = |item: Value| {
        report(&with(Shape::IngestReady, &[("summary_variants", json!([item]))])).variants.remove(0)
    };
    let one = read(json!({"variant": "a", "text": "x", "html": "y"})).digest();
    assert_eq!(read(json!({"variant": "b", "text": "x", "html": "y"})).digest(), one);
    assert_ne!(read(json!({"variant": "a", "text": "xy", "html": "y"})).digest(), one);
    assert_ne!(read(json!({"variant": "a", "text": "x", "html": "z"})).digest(), one);
}
