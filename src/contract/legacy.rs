//! The endpoints from before PostgreSQL (contract F.1 and F.2): one flat row for each record, with
//! one summary, and the audio as a file beside it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A part that dashboards ignore: which record the file belongs to.
pub const UPLOAD_AUDIO_PART_ID: &str = "content_id";

/// The body of `POST /api/content`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlatRow {
    /// The key: `yt:` and the YouTube id, or the prefixed id of another source.
    pub id: String,
    pub title: String,
    pub canonical_url: Option<String>,
    pub thumbnail_url: Option<String>,
    /// A time, or a bare day.
    pub published_at: Option<String>,
    /// Kept by an update as it was (contract F.2).
    pub indexed_at: String,
    pub duration_seconds: Option<i64>,
    pub word_count: Option<i64>,
    pub has_audio: bool,
    pub audio_duration_seconds: Option<i64>,
    pub has_transcript: bool,
    pub transcript_chars: Option<i64>,
    /// The id without `yt:`, in its own case.
    pub video_id: String,
    pub channel_name: Option<String>,
    pub channel_id: Option<String>,
    pub view_count: Option<i64>,
    pub like_count: Option<i64>,
    pub comment_count: Option<i64>,
    pub category: Vec<Value>,
    pub subcategory: Option<String>,
    /// JSON text.
    pub subcategories_json: Option<String>,
    pub content_type: Option<String>,
    pub complexity_level: Option<String>,
    pub language: String,
    pub key_topics: Vec<Value>,
    pub named_entities: Vec<Value>,
    pub analysis: Map<String, Value>,
    pub format_source: String,
    pub processing_status: String,
    pub created_at: String,
    pub updated_at: String,
    /// Without them the server keeps the summary that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_type: Option<String>,
}
