//! What a payload must be so that the dashboard stores it, shows it, and keeps it.

use serde_json::json;

use crate::support::fixtures::{self, Shape};
use crate::support::stage::Stage;

#[test]
fn what_would_be_a_permanent_500_is_cleaned_out_and_nothing_needless_is_sent() {
    let stage = Stage::new();
    let daemon = stage.start();
    let mut report = fixtures::report(Shape::UniversalYoutube, 20);
    report.json["title"] = json!("NUL \u{0} in a title");
    report.json["duration_seconds"] = json!("12.5");
    report.json["summary"] = json!("half of a smile");
    report.json["analysis"]["key_topics"] = json!(["a\u{0}b"]);
    // A lone surrogate, which only an escape can write.
    let text = report.json.to_string().replace("half of a smile", r"half \ud83d of a smile");
    std::fs::write(stage.config.report(&report.file_name), text).unwrap();
    let id = &report.expected.id;
    stage.settle();
    let record = stage.dashboard.record(id).unwrap();
    assert_eq!(record.title, "NUL  in a title");
    assert_eq!(record.text("comprehensive"), Some("half \u{fffd} of a smile"));
    assert_eq!(record.topics_json, Some(json!(["ab"])));
    let sent = stage.dashboard.reports_of(id);
    assert_eq!((sent.len(), sent[0].status), (1, Some(200)));
    let payload = sent[0].json.as_ref().unwrap();
    assert!(payload["duration_seconds"].is_null() || payload["duration_seconds"].is_i64());
    for absent in ["transcript", "transcript_segments", "media"] {
        assert_eq!(payload.get(absent), None, "{absent}");
    }
    daemon.stop();
}

#[test]
fn a_record_without_a_visible_summary_gets_one() {
    let stage = Stage::new();
    let daemon = stage.start();
    for (n, variant, visible) in
        [(0, "adaptive", "comprehensive"), (1, "audio_fr:beginner", "audio-fr")]
    {
        let mut report = fixtures::report(Shape::IngestReady, 40 + n);
        report.json["summary_variants"] = json!([{ "variant": variant, "text": "Unseen." }]);
        stage.put(&report);
        let id = &report.expected.id;
        stage.wait("the record", |state| state.record(id).is_some());
        let record = stage.dashboard.record(id).unwrap();
        assert!(record.visible(), "{record:#?}");
        assert_eq!(record.text(visible), Some("Unseen."));
        assert_eq!(record.summaries.len(), 2);
    }
    daemon.stop();
}
