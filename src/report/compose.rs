//! A record becomes the body of `POST /ingest/report` (contract C.2).

use jiff::Timestamp;

use super::{Fields, Variant};
use crate::contract::{Media, ReportPayload, SummaryVariant};
use crate::id::ContentId;

/// What is known about the audio of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAudio {
    /// What the upload answered; `None` until it did.
    pub public_url: Option<String>,
    /// The length of the MP3, in whole seconds.
    pub duration_seconds: Option<i64>,
}

/// The full record, never a patch: what is left out would be erased (contract C.3). `variants`
/// carry the name to send. Audio that was delivered is named twice, or the dashboard would forget
/// it (contract 0.2).
pub fn compose(
    id: &ContentId,
    fields: &Fields,
    variants: Vec<(String, Variant)>,
    indexed_at: Timestamp,
    audio: Option<&KnownAudio>,
) -> ReportPayload {
    let delivered = audio.and_then(|audio| audio.public_url.clone());
    let media = delivered
        .map(|audio_url| Media { has_audio: true, audio_url })
        .or_else(|| fields.media.clone());

    let mut analysis_json = fields.analysis.clone();
    if let Some(media) = &media {
        analysis_json.insert("audio_url".to_owned(), media.audio_url.clone().into());
    }
    if let Some(length) = audio.and_then(|audio| audio.duration_seconds) {
        analysis_json.insert("audio_duration_seconds".to_owned(), length.into());
    }

    ReportPayload {
        video_id: id.to_string(),
        title: fields.title.clone(),
        channel_name: fields.channel_name.clone(),
        indexed_at: indexed_at.to_string(),
        duration_seconds: fields.duration_seconds,
        thumbnail_url: fields.thumbnail_url.clone(),
        canonical_url: fields.canonical_url.clone(),
        subcategories_json: fields.subcategories.clone(),
        analysis_json,
        topics_json: fields.topics.clone(),
        media,
        content_source: fields.content_source.clone(),
        summary_variants: variants.into_iter().map(summary).collect(),
    }
}

fn summary((name, variant): (String, Variant)) -> SummaryVariant {
    SummaryVariant {
        summary_type: name.clone(),
        variant: name,
        text: variant.text,
        html: variant.html,
        revision: 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(media: Option<Media>, audio: Option<&KnownAudio>) -> Value {
        let fields = Fields {
            title: "How tides work".to_owned(),
            channel_name: None,
            canonical_url: None,
            thumbnail_url: None,
            duration_seconds: Some(727),
            indexed_at: None,
            analysis: [("language".to_owned(), "en".into())].into_iter().collect(),
            subcategories: None,
            topics: Some(json!(["moon"])),
            content_source: None,
            media,
        };
        let variant = Variant {
            name: "adaptive".to_owned(),
            text: "t".to_owned(),
            html: "<p>t</p>".to_owned(),
            generated_at: None,
        };
        serde_json::to_value(compose(
            &"aB-3_xY9zQk".parse().unwrap(),
            &fields,
            vec![("comprehensive".to_owned(), variant)],
            "2025-10-20T11:15:00+02:00".parse().unwrap(),
            audio,
        ))
        .unwrap()
    }

    #[test]
    fn a_record_without_audio_says_nothing_about_audio() {
        assert_eq!(
            sent(None, None),
            json!({
                "video_id": "aB-3_xY9zQk",
                "title": "How tides work",
                "indexed_at": "2025-10-20T09:15:00Z",
                "duration_seconds": 727,
                "thumbnail_url": null,
                "canonical_url": null,
                "subcategories_json": null,
                "analysis_json": {"language": "en"},
                "topics_json": ["moon"],
                "summary_variants": [{
                    "variant": "comprehensive",
                    "summary_type": "comprehensive",
                    "text": "t",
                    "html": "<p>t</p>",
                    "revision": 0,
                }],
            }),
        );
    }

    #[test]
    fn delivered_audio_is_named_in_both_places() {
        let url = Some("/exports/audio/aB-3_xY9zQk.mp3".to_owned());
        let audio = KnownAudio { public_url: url.clone(), duration_seconds: Some(181) };
        let payload = sent(None, Some(&audio));
        assert_eq!(payload["media"], json!({"has_audio": true, "audio_url": url}));
        assert_eq!(payload["analysis_json"]["audio_url"], json!(url));
        assert_eq!(payload["analysis_json"]["audio_duration_seconds"], json!(181));
    }

    #[test]
    fn audio_that_was_not_delivered_yet_gives_its_length_alone() {
        let audio = KnownAudio { public_url: None, duration_seconds: Some(181) };
        let payload = sent(None, Some(&audio));
        assert_eq!(payload.get("media"), None);
        assert_eq!(
            payload["analysis_json"],
            json!({"language": "en", "audio_duration_seconds": 181}),
        );
    }

    #[test]
    fn a_delivery_outranks_the_audio_that_a_file_names() {
        let media = Media { has_audio: true, audio_url: "/old.mp3".to_owned() };
        let payload = sent(Some(media.clone()), None);
        assert_eq!(payload["analysis_json"]["audio_url"], "/old.mp3");
        let audio = KnownAudio { public_url: Some("/new.mp3".to_owned()), duration_seconds: None };
        let payload = sent(Some(media), Some(&audio));
        assert_eq!(payload["analysis_json"]["audio_url"], "/new.mp3");
        assert_eq!(payload["media"]["audio_url"], "/new.mp3");
    }
}
