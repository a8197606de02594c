//! A target's side of the outbox: what it waits for, and what became of each attempt.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::grave;
use super::history;
use super::known::stamp_of;
use super::listing::stored;
use super::model::{
    Concluded, Due, FileOf, Outcome, Parcel, SendVariant, Settled, Settlement, Taken,
};
use super::sql::State;
use super::sum::{COUNTS, to_send};
use super::summaries;
use crate::delivery::Stored;
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind, TargetName, Version};
use crate::report::{FileFacts, merge};

/// How long a version waits that was superseded.
const SUPERSEDED_WAIT_MS: i64 = 1000;
/// What is said of an item whose file was not the one that was to be sent.
const CHANGED: &str = "its file had changed; it is looked at again";

pub fn add_target(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.execute("INSERT OR IGNORE INTO target (name) VALUES (?1)", params![name])?;
    let target =
        connection
            .query_row("SELECT id FROM target WHERE name = ?1", params![name], |row| row.get(0))?;
    if has_all(connection, target)? {
        return Ok(target);
    }
    // A target that was not there when these items came wants them all, reports first.
    let reason = grave::reason("buried_ms");
    connection.execute(
        &format!(
            "INSERT OR IGNORE INTO delivery (target, item, state, error)
             SELECT ?1, id, iif(buried_ms IS NOT NULL, ?6,
                                iif(source IS NULL, ?5, iif(kind = ?2, ?3, ?4))), {reason}
             FROM item LEFT JOIN grave ON grave.item = item.id"
        ),
        params![
            target,
            Kind::Report,
            State::Due,
            State::WaitsForReport,
            State::Vanished,
            State::Dropped
        ],
    )?;
    Ok(target)
}

/// Whether a target has an opinion of every item, of which it has one each. Items are counted by the
/// pages of an index: to ask for each of them takes a hundred times as long.
fn has_all(connection: &Connection, target: i64) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT (SELECT count(*) FROM item) = total(items) FROM tally WHERE target = ?1",
        params![target],
        |row| row.get(0),
    )
}

pub fn due(connection: &Connection, target: i64, limit: usize) -> rusqlite::Result<Vec<Due>> {
    connection
        .prepare_cached(
            "SELECT item.id, kind, content, due_ms, failures, strikes
             FROM delivery JOIN item ON item.id = delivery.item
             WHERE delivery.target = ?1 AND delivery.state = 1
             ORDER BY delivery.due_ms LIMIT ?2",
        )?
        .query_map(params![target, limit as i64], due_of)?
        .collect()
}

/// The same with the parcels of those that are due by now. One that the target has had before needs
/// a [note](parcel) first, and has none here.
pub fn ahead(
    connection: &Connection,
    target: i64,
    limit: usize,
    now_ms: i64,
) -> rusqlite::Result<Vec<(Due, Option<Parcel>)>> {
    let with_parcel = |due: Due| {
        let parcel = match due.due_ms <= now_ms {
            true => first_parcel(connection, target, due.item)?,
            false => None,
        };
        Ok((due, parcel))
    };
    due(connection, target, limit)?.into_iter().map(with_parcel).collect()
}

/// What to send to a target that has never had any of an item; nothing where it has, or where nothing
/// is due.
pub fn first_parcel(
    connection: &Connection,
    target: i64,
    item: i64,
) -> rusqlite::Result<Option<Parcel>> {
    let Some((mut parcel, State::Due, taken)) = find(connection, target, item)? else {
        return Ok(None);
    };
    if parcel.known {
        return Ok(None);
    }
    fill(connection, &mut parcel, &taken)?;
    Ok(Some(parcel))
}

/// The same of one id alone.
pub fn due_of_id(
    connection: &Connection,
    target: i64,
    id: &ContentId,
) -> rusqlite::Result<Vec<Due>> {
    connection
        .prepare_cached(
            "SELECT item.id, kind, content, due_ms, failures, strikes
             FROM item JOIN delivery ON delivery.item = item.id
             WHERE kind IN (0, 1) AND content = ?2 AND delivery.target = ?1
             AND delivery.state = 1 ORDER BY delivery.due_ms",
        )?
        .query_map(params![target, id], due_of)?
        .collect()
}

/// The same of reports alone.
pub fn due_reports(
    connection: &Connection,
    target: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Due>> {
    // Joined in this order, so that the first that fit end the search.
    connection
        .prepare_cached(
            "SELECT item.id, kind, content, due_ms, failures, strikes
             FROM delivery INDEXED BY delivery_due CROSS JOIN item ON item.id = delivery.item
             WHERE delivery.target = ?1 AND delivery.state = 1 AND kind = ?3
             ORDER BY delivery.due_ms LIMIT ?2",
        )?
        .query_map(params![target, limit as i64, Kind::Report], due_of)?
        .collect()
}

/// The item that says the most about a target: one that was not tried yet, a report before audio,
/// since a large upload tells no more than a small one. Then the others in turn, so that one that
/// always fails cannot speak for those that would not.
pub fn probe(connection: &Connection, target: i64) -> rusqlite::Result<Option<Due>> {
    // Joined in this order, so that the first that fits ends the search.
    let mut first = connection.prepare_cached(
        "SELECT item.id, kind, content, due_ms, failures, strikes
         FROM delivery INDEXED BY delivery_due CROSS JOIN item ON item.id = delivery.item
         WHERE delivery.target = ?1 AND delivery.state = 1
         AND (?2 IS NULL OR (failures = 0 AND kind = ?2))
         ORDER BY delivery.due_ms LIMIT 1",
    )?;
    for untried in [Some(Kind::Report), Some(Kind::Audio), None] {
        let found = first.query_row(params![target, untried], due_of).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn due_of(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        item: row.get(0)?,
        kind: row.get(1)?,
        id: row.get(2)?,
        due_ms: row.get(3)?,
        failures: row.get(4)?,
        strikes: row.get(5)?,
    })
}

/// Whether something that never failed has come due after `since_ms`.
pub fn has_fresh(
    connection: &Connection,
    target: i64,
    since_ms: i64,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE target = ?1 AND state = 1
                            AND due_ms > ?2 AND due_ms <= ?3 AND failures = 0)",
        )?
        .query_row(params![target, since_ms, now_ms], |row| row.get(0))
}

/// The target lives again: what waited on its account need not wait any longer.
pub fn resume(connection: &Connection, target: i64, now_ms: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE delivery SET due_ms = ?2, failures = 0
             WHERE target = ?1 AND state = 1 AND strikes = 0 AND due_ms > ?2",
        )?
        .execute(params![target, now_ms])
}

/// A root is seen again: what waits because its file was out of reach need not wait any longer.
pub fn found_again(connection: &Connection, root: Root, now_ms: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE delivery SET due_ms = ?2
             WHERE state = 1 AND strikes = 0 AND due_ms > ?2
             AND EXISTS (SELECT 1 FROM item JOIN file ON file.id = item.source
                         WHERE item.id = delivery.item AND file.root = ?1)",
        )?
        .execute(params![root, now_ms])
}

/// Everything for one attempt. What is sent may arrive and its answer not, so what was known of the
/// target is doubtful from here on, until something is acknowledged.
pub fn parcel(connection: &Connection, target: i64, item: i64) -> rusqlite::Result<Option<Parcel>> {
    let Some((mut parcel, State::Due, mut taken)) = find(connection, target, item)? else {
        return Ok(None);
    };
    fill(connection, &mut parcel, &taken)?;
    if parcel.known {
        taken.retain(|name, _| parcel.variants.iter().all(|sent| sent.name != *name));
        let taken = (parcel.kind == Kind::Report).then(|| summaries::pack(&taken));
        connection
            .prepare_cached(
                "UPDATE delivery SET known_no = NULL, fields = NULL, taken = ?3
                 WHERE target = ?1 AND item = ?2
                 AND (known_no IS NOT NULL OR fields IS NOT NULL OR taken IS NOT ?3)",
            )?
            .execute(params![target, item, taken])?;
    }
    Ok(Some(parcel))
}

/// What would be sent of an item to some target if it knew nothing of it. Nothing is noted.
pub fn preview(connection: &Connection, item: i64) -> rusqlite::Result<Option<Parcel>> {
    let target: Option<i64> = connection
        .prepare_cached("SELECT min(target) FROM delivery WHERE item = ?1")?
        .query_row(params![item], |row| row.get(0))?;
    let Some(target) = target else { return Ok(None) };
    let Some((mut parcel, _, _)) = find(connection, target, item)? else { return Ok(None) };
    fill(connection, &mut parcel, &Taken::new())?;
    Ok(Some(parcel))
}

/// What the rows of an item say, how it stands with a target, and the summaries that are there.
fn find(
    connection: &Connection,
    target: i64,
    item: i64,
) -> rusqlite::Result<Option<(Parcel, State, Taken)>> {
    connection
        .prepare_cached(
            "SELECT file.size, file.mtime_ns, file.ctime_ns, file.inode, file.root, file.name,
                    file.digest, item.kind, item.content, item.want, item.want_no,
                    item.changed_ms, item.indexed_ms, coalesce(delivery.known, acked_ms) IS NOT NULL,
                    delivery.taken, delivery.state, delivery.fields
             FROM delivery JOIN item ON item.id = delivery.item
                           JOIN file ON file.id = item.source
             WHERE delivery.target = ?1 AND delivery.item = ?2",
        )?
        .query_row(params![target, item], |row| {
            let name: Vec<u8> = row.get(5)?;
            let parcel = Parcel {
                target,
                item,
                source: FileOf {
                    file: FileRef::from_bytes(row.get(4)?, &name),
                    stamp: stamp_of(row)?,
                },
                digest: row.get(6)?,
                kind: row.get(7)?,
                id: row.get(8)?,
                want: row.get(9)?,
                want_no: row.get(10)?,
                changed_ms: row.get(11)?,
                indexed_ms: row.get(12)?,
                known: row.get(13)?,
                holds: row.get(16)?,
                variants: Vec::new(),
                taken: Vec::new(),
                audio_url: None,
                audio_seconds: None,
            };
            Ok((parcel, row.get(15)?, summaries::unpack(row.get_ref(14)?.as_blob_or_null()?)))
        })
        .optional()
}

/// Adds what other rows say: the summaries that are not in `taken`, and the audio.
fn fill(connection: &Connection, parcel: &mut Parcel, taken: &Taken) -> rusqlite::Result<()> {
    match parcel.kind {
        Kind::Report => {
            (parcel.taken, parcel.variants) = variants(connection, parcel.item)?
                .into_iter()
                .partition(|variant| taken.get(&variant.name) == Some(&variant.digest));
            (parcel.audio_url, parcel.audio_seconds) =
                audio_of(connection, parcel.target, &parcel.id)?;
        }
        Kind::Audio => {
            parcel.audio_seconds = connection
                .prepare_cached("SELECT seconds FROM item WHERE id = ?1")?
                .query_row(params![parcel.item], |row| row.get(0))?;
        }
    }
    Ok(())
}

/// The summaries of a report, with the files that have them.
fn variants(connection: &Connection, item: i64) -> rusqlite::Result<Vec<SendVariant>> {
    let (files, facts): (Vec<FileOf>, Vec<FileFacts>) = connection
        .prepare_cached(&format!(
            "SELECT size, mtime_ns, ctime_ns, inode, root, name, made_ms, digest, variants,
                    stands_ms IS NOT NULL
             FROM file WHERE item = ?1 AND {COUNTS}"
        ))?
        .query_map(params![item], |row| {
            let (name, stamp): (Vec<u8>, _) = (row.get(5)?, stamp_of(row)?);
            let of = FileOf { file: FileRef::from_bytes(row.get(4)?, &name), stamp };
            let facts = FileFacts {
                made_at_ms: row.get(6)?,
                mtime_ns: stamp.mtime_ns,
                stands: row.get(9)?,
                name,
                fields: row.get(7)?,
                variants: summaries::unpack(row.get_ref(8)?.as_blob_or_null()?)
                    .into_iter()
                    .collect(),
            };
            Ok((of, facts))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter()
        .unzip();
    Ok(merge(&facts).map_or_else(Vec::new, |merged| to_send(&files, merged)))
}

/// Where a target serves the audio of an id, and how long the audio on the disk is.
fn audio_of(
    connection: &Connection,
    target: i64,
    id: &ContentId,
) -> rusqlite::Result<(Option<String>, Option<i64>)> {
    connection
        .prepare_cached(
            "SELECT delivery.public_url, item.seconds
             FROM item LEFT JOIN delivery ON delivery.item = item.id AND delivery.target = ?1
             WHERE item.kind = ?2 AND item.content = ?3",
        )?
        .query_row(params![target, Kind::Audio, id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map(Option::unwrap_or_default)
}

/// How a delivery stands before it is settled.
struct Before {
    want: Version,
    /// Digest of the fields that are wanted.
    fields: Option<Version>,
    known: Option<Version>,
    taken: Taken,
    is_buried: bool,
    /// The item of the id's audio.
    audio: Option<i64>,
}

fn before(connection: &Connection, settlement: &Settlement) -> rusqlite::Result<Option<Before>> {
    let Settlement { target, item, kind, id, .. } = settlement;
    connection
        .prepare_cached(
            "SELECT item.want, file.digest, known, taken, grave.item IS NOT NULL,
                    audio.id
             FROM item JOIN delivery ON delivery.item = item.id
                       LEFT JOIN file ON file.id = item.source
                       LEFT JOIN grave ON grave.item = item.id
                       LEFT JOIN item AS audio ON audio.kind = ?5 AND audio.content = ?4
             WHERE item.id = ?2 AND item.kind = ?3 AND item.content = ?4
             AND delivery.target = ?1",
        )?
        .query_row(params![target, item, kind, id, Kind::Audio], |row| {
            Ok(Before {
                want: row.get(0)?,
                fields: row.get(1)?,
                known: row.get(2)?,
                taken: summaries::unpack(row.get_ref(3)?.as_blob_or_null()?),
                is_buried: row.get(4)?,
                audio: row.get(5)?,
            })
        })
        .optional()
}

/// Settles, and tells how all targets stand with an item whose way to this one has ended: once for
/// each version, in the order of the settlements.
pub fn conclude(
    connection: &Connection,
    settlement: &Settlement,
) -> rusqlite::Result<(Settled, Option<Concluded>)> {
    let Settlement { item, kind, id, outcome, .. } = settlement;
    // It was handed over, and its commit failed: its file will be found again.
    let Some(before) = before(connection, settlement)? else { return Ok((Settled::Open, None)) };
    history::keep(connection, settlement)?;
    // It was under way while it was deleted, and nobody knows which came first.
    if before.is_buried {
        return Ok((Settled::Open, None));
    }
    let is_news = match outcome {
        Outcome::Parked { .. } => true,
        Outcome::Delivered { version, .. } => before.known != Some(*version),
        _ => false,
    };
    let settled = write_down(connection, settlement, before)?;
    let concluded = match is_news {
        true => Some(Concluded { kind: *kind, id: id.clone(), at: at_all(connection, *item)? }),
        false => None,
    };
    Ok((settled, concluded))
}

/// How an item stands with each target.
fn at_all(connection: &Connection, item: i64) -> rusqlite::Result<Vec<(String, Stored)>> {
    connection
        .prepare_cached(
            "SELECT target.name, state, due_ms FROM delivery
             JOIN target ON target.id = delivery.target WHERE item = ?1",
        )?
        .query_map(params![item], |row| Ok((row.get(0)?, stored(row.get(1)?, row.get(2)?))))?
        .collect()
}

#[cfg(test)]
pub fn settle(connection: &Connection, settlement: &Settlement) -> rusqlite::Result<Settled> {
    conclude(connection, settlement).map(|(settled, _)| settled)
}

fn write_down(
    connection: &Connection,
    settlement: &Settlement,
    before: Before,
) -> rusqlite::Result<Settled> {
    let Settlement { target, item, sent_no, at_ms, outcome, .. } = settlement;
    let changed = CHANGED.to_owned();
    let (failures, error, due_ms, strikes, state) = match outcome {
        Outcome::Delivered { .. } => return delivered(connection, settlement, before),
        Outcome::Superseded { kept_no } => {
            connection
                .prepare_cached(
                    "UPDATE item SET want_no = max(want_no, ?2 + 1) WHERE id = ?1 AND want_no = ?3",
                )?
                .execute(params![item, kept_no, sent_no])?;
            // A target that says so every time is not asked without pause.
            connection
                .prepare_cached(
                    "UPDATE delivery SET due_ms = ?3 WHERE target = ?1 AND item = ?2 AND state = 1",
                )?
                .execute(params![target, item, at_ms + SUPERSEDED_WAIT_MS])?;
            return Ok(Settled::Open);
        }
        Outcome::Failed { error, due_ms, strikes } => {
            (1, Some(error), Some(due_ms), Some(strikes), State::Due)
        }
        Outcome::Untouched { error, due_ms } => (0, Some(error), due_ms.as_ref(), None, State::Due),
        Outcome::Parked { error } => (1, Some(error), Some(at_ms), None, State::Parked),
        Outcome::Changed { due_ms } => (1, Some(&changed), Some(due_ms), None, State::Due),
    };
    // What failed, is parked or had changed is the version that was sent. When another is wanted by
    // now, that one is due already, and has not failed.
    connection
        .prepare_cached(
            "UPDATE delivery SET failures = failures + ?4, error = coalesce(?5, error),
                    due_ms = coalesce(?6, due_ms), strikes = coalesce(?7, strikes), state = ?8
             WHERE target = ?1 AND item = ?2 AND state = ?9
             AND ?3 = (SELECT want_no FROM item WHERE id = ?2)",
        )?
        .execute(params![
            target,
            item,
            sent_no,
            failures,
            error,
            due_ms,
            strikes,
            state,
            State::Due
        ])?;
    Ok(Settled::Open)
}

fn delivered(
    connection: &Connection,
    settlement: &Settlement,
    before: Before,
) -> rusqlite::Result<Settled> {
    let Settlement { target, item, kind, id, sent_no, at_ms, outcome, .. } = settlement;
    let Outcome::Delivered { version, fields, taken: sent, public_url, warning, action } = outcome
    else {
        return Ok(Settled::Open);
    };
    let Before { want, fields: wanted_fields, mut taken, audio, .. } = before;
    taken.extend(sent.iter().map(|(name, digest)| (name.clone(), *digest)));
    // What is wanted by now may be something else, and all of it have been in what was sent.
    let level = want == *version
        || (*kind == Kind::Report
            && fields.is_some()
            && *fields == wanted_fields
            && variants(connection, *item)?
                .iter()
                .all(|variant| taken.get(&variant.name) == Some(&variant.digest)));
    let taken = (*kind == Kind::Report).then(|| summaries::pack(&taken));
    connection
        .prepare_cached(
            "UPDATE delivery SET known = ?3, known_no = ?4, acked_ms = ?5, fields = ?6, taken = ?7,
                    public_url = coalesce(?8, public_url), warning = ?9, failures = 0,
                    strikes = 0, error = NULL, state = iif(?10, ?11, state),
                    due_ms = iif(?10, 0, due_ms), action = coalesce(?12, action)
             WHERE target = ?1 AND item = ?2",
        )?
        .execute(params![
            target,
            item,
            if level { want } else { *version },
            sent_no,
            at_ms,
            fields,
            taken,
            public_url,
            warning,
            level,
            State::Current,
            action
        ])?;
    if *kind == Kind::Audio {
        // A legacy dashboard hears of audio by the row of its report alone, which must say so now.
        connection
            .prepare_cached(
                "UPDATE delivery SET state = ?3, due_ms = ?4, known_no = NULL
                 WHERE target = (SELECT id FROM target WHERE id = ?1 AND name = ?6) AND state = ?5
                 AND item = (SELECT id FROM item WHERE kind = ?7 AND content = ?2
                             AND source IS NOT NULL)",
            )?
            .execute(params![
                target,
                id,
                State::Due,
                at_ms,
                State::Current,
                TargetName::Legacy.as_str(),
                Kind::Report
            ])?;
    }
    if *kind == Kind::Report
        && let Some(audio) = audio
    {
        // It need not wait any longer.
        connection
            .prepare_cached(
                "UPDATE delivery SET state = ?3, due_ms = ?4
                 WHERE target = ?1 AND item = ?2 AND state = ?5",
            )?
            .execute(params![target, audio, State::Due, at_ms, State::WaitsForReport])?;
    }
    Ok(if level { Settled::Level } else { Settled::Open })
}
