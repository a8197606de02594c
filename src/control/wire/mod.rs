//! The JSON of the socket, for both ends of it. Times are RFC 3339, in UTC.
//!
//! Which route gives and takes what is listed in [`ROUTES`](super::routes::ROUTES).

mod account;
mod check;
mod item;
mod order;
mod status;
mod sync;
mod verify;

pub use account::{Account, AttemptAccount, DeliveryAccount, FileAccount, Thing, VersionAccount};
pub use check::Checked;
pub use item::{Item, Items};
pub use order::{Done, Fault, PairOutcome, Rescan, Rescanned, ThingOutcome, Upload, Uploaded};
pub use status::{
    Amount, Concurrency, Database, Delivered, Health, Heartbeat, InFlight, Latency, OldestDue,
    Outbox, Pending, Root, Status, Target, Totals,
};
pub use sync::{Sync, Synced, SyncedTarget};
pub use verify::{Finding, Verified, Verifying};

use jiff::Timestamp;

pub use crate::journal::Event;

/// Milliseconds since 1970 as a timestamp; nothing outside of what one holds.
pub fn at(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}
