//! A stored record as `GET /<id>.json` shows it (contract C.6, E.2). Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::store::{Held, HeldSummary, Record, visible};
use crate::contract::BY_VIDEO_PREFIX;

/// What an id may have that stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b':');

/// The view of a record; none when no summary makes it visible.
pub(super) fn of(held: &Held) -> Option<Value> {
    let shown = visible::shown(&held.summaries)?;
    let record = &held.record;
    let summaries: Vec<Value> = held.summaries.iter().map(summary).collect();
    let analysis = record.analysis();
    let in_analysis = |key: &str| analysis.as_ref().and_then(|a| a.get(key)).cloned();
    let topics: Option<Value> =
        record.topics_json.as_deref().and_then(|topics| serde_json::from_str(topics).ok());
    Some(json!({
        "id": record.video_id,
        "video_id": record.video_id,
        "title": record.title,
        "channel": record.channel_name,
        "channel_name": record.channel_name,
        "canonical_url": record.canonical_url,
        "duration_seconds": record.duration_seconds,
        "video": {
            "video_id": record.video_id,
            "title": record.title,
            "channel": record.channel_name,
            "url": record.canonical_url,
            "duration_seconds": record.duration_seconds,
            "published_at": null,
        },
        "summary": {
            "text": shown.text,
            "html": shown.html,
            "type": shown.variant,
            "variants": summaries,
        },
        "summary_type": shown.variant,
        "summary_variants": summaries,
        "thumbnail_url": record.thumbnail_url,
        "summary_image_url": in_analysis("summary_image_url"),
        "analysis": analysis,
        "subcategories_json": record.subcategories_json,
        "topics": topics,
        "has_audio": record.has_audio,
        "media": { "has_audio": record.has_audio, "audio_url": audio_url(record) },
        "indexed_at": record.indexed_at.to_string(),
    }))
}

/// Where a record's audio is to be had. That of a record which says only that there is some is
/// looked for when it is asked for.
pub(super) fn audio_url(record: &Record) -> Option<Value> {
    let analysis = record.analysis().unwrap_or_default();
    let said = analysis.get("audio_url").filter(|url| url.as_str().is_some_and(|u| !u.is_empty()));
    let by_video = || {
        let id = utf8_percent_encode(&record.video_id, PLAIN);
        Value::from(format!("{BY_VIDEO_PREFIX}{id}.mp3"))
    };
    said.cloned().or_else(|| record.has_audio.then(by_video))
}

pub(super) fn summary(summary: &HeldSummary) -> Value {
    json!({
        "variant": summary.variant,
        "summary_type": summary.variant,
        "kind": if summary.variant.starts_with("audio") { "audio" } else { "text" },
        "text": summary.text,
        "html": summary.html,
        "revision": summary.revision,
        "generated_at": summary.created_at.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::server::record::Record;

    fn held(summaries: &[(&str, Option<&str>)]) -> Held {
        let time = Timestamp::from_second(1_760_951_700).unwrap();
        Held {
            record: Record {
                video_id: "x".into(),
                title: "t".into(),
                channel_name: "c".into(),
                indexed_at: time,
                duration_seconds: None,
                thumbnail_url: None,
                canonical_url: None,
                subcategories_json: Some("{}".into()),
                analysis_json: None,
                topics_json: None,
                has_audio: false,
            },
            summaries: summaries
                .iter()
                .map(|(variant, html)| HeldSummary {
                    variant: (*variant).into(),
                    revision: 1,
                    text: "t".into(),
                    html: html.map(str::to_owned),
                    created_at: time,
                })
                .collect(),
        }
    }

    #[test]
    fn a_record_is_visible_by_a_listed_variant_that_has_html() {
        for (summaries, shown) in [
            (&[][..], None),
            (&[("adaptive", Some("h"))], None),
            (&[("audio-fr:beginner", Some("h"))], None),
            (&[("comprehensive", None)], None),
            (&[("audio", Some("")), ("comprehensive", None)], Some("audio")),
            (&[("audio", Some("h")), ("comprehensive", Some("h"))], Some("comprehensive")),
        ] {
            let view = of(&held(summaries));
            let shown_type = view.as_ref().and_then(|view| view["summary_type"].as_str());
            assert_eq!(shown_type, shown, "{summaries:?}");
        }
    }

    #[test]
    fn times_are_utc_and_subcategories_are_text() {
        let view = of(&held(&[("audio", Some("h"))])).unwrap();
        assert_eq!(view["indexed_at"], "2025-10-20T09:15:00Z");
        assert_eq!(view["subcategories_json"], "{}");
    }
}
