//! What the ingest endpoints answer (contract C.4 and D).

use serde::{Deserialize, Serialize};

/// What became of a record. The dashboard does not say; the ingest side always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Created,
    Updated,
    /// The store held exactly this already.
    Unchanged,
    /// The store holds a newer version, and kept it.
    Superseded,
}

impl Action {
    pub const ALL: [Action; 4] =
        [Action::Created, Action::Updated, Action::Unchanged, Action::Superseded];

    /// The word on the wire and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Unchanged => "unchanged",
            Action::Superseded => "superseded",
        }
    }

    /// Whether a reader sees something else than before.
    pub fn changes(self) -> bool {
        matches!(self, Action::Created | Action::Updated)
    }
}

/// The answer to a report that was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// 1 when the record is stored; required, so that any other JSON is no proof.
    pub upserted: i64,
    /// How many of the summaries sent the store now holds as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summaries_upserted: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_updated: Option<bool>,
    /// The stored row, read back; null means that the reading failed, not the writing.
    #[serde(default)]
    pub verify_row: Option<VerifyRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// With `superseded`: the number of the version that the store kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// The part of a stored row that the server reads back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyRow {
    pub video_id: String,
    pub title: Option<String>,
}

/// The answer to an audio file that was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioAnswer {
    pub saved: bool,
    /// A path on the server, beginning with a slash.
    pub public_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// With `superseded`: the number of the version that the store kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// The answer to a flat row that was stored (contract F.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentAnswer {
    pub success: bool,
    #[serde(default)]
    pub message: String,
    /// As it was sent.
    pub id: String,
    pub action: Action,
    pub upserted: bool,
    /// ISO 8601.
    #[serde(default)]
    pub synced_at: String,
    /// With `superseded`: the number of the version that the store kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// The answer to an audio file that was stored under its name (contract F.1). Before November 2025
/// the dashboard said neither path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadAnswer {
    pub success: bool,
    #[serde(default)]
    pub message: String,
    pub filename: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
}

/// The answer to a deletion, also to one that failed (contract G.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteAnswer {
    /// `success` or `error`.
    pub status: String,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub deleted_files: u32,
    #[serde(default)]
    pub errors: Vec<String>,
    /// There was nothing to delete.
    #[serde(default)]
    pub idempotent: bool,
}

/// Any answer that is not a success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
