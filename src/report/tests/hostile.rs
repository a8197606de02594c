//! Files that are broken, half written, or meant to hurt.

use super::*;

fn read_bytes(bytes: &[u8]) -> Result<Report, Problem> {
    let zone = TimeZone::UTC;
    read(bytes, &Source { file_stem: "slug", zone: &zone, ids: IdPolicy::Prefixed })
}

/// An ingest-ready file whose title is this piece of JSON.
fn titled(title: &[u8]) -> Vec<u8> {
    [br#"{"video_id": "aB-3_xY9zQk", "title": ""#, title, br#""}"#].concat()
}

fn title_of(bytes: &[u8]) -> (String, Vec<String>) {
    let report = read_bytes(bytes).unwrap();
    (report.fields.title, report.remarks)
}

#[test]
fn no_beginning_of_a_file_is_taken_for_the_file() {
    let root = json!({
        "content_source": "youtube", "id": "yt:aB-3_xY9zQk", "analysis": {"n": [1, 2.5, -3, true]},
        "title": "Täglich \"two\" \\ tides", "transcript": "ü \u{1F30A}",
        "summary": {"summary": "x\n\ny"},
    });
    let text = serde_json::to_string_pretty(&root).unwrap();
    let text = text.replacen('ä', "\\ud83d\\ude00", 1).replacen("two", "\\ud800", 1);
    assert!(read_bytes(text.as_bytes()).is_ok());
    for end in 0..text.len() {
        let problem = read_bytes(&text.as_bytes()[..end]).expect_err("half a file");
        assert!(problem.may_be_unfinished(), "{end}: {problem}");
    }
}

#[test]
fn what_no_waiting_will_mend_is_not_waited_for() {
    let problem = |bytes: &[u8]| read_bytes(bytes).unwrap_err();
    for (bytes, expected) in [
        (&b"[1, 2]"[..], Problem::NotAnObject),
        (b"\"text\"", Problem::NotAnObject),
        (b"{}", Problem::NotAReport),
        (br#"{"id": 1, "questions": []}"#, Problem::NotAReport),
        (br#"{"video": {}}"#, Problem::NoId),
    ] {
        assert_eq!(problem(bytes), expected);
        assert!(!expected.may_be_unfinished());
        assert!(!expected.hint().is_empty());
    }
    assert_eq!(problem(b""), Problem::Empty);
    assert!(matches!(problem(b"{} trailing"), Problem::NotJson { line: 1, .. }));
    assert!(matches!(problem(b"\n\n{x"), Problem::NotJson { line: 3, column: 2, .. }));
    assert!(matches!(problem(b"\xff\xfe{\0}\0"), Problem::NotJson { .. }));
}

#[test]
fn depth_and_floods_stop_early() {
    let deep = format!("{{\"video\": {}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(read_bytes(deep.as_bytes()), Err(Problem::TooDeep));
    let flood = format!("{{\"video\": {{\"tags\": [{}0]}}}}", "0,".repeat(5_000_000));
    assert_eq!(read_bytes(flood.as_bytes()), Err(Problem::TooComplex));
    let nested =
        json!({"video": {"video_id": ID}, "analysis_json": format!("[{}0]", "0,".repeat(500_000))});
    assert!(report(&nested).fields.analysis.is_empty());
}

#[test]
fn what_would_poison_the_dashboard_is_taken_out_of_texts() {
    for (title, expected, odd) in [
        (&br"a\u0000b"[..], "ab", true),
        (br"a\ud800b", "a\u{fffd}b", true),
        (br"a\uDFFFb", "a\u{fffd}b", true),
        (br"\ud83d\ude00", "\u{1F600}", false),
        (br"a\\ud800b", r"a\ud800b", false),
        (br"a\\\ud800b", "a\\\u{fffd}b", true),
        (br"\u0000\ud800", "\u{fffd}", true),
        (br"two\nlines", "two lines", false),
    ] {
        let (title, remarks) = title_of(&titled(title));
        assert_eq!(title, expected);
        let remarks = remarks.iter().filter(|remark| !remark.contains("summary")).count();
        assert_eq!(remarks > 0, odd, "{expected}");
    }
}

#[test]
fn other_encodings_are_read_and_remarked_on() {
    assert_eq!(title_of(&titled("é".as_bytes())).0, "é");
    let marked = [&b"\xef\xbb\xbf"[..], &titled("é".as_bytes())].concat();
    assert_eq!(title_of(&marked).0, "é");
    let (title, remarks) = title_of(&titled(b"\xe9"));
    assert_eq!(title, "é");
    assert!(remarks.iter().any(|remark| remark.contains("Latin-1")));
}

#[test]
fn values_of_the_wrong_kind_are_passed_over_and_never_fatal() {
    let shapes = [
        Shape::Universal,
        Shape::EmptiedUniversal,
        Shape::LegacyNested,
        Shape::Converted,
        Shape::FlatRow,
        Shape::Raw,
        Shape::IngestReady,
    ];
    let kinds = [json!(null), json!(7), json!("x"), json!([{}]), json!({"x": {}}), json!(true)];
    let keys = [
        "title",
        "channel_name",
        "canonical_url",
        "thumbnail_url",
        "duration_seconds",
        "indexed_at",
        "processed_at",
        "analysis_json",
        "subcategories_json",
        "topics_json",
        "media",
        "summary",
        "summary_variants",
        "media_metadata",
        "stats",
        "content_source",
        "summary_image",
        "summary_text",
        "summary_type",
        "key_topics",
        "category",
    ];
    for shape in shapes {
        for kind in &kinds {
            // A raw file is told by having no source of its own.
            for key in keys.iter().filter(|key| shape != Shape::Raw || **key != "content_source") {
                let root = with(shape, &[(key, kind.clone())]);
                if let Err(problem) = read_as(&root, "slug", IdPolicy::Prefixed) {
                    panic!("{problem}: {root}");
                }
            }
        }
    }
}

#[test]
fn a_long_title_stays_long() {
    let long = "x".repeat(5_000);
    assert_eq!(title_of(&titled(long.as_bytes())).0, long);
}
