//! The model of a target: the dashboard as contract sections 0, C.3, C.5 and D describe it, or one
//! that knows versions, as ytv2-ingest does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::contract::audio_public_url;
use crate::delivery::Answer;
use crate::id::{ContentId, Kind, Version};

#[derive(Default)]
pub struct Dashboard {
    aware: bool,
    pub rows: BTreeMap<ContentId, Record>,
    pub audio: BTreeMap<ContentId, Audio>,
    /// The number of the request that was done last, for each id.
    last: BTreeMap<ContentId, u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub title: String,
    pub indexed_at: String,
    pub has_audio: bool,
    pub audio_url: Option<String>,
    pub variants: BTreeMap<String, String>,
    version: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    pub bytes: Version,
    version: i64,
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// Counted from 0, in the order of sending.
    pub number: u64,
    pub id: ContentId,
    pub version: i64,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    /// The JSON of a report.
    Report(Vec<u8>),
    Audio(Version),
}

impl Request {
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::Report(_) => Kind::Report,
            Body::Audio(_) => Kind::Audio,
        }
    }
}

pub fn answer(status: u16, body: Value) -> Answer {
    Answer { status, body: body.to_string().into_bytes(), ..Answer::default() }
}

impl Dashboard {
    pub fn new(aware: bool) -> Self {
        Self { aware, ..Self::default() }
    }

    /// Gives out greater numbers than the sender has.
    pub fn run_ahead(&mut self, id: &ContentId) {
        const FAR: i64 = 1_000_000_000_000;
        if let Some(record) = self.rows.get_mut(id) {
            record.version += FAR;
        }
        if let Some(audio) = self.audio.get_mut(id) {
            audio.version += FAR;
        }
    }

    /// Does what a request asks for, which nobody may wait for any more. None: a dashboard without
    /// versions cannot be helped against a request that is older than what it has done since, so
    /// the network is taken to have lost it.
    pub fn take(&mut self, request: &Request, stale: bool) -> Result<Option<Answer>, String> {
        let last = self.last.get(&request.id).copied();
        if stale && !self.aware && last.is_some_and(|last| last > request.number) {
            return Ok(None);
        }
        self.last.insert(request.id.clone(), request.number);
        match &request.body {
            Body::Report(json) => Ok(Some(self.report(request, json))),
            Body::Audio(bytes) => self.audio(request, *bytes).map(Some),
        }
    }

    fn report(&mut self, request: &Request, body: &[u8]) -> Answer {
        let body: Value = serde_json::from_slice(body).expect("a report is JSON");
        let held = self.rows.get(&request.id);
        if self.aware
            && let Some(held) = held.filter(|held| held.version > request.version)
        {
            return superseded(held.version, json!({"upserted": 0}));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut record = Record {
            title: text(&body["title"]).unwrap_or_default(),
            indexed_at: text(&body["indexed_at"]).unwrap_or_default(),
            has_audio: body["media"]["has_audio"] == true || body["media"]["audio_url"].is_string(),
            audio_url: text(&body["analysis_json"]["audio_url"]),
            variants: held.map(|held| held.variants.clone()).unwrap_or_default(),
            version: request.version,
        };
        if self.aware && self.audio.contains_key(&request.id) {
            record.link(&request.id);
        }
        let sent = body["summary_variants"].as_array().map_or(&[][..], Vec::as_slice);
        for variant in sent {
            let (name, text) = (text(&variant["variant"]), text(&variant["text"]));
            record.variants.insert(name.unwrap_or_default(), text.unwrap_or_default());
        }
        self.rows.insert(request.id.clone(), record);
        answer(200, json!({"upserted": 1, "summaries_upserted": sent.len()}))
    }

    fn audio(&mut self, request: &Request, bytes: Version) -> Result<Answer, String> {
        let url = audio_public_url(request.id.as_str());
        let saved = json!({"saved": true, "public_url": url});
        if self.aware
            && let Some(held) = self.audio.get(&request.id)
            && held.version > request.version
        {
            return Ok(superseded(held.version, saved));
        }
        let Some(row) = self.rows.get_mut(&request.id) else {
            return Err(format!("the audio of {} came before its report", request.id));
        };
        row.link(&request.id);
        self.audio.insert(request.id.clone(), Audio { bytes, version: request.version });
        Ok(answer(200, saved))
    }
}

impl Record {
    fn link(&mut self, id: &ContentId) {
        self.has_audio = true;
        self.audio_url = Some(audio_public_url(id.as_str()));
    }
}

fn superseded(version: i64, mut body: Value) -> Answer {
    body["action"] = "superseded".into();
    body["version"] = version.into();
    answer(200, body)
}
