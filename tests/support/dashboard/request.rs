//! A line of the model dashboard's log of requests.

use std::time::Instant;

use serde_json::Value;

/// One request, from its head to its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place in the order of arrival, from 0.
    pub seq: usize,
    pub peer_port: u16,
    pub method: String,
    /// The raw request target. Empty when the connection was reset before it was read.
    pub path: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// As the body has it: byte for byte, not trimmed.
    pub video_id: Option<String>,
    /// `X-Ytv2-Version`, which the dashboard ignores.
    pub version: Option<String>,
    /// The body of a report.
    pub json: Option<Value>,
    /// The hash of the file in an audio upload that arrived whole.
    pub audio: Option<blake3::Hash>,
    /// Bytes of the body that arrived.
    pub body_len: usize,
    /// Whether the client went away before its body was whole.
    pub aborted: bool,
    /// The fault that acted, by its name.
    pub fault: Option<String>,
    /// Set when the request changed the store: the how-manieth change it was, from 1.
    pub stored: Option<u64>,
    /// The status answered, even if only a part of the answer was sent. Absent: no answer at all.
    pub status: Option<u16>,
    /// When the head had arrived.
    pub started: Instant,
    /// When the answer was about to be sent, so always before the client has it.
    pub finished: Option<Instant>,
}

impl Request {
    /// The first header of a name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_report(&self) -> bool {
        self.method == "POST" && self.path == "/ingest/report"
    }

    pub fn is_audio(&self) -> bool {
        self.method == "POST" && self.path == "/ingest/audio"
    }
}
