//! The body of `POST /ingest/report` (contract C.2).

use serde::Serialize;
use serde_json::{Map, Value};

/// A full record. Every send replaces every column (contract C.3), so what is absent here is
/// erased there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportPayload {
    pub video_id: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_name: Option<String>,
    /// RFC 3339 with a zone. The dashboard's main sort key: it must not change between sends.
    pub indexed_at: String,
    /// Whole seconds; text or a fraction would be a permanent 500 (contract C.4).
    pub duration_seconds: Option<i64>,
    pub thumbnail_url: Option<String>,
    pub canonical_url: Option<String>,
    pub subcategories_json: Option<Value>,
    /// Always an object: an array breaks the dashboard's listing (contract C.2).
    pub analysis_json: Map<String, Value>,
    pub topics_json: Option<Value>,
    /// Only once an MP3 was delivered (contract 0.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_source: Option<String>,
    pub summary_variants: Vec<SummaryVariant>,
}

/// What switches the audio player of a card on (contract C.2).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Media {
    pub has_audio: bool,
    pub audio_url: String,
}

/// One summary of a record (contract C.5).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryVariant {
    pub variant: String,
    pub text: String,
    /// Never null: a null makes the card invisible (contract C.6).
    pub html: String,
    /// 0 asks the server for the next one (contract 0.1).
    pub revision: i64,
    /// The same word again: the server's event stream reads only this one (contract C.5).
    pub summary_type: String,
}
