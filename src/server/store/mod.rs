//! What keeps reports and audio, whatever database is behind it.

mod delete;
mod level;
mod named;
mod postgres;
mod read;
mod share;
pub mod source;
mod sqlite;
pub mod visible;

use std::io;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value};

pub use super::name::Names;
pub use super::record::{Link, Record};
pub use delete::{Delete, Deleted, Remove};
pub use named::{NamedAudio, PutNamed};
pub use postgres::{Address, AddressError, OpenError as PostgresError, Postgres};
pub use read::{Listed, Page, Query, Read, Sort, Totals};
pub use share::{Heard, Peers, Share, Teller};
pub use sqlite::{OpenError as SqliteError, Sqlite};

use crate::contract::Action;
use crate::id::Version;

/// Keeps what was sent. Every method answers only once that is durable; whatever it writes it
/// writes whole or not at all; writers of one id are put in a row by the store, not by the caller.
///
/// `version` is the sender's number for this id and kind: older than the one that is stored,
/// nothing is written; without one the stored number stays.
pub trait Store: Read + Delete + PutNamed + Share + Send + Sync + 'static {
    /// Takes a record and its summaries.
    fn put_report(
        &self,
        report: Report,
        version: Option<i64>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<ReportStored, StoreError>>;

    /// Takes an audio file, and links it to its record if there is one; if not, the record is
    /// linked when it comes. `place` is called at most once, when everything else is settled.
    fn put_audio(
        &self,
        audio: NewAudio,
        version: Option<i64>,
        place: Place,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<AudioStored, StoreError>>;

    /// The record of an id with its latest summaries, visible or not.
    fn report(&self, video_id: String) -> BoxFuture<'_, Result<Option<Held>, StoreError>>;

    /// Whether the store answers.
    fn health(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Resolves when this store will never answer again, and only a new process can help.
    fn lost(&self) -> BoxFuture<'_, ()>;
}

/// Puts an uploaded file where [`Placement`] says. The store calls it inside its transaction, after
/// every statement and before the commit: the file of an id changes hands in the same order as its
/// row. Should the commit then fail, the file is newer than its row until the sender comes again.
pub type Place = Box<dyn FnOnce(Placement) -> BoxFuture<'static, io::Result<()>> + Send>;

/// See [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub file_name: String,
    pub bytes: u64,
    /// The file should be there already.
    pub unchanged: bool,
}

/// A record as it was sent, with everything that can be said about it alone already said.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub video_id: String,
    pub title: String,
    pub channel_name: String,
    pub indexed_at: Option<Timestamp>,
    /// Counts only without an `indexed_at` and when the record is new: where rows of the older
    /// generation stand, which never move (contract F.2).
    pub first_indexed_at: Option<Timestamp>,
    pub duration_seconds: Option<i64>,
    pub thumbnail_url: Option<String>,
    pub canonical_url: Option<String>,
    pub subcategories_json: Option<Value>,
    pub analysis_json: Option<Map<String, Value>>,
    pub topics_json: Option<Value>,
    pub audio: AudioClaim,
    /// Each variant once.
    pub summaries: Vec<Summary>,
}

/// What a report says about audio in `media`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioClaim {
    Unsaid,
    Without,
    With { url: Option<String> },
}

/// One summary as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub variant: String,
    pub text: String,
    /// None hides it (contract C.6).
    pub html: Option<String>,
    pub revision: Option<i64>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportStored {
    pub action: Action,
    /// How many of the summaries sent the store now holds as sent.
    pub summaries: i64,
    /// The title, read back.
    pub title: String,
    /// With [`Action::Superseded`], the number that the store kept.
    pub superseded_by: Option<i64>,
}

/// An audio file that has arrived and waits for its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudio {
    pub video_id: String,
    pub names: Names,
    pub digest: Version,
    pub bytes: i64,
    pub duration_seconds: Option<i64>,
}

/// What became of an audio file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioStored {
    pub action: Action,
    pub file_name: String,
    /// Whether there is a record that it belongs to.
    pub linked: bool,
    /// With [`Action::Superseded`], the number that the store kept.
    pub superseded_by: Option<i64>,
}

/// A record and the latest summary of each of its variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub record: Record,
    pub summaries: Vec<HeldSummary>,
}

/// One summary as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSummary {
    pub variant: String,
    pub revision: i64,
    pub text: String,
    pub html: Option<String>,
    pub created_at: Timestamp,
}

/// Why a store did not do what it was asked. But for [`Unstorable`](Self::Unstorable) never the
/// request's fault, so the sender is to try again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed: {0}")]
    Database(String),
    #[error("the media failed: {0}")]
    Media(io::Error),
    /// No number of attempts would get this stored.
    #[error("the database takes no such value: {0}")]
    Unstorable(String),
    #[error("the transaction was given up, together with that of others")]
    Aborted,
    #[error("the store has stopped")]
    Lost,
}
