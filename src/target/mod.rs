//! A target: one request, one verdict. The only room that knows `reqwest`.

mod answer;
mod body;
mod fault;
mod probe;

use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, redirect};

pub use body::AudioBody;
pub use probe::Answered;

use crate::config::Ingest;
use crate::contract::{
    AUDIO_PART_DURATION, AUDIO_PART_FILE, AUDIO_PART_ID, AUDIO_PATH, DATABASE_HEALTH_PATH,
    HEALTH_PATH, INGEST_HEALTH_PATH, REPORT_PATH, ReportPayload, TOKEN_HEADER, VERSION_HEADER,
    audio_file_stem,
};
use crate::delivery::{Answer, Health, Transport, Verdict, judge, judge_health};
use crate::id::{ContentId, Kind};

/// An ingest endpoint, and the connections to it.
#[derive(Clone, Debug)]
pub struct Target {
    client: Client,
    base: String,
    report_timeout: Duration,
    audio_timeout: Duration,
}

/// What sending an audio file came to.
#[derive(Debug)]
pub enum Sent {
    Verdict(Verdict),
    /// The file is not what was promised: the upload was broken off, so that no torn copy is kept.
    Changed,
}

impl Target {
    /// Prepares the way to a dashboard.
    ///
    /// # Errors
    /// When no certificates can be loaded, most likely because the system has none.
    pub fn new(ingest: &Ingest) -> anyhow::Result<Self> {
        let mut token = HeaderValue::from_str(ingest.token.expose())?;
        token.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(TOKEN_HEADER), token);
        let mut builder = Client::builder();
        if ingest.url.scheme() == "http" {
            // No certificate will be looked at, and a machine without any must do.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .user_agent(concat!("ytv2d/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(ingest.connect_timeout)
            // A redirect would carry the token and the whole body to wherever it points, and a
            // proxy from the environment would see both (`faults.md` 0.10).
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_idle_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| {
                let text = fault::chain(&error);
                anyhow::anyhow!("{text} (on Debian: apt install ca-certificates)")
            })?;
        Ok(Self {
            client,
            base: ingest.url.as_str().trim_end_matches('/').to_owned(),
            report_timeout: ingest.report_timeout,
            audio_timeout: ingest.audio_timeout,
        })
    }

    /// Delivers a report, given as the JSON of a [`ReportPayload`]; the number is that of its
    /// version.
    pub async fn report(&self, json: Vec<u8>, version_no: i64) -> Verdict {
        let request = self
            .post(REPORT_PATH, version_no)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(json);
        let answered = tokio::time::timeout(self.report_timeout, answer::fetch(request));
        match answered.await {
            Ok(answer) => verdict(Kind::Report, answer),
            Err(_) => Transport::Timeout(format!("{:?}", self.report_timeout)).into(),
        }
    }

    /// Asks for the target's health: that of the ingest endpoints, the server's own, and its
    /// database's where it tells. `patience` is for each, since the first may have to wake it.
    pub async fn health(&self, patience: Duration) -> Health {
        let mut worst = Health::Unknown;
        for path in [INGEST_HEALTH_PATH, HEALTH_PATH, DATABASE_HEALTH_PATH] {
            let request = self.client.get(format!("{}{path}", self.base));
            let health = match tokio::time::timeout(patience, answer::fetch(request)).await {
                Ok(Ok(answer)) => judge_health(answer.status, &answer.body),
                Ok(Err(fault)) => Health::Bad(fault.to_string()),
                Err(_) => Health::Bad(format!("no answer from {path} within {patience:?}")),
            };
            match health {
                Health::Bad(_) => return health,
                Health::Fine => worst = Health::Fine,
                Health::Unknown => {}
            }
        }
        worst
    }

    /// Delivers an audio file, streamed from the disk with its exact length.
    pub async fn audio(&self, id: &ContentId, version_no: i64, audio: AudioBody) -> Sent {
        let size = audio.size();
        let seconds = audio.seconds();
        let (body, progress) = audio.into_stream();
        let file = Part::stream_with_length(body, size)
            .file_name(format!("{}.mp3", audio_file_stem(id.as_str())))
            .mime_str("audio/mpeg")
            .expect("a sound media type");
        let mut form = Form::new().text(AUDIO_PART_ID, id.as_str().to_owned());
        if let Some(seconds) = seconds {
            form = form.text(AUDIO_PART_DURATION, seconds.to_string());
        }
        let request = self.post(AUDIO_PATH, version_no).multipart(form.part(AUDIO_PART_FILE, file));
        let answer = tokio::select! {
            answer = answer::fetch(request) => answer,
            () = progress.stalled(self.audio_timeout) => {
                let sent = progress.bytes();
                Err(Transport::Timeout(format!(
                    "no progress for {:?} after {sent} of {size} bytes", self.audio_timeout
                )))
            }
        };
        if progress.changed() {
            return Sent::Changed;
        }
        Sent::Verdict(verdict(Kind::Audio, answer))
    }

    fn post(&self, path: &str, version_no: i64) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.base))
            .header(HeaderName::from_static(VERSION_HEADER), version_no)
    }
}

fn verdict(kind: Kind, answer: Result<Answer, Transport>) -> Verdict {
    match answer {
        Ok(answer) => judge(kind, &answer),
        Err(fault) => fault.into(),
    }
}

/// The bytes of a payload as they go over the wire.
pub fn to_json(payload: &ReportPayload) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(payload)?)
}
