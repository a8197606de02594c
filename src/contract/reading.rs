//! What the dashboard lets be read of what it holds: the listing, and one record (contract E.1, E.2).

use serde::Deserialize;
use serde_json::{Map, Value};

/// The most records that one page has: a larger size is clamped to it.
pub const PAGE_SIZE_MAX: usize = 50;

/// One page of the listing.
#[derive(Clone, Debug, Deserialize)]
pub struct ListingAnswer {
    pub reports: Vec<RecordAnswer>,
    pub pagination: Pagination,
}

/// Where a page stands among the others.
#[derive(Clone, Debug, Deserialize)]
pub struct Pagination {
    /// Clamped to those that there are.
    pub page: usize,
    pub has_next: bool,
    pub total: usize,
}

/// A visible record, as the listing and the single read have it: the one has its columns at the
/// root, the other some of them below `video`.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordAnswer {
    video_id: Option<String>,
    title: Option<String>,
    video: Option<VideoAnswer>,
    #[serde(default)]
    summary_variants: Vec<VariantAnswer>,
    media: Option<MediaAnswer>,
    #[serde(default, deserialize_with = "object_or_nothing")]
    analysis: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct VideoAnswer {
    video_id: Option<String>,
    title: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct VariantAnswer {
    variant: Option<String>,
    summary_type: Option<String>,
    text: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct MediaAnswer {
    audio_url: Option<String>,
}

impl RecordAnswer {
    /// The key of the row. The `id` of a record may be another.
    pub fn video_id(&self) -> Option<&str> {
        let below = || self.video.as_ref()?.video_id.as_deref();
        self.video_id.as_deref().or_else(below)
    }

    pub fn title(&self) -> Option<&str> {
        let below = || self.video.as_ref()?.title.as_deref();
        self.title.as_deref().or_else(below)
    }

    /// The summaries by name, each with its text.
    pub fn summaries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.summary_variants.iter().filter_map(|summary| {
            let name = summary.variant.as_deref().or(summary.summary_type.as_deref())?;
            Some((name, summary.text.as_deref().unwrap_or_default()))
        })
    }

    /// Whether the record names an audio file. `has_audio` proves nothing: one generation says it
    /// of every record, another of every one that has an audio summary (contract E.1, E.2).
    pub fn names_audio(&self) -> bool {
        let in_media = self.media.as_ref().and_then(|media| media.audio_url.as_deref());
        let in_analysis = self.analysis.get("audio_url").and_then(Value::as_str);
        [in_media, in_analysis].into_iter().flatten().any(|url| !url.is_empty())
    }
}

/// A record without an analysis has null there, or a text.
fn object_or_nothing<'de, D>(deserializer: D) -> Result<Map<String, Value>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(json: Value) -> RecordAnswer {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_record_is_read_from_the_listing_and_from_its_own_page() {
        let variants = json!([
            { "variant": "audio", "text": "a" }, { "summary_type": "executive" }, { "text": "x" }
        ]);
        for record in [
            record(json!({ "video_id": "v", "id": "yt:v", "title": "t",
                           "summary_variants": variants, "analysis": null })),
            record(json!({ "video": { "video_id": "v", "title": "t" },
                           "summary_variants": variants, "analysis": "{}" })),
        ] {
            assert_eq!((record.video_id(), record.title()), (Some("v"), Some("t")));
            let summaries: Vec<_> = record.summaries().collect();
            assert_eq!(summaries, [("audio", "a"), ("executive", "")]);
        }
    }

    #[test]
    fn only_an_address_says_that_there_is_audio() {
        for (json, names) in [
            (json!({ "has_audio": true, "media": { "has_audio": true } }), false),
            (json!({ "media": { "audio_url": "" }, "analysis": { "audio_url": null } }), false),
            (json!({ "media": { "audio_url": "/exports/audio/v.mp3" } }), true),
            (json!({ "media": null, "analysis": { "audio_url": "/exports/audio/v.mp3" } }), true),
        ] {
            assert_eq!(record(json.clone()).names_audio(), names, "{json}");
        }
    }
}
