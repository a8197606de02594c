//! The outbox as an operator sees it: a row for each item at each target, and for each file of
//! which nothing can be delivered, the latest change first.
//!
//! It is read in pages that look at a bounded number of rows each, so that nobody who asks for
//! something rare holds up the one thread.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::sql::State;
use super::waiting;
use crate::contract::Action;
use crate::delivery::{ItemState, Stored};
use crate::file::{FileRef, Root};
use crate::id::Kind;

/// How many items, and how many files, one page looks at.
const LOOKED_AT: i64 = 2000;
const NS_PER_MS: i64 = 1_000_000;

/// A row of the listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub place: Place,
    /// Absent from a file whose id is not known.
    pub id: Option<String>,
    pub kind: Kind,
    /// Absent where every target is in the same case.
    pub target: Option<String>,
    pub standing: Standing,
    /// The file; nothing when it is gone.
    pub file: Option<FileRef>,
    /// What is wrong, or was the last time; what it waits for.
    pub reason: Option<String>,
    /// Failures in a row.
    pub attempts: u32,
    /// When the file changed, in milliseconds since 1970.
    pub changed_ms: i64,
    /// When a target acknowledged it last.
    pub acked_ms: Option<i64>,
    /// What that was there.
    pub action: Option<Action>,
    pub warning: Option<String>,
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// An item at a target; since when, where it is parked or dropped.
    Item(Stored, i64),
    /// A file with a problem.
    Invalid,
    /// An audio file whose report is not known.
    Unclaimed,
}

/// The place of a row in the order of the listing: when it changed, in nanoseconds since 1970; an
/// item before a file; its id, and its target. Written down it is the cursor of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    at_ns: i64,
    is_item: bool,
    id: i64,
    target: i64,
}

impl Place {
    /// Before every row.
    pub const START: Place =
        Place { at_ns: i64::MAX, is_item: true, id: i64::MAX, target: i64::MAX };
    /// Behind every row.
    const END: Place = Place { at_ns: i64::MIN, is_item: false, id: i64::MIN, target: i64::MIN };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.at_ns, u8::from(self.is_item), self.id, self.target)
    }
}

impl FromStr for Place {
    type Err = String;

    /// # Errors
    /// What to pass instead.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "pass what the page before gave as `next`".to_owned();
        let numbers: Vec<i64> =
            text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        match numbers[..] {
            [at_ns, is_item @ (0 | 1), id, target] => {
                Ok(Self { at_ns, is_item: is_item == 1, id, target })
            }
            _ => Err(wrong()),
        }
    }
}

/// What to list. Nothing asked for is everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what may be in this state: whether a request is under way is not written down.
    pub state: Option<ItemState>,
    pub kind: Option<Kind>,
    /// Only of these targets, by their names, and what concerns all of them.
    pub targets: Option<Vec<String>>,
    /// Only what contains this, in its id or its file's name.
    pub text: Option<String>,
    /// Only what comes after.
    pub after: Option<Place>,
}

/// Some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub rows: Vec<Listed>,
    /// Where to go on; nothing when this was the last. A page may be empty and not the last.
    pub next: Option<Place>,
}

/// The next rows: so many of the items as are among the next two thousand, and of the files of which
/// nothing can be delivered, `limit` at the most.
pub fn page(connection: &Connection, filter: &Filter, limit: usize) -> rusqlite::Result<Page> {
    let after = filter.after.unwrap_or(Place::START);
    let (items, items_end) = items(connection, filter, after)?;
    let (files, files_end) = files(connection, filter, after, limit.max(1) as i64)?;
    let end = items_end.max(files_end);
    let mut rows: Vec<Listed> =
        items.into_iter().chain(files).filter(|row| row.place >= end).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.place));
    Ok(Page { rows, next: (end > Place::END).then_some(end) })
}

fn items(
    connection: &Connection,
    filter: &Filter,
    after: Place,
) -> rusqlite::Result<(Vec<Listed>, Place)> {
    // The last item that may be looked at, or may have been before.
    let (ms, id, target) = if after.is_item {
        (after.at_ns.div_euclid(NS_PER_MS), after.id, after.target)
    } else {
        ((after.at_ns.saturating_sub(1)).div_euclid(NS_PER_MS), i64::MAX, i64::MAX)
    };
    let last: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT changed_ms, id FROM item WHERE (changed_ms, id) <= (?1, ?2)
             ORDER BY changed_ms DESC, id DESC LIMIT 1 OFFSET ?3",
        )?
        .query_row((ms, id, LOOKED_AT), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last_ms, last_id) = last.unwrap_or((i64::MIN, i64::MIN));
    let names = filter.targets.as_ref().map(|names| serde_json::json!(names).to_string());
    let rows = connection
        .prepare_cached(
            "SELECT content, kind, target.name, delivery.state, due_ms, root, file.name,
                    iif(delivery.state = 5 AND item.id NOT IN (SELECT item FROM grave), NULL, error),
                    failures, changed_ms, acked_ms, warning, item.id, target.id,
                    action
             FROM item INDEXED BY item_changed
                  CROSS JOIN delivery INDEXED BY delivery_item ON delivery.item = item.id
                  CROSS JOIN target ON target.id = delivery.target
                  LEFT JOIN file ON file.id = item.source
             WHERE (changed_ms, item.id) <= (:ms, :id) AND (changed_ms, item.id) >= (:last_ms, :last_id)
             AND (changed_ms, item.id, delivery.target) < (:ms, :id, :target)
             AND (:states >> delivery.state) & 1
             AND (:kind IS NULL OR kind = :kind)
             AND (:names IS NULL OR target.name IN (SELECT value FROM json_each(:names)))
             AND (:text = '' OR instr(content, :text) OR instr(CAST(file.name AS TEXT), :text))",
        )?
        .query_map(
            named_params! {
                ":ms": ms, ":id": id, ":target": target, ":last_ms": last_ms,
                ":last_id": last_id, ":states": stored_states(filter.state),
                ":kind": filter.kind, ":names": names,
                ":text": filter.text.as_deref().unwrap_or_default(),
            },
            item_row,
        )?
        .map(|row| explained(connection, row?))
        .collect::<Result<_, _>>()?;
    let end = last.map_or(Place::END, |(ms, id)| Place {
        at_ns: ms.saturating_mul(NS_PER_MS),
        is_item: true,
        id,
        target: i64::MIN,
    });
    Ok((rows, end))
}

fn files(
    connection: &Connection,
    filter: &Filter,
    after: Place,
    limit: i64,
) -> rusqlite::Result<(Vec<Listed>, Place)> {
    let wanted = |state| filter.state.is_none_or(|asked| asked == state);
    let (invalid, unclaimed) = (wanted(ItemState::Invalid), wanted(ItemState::Waiting));
    if !invalid && !unclaimed {
        return Ok((Vec::new(), Place::END));
    }
    let id = if after.is_item { i64::MAX } else { after.id };
    // The last file that may be looked at.
    let last: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT ctime_ns, id FROM file INDEXED BY file_odd
             WHERE item IS NULL AND (ctime_ns, id) < (?1, ?2)
             ORDER BY ctime_ns DESC, id DESC LIMIT 1 OFFSET ?3",
        )?
        .query_row((after.at_ns, id, LOOKED_AT), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last_ns, last_id) = last.unwrap_or((i64::MIN, i64::MIN));
    let rows: Vec<Listed> = connection
        .prepare_cached(
            "SELECT root, name, problem, ctime_ns, id FROM file INDEXED BY file_odd
             WHERE item IS NULL AND (ctime_ns, id) < (:ns, :id)
             AND (ctime_ns, id) >= (:last_ns, :last_id)
             AND iif(problem IS NULL, :unclaimed, :invalid)
             AND (:kind IS NULL OR (root = 1) = :kind)
             AND (:text = '' OR instr(CAST(name AS TEXT), :text))
             ORDER BY ctime_ns DESC, id DESC LIMIT :limit",
        )?
        .query_map(
            named_params! {
                ":ns": after.at_ns, ":id": id, ":last_ns": last_ns, ":last_id": last_id,
                ":invalid": invalid, ":unclaimed": unclaimed,
                ":kind": filter.kind, ":text": filter.text.as_deref().unwrap_or_default(),
                ":limit": limit,
            },
            file_row,
        )?
        .map(|row| explained(connection, row?))
        .collect::<Result<_, _>>()?;
    let end = match rows.last() {
        Some(last) if rows.len() as i64 == limit => last.place,
        _ => last.map_or(Place::END, |(at_ns, id)| Place { at_ns, is_item: false, id, target: 0 }),
    };
    Ok((rows, end))
}

/// Says of audio that waits what it waits for.
fn explained(connection: &Connection, mut row: Listed) -> rusqlite::Result<Listed> {
    match (&row.standing, &row.id, &row.target, &row.file) {
        (Standing::Item(Stored::WaitsForReport, _), Some(id), Some(target), _) => {
            // Every id in the outbox was parsed when it came.
            if let Ok(id) = id.parse() {
                row.reason = Some(waiting::for_its_report(connection, target, &id)?.words);
            }
        }
        (Standing::Unclaimed, _, _, Some(file)) => {
            row.reason = Some(waiting::for_a_report(connection, file)?.words);
        }
        _ => {}
    }
    Ok(row)
}

/// The numbers of `delivery.state` that may be in a state, as bits.
fn stored_states(state: Option<ItemState>) -> i64 {
    let bits: &[State] = match state {
        None => return i64::MAX,
        Some(ItemState::Current) => &[State::Current],
        Some(ItemState::Due) => &[State::Due],
        Some(ItemState::Waiting) => &[State::Due, State::WaitsForReport],
        // A file may change, or go, while its last version is under way.
        Some(ItemState::InFlight) => return i64::MAX,
        Some(ItemState::Parked) => &[State::Parked],
        Some(ItemState::Vanished) => &[State::Vanished],
        Some(ItemState::Dropped) => &[State::Dropped],
        Some(ItemState::Invalid) => &[],
    };
    bits.iter().map(|state| 1 << *state as i64).sum()
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let root: Option<Root> = row.get(5)?;
    let name: Option<Vec<u8>> = row.get(6)?;
    let (due_ms, changed_ms): (i64, i64) = (row.get(4)?, row.get(9)?);
    Ok(Listed {
        place: Place {
            at_ns: changed_ms.saturating_mul(NS_PER_MS),
            is_item: true,
            id: row.get(12)?,
            target: row.get(13)?,
        },
        id: row.get(0)?,
        kind: row.get(1)?,
        target: row.get(2)?,
        standing: Standing::Item(stored(row.get(3)?, due_ms), due_ms),
        file: root.zip(name).map(|(root, name)| FileRef::from_bytes(root, &name)),
        reason: row.get(7)?,
        attempts: row.get(8)?,
        changed_ms,
        acked_ms: row.get(10)?,
        warning: row.get(11)?,
        action: row.get(14)?,
    })
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let root: Root = row.get(0)?;
    let name: Vec<u8> = row.get(1)?;
    let reason: Option<String> = row.get(2)?;
    let at_ns: i64 = row.get(3)?;
    Ok(Listed {
        place: Place { at_ns, is_item: false, id: row.get(4)?, target: 0 },
        id: None,
        kind: match root {
            Root::Reports | Root::Rows => Kind::Report,
            Root::Exports => Kind::Audio,
        },
        target: None,
        standing: if reason.is_some() { Standing::Invalid } else { Standing::Unclaimed },
        file: Some(FileRef::from_bytes(root, &name)),
        reason,
        attempts: 0,
        changed_ms: at_ns / NS_PER_MS,
        acked_ms: None,
        action: None,
        warning: None,
    })
}

/// What a state's number stands for.
pub fn stored(state: State, due_ms: i64) -> Stored {
    match state {
        State::Current => Stored::Current,
        State::Due => Stored::Due { due_ms },
        State::WaitsForReport => Stored::WaitsForReport,
        State::Parked => Stored::Parked,
        State::Vanished => Stored::Vanished,
        State::Dropped => Stored::Dropped,
    }
}
