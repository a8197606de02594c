//! Whose report it is, in every shape (first rows of table H, contract A.3 and B.1).

use super::*;

/// An id for the n-th source of a row.
fn nth(n: usize) -> String {
    format!("source_No{n:02}")
}

/// Ids of the same letters in other case are the tell-tale of damage; these differ in every way.
fn in_order(root: &Value, stem: &str, sources: &[(&str, &str, &str)], last: Option<&str>) {
    for gone in 0..=sources.len() {
        let mut root = root.clone();
        for (n, (path, before, after)) in sources.iter().enumerate() {
            let value = if n < gone { "" } else { &format!("{before}{}{after}", nth(n)) };
            put(&mut root, path, json!(value));
        }
        let id = read_as(&root, stem, IdPolicy::Prefixed).map(|report| report.id.to_string());
        let expected = if gone < sources.len() { Some(nth(gone)) } else { last.map(str::to_owned) };
        assert_eq!(id.ok(), expected, "{root}");
    }
}

#[test]
fn youtube_ids_come_from_the_first_source() {
    let url = "https://www.youtube.com/watch?v=";
    let universal = json!({"content_source": "youtube", "id": "", "analysis": {}, "title": "T"});
    in_order(
        &universal,
        "slug",
        &[
            ("source_metadata.youtube.video_id", "", ""),
            ("canonical_url", url, "&t=3"),
            ("url", "https://youtu.be/", ""),
            ("metadata.video_id", "", ""),
            ("metadata.id", "", ""),
            ("video_id", "", ""),
            ("metadata.report_id", "", "_4f0c1e"),
            ("id", "yt:", ""),
        ],
        None,
    );
    let emptied = json!({"content_source": "youtube", "id": "", "analysis": {}});
    in_order(
        &emptied,
        "how_tides_work_aB-3_xY9zQk",
        &[("source_metadata.youtube.video_id", "", ""), ("metadata.report_id", "", "_4f0c1e")],
        Some(ID),
    );
    let legacy = json!({"video": {}});
    in_order(
        &legacy,
        "aB-3_xY9zQk_20250901_133809",
        &[
            ("video.video_id", "", ""),
            ("video.url", url, ""),
            ("metadata.report_id", "", "_4f0c1e"),
        ],
        Some(ID),
    );
    let converted = json!({"source_metadata": {"youtube": {}}, "media_info": {}});
    in_order(
        &converted,
        "slug",
        &[
            ("source_metadata.youtube.video_id", "", ""),
            ("source_metadata.youtube.canonical_url", url, ""),
        ],
        None,
    );
    let flat = json!({"title": "T", "format_source": "api"});
    in_order(&flat, "slug", &[("video_id", "", ""), ("id", "yt:", "")], None);
    let raw = json!({"metadata": {"title": "T"}, "summary": {}, "processed_at": ""});
    in_order(
        &raw,
        "unknown_video_20250904_043146",
        &[("metadata.video_id", "", ""), ("url", url, ""), ("metadata.url", url, "")],
        None,
    );
}

#[test]
fn a_lower_cased_id_gets_its_case_back_and_is_used_as_it_is_only_at_last() {
    let root = json!({"content_source": "youtube", "id": "yt:ab-3_xy9zqk", "analysis": {}});
    for (stem, id) in [
        ("how_tides_work_aB-3_xY9zQk", ID),
        ("how_tides_work_aB-3_xY9zQk_1", ID),
        ("aB-3_xY9zQk_20250901_133809", ID),
        // The end of a slug that merely looks like an id.
        ("ten_ways_top_10_tips", "ab-3_xy9zqk"),
        ("some_slug", "ab-3_xy9zqk"),
    ] {
        let report = read_as(&root, stem, IdPolicy::Prefixed).unwrap();
        assert_eq!(report.id.as_str(), id, "{stem}");
        let remarked = report.remarks.iter().any(|remark| remark.contains("upper case"));
        assert_eq!(remarked, id != ID);
    }
}

#[test]
fn an_id_that_the_pipeline_made_up_is_no_id() {
    for (root, stem) in [
        (
            json!({"content_source": "youtube", "id": "yt:unknown-1757000000", "analysis": {}, "title": "T"}),
            "slug",
        ),
        (
            json!({"content_source": "youtube", "id": "yt:unknown-1757000000", "analysis": {}}),
            "unknown_video_20250904_043146",
        ),
        (
            json!({"content_source": "web", "id": "web:unknown-1757000000", "analysis": {}, "title": "T"}),
            "slug",
        ),
        (json!({"video": {}}), "unknown_content_20250904_043146"),
        (json!({"video": {"video_id": "too short"}}), "a_talk_about_the_sea"),
        (json!({"video_id": "unknown", "title": "T"}), "slug"),
        (json!({"video_id": "", "title": "T"}), "slug"),
    ] {
        let problem = read_as(&root, stem, IdPolicy::Prefixed).map(|report| report.id);
        assert_eq!(problem, Err(Problem::NoId), "{root}");
    }
}

#[test]
fn the_name_of_the_file_helps_when_the_json_has_only_a_made_up_id() {
    let root = json!({"content_source": "youtube", "id": "yt:unknown-1757000000", "analysis": {}});
    let read = read_as(&root, "how_tides_work__gD9HxgnbvY", IdPolicy::Prefixed).unwrap();
    assert_eq!(read.id.as_str(), "_gD9HxgnbvY");
}

#[test]
fn ids_of_other_sources_keep_or_lose_their_prefix_by_policy() {
    let universal = |source: &str, id: &str| json!({"content_source": source, "id": id, "analysis": {}, "title": "T"});
    let converted = |child: Value| json!({"source_metadata": child, "content_analysis": {}, "content_source": "reddit"});
    for (root, prefixed, bare) in [
        (universal("reddit", "reddit:1n2abcd"), "reddit:1n2abcd", "1n2abcd"),
        (universal("reddit", "1n2abcd"), "reddit:1n2abcd", "1n2abcd"),
        (universal("web", "web:0f0f"), "web:0f0f", "0f0f"),
        (universal("arxiv", "arxiv:2509-1"), "arxiv:2509-1", "2509-1"),
        (universal("", "web:0f0f"), "web:0f0f", "0f0f"),
        (universal("youtube", "yt:aB-3_xY9zQk"), ID, ID),
        (universal("web", ""), "", ""),
        (converted(json!({"reddit": {"submission_id": "1n2abcd"}})), "reddit:1n2abcd", "1n2abcd"),
        (converted(json!({"web": {"id": "0f0f"}})), "web:0f0f", "0f0f"),
        (
            json!({"id": "reddit:1n2abcd", "title": "T", "category": []}),
            "reddit:1n2abcd",
            "1n2abcd",
        ),
        (json!({"video_id": "web:0f0f", "title": "T"}), "web:0f0f", "0f0f"),
        (json!({"video_id": "yt:aB-3_xY9zQk", "title": "T"}), ID, ID),
    ] {
        for (policy, id) in [(IdPolicy::Prefixed, prefixed), (IdPolicy::Bare, bare)] {
            let read = read_as(&root, "slug", policy).map(|report| report.id.to_string());
            assert_eq!(read.unwrap_or_default(), id, "{root}");
        }
    }
}

#[test]
fn a_web_page_gets_none_of_youtubes_urls() {
    for policy in [IdPolicy::Prefixed, IdPolicy::Bare] {
        let root =
            json!({"content_source": "web", "id": "web:abcdef01234", "analysis": {}, "title": "T"});
        let fields = read_as(&root, "slug", policy).unwrap().fields;
        assert_eq!((fields.canonical_url, fields.thumbnail_url), (None, None));
    }
}

#[test]
fn an_id_that_could_leave_its_folder_is_shown_and_refused() {
    for id in ["web:../../etc", "a b", "x:y:z", "web:a\nb"] {
        let problem = read_as(&json!({"video_id": id, "title": "T"}), "slug", IdPolicy::Prefixed);
        let Err(Problem::BadId { value, .. }) = problem else { panic!("{problem:?}") };
        assert_eq!(value, id);
    }
    let root = json!({"content_source": "youtube", "id": "yt:short", "analysis": {}, "title": "T"});
    let problem = read_as(&root, "slug", IdPolicy::Prefixed).unwrap_err();
    assert!(problem.to_string().contains("yt:short"), "{problem}");
}

#[test]
fn the_policy_is_written_in_small_letters() {
    let parsed = |text: &str| serde_json::from_value::<IdPolicy>(json!(text)).ok();
    assert_eq!(parsed("prefixed"), Some(IdPolicy::Prefixed));
    assert_eq!(parsed("bare"), Some(IdPolicy::Bare));
    assert_eq!(parsed("Bare"), None);
    assert_eq!(IdPolicy::default(), IdPolicy::Prefixed);
}
