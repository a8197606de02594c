//! What the lane says, in the log and in the journal: a line for each delivery and each failure, one
//! for each turn of the target.

use std::io;

use tracing::{debug, error, info, warn};

use super::attempt::Flight;
use super::dispatcher::{News, Ruling};
use crate::clock;
use crate::contract::Action;
use crate::delivery::{Cause, Receipt};
use crate::file::FileRef;
use crate::id::TargetName;
use crate::journal::{self, Happening, Journal};
use crate::outbox::Parcel;

/// What a delivery was to the target. One that does not say is believed to have had what it
/// acknowledged before.
pub fn action(parcel: &Parcel, receipt: &Receipt) -> Action {
    let by_memory = if parcel.known { Action::Updated } else { Action::Created };
    receipt.action.unwrap_or(by_memory)
}

/// Speaks for the lane of one target.
#[derive(Clone, Debug)]
pub struct Reporter {
    target: &'static str,
    journal: Journal,
}

impl Reporter {
    pub fn new(target: &'static str, journal: Journal) -> Self {
        Self { target, journal }
    }

    /// Tells the journal that a request begins: the log has a line for its end. Whatever comes of it is said by one of the others.
    pub fn started(&self, parcel: &Parcel) {
        self.tell(parcel, journal::News::new(Happening::Started));
    }

    /// Says that the target has just this already, so that nothing was sent.
    pub fn held_already(&self, parcel: &Parcel) {
        let (id, kind) = (&parcel.id, parcel.kind);
        debug!(%id, %kind, target = self.target, "the target holds it already");
    }

    /// Says how an attempt ended.
    pub fn ruled(&self, parcel: &Parcel, flight: &Flight, ruling: &Ruling) {
        let target = self.target;
        let (id, kind, file) = (&parcel.id, parcel.kind, &parcel.source.file);
        match ruling {
            Ruling::Delivered(receipt) => self.delivered(parcel, flight, receipt),
            Ruling::Superseded { kept_no } => {
                let sent_no = parcel.want_no;
                warn!(%id, %kind, target, kept_no, sent_no,
                    "the target holds a version with a greater number; sending again with one \
                     greater still");
                self.failed(parcel, "the target holds a version with a greater number");
            }
            Ruling::Parked { why } => {
                error!(%id, %kind, target, %file, why,
                    "parked: not tried again until its file changes");
                let news = journal::News::new(Happening::Parked);
                self.tell(parcel, journal::News { words: Some(why.clone()), ..news });
            }
            Ruling::Retry { why, failures, strikes, due_ms } => {
                let again_in_ms = due_ms - clock::now_ms();
                warn!(%id, %kind, target, why, failures, strikes, again_in_ms, "not delivered");
                self.failed(parcel, why);
            }
            Ruling::Untouched { why, .. } => {
                info!(%id, %kind, target, why, "not delivered; it waits for the target");
                self.failed(parcel, why);
            }
            Ruling::AskHealth(_) => {}
        }
    }

    /// Says that a file was not what it was when it was taken in.
    pub fn changed(&self, parcel: &Parcel) {
        self.failed(parcel, "the file had changed; it is looked at again");
    }

    /// Says that a file of ours cannot be read.
    pub fn unreadable(&self, parcel: &Parcel, file: &FileRef, error: &io::Error, due_ms: i64) {
        let (id, kind, target) = (&parcel.id, parcel.kind, self.target);
        let again_in_ms = due_ms - clock::now_ms();
        warn!(%id, %kind, target, %file, %error, again_in_ms,
            "not delivered: its file cannot be read");
        self.failed(parcel, &format!("{file} cannot be read: {error}"));
    }

    /// Says what has become of the target.
    pub fn news(&self, news: &News) {
        let target = self.target;
        match news {
            News::Asleep { why, until_ms } => {
                let probe_in_ms = until_ms - clock::now_ms();
                warn!(
                    target,
                    why,
                    probe_in_ms,
                    "nothing gets through: the target is left alone but for one probe at a time"
                );
            }
            News::Paused { why, until_ms } => {
                let for_ms = until_ms - clock::now_ms();
                warn!(target, why, for_ms, "the target asks for a pause");
            }
            News::Stopped(Cause::Denied(why)) => error!(
                target,
                why,
                "authentication failed: the target refuses the token; put the right one into the \
                 file that the configuration names and reload, or into the systemd credential or \
                 the environment and restart; nothing is lost meanwhile"
            ),
            News::Stopped(Cause::Retired(why)) => error!(
                target,
                why,
                "this dashboard is PostgreSQL-only: nothing more is sent to it; switch this target \
                 off (legacy.enabled = false and reload, or POSTGRES_ONLY=true and restart)"
            ),
            News::Stopped(cause) if target == TargetName::Legacy.as_str() => error!(
                target,
                why = cause.why(),
                "the address is not that of a legacy dashboard; mend legacy.url and restart; \
                 nothing is lost meanwhile"
            ),
            News::Stopped(cause) => error!(
                target,
                why = cause.why(),
                "the address is not that of an ingest endpoint; mend ingest.url and restart; \
                 nothing is lost meanwhile"
            ),
            News::Back { was_shut: true } => info!(target, "the target is back"),
            News::Back { was_shut: false } => {}
        }
        let (turn, words) = match news {
            News::Asleep { why, .. } | News::Paused { why, .. } => {
                (Happening::TargetDown, Some(why.clone()))
            }
            News::Stopped(cause) => (Happening::TargetDown, Some(cause.why().to_owned())),
            News::Back { was_shut: true } => (Happening::TargetUp, None),
            News::Back { was_shut: false } => return,
        };
        let target = Some(target.to_owned());
        let news = journal::News { target, words, ..journal::News::new(turn) };
        self.journal.tell(news, clock::now());
    }

    fn delivered(&self, parcel: &Parcel, flight: &Flight, receipt: &Receipt) {
        let (id, kind, target) = (&parcel.id, parcel.kind, self.target);
        let action = action(parcel, receipt).as_str();
        let since_change_ms = parcel.since_change_ms(clock::now_ms());
        let (bytes, status) = (flight.bytes, receipt.status);
        info!(%id, %kind, target, action, bytes, status, since_change_ms, "delivered");
        if let Some(warning) = &flight.warning {
            warn!(%id, target, warning, "delivered, with a reservation");
        }
        let news = journal::News {
            words: Some(action.to_owned()),
            bytes: Some(bytes),
            since_change_ms,
            ..journal::News::new(Happening::Delivered)
        };
        self.tell(parcel, news);
    }

    fn failed(&self, parcel: &Parcel, why: &str) {
        let news = journal::News::new(Happening::Failed);
        self.tell(parcel, journal::News { words: Some(why.to_owned()), ..news });
    }

    fn tell(&self, parcel: &Parcel, news: journal::News) {
        let news = journal::News {
            target: Some(self.target.to_owned()),
            kind: Some(parcel.kind),
            content: Some(parcel.id.to_string()),
            path: Some(parcel.source.file.to_string()),
            ..news
        };
        self.journal.tell(news, clock::now());
    }
}
