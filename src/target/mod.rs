//! A target: one request, one verdict. The only room that knows `reqwest`.

mod address;
mod ahead;
mod answer;
mod beat;
mod body;
mod buffers;
mod fault;
mod probe;
mod progress;
mod reading;
mod throttle;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::Part;
use reqwest::{Certificate, Client, ClientBuilder, Proxy, RequestBuilder, redirect};
use serde::Serialize;

use address::Address;
pub use beat::beat;
pub use body::AudioBody;
pub use probe::Answered;
use progress::Broken;
pub use progress::Progress;
pub use reading::Unread;
pub use throttle::Throttle;

use crate::config::{Endpoint, Trust};
use crate::contract::VERSION_HEADER;
use crate::delivery::{Answer, Health, Transport, Verdict, judge_at, judge_health};
use crate::id::{ContentId, Kind, TargetName};

/// A target, and the connections to it.
#[derive(Clone, Debug)]
pub struct Target {
    name: TargetName,
    client: Client,
    address: Arc<Address>,
    parallel: usize,
    report_timeout: Duration,
    audio_timeout: Duration,
    throttle: Throttle,
}

/// What one request carries.
#[derive(Debug)]
pub enum Load {
    /// The JSON of what the target takes for a report.
    Report(Vec<u8>),
    /// Streamed from the disk with its exact length.
    Audio(AudioBody),
}

/// What a request came to.
#[derive(Debug)]
pub enum Sent {
    Verdict(Verdict),
    /// The file is not what was promised: the upload was broken off, so that no torn copy is kept.
    Changed,
    /// The file cannot be read, or not to its end: the same.
    Unreadable(io::Error),
}

impl Target {
    /// Prepares the way to a target.
    ///
    /// # Errors
    /// When no certificates can be loaded, most likely because the system has none.
    pub fn new(name: TargetName, endpoint: &Endpoint, throttle: Throttle) -> anyhow::Result<Self> {
        let headers = HeaderMap::from_iter([wire::key(name, &endpoint.secret)?]);
        let client = trusting(&endpoint.trust, endpoint.url.scheme())?
            .user_agent(concat!("ytv2d/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(endpoint.connect_timeout)
            // It would carry the token and the whole body to wherever it points (`faults.md` 0.10).
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_idle_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| {
                let text = fault::chain(&error);
                anyhow::anyhow!("{text} (on Debian: apt install ca-certificates)")
            })?;
        Ok(Self {
            name,
            client,
            address: Arc::new(Address::new(name, &endpoint.url)?),
            parallel: endpoint.parallel,
            report_timeout: endpoint.report_timeout,
            audio_timeout: endpoint.audio_timeout,
            throttle,
        })
    }

    pub fn name(&self) -> TargetName {
        self.name
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        self.address.base()
    }

    /// How many requests it may be given at once.
    pub fn parallel(&self) -> usize {
        self.parallel
    }

    /// Why the target will never take an audio file of so many bytes, if it will not.
    pub fn too_large(&self, bytes: u64) -> Option<String> {
        wire::too_large(self.name, bytes)
    }

    /// Makes one request, and judges its answer. The number is that of the version.
    pub async fn deliver(
        &self,
        id: &ContentId,
        version_no: i64,
        load: Load,
        progress: &Progress,
    ) -> Sent {
        match load {
            Load::Report(json) => Sent::Verdict(self.report(json, version_no, progress).await),
            Load::Audio(audio) => self.audio(id, version_no, audio).await,
        }
    }

    async fn report(&self, json: Vec<u8>, version_no: i64, progress: &Progress) -> Verdict {
        // It is handed over as a whole.
        progress.begin(json.len() as u64);
        progress.advance(json.len() as u64);
        self.throttle.count(json.len());
        let request = self
            .post(Kind::Report, version_no)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(json);
        let answered = tokio::time::timeout(self.report_timeout, answer::fetch(request));
        match answered.await {
            Ok(answer) => self.verdict(Kind::Report, answer, progress),
            Err(_) => Transport::Timeout(format!("{:?}", self.report_timeout)).into(),
        }
    }

    async fn audio(&self, id: &ContentId, version_no: i64, audio: AudioBody) -> Sent {
        let size = audio.size();
        let seconds = audio.seconds();
        let (body, progress) = audio.into_stream(self.throttle.clone());
        let file = Part::stream_with_length(body, size);
        let form = wire::form(self.name, id, seconds, file);
        let request = self.post(Kind::Audio, version_no).multipart(form);
        let answer = tokio::select! {
            answer = answer::fetch(request) => answer,
            () = progress.stalled(self.audio_timeout) => {
                let sent = progress.done();
                Err(Transport::Timeout(format!(
                    "no progress for {:?} after {sent} of {size} bytes", self.audio_timeout
                )))
            }
        };
        match progress.broken_off() {
            Some(Broken::Changed) => Sent::Changed,
            Some(Broken::Unreadable(error)) => Sent::Unreadable(error),
            None => Sent::Verdict(self.verdict(Kind::Audio, answer, &progress)),
        }
    }

    /// Asks for the target's health, each part of it that it tells of. `patience` is for each, since
    /// the first may have to wake it.
    pub async fn health(&self, patience: Duration) -> Health {
        let mut worst = Health::Unknown;
        for path in wire::health_paths(self.name) {
            let request = self.client.get(self.address.at(path));
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

    fn post(&self, kind: Kind, version_no: i64) -> RequestBuilder {
        self.client
            .post(self.address.of(kind).clone())
            .header(HeaderName::from_static(VERSION_HEADER), version_no)
    }

    fn verdict(
        &self,
        kind: Kind,
        answer: Result<Answer, Transport>,
        progress: &Progress,
    ) -> Verdict {
        match answer {
            Ok(answer) => {
                progress.answered(answer.status);
                judge_at(self.name, kind, &answer)
            }
            Err(fault) => fault.into(),
        }
    }
}

/// A client that believes whom it is told to believe, and goes by way of nobody but whom it is told.
fn trusting(trust: &Trust, scheme: &str) -> reqwest::Result<ClientBuilder> {
    let is_plain = |scheme: &str| scheme == "http";
    let certificates: Result<Vec<_>, _> =
        trust.authorities.iter().map(|der| Certificate::from_der(der)).collect();
    let builder = match &trust.proxy {
        Some(proxy) => Client::builder().proxy(Proxy::all(proxy.as_str())?),
        // One from the environment would see the token and the body (`faults.md` 0.10).
        None => Client::builder().no_proxy(),
    };
    let by_way = trust.proxy.as_ref().map_or("http", |proxy| proxy.scheme());
    Ok(if is_plain(scheme) && is_plain(by_way) {
        // No certificate will be looked at, and a machine without any must do.
        builder.tls_certs_only([])
    } else {
        builder.tls_certs_merge(certificates?)
    })
}

/// The bytes of a body as they go over the wire. With `room` for all of them they need not be moved
/// while they become more.
pub fn to_json(body: &impl Serialize, room: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(room);
    serde_json::to_writer(&mut bytes, body)?;
    Ok(bytes)
}
