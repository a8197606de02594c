//! One attempt at one item: pack, send, weigh the answer, settle.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::parcel::{Packed, Unpacked, open, pack};
use crate::clock;
use crate::config::Config;
use crate::contract::Action;
use crate::delivery::{Backoff, Receipt, Verdict};
use crate::file::{FileRef, Root};
use crate::id::Kind;
use crate::intake::path_of;
use crate::outbox::{Outbox, OutboxError, Outcome, Parcel, Settlement, Taken};
use crate::target::{AudioBody, Sent, Target};
use crate::watch::{Hints, Touch};

/// How long to leave a file to the intake that is not what it was.
const CHANGED_WAIT: Duration = Duration::from_secs(1);

/// Everything that one attempt needs.
pub struct Attempt {
    pub lane: &'static str,
    /// The target's row in the outbox.
    pub row: i64,
    pub item: i64,
    pub outbox: Outbox,
    pub target: Target,
    pub config: Arc<Config>,
    pub reports: Hints,
    pub exports: Hints,
}

/// What was sent, and what came of it.
struct Flight {
    verdict: Verdict,
    bytes: u64,
    taken: Taken,
    warning: Option<String>,
}

impl Attempt {
    /// Makes the attempt. What becomes of it is in the outbox when this returns.
    pub async fn run(self) -> Result<(), OutboxError> {
        let Some(parcel) = self.outbox.parcel(self.row, self.item).await? else {
            return Ok(());
        };
        let parcel = Arc::new(parcel);
        let flight = match parcel.kind {
            Kind::Report => self.report(&parcel).await,
            Kind::Audio => self.audio(&parcel).await,
        };
        let outcome = match flight {
            Ok(flight) => self.weigh(&parcel, flight),
            Err(Unpacked::Changed(file)) => {
                self.hint(&file);
                let due_ms = clock::now_ms() + CHANGED_WAIT.as_millis() as i64;
                Outcome::Changed { due_ms }
            }
            Err(Unpacked::Io(file, error)) => self.failed(&parcel, format!("{file}: {error}")),
        };
        self.outbox
            .settle(Settlement {
                target: self.row,
                item: self.item,
                sent_no: parcel.want_no,
                at_ms: clock::now_ms(),
                outcome,
            })
            .await?;
        Ok(())
    }

    /// Sends a report. When the target took fewer summaries than it was sent, they are offered once
    /// more with a revision of our own, since a dashboard without its second migration does not
    /// count them itself (contract C.5).
    async fn report(&self, parcel: &Arc<Parcel>) -> Result<Flight, Unpacked> {
        let first = self.pack(parcel, 0).await?;
        let (mut bytes, offered) = (first.json.len() as u64, first.sent.len());
        let mut verdict = self.target.report(first.json, parcel.want_no).await;
        if took_fewer(&verdict, offered) {
            let again = self.pack(parcel, clock::now().as_second()).await?;
            bytes += again.json.len() as u64;
            verdict = self.target.report(again.json, parcel.want_no).await;
        }
        if took_fewer(&verdict, offered) {
            let warning = format!(
                "the dashboard holds the record, but took fewer than the {offered} summaries sent: \
                 it shows older texts; check its migrations (002_fix_triggers)"
            );
            return Ok(Flight { verdict, bytes, taken: Taken::new(), warning: Some(warning) });
        }
        Ok(Flight { verdict, bytes, taken: first.sent, warning: None })
    }

    async fn pack(&self, parcel: &Arc<Parcel>, revision: i64) -> Result<Packed, Unpacked> {
        let (parcel, config) = (Arc::clone(parcel), Arc::clone(&self.config));
        tokio::task::spawn_blocking(move || pack(&parcel, &config, revision))
            .await
            .expect("packing does not panic")
    }

    async fn audio(&self, parcel: &Arc<Parcel>) -> Result<Flight, Unpacked> {
        let (root, source) = (path_of(Root::Exports, &self.config), parcel.source.clone());
        let opened = tokio::task::spawn_blocking(move || open(&root, &source))
            .await
            .expect("opening does not panic")?;
        let body = AudioBody::new(opened, parcel.want, parcel.audio_seconds);
        let bytes = body.size();
        match self.target.audio(&parcel.id, parcel.want_no, body).await {
            Sent::Changed => Err(Unpacked::Changed(parcel.source.file.clone())),
            Sent::Verdict(verdict) => {
                Ok(Flight { verdict, bytes, taken: Taken::new(), warning: None })
            }
        }
    }

    /// What a verdict means for the item, with the one log line that it gets.
    fn weigh(&self, parcel: &Parcel, flight: Flight) -> Outcome {
        let Flight { verdict, bytes, taken, warning } = flight;
        match verdict {
            Verdict::Accepted(receipt) => match receipt.kept_version {
                Some(kept_no) if receipt.action == Some(Action::Superseded) => {
                    warn!(id = %parcel.id, kind = %parcel.kind, target = self.lane, kept_no,
                        sent_no = parcel.want_no,
                        "the target holds a version with a greater number; sending again with one \
                         greater still");
                    Outcome::Superseded { kept_no }
                }
                _ => self.delivered(parcel, receipt, bytes, taken, warning),
            },
            Verdict::Refused(why) => {
                warn!(id = %parcel.id, kind = %parcel.kind, target = self.lane, why,
                    file = %parcel.source.file,
                    "refused; parked until its file changes");
                Outcome::Parked { error: why }
            }
            Verdict::Later { why, .. }
            | Verdict::Unproven(why)
            | Verdict::Denied(why)
            | Verdict::Misdirected(why)
            | Verdict::Unreachable(why) => self.failed(parcel, why),
        }
    }

    fn delivered(
        &self,
        parcel: &Parcel,
        receipt: Receipt,
        bytes: u64,
        taken: Taken,
        warning: Option<String>,
    ) -> Outcome {
        // A dashboard that does not say is believed to have had what it acknowledged before.
        let by_memory = if parcel.known { Action::Updated } else { Action::Created };
        let action = receipt.action.unwrap_or(by_memory).as_str();
        let ms = clock::now_ms() - parcel.changed_ms;
        info!(id = %parcel.id, kind = %parcel.kind, target = self.lane, action, bytes,
            status = receipt.status, since_change_ms = ms, "delivered");
        if let Some(warning) = &warning {
            warn!(id = %parcel.id, target = self.lane, warning, "delivered, with a reservation");
        }
        Outcome::Delivered {
            version: parcel.want,
            fields: (parcel.kind == Kind::Report).then_some(parcel.digest),
            taken,
            public_url: receipt.public_url,
            warning,
        }
    }

    fn failed(&self, parcel: &Parcel, error: String) -> Outcome {
        let retry = self.config.retry;
        let failures = parcel.failures + 1;
        let wait = Backoff { first: retry.first, max: retry.max }.wait(failures);
        warn!(id = %parcel.id, kind = %parcel.kind, target = self.lane, why = error, failures,
            again_in_ms = wait.as_millis() as u64, "not delivered");
        Outcome::Failed { error, due_ms: clock::now_ms() + wait.as_millis() as i64 }
    }

    fn hint(&self, file: &FileRef) {
        let hints = match file.root {
            Root::Reports => &self.reports,
            Root::Exports => &self.exports,
        };
        hints.add(&file.name, Touch::Done);
    }
}

/// Whether a target acknowledged a report but not all of its summaries.
fn took_fewer(verdict: &Verdict, offered: usize) -> bool {
    let Verdict::Accepted(receipt) = verdict else { return false };
    receipt.action != Some(Action::Superseded)
        && receipt.summaries.is_some_and(|taken| taken < offered as i64)
}
