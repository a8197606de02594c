//! What a target ought to show of an id, what it does show, and how they differ. Pure.
//!
//! A record that is not shown any more though the target acknowledged it, and though its file has not
//! changed since, was deleted there by a person: it is told of, and not brought back (contract G.3,
//! L.13). That its audio may still be there says nothing, since a deletion does not always take it
//! (contract G.2). Everything else that is not shown is missing, or stored where nobody sees it
//! (contract C.6).

mod judge;
mod sample;

use std::collections::BTreeMap;

pub use judge::{compare, judge};
pub use sample::Sample;

use crate::contract::{RecordAnswer, ReportPayload};
use crate::id::{Kind, Version};

/// What can be read of a record: its title, and the digest of each summary's text, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    pub title: String,
    /// In the order of their names. As small as can be: a listing has a hundred thousand of them.
    pub summaries: Box<[(String, Version)]>,
}

impl Texts {
    fn new<'a>(title: &str, summaries: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        // The dashboard's own word for nothing (contract C.2).
        let title = if title.is_empty() { "(untitled)" } else { title };
        let digest = |text: &str| Version::of(text.trim().as_bytes());
        // Of a name that comes twice, the last.
        let summaries: BTreeMap<&str, Version> =
            summaries.map(|(name, text)| (name, digest(text))).collect();
        let summaries = summaries.into_iter().map(|(name, digest)| (name.to_owned(), digest));
        Self { title: title.trim().to_owned(), summaries: summaries.collect() }
    }

    /// The names of the summaries.
    fn names(&self) -> impl Iterator<Item = &String> {
        self.summaries.iter().map(|(name, _)| name)
    }

    /// The digest of a summary.
    fn summary(&self, name: &str) -> Option<&Version> {
        self.summaries.iter().find(|(other, _)| other == name).map(|(_, digest)| digest)
    }
}

impl From<&ReportPayload> for Texts {
    fn from(payload: &ReportPayload) -> Self {
        let summaries = payload.summary_variants.iter();
        Self::new(&payload.title, summaries.map(|s| (s.variant.as_str(), s.text.as_str())))
    }
}

impl From<&RecordAnswer> for Texts {
    fn from(record: &RecordAnswer) -> Self {
        Self::new(record.title().unwrap_or_default(), record.summaries())
    }
}

/// A record as a target shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub texts: Texts,
    /// It says where its audio is.
    pub names_audio: bool,
}

impl From<&RecordAnswer> for Shown {
    fn from(record: &RecordAnswer) -> Self {
        Self { texts: Texts::from(record), names_audio: record.names_audio() }
    }
}

/// An id as the NAS has it, and as the outbox says that a target has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Nothing where no file stands for it.
    pub report: Option<Report>,
    pub audio: Option<Audio>,
}

/// The report of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub standing: Standing,
    /// What its files say, or why that cannot be read.
    pub texts: Result<Texts, String>,
    /// The summaries that the target has acknowledged.
    pub taken: Vec<String>,
}

/// The audio of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    pub standing: Standing,
    /// The bytes that its file has, or why that cannot be read.
    pub size: Result<u64, String>,
}

/// What the outbox says of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The target said that it holds it, and the file has not changed since.
    Acknowledged,
    /// The same, with a reservation.
    Reserved(String),
    /// An operator said that the target holds it (`ytv2d adopt`).
    Adopted,
    /// It is not delivered, or its file has changed since, and why.
    Open(String),
    /// An operator said that it is not to be sent.
    Dropped,
}

/// One way in which a target differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: What,
    /// What exactly, in words.
    pub why: String,
    pub cure: Cure,
}

/// The kinds of difference.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is not there, and nobody has deleted it.
    Missing,
    /// It is stored, and nobody can see it.
    Invisible,
    /// Its title or a summary is another.
    Stale,
    AudioMissing,
    AudioSize,
    /// The file is there, and the record does not know of it.
    AudioUnlinked,
    /// The file on the NAS is not what was recorded of it.
    Disk,
    /// The target has it, and the NAS has no file for it.
    Extra,
    /// A person has deleted it there, or hidden it: it was shown, and is not any more.
    Deleted,
    /// Time and again, it did not say.
    Unanswered,
}

impl What {
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Invisible,
        Self::Stale,
        Self::AudioMissing,
        Self::AudioSize,
        Self::AudioUnlinked,
        Self::Disk,
        Self::Extra,
        Self::Deleted,
        Self::Unanswered,
    ];

    /// The word for a program.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Missing => "missing",
            What::Invisible => "invisible",
            What::Stale => "stale",
            What::AudioMissing => "audio_missing",
            What::AudioSize => "audio_size",
            What::AudioUnlinked => "audio_unlinked",
            What::Disk => "disk",
            What::Extra => "extra",
            What::Deleted => "deleted",
            What::Unanswered => "unanswered",
        }
    }

    /// The words for a person.
    pub fn words(self) -> &'static str {
        match self {
            What::Missing => "missing",
            What::Invisible => "invisible",
            What::Stale => "stale",
            What::AudioMissing => "audio missing",
            What::AudioSize => "audio of another size",
            What::AudioUnlinked => "audio not linked",
            What::Disk => "file not as recorded",
            What::Extra => "no file here",
            What::Deleted => "deleted or hidden there",
            What::Unanswered => "no answer",
        }
    }

    /// Somebody wanted it like this.
    pub fn is_meant(self) -> bool {
        self == What::Deleted
    }
}

/// What would end a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// To send it again, or one part of it alone.
    Resend(Option<Kind>),
    /// It is on its way, or was parked: to try again now.
    Retry,
    /// To look at the file again.
    Look,
    /// Nothing that could be done from here.
    Nothing,
}

/// So many ids of many that were delivered can be deleted one by one, by a person.
const DELETED_BY_HAND: usize = 10;

/// Whether so much is gone of what was looked at that no person has deleted it.
pub fn is_loss(deleted: usize, checked: usize) -> bool {
    deleted > DELETED_BY_HAND && deleted * 2 > checked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_word_for_programs() {
        let words = What::ALL.map(|what| serde_json::json!(what));
        assert_eq!(words, What::ALL.map(|what| serde_json::json!(what.as_str())));
        assert!(What::ALL.is_sorted_by(|a, b| a < b), "each comes once");
    }

    #[test]
    fn most_of_everything_is_no_deletion_by_hand() {
        for (deleted, checked, loss) in
            [(0, 0, false), (10, 10, false), (11, 21, true), (11, 22, false), (200, 200, true)]
        {
            assert_eq!(is_loss(deleted, checked), loss, "{deleted} of {checked}");
        }
    }
}
