//! `POST /verify`: compares, and tells what it does and finds while it does so, a JSON object a
//! line. Whoever hangs up ends it.

use std::convert::Infallible;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::refusal::Refusal;
use super::wire::{Fault, Finding, Verified, Verifying};
use crate::id::TargetName;
use crate::proof::{Cure, What};
use crate::verify::{self, NotVerified, Order, Outcome, Step, Verifier};

/// One object a line.
pub const MEDIA_TYPE: &str = "application/x-ndjson";
/// So many steps may be told ahead of whoever listens.
const AHEAD: usize = 64;

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// So many ids, chosen by chance; all without it.
    sample: Option<usize>,
    /// Makes due again what differs.
    #[serde(default)]
    fix: bool,
}

type Verification = Pin<Box<dyn Future<Output = Result<Outcome, NotVerified>> + Send>>;

/// One verification, and who hears of it: it goes on only while somebody does.
struct Telling {
    steps: mpsc::Receiver<Step>,
    verification: Option<Verification>,
    stop: CancellationToken,
    ended: Option<Result<Outcome, NotVerified>>,
}

/// Begins.
pub fn answer(desk: &Desk, asked: Asked, stop: CancellationToken) -> Result<Response, Refusal> {
    let Asked { sample, fix } = asked;
    if sample == Some(0) {
        let hint = "ask for at least one id, or for all by leaving `sample` out";
        return Err(Refusal::bad("a sample of nothing proves nothing", hint));
    }
    let names = desk.target_names();
    if !names.iter().any(|name| name == TargetName::Dashboard.as_str()) {
        let hint = "a legacy dashboard does not say what it holds; enable [ingest]";
        return Err(Refusal::conflict(NotVerified::NoTarget.to_string(), hint));
    }
    let (tell, steps) = mpsc::channel(AHEAD);
    let verifier: Verifier = desk.verifier.clone();
    let verification: Verification =
        Box::pin(async move { verifier.verify(Order { sample, fix }, tell).await });
    let telling = Telling { steps, verification: Some(verification), stop, ended: None };
    let lines = unfold(telling, async |mut telling| {
        let mut line = serde_json::to_vec(&telling.next().await?).expect("it is JSON");
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), telling))
    });
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(lines)).into_response())
}

impl Telling {
    /// The next line; nothing behind the last.
    async fn next(&mut self) -> Option<Verifying> {
        while let Some(verification) = &mut self.verification {
            tokio::select! {
                biased;
                Some(step) = self.steps.recv() => return Some(told(step)),
                () = self.stop.cancelled() => {
                    self.verification = None;
                    return Some(failed("the daemon is stopping", "ask again when it runs"));
                }
                ended = verification => {
                    self.verification = None;
                    self.ended = Some(ended);
                }
            }
        }
        // What was told before the end comes before it.
        if let Ok(step) = self.steps.try_recv() {
            return Some(told(step));
        }
        Some(match self.ended.take()? {
            Ok(outcome) => Verifying::Done(verified(&outcome)),
            Err(error) => {
                let hint = match &error {
                    NotVerified::Busy => "wait for its end: ytv2d status",
                    NotVerified::Silent(_) => "ytv2d status says how it is; try again later",
                    NotVerified::NoTarget => "enable [ingest]",
                    NotVerified::Outbox(_) | NotVerified::Unheard => "look into the daemon's log",
                };
                failed(&error.to_string(), hint)
            }
        })
    }
}

fn failed(error: &str, hint: &str) -> Verifying {
    Verifying::Failed(Fault { error: error.to_owned(), hint: hint.to_owned() })
}

fn told(step: Step) -> Verifying {
    match step {
        Step::Listed(done, of) => Verifying::Listed { done, of },
        Step::Checked(done, of) => Verifying::Checked { done, of },
        Step::Found(finding) => Verifying::Found(found(finding)),
    }
}

fn found(finding: verify::Finding) -> Finding {
    let verify::Finding { id, difference, fixed } = finding;
    let remedy = match (difference.cure, difference.what) {
        _ if fixed => None,
        (Cure::Resend(_) | Cure::Retry | Cure::Look, _) => Some("ytv2d verify --fix".to_owned()),
        (Cure::Nothing, What::Deleted) => Some(format!("ytv2d resend {id}")),
        (Cure::Nothing, _) => None,
    };
    Finding {
        target: TargetName::Dashboard.to_string(),
        id,
        what: difference.what,
        why: difference.why,
        remedy,
        fixed,
    }
}

/// What came of a verification, for the socket.
pub fn verified(outcome: &Outcome) -> Verified {
    Verified {
        target: outcome.target.to_string(),
        at: outcome.at,
        checked: outcome.checked,
        differences: outcome.differences(),
        found: outcome.found.clone(),
        fixed: outcome.fixed,
        left: outcome.left(),
        sampled: outcome.sampled,
        lost: outcome.is_loss(),
        unlisted: outcome.unlisted.clone(),
    }
}
