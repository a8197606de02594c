//! What goes into the outbox and comes out of it, in the house's own words.

use std::collections::BTreeMap;

use crate::contract::Action;
use crate::delivery::Stored;
use crate::file::{FileRef, Root, Stamp};
use crate::id::{ContentId, Kind, Version};

/// Summaries by name, each with the digest of its text.
pub type Taken = BTreeMap<String, Version>;

/// A file that was looked at, and what came of it.
#[derive(Clone, Debug)]
pub struct Finding {
    pub file: FileRef,
    pub found: Found,
}

/// What a look at a file found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    Report(Stamp, ReportFacts),
    Audio(Stamp, AudioFacts),
    /// Nothing can be delivered of it, and why.
    Problem(Stamp, String),
    /// Something else than the file keeps it from being delivered, and what: a right, a limit.
    Obstacle(Stamp, String),
    /// It is none of the files that are delivered, and why.
    NotOurs(Stamp, String),
    /// It was deleted at the dashboard, and is still there: why.
    Deleted(Stamp, String),
    /// It is not there any more. It was, as far as anybody knows, until this moment, in milliseconds
    /// since 1970.
    Gone(i64),
}

/// A file that was deleted at the dashboard and lies where it lay: it is to be moved away.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedFile {
    pub file: FileRef,
    /// As it was when it was deleted. What has another by now is another file.
    pub stamp: Stamp,
    /// Why it is still there.
    pub why: String,
}

/// What the outbox keeps of a report file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReportFacts {
    pub id: ContentId,
    /// When its content was made, in milliseconds since 1970.
    pub made_ms: i64,
    /// Digest of its fields.
    pub fields: Version,
    pub variants: Taken,
    /// What was odd about it, to be said once.
    pub remarks: Vec<String>,
}

/// What the outbox keeps of an audio file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AudioFacts {
    /// The ids or report names that its name may mean, the likeliest first (contract B.3).
    pub keys: Vec<String>,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: i64,
    /// Digest of its bytes.
    pub digest: Version,
    /// Its length in whole seconds, when it could be read.
    pub seconds: Option<i64>,
}

/// An item that a target waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    pub item: i64,
    pub kind: Kind,
    pub id: ContentId,
    /// When to try, in milliseconds since 1970.
    pub due_ms: i64,
    /// Failures in a row so far, and how many of them speak against the item.
    pub failures: u32,
    pub strikes: u32,
}

/// Everything that an attempt needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    pub target: i64,
    pub item: i64,
    pub kind: Kind,
    pub id: ContentId,
    /// The version to send, and its number.
    pub want: Version,
    pub want_no: i64,
    /// When the file changed, in milliseconds since 1970.
    pub changed_ms: i64,
    /// The date of a report whose file has none, in milliseconds since 1970: it stays the one that
    /// was sent first.
    pub indexed_ms: i64,
    /// The target has acknowledged it once, whatever has become of that.
    pub known: bool,
    /// What it surely has of a report: the digest of the fields, or of the whole row, whichever it
    /// is that it is sent.
    pub holds: Option<Version>,
    /// The file that gives the fields, or the audio's bytes.
    pub source: FileOf,
    /// Summaries that the target has not taken yet.
    pub variants: Vec<SendVariant>,
    /// Those that it surely has.
    pub taken: Vec<SendVariant>,
    /// Digest of the fields of `source`; of the bytes, where it is audio.
    pub digest: Version,
    /// Where the target serves the id's audio, once it has it.
    pub audio_url: Option<String>,
    /// Length of the id's audio in whole seconds.
    pub audio_seconds: Option<i64>,
}

impl Parcel {
    /// How long ago its file changed. A row of the old database does not tell: what stands in the
    /// place of that time is when its content was made.
    pub fn since_change_ms(&self, now_ms: i64) -> Option<i64> {
        (self.source.file.root != Root::Rows).then(|| now_ms - self.changed_ms)
    }
}

/// A report whose id nobody knew, with all that is needed to deliver it to a target. It is handed over as
/// soon as the outbox has found that out, so that a request need not wait for its rows and their commit:
/// should that fail, the file is found again, and sent once more.
#[derive(Clone, Debug)]
pub struct Handed {
    /// The [era](super::Outbox::era) that it began, and in which nothing else became due.
    pub era: u64,
    pub due: Due,
    pub parcel: Parcel,
}

/// A file as it was when its version was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct FileOf {
    pub file: FileRef,
    pub stamp: Stamp,
}

/// A summary to send: its name there, where it is found, and the digest it must have.
#[derive(Clone, Debug, PartialEq)]
pub struct SendVariant {
    pub name: String,
    pub from: FileOf,
    /// Its name in that file.
    pub source_name: String,
    pub digest: Version,
}

/// What an attempt came to, to be kept.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub target: i64,
    /// The item, and what it is: one whose [commit](Handed) failed is there no more, and its number may
    /// be another's.
    pub item: i64,
    pub kind: Kind,
    pub id: ContentId,
    /// The number of the version that was sent.
    pub sent_no: i64,
    pub at_ms: i64,
    /// Of HTTP; nothing where no answer came.
    pub status: Option<u16>,
    pub outcome: Outcome,
}

/// The outcomes that the outbox tells apart.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The target holds this version now.
    Delivered {
        version: Version,
        fields: Option<Version>,
        taken: Taken,
        public_url: Option<String>,
        warning: Option<String>,
        /// What it was to the target; nothing, where nothing was sent.
        action: Option<Action>,
    },
    /// The target keeps a version with a greater number: ours must have one greater still.
    Superseded { kept_no: i64 },
    /// To be tried again. `strikes` is how many failures speak against the item by now.
    Failed { error: String, due_ms: i64, strikes: u32 },
    /// The target lets nobody in: that is no failure of the item.
    /// `due_ms` is when to try again, where it said so.
    Untouched { error: String, due_ms: Option<i64> },
    /// Not to be tried again until the file changes.
    Parked { error: String },
    /// The file is not any more what it was when its version was taken; the intake will look.
    Changed { due_ms: i64 },
}

/// What became of the level when findings were recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// How many of the files were not known before.
    pub new_files: usize,
    /// How many of the findings were known already, to the letter.
    pub known: usize,
    pub vanished: Vec<Vanished>,
    pub wanted: Vec<Wanted>,
}

/// Something that a target should hold from now on, and does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The row of the target, and its name.
    pub row: i64,
    pub target: String,
    pub item: i64,
    pub kind: Kind,
    pub id: ContentId,
    /// Not before its report is acknowledged there.
    pub waits: bool,
}

/// Something that was to be delivered and cannot be any more: its file went away before.
#[derive(Clone, Debug, PartialEq)]
pub struct Vanished {
    pub kind: Kind,
    pub id: ContentId,
}

/// An item that has come to an end of its way to one target, and how every target stands with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Concluded {
    pub kind: Kind,
    pub id: ContentId,
    pub at: Vec<(String, Stored)>,
}

/// What the outbox made of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The target is level with the disk in this item.
    Level,
    /// It is still due, or waits.
    Open,
}
