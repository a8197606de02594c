//! Everything about one id or file: the answer to "my report is not on the dashboard".

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::Action;
use crate::delivery::ItemState;
use crate::id::Kind;

/// `GET /items/{id}` and `GET /why?path=`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// What was asked for.
    pub asked: String,
    /// The id, where one is known.
    pub id: Option<String>,
    /// The whole story in a sentence or two.
    pub verdict: String,
    /// The files that have a part in it.
    pub files: Vec<FileAccount>,
    /// The report, and the audio, as far as they are known.
    pub things: Vec<Thing>,
    /// What the report maps to as it is now; on request.
    pub payload: Option<serde_json::Value>,
}

/// One file's part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileAccount {
    /// As people see it, with every odd byte escaped.
    pub path: String,
    pub kind: Kind,
    /// It is there at this moment.
    pub exists: bool,
    pub size_bytes: Option<u64>,
    pub modified_at: Option<Timestamp>,
    /// The shape of report that was recognised (contract A.0).
    pub shape: Option<String>,
    /// What it gives: the fields, some summaries, the audio; or that it gives nothing.
    pub part: String,
    /// What is wrong with it, and what to do.
    pub problem: Option<String>,
}

/// A report or an audio file as a thing to deliver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thing {
    pub kind: Kind,
    /// The version that targets should hold.
    pub wanted: VersionAccount,
    pub deliveries: Vec<DeliveryAccount>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionAccount {
    /// Its digest.
    pub version: String,
    /// Its number (X-Ytv2-Version).
    pub number: Option<i64>,
    /// When its file changed; when the target acknowledged it.
    pub at: Option<Timestamp>,
}

/// How one target stands with a thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryAccount {
    pub target: String,
    pub state: ItemState,
    /// The version that the target acknowledged last.
    pub known: Option<VersionAccount>,
    /// What that was there: `created`, `updated` or `unchanged`.
    pub action: Option<Action>,
    /// Summaries that it surely has.
    pub summaries: Vec<String>,
    /// Where it serves the audio.
    pub public_url: Option<String>,
    pub warning: Option<String>,
    /// What it waits for, or what is wrong.
    pub waits_for: Option<String>,
    pub until: Option<Timestamp>,
    /// What would change that, with the command.
    pub remedy: Option<String>,
    /// The latest first.
    pub attempts: Vec<AttemptAccount>,
}

/// One attempt of late.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptAccount {
    pub at: Timestamp,
    /// `delivered`, `failed`, `parked`, `superseded` or `changed` (the file, under our hands).
    pub outcome: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The target's words, or ours about why there were none.
    pub words: Option<String>,
}
