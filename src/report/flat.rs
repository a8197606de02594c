//! A record becomes the flat row of the legacy endpoint: column A.5 of contract H, read backwards.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Extras, Fields, KnownAudio, Variant, pick, youtube};
use crate::contract::VISIBLE_VARIANTS;
use crate::contract::legacy::FlatRow;
use crate::id::ContentId;

/// What the servers of then assume (contract J.3).
const DEFAULT_LANGUAGE: &str = "en";

/// When a record was made, and last changed.
#[derive(Clone, Copy, Debug)]
pub struct Dates {
    pub indexed_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The row of a record. It has room for one of the summaries, which carry the names to send; and it
/// says that there is audio once that was delivered, since the upload itself tells no row.
pub fn flat_row(
    id: &ContentId,
    fields: &Fields,
    extras: &Extras,
    variants: &[(String, Variant)],
    dates: Dates,
    audio: &KnownAudio,
) -> FlatRow {
    let analysis = &fields.analysis;
    let text = |key: &str| pick::text(analysis, key).map(str::to_owned);
    let list = |key: &str| analysis.get(key).map(pick::list).unwrap_or_default();
    let or = |list: Vec<Value>, other: Vec<Value>| if list.is_empty() { other } else { list };
    let has_audio = audio.public_url.is_some() || fields.media.is_some();
    let summary = summary(variants);
    let indexed_at = dates.indexed_at.to_string();
    FlatRow {
        id: row_id(id),
        title: fields.title.clone(),
        canonical_url: fields.canonical_url.clone(),
        thumbnail_url: fields.thumbnail_url.clone(),
        published_at: extras.published_at.clone(),
        created_at: indexed_at.clone(),
        indexed_at,
        updated_at: dates.updated_at.to_string(),
        duration_seconds: fields.duration_seconds,
        word_count: extras.word_count,
        has_audio,
        audio_duration_seconds: audio.duration_seconds.filter(|_| has_audio),
        has_transcript: extras.has_transcript,
        transcript_chars: extras.transcript_chars,
        video_id: id.to_string(),
        channel_name: fields.channel_name.clone(),
        channel_id: extras.channel_id.clone(),
        view_count: extras.view_count,
        like_count: extras.like_count,
        comment_count: extras.comment_count,
        category: or(list("category"), categories(fields.subcategories.as_ref())),
        subcategory: text("subcategory").or_else(|| first_subcategory(fields)),
        subcategories_json: fields.subcategories.as_ref().map(Value::to_string),
        content_type: text("content_type"),
        complexity_level: text("complexity_level"),
        language: text("language").unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned()),
        key_topics: or(
            list("key_topics"),
            fields.topics.as_ref().map(pick::list).unwrap_or_default(),
        ),
        named_entities: list("named_entities"),
        analysis: analysis.clone(),
        format_source: "api".to_owned(),
        processing_status: "complete".to_owned(),
        summary_text: summary.map(|(_, variant)| variant.text.clone()),
        summary_type: summary.map(|(name, _)| name.clone()),
    }
}

/// The key of a row: YouTube's ids had their prefix there (contract J.1).
fn row_id(id: &ContentId) -> String {
    if youtube::is_id(id.as_str()) { format!("yt:{id}") } else { id.to_string() }
}

/// The summary that a card would show: the first in the order of contract C.6, else any.
fn summary(variants: &[(String, Variant)]) -> Option<&(String, Variant)> {
    VISIBLE_VARIANTS
        .iter()
        .find_map(|wanted| variants.iter().find(|(name, _)| name == wanted))
        .or_else(|| variants.first())
}

fn entries(subcategories: Option<&Value>) -> Vec<&Map<String, Value>> {
    subcategories
        .and_then(|value| value.get("categories").unwrap_or(value).as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect()
}

fn categories(subcategories: Option<&Value>) -> Vec<Value> {
    let entries = entries(subcategories);
    entries.iter().filter_map(|entry| Some(pick::text(entry, "category")?.into())).collect()
}

fn first_subcategory(fields: &Fields) -> Option<String> {
    entries(fields.subcategories.as_ref())
        .iter()
        .filter_map(|entry| entry.get("subcategories").map(pick::list))
        .flatten()
        .find_map(|name| name.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::report::{IdPolicy, Shape, Source, read};

    fn row(root: Value, ids: IdPolicy, audio: &KnownAudio) -> FlatRow {
        let bytes = serde_json::to_vec(&root).unwrap();
        let source = Source { file_stem: "a_stem", zone: &TimeZone::UTC, ids };
        let report = read(bytes, &source).unwrap();
        let variants: Vec<_> =
            report.variants.iter().map(|v| (v.name.clone(), v.clone())).collect();
        let dates = Dates {
            indexed_at: report.fields.indexed_at.unwrap_or(Timestamp::UNIX_EPOCH),
            updated_at: Timestamp::from_second(1_760_000_000).unwrap(),
        };
        flat_row(&report.id, &report.fields, &report.extras, &variants, dates, audio)
    }

    fn universal() -> Value {
        json!({
            "id": "yt:aB-3_xY9zQk",
            "content_source": "youtube",
            "title": "How tides work",
            "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
            "thumbnail_url": null,
            "published_at": "2025-09-06T00:00:00Z",
            "duration_seconds": 727,
            "word_count": 1800,
            "channel_name": "Sea Lab",
            "indexed_at": "2025-10-20T09:15:00Z",
            "original_language": "fr",
            "media": {"has_audio": true, "has_transcript": true, "transcript_chars": 9000},
            "source_metadata": {"youtube": {"video_id": "aB-3_xY9zQk", "view_count": 12}},
            "analysis": {
                "categories": [{"category": "Science", "subcategories": ["Oceans", "Moon"]}],
                "content_type": "Lecture",
                "complexity_level": "Intermediate",
                "key_topics": ["tides", "moon"],
                "named_entities": ["Newton"],
            },
            "summary": {"variants": [
                {"variant": "audio", "text": "spoken"},
                {"variant": "bullet-points", "text": "- points"},
                {"variant": "comprehensive", "text": "the whole"},
            ]},
        })
    }

    #[test]
    fn a_record_has_all_of_its_columns() {
        let row = row(universal(), IdPolicy::Prefixed, &KnownAudio::default());
        let subcategories =
            json!({"categories": [{"category": "Science", "subcategories": ["Oceans", "Moon"]}]});
        let mut found = serde_json::to_value(&row).unwrap();
        let columns = found.as_object_mut().unwrap();
        let analysis = columns.remove("analysis").unwrap();
        assert_eq!(analysis["content_type"], "Lecture");
        let text = columns.remove("subcategories_json").unwrap();
        assert_eq!(serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap(), subcategories);
        assert_eq!(
            found,
            json!({
                "id": "yt:aB-3_xY9zQk",
                "video_id": "aB-3_xY9zQk",
                "title": "How tides work",
                "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
                "thumbnail_url": "https://i.ytimg.com/vi/aB-3_xY9zQk/hqdefault.jpg",
                "published_at": "2025-09-06T00:00:00Z",
                "indexed_at": "2025-10-20T09:15:00Z",
                "created_at": "2025-10-20T09:15:00Z",
                "updated_at": "2025-10-09T08:53:20Z",
                "duration_seconds": 727,
                "word_count": 1800,
                // The video has sound; that is no MP3 (contract A.2).
                "has_audio": false,
                "audio_duration_seconds": null,
                "has_transcript": true,
                "transcript_chars": 9000,
                "channel_name": "Sea Lab",
                "channel_id": null,
                "view_count": 12,
                "like_count": null,
                "comment_count": null,
                "category": ["Science"],
                "subcategory": "Oceans",
                "content_type": "Lecture",
                "complexity_level": "Intermediate",
                "language": "fr",
                "key_topics": ["tides", "moon"],
                "named_entities": ["Newton"],
                "format_source": "api",
                "processing_status": "complete",
                "summary_text": "the whole",
                "summary_type": "comprehensive",
            })
        );
    }

    #[test]
    fn audio_is_said_to_be_there_once_it_was_delivered() {
        let row_with = |audio| row(universal(), IdPolicy::Prefixed, &audio);
        let url = Some("/exports/audio/x.mp3".to_owned());
        for (audio, has, seconds) in [
            (KnownAudio { public_url: None, duration_seconds: Some(9) }, false, None),
            (KnownAudio { public_url: url.clone(), duration_seconds: Some(9) }, true, Some(9)),
            (KnownAudio { public_url: url, duration_seconds: None }, true, None),
        ] {
            let row = row_with(audio);
            assert_eq!((row.has_audio, row.audio_duration_seconds), (has, seconds));
        }
    }

    #[test]
    fn the_key_has_the_prefix_of_its_source() {
        let reddit = json!({
            "id": "reddit:1n2abcd", "content_source": "reddit", "title": "T", "analysis": {},
            "canonical_url": "https://www.reddit.com/r/x/1n2abcd", "summary": "text",
        });
        for (root, ids, id, video_id) in [
            (universal(), IdPolicy::Prefixed, "yt:aB-3_xY9zQk", "aB-3_xY9zQk"),
            (universal(), IdPolicy::Bare, "yt:aB-3_xY9zQk", "aB-3_xY9zQk"),
            (reddit.clone(), IdPolicy::Prefixed, "reddit:1n2abcd", "reddit:1n2abcd"),
            (reddit, IdPolicy::Bare, "1n2abcd", "1n2abcd"),
        ] {
            let row = row(root, ids, &KnownAudio::default());
            assert_eq!((row.id.as_str(), row.video_id.as_str()), (id, video_id));
        }
    }

    #[test]
    fn of_several_summaries_the_one_goes_that_a_card_shows() {
        let named = |name: &str| {
            let text = format!("text of {name}");
            (
                name.to_owned(),
                Variant { name: name.to_owned(), html: text.clone(), text, generated_at: None },
            )
        };
        for (names, chosen) in [
            (&["audio", "executive", "bullet-points"][..], Some("bullet-points")),
            (&["adaptive", "audio"], Some("audio")),
            (&["deep-research", "adaptive"], Some("deep-research")),
            (&[], None),
        ] {
            let variants: Vec<_> = names.iter().map(|name| named(name)).collect();
            assert_eq!(summary(&variants).map(|(name, _)| name.as_str()), chosen);
        }
    }

    #[test]
    fn a_row_read_back_says_the_same() {
        let sent = row(universal(), IdPolicy::Prefixed, &KnownAudio::default());
        let again = serde_json::to_value(&sent).unwrap();
        let source = Source { file_stem: "s", zone: &TimeZone::UTC, ids: IdPolicy::Prefixed };
        let report = read(again.to_string().as_bytes(), &source).unwrap();
        assert_eq!(report.shape, Shape::FlatRow);
        assert_eq!(report.id.as_str(), "aB-3_xY9zQk");
        assert_eq!(row(again, IdPolicy::Prefixed, &KnownAudio::default()), sent);
    }
}
