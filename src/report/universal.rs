//! A report of any shape as the universal one that the pipeline writes today (contract A.2).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Report, Variant, identity, pick, variant_name, youtube};

/// What a report becomes. Reading it gives the same record again, with what the shape adds by
/// itself: a source, and for YouTube the links that follow from the id. `written_at` stands for
/// dates that the file does not have.
///
/// Left out is what no record has: transcripts, figures, the pipeline's own notes.
pub fn universal(report: &Report, written_at: Timestamp) -> Value {
    let Report { id, fields, .. } = report;
    let source = source_of(report);
    let is_youtube = is_youtube(report);
    let or_null = |text: &Option<String>| text.clone().map_or(Value::Null, Value::String);

    let mut root = json!({
        "id": if is_youtube { format!("yt:{id}") } else { id.to_string() },
        "content_source": source,
        "title": fields.title,
        "canonical_url": fields.canonical_url.clone()
            .or_else(|| is_youtube.then(|| youtube::watch_url(id.as_str())))
            .unwrap_or_default(),
        "thumbnail_url": or_null(&fields.thumbnail_url.clone()
            .or_else(|| is_youtube.then(|| youtube::still_url(id.as_str())))),
        "published_at": report.extras.published_at,
        "duration_seconds": fields.duration_seconds.unwrap_or(0),
        "indexed_at": fields.indexed_at.unwrap_or(written_at).to_string(),
        "processed_at": report.made_at.unwrap_or(written_at).to_string(),
        "source_metadata": source_metadata(report, source),
        "media": media(report),
        "analysis": fields.analysis,
        "summary": summary(&report.variants),
    });
    let mut set = |key: &str, value: Value| root[key] = value;
    if let Some(channel) = &fields.channel_name {
        set("channel_name", channel.as_str().into());
    }
    if let Some(subcategories) = &fields.subcategories {
        set("subcategories_json", subcategories.clone());
    }
    let told = fields.analysis.get("key_topics").map(pick::list).unwrap_or_default();
    if let Some(topics) = fields.topics.as_ref().filter(|topics| **topics != Value::Array(told)) {
        set("topics_json", topics.clone());
    }
    if let Some(words) = report.extras.word_count {
        set("word_count", words.into());
    }
    if let Some(channel_id) = &report.extras.channel_id {
        set("metadata", json!({ "channel_id": channel_id }));
    }
    root
}

fn is_youtube(report: &Report) -> bool {
    let elsewhere =
        report.fields.content_source.as_deref().is_some_and(|source| !identity::is_youtube(source));
    youtube::is_id(report.id.as_str()) && !elsewhere
}

/// What the report says, else what its id tells.
fn source_of(report: &Report) -> &str {
    let prefix = report.id.as_str().split_once(':').map(|(prefix, _)| prefix);
    match (&report.fields.content_source, prefix) {
        // No id of YouTube's would be found in it.
        (Some(source), _)
            if !identity::is_youtube(source) || youtube::is_id(report.id.as_str()) =>
        {
            source
        }
        (_, Some(prefix)) => prefix,
        (_, None) if is_youtube(report) => "youtube",
        (_, None) => "other",
    }
}

fn source_metadata(report: &Report, source: &str) -> Value {
    let Report { id, fields, extras, .. } = report;
    let channel = fields.channel_name.as_deref();
    match source {
        _ if is_youtube(report) => json!({ "youtube": {
            "video_id": id,
            "channel_name": channel,
            "view_count": extras.view_count,
            "like_count": extras.like_count,
            "comment_count": extras.comment_count,
        }}),
        "reddit" => json!({ "reddit": {
            "submission_id": id.bare(),
            "subreddit": channel.and_then(|name| name.strip_prefix("r/")),
            "num_comments": extras.comment_count,
        }}),
        "web" => json!({ "web": { "id": id.bare(), "canonical_url": fields.canonical_url } }),
        _ => json!({}),
    }
}

/// That a video has sound says nothing of an MP3, so only a delivered one is named.
fn media(report: &Report) -> Value {
    let Report { fields, extras, .. } = report;
    let mut media = json!({
        "has_audio": fields.media.is_some(),
        "has_transcript": extras.has_transcript,
        "transcript_chars": extras.transcript_chars.unwrap_or(0),
    });
    if let Some(delivered) = &fields.media {
        media["audio_url"] = delivered.audio_url.as_str().into();
    }
    media
}

/// The default variant stands at the top, as the pipeline's merge leaves it.
fn summary(variants: &[Variant]) -> Value {
    let is_default = |variant: &&Variant| variant.name == variant_name::DEFAULT;
    let Some(default) = variants.iter().find(is_default).or(variants.first()) else {
        return Value::Object(Map::new());
    };
    let latest = variants.iter().max_by_key(|variant| variant.generated_at).unwrap_or(default);
    json!({
        "summary": default.text,
        "summary_type": default.name,
        "generated_at": default.generated_at,
        "default_variant": default.name,
        "latest_variant": latest.name,
        "variants": variants.iter().map(item).collect::<Vec<_>>(),
    })
}

fn item(variant: &Variant) -> Value {
    json!({
        "variant": variant.name,
        "kind": if variant.name.starts_with("audio") { "audio" } else { "text" },
        "text": variant.text,
        "html": variant.html,
        "generated_at": variant.generated_at,
    })
}
