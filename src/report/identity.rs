//! Which content a report is about (contract A.2, A.3, B.1 and the first rows of table H).

use serde_json::{Map, Value};

use super::problem::Problem;
use super::table::{Column, IdAt, OTHER_ID};
use super::{IdPolicy, Source, pick, stem, youtube};
use crate::contract::truthy;
use crate::id::{ContentId, ContentIdError};

/// An id, and what is known about it.
pub(super) struct Identity {
    pub id: ContentId,
    /// Whether YouTube's own URLs follow from it.
    pub youtube: bool,
    /// Whether only an id was left that a tool may have lower-cased.
    pub case_lost: bool,
}

/// Finds the id, in the order of table H.
pub(super) fn identify(
    root: &Map<String, Value>,
    column: &Column,
    source: &Source<'_>,
) -> Result<Identity, Problem> {
    if column.youtube_id.is_empty() {
        return pick::text(root, "video_id").map_or(Err(Problem::NoId), |id| named(id, source.ids));
    }
    let said = source_said(root);
    let prefix = PREFIXES.into_iter().find(|prefix| said == Some(*prefix));
    if prefix.is_none()
        && let Some(found) = youtube(root, column, source)
    {
        return Ok(found);
    }
    match said.or_else(|| source_implied(root)) {
        Some(name) if !is_youtube(name) => other(root, name, source.ids),
        _ => Err(["id", "video_id"]
            .iter()
            .find_map(|key| known(pick::text(root, key)?))
            .map_or(Problem::NoId, |id| {
                bad(id, "a YouTube id has 11 of letters, digits, '_' and '-'")
            })),
    }
}

fn youtube(root: &Map<String, Value>, column: &Column, source: &Source<'_>) -> Option<Identity> {
    column.youtube_id.iter().find_map(|place| {
        let id = youtube_id(root, place, source)?;
        let case_lost = matches!(place, IdAt::Lowered(_)) && id == id.to_ascii_lowercase();
        Some(Identity { id: id.parse().ok()?, youtube: true, case_lost })
    })
}

/// Ids that the pipeline makes up when it knows none: `yt:unknown-1757000000`.
fn known(id: &str) -> Option<&str> {
    let bare = id.rsplit(':').next().unwrap_or(id).to_ascii_lowercase();
    let made_up = bare == "unknown"
        || bare
            .strip_prefix("unknown-")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    (!made_up).then_some(id)
}

fn youtube_id<'a>(
    root: &'a Map<String, Value>,
    place: &IdAt,
    source: &Source<'a>,
) -> Option<&'a str> {
    let whole = |path| pick::text(root, path).map(without_yt).filter(|id| youtube::is_id(id));
    match place {
        IdAt::Id(path) | IdAt::Lowered(path) => whole(path),
        IdAt::Url(path) => youtube::id_in_url(pick::text(root, path)?),
        IdAt::ReportId(path) => before_hex(pick::text(root, path)?),
        IdAt::FileTail => {
            let lowered = whole("id");
            let agrees = |tail: &&str| lowered.is_none_or(|id| id.eq_ignore_ascii_case(tail));
            stem::tail_ids(source.file_stem).into_iter().find(agrees)
        }
    }
}

fn without_yt(id: &str) -> &str {
    id.strip_prefix("yt:").unwrap_or(id)
}

/// `aB-3_xY9zQk_4f0c1e` is about `aB-3_xY9zQk`.
fn before_hex(report_id: &str) -> Option<&str> {
    let (id, hex) = report_id.rsplit_once('_')?;
    let six = hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    (six && youtube::is_id(id)).then_some(id)
}

/// Sources that are never YouTube, and whose bare ids get their prefix back.
const PREFIXES: [&str; 2] = ["reddit", "web"];

/// What the id says, else what the file says of itself.
fn source_said(root: &Map<String, Value>) -> Option<&str> {
    pick::text(root, "id")
        .and_then(|id| Some(id.split_once(':')?.0))
        .or_else(|| pick::text(root, "content_source"))
}

/// What can be told from what is known about the source.
fn source_implied(root: &Map<String, Value>) -> Option<&'static str> {
    let metadata = root.get("source_metadata")?;
    PREFIXES.into_iter().find(|name| metadata.get(name).is_some_and(truthy))
}

/// Whether this names YouTube, however it is written.
pub(super) fn is_youtube(source: &str) -> bool {
    ["yt", "youtube"].iter().any(|name| source.eq_ignore_ascii_case(name))
}

fn other(root: &Map<String, Value>, source: &str, policy: IdPolicy) -> Result<Identity, Problem> {
    let (own, id) = OTHER_ID
        .iter()
        .find_map(|(prefix, path)| Some((*prefix, known(pick::text(root, path)?)?)))
        .ok_or(Problem::NoId)?;
    match own.or_else(|| PREFIXES.into_iter().find(|prefix| *prefix == source)) {
        Some(prefix) if !id.contains(':') => named(&format!("{prefix}:{id}"), policy),
        _ => named(id, policy),
    }
}

/// An id as it stands: YouTube's bare, the others by policy.
fn named(text: &str, policy: IdPolicy) -> Result<Identity, Problem> {
    let bare = without_yt(known(text).ok_or(Problem::NoId)?);
    let id = match policy {
        IdPolicy::Bare => bare.rsplit(':').next().unwrap_or(bare),
        IdPolicy::Prefixed => bare,
    };
    let youtube = youtube::is_id(bare);
    match id.parse::<ContentId>() {
        Ok(id) => Ok(Identity { id, youtube, case_lost: false }),
        Err(ContentIdError::Empty) => Err(Problem::NoId),
        Err(ContentIdError::TooLong) => Err(bad(text, "it is too long")),
        Err(ContentIdError::Charset) => {
            Err(bad(text, "only letters, digits, '_' and '-' may follow one prefix"))
        }
    }
}

/// Shows no more of a value than a log line bears.
fn bad(value: &str, why: &'static str) -> Problem {
    Problem::BadId { value: value.chars().take(60).collect(), why }
}
