//! What the model dashboard stores of an id: its row, its summaries, its audio.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::summaries::VISIBLE;

/// Audio longer than this is remembered by its length and hash only.
const AUDIO_KEPT: usize = 16 << 20;

/// A row of `content`, with its summaries.
#[derive(Clone, Debug)]
pub struct Record {
    pub video_id: String,
    pub title: String,
    pub channel_name: String,
    pub indexed_at: Timestamp,
    pub duration_seconds: Option<i32>,
    pub thumbnail_url: Option<String>,
    pub canonical_url: Option<String>,
    pub subcategories_json: Option<Value>,
    pub analysis_json: Option<Value>,
    pub topics_json: Option<Value>,
    pub has_audio: bool,
    /// Every row of `content_summaries`, in the order of insertion.
    pub summaries: Vec<Summary>,
    /// How often the row was inserted or updated by a report.
    pub writes: usize,
}

/// A row of `content_summaries`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub variant: String,
    pub revision: i32,
    pub text: Option<String>,
    pub html: Option<String>,
    pub is_latest: bool,
}

impl Record {
    /// `analysis_json.audio_url`, where the card's player looks.
    pub fn audio_url(&self) -> Option<&str> {
        self.analysis_json.as_ref()?.get("audio_url")?.as_str()
    }

    /// The latest text of a variant.
    pub fn text(&self, variant: &str) -> Option<&str> {
        self.latest(variant)?.text.as_deref()
    }

    /// The latest text of every variant.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let latest = self.summaries.iter().filter(|summary| summary.is_latest);
        latest
            .map(|summary| (summary.variant.clone(), summary.text.clone().unwrap_or_default()))
            .collect()
    }

    /// The latest row of a variant.
    pub fn latest(&self, variant: &str) -> Option<&Summary> {
        self.revisions(variant).into_iter().find(|summary| summary.is_latest)
    }

    /// Every revision of a variant, oldest first.
    pub fn revisions(&self, variant: &str) -> Vec<&Summary> {
        self.summaries.iter().filter(|summary| summary.variant == variant).collect()
    }

    /// Whether listings and single reads show it (contract C.6).
    pub fn visible(&self) -> bool {
        self.shown().is_some()
    }

    /// The summary that a card shows: the first visible one in the order of contract C.6.
    pub fn shown(&self) -> Option<&Summary> {
        VISIBLE.iter().find_map(|name| self.latest(name).filter(|summary| summary.html.is_some()))
    }
}

/// A stored audio file.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    pub len: usize,
    pub hash: blake3::Hash,
    /// Absent for a file of more than 16 MiB.
    pub bytes: Option<Vec<u8>>,
}

impl Audio {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            len: bytes.len(),
            hash: blake3::hash(bytes),
            bytes: (bytes.len() <= AUDIO_KEPT).then(|| bytes.to_vec()),
        }
    }
}
