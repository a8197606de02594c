//! What the lane says in the log: one line for each delivery and each failure, one for each turn of
//! the target.

use tracing::{error, info, warn};

use super::attempt::Flight;
use super::dispatcher::{News, Ruling};
use crate::clock;
use crate::contract::Action;
use crate::delivery::{Cause, Receipt};
use crate::id::TargetName;
use crate::outbox::Parcel;

/// Says how an attempt ended.
pub fn ruled(target: &str, parcel: &Parcel, flight: &Flight, ruling: &Ruling) {
    let (id, kind, file) = (&parcel.id, parcel.kind, &parcel.source.file);
    match ruling {
        Ruling::Delivered(receipt) => delivered(target, parcel, flight, receipt),
        Ruling::Superseded { kept_no } => {
            let sent_no = parcel.want_no;
            warn!(%id, %kind, target, kept_no, sent_no,
                "the target holds a version with a greater number; sending again with one greater \
                 still");
        }
        Ruling::Parked { why } => {
            error!(%id, %kind, target, %file, why, "parked: not tried again until its file changes");
        }
        Ruling::Retry { why, failures, strikes, due_ms } => {
            let again_in_ms = due_ms - clock::now_ms();
            warn!(%id, %kind, target, why, failures, strikes, again_in_ms, "not delivered");
        }
        Ruling::Untouched { why, .. } => {
            info!(%id, %kind, target, why, "not delivered; it waits for the target");
        }
        Ruling::AskHealth(_) => {}
    }
}

fn delivered(target: &str, parcel: &Parcel, flight: &Flight, receipt: &Receipt) {
    let (id, kind) = (&parcel.id, parcel.kind);
    // A dashboard that does not say is believed to have had what it acknowledged before.
    let by_memory = if parcel.known { Action::Updated } else { Action::Created };
    let action = receipt.action.unwrap_or(by_memory).as_str();
    let since_change_ms = clock::now_ms() - parcel.changed_ms;
    let (bytes, status) = (flight.bytes, receipt.status);
    info!(%id, %kind, target, action, bytes, status, since_change_ms, "delivered");
    if let Some(warning) = &flight.warning {
        warn!(%id, target, warning, "delivered, with a reservation");
    }
}

/// Says what has become of the target.
pub fn news(target: &str, news: &News) {
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
            "authentication failed: the target refuses the token; put the right one into the file \
             that the configuration names and reload, or into the systemd credential or the \
             environment and restart; nothing is lost meanwhile"
        ),
        News::Stopped(Cause::Retired(why)) => error!(
            target,
            why,
            "this dashboard is PostgreSQL-only: nothing more is sent to it; switch this target off \
             (POSTGRES_ONLY=true, or legacy.enabled = false) and reload"
        ),
        News::Stopped(cause) if target == TargetName::Legacy.as_str() => error!(
            target,
            why = cause.why(),
            "the address is not that of a legacy dashboard; mend legacy.url and restart; nothing is \
             lost meanwhile"
        ),
        News::Stopped(cause) => error!(
            target,
            why = cause.why(),
            "the address is not that of an ingest endpoint; mend ingest.url and restart; nothing is \
             lost meanwhile"
        ),
        News::Back { was_shut: true } => info!(target, "the target is back"),
        News::Back { was_shut: false } => {}
    }
}
