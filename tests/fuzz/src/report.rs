//! A report file: recognised, mapped, merged, and made into what is sent.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ytv2d::report::{self, Dates, FileFacts, IdPolicy, KnownAudio, Report, Source};

pub fn fuzz(data: &[u8]) {
    for (ids, file_stem) in [(IdPolicy::Prefixed, "a_title_aB-3_xY9zQk"), (IdPolicy::Bare, "x")] {
        let source = Source { file_stem, zone: &TimeZone::UTC, ids };
        match report::read(data, &source) {
            Ok(report) => {
                let again = report::read(data, &source).expect("as before");
                assert_eq!(report, again);
                sent(report);
            }
            Err(problem) => {
                crate::safe::is_safe(&problem.to_string());
                assert!(!problem.hint().is_empty());
            }
        }
    }
}

/// Whatever was read can be sent.
fn sent(report: Report) {
    let facts = FileFacts {
        made_at_ms: 0,
        mtime_ns: 0,
        stands: true,
        name: Vec::new(),
        fields: report.fields.digest(),
        variants: report.variants.iter().map(|v| (v.name.clone(), v.digest())).collect(),
    };
    let merged = report::merge(&[facts]).expect("one file");
    let variants: Vec<_> = merged
        .variants
        .iter()
        .map(|chosen| {
            let of = |variant: &&report::Variant| variant.name == chosen.source_name;
            let variant = report.variants.iter().find(of).expect("it was merged");
            assert!(!variant.text.trim().is_empty() && !variant.html.is_empty());
            (chosen.name.clone(), variant.clone())
        })
        .collect();
    let at = Timestamp::UNIX_EPOCH;
    let dates = Dates { indexed_at: at, updated_at: at };
    let audio = KnownAudio { public_url: None, duration_seconds: None };
    let row = report::flat_row(&report.id, &report.fields, &report.extras, &variants, dates, &audio);
    let payload = report::compose(&report.id, &report.fields, variants, at, Some(&audio));
    for json in [serde_json::to_string(&row), serde_json::to_string(&payload)] {
        let json = json.expect("JSON");
        assert!(!json.contains("\\u0000"), "a NUL would be refused for ever");
    }
    let universal = report::universal(&report, at).to_string();
    let source = Source { file_stem: "x", zone: &TimeZone::UTC, ids: IdPolicy::Prefixed };
    report::read(universal.into_bytes(), &source).expect("what we write we can read");
}
