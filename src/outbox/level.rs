//! The level itself: what was found on the disk becomes what every target should hold.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::model::{AudioFacts, Finding, Found, Recorded, ReportFacts, Taken, Vanished, Wanted};
use super::sql::{State, taken_from_text, taken_to_text};
use crate::contract::audio_public_url;
use crate::file::{FileRef, Root, Stamp};
use crate::id::{ContentId, Kind, Version};
use crate::report::{FileFacts, Merged, merge};

/// The numbers of `file.cure`.
const ANOTHER_FILE: i64 = 0;
const CIRCUMSTANCES: i64 = 1;
const NOTHING_NEEDED: i64 = 2;

/// The version of an item of which nothing was found yet.
const NOTHING: Version = Version::from_bytes([0; 16]);

pub fn stamps(
    connection: &Connection,
    root: Root,
    after: Option<&[u8]>,
    limit: usize,
) -> rusqlite::Result<Vec<(FileRef, Stamp)>> {
    connection
        .prepare_cached(
            "SELECT size, mtime_ns, ctime_ns, inode, name FROM file
             WHERE root = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
        )?
        .query_map(params![root, after.unwrap_or_default(), limit as i64], |row| {
            let name: Vec<u8> = row.get(4)?;
            Ok((FileRef::from_bytes(root, &name), stamp_of(row)?))
        })?
        .collect()
}

pub fn stamp(connection: &Connection, file: &FileRef) -> rusqlite::Result<Option<Stamp>> {
    connection
        .prepare_cached(
            "SELECT size, mtime_ns, ctime_ns, inode FROM file WHERE root = ?1 AND name = ?2",
        )?
        .query_row(params![file.root, file.name_bytes()], stamp_of)
        .optional()
}

/// Reads a stamp from the first four columns.
pub fn stamp_of(row: &Row<'_>) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        size: row.get(0)?,
        mtime_ns: row.get(1)?,
        ctime_ns: row.get(2)?,
        inode: row.get(3)?,
    })
}

pub fn is_first_run(connection: &Connection, root: Root) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM first_run WHERE root = ?1)")?
        .query_row(params![root], |row| row.get(0))
}

pub fn end_first_run(connection: &Connection, root: Root) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO first_run (root) VALUES (?1)")?
        .execute(params![root])
        .map(drop)
}

/// What is recorded to be wrong with a file.
pub fn problem(connection: &Connection, file: &FileRef) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT problem FROM file WHERE root = ?1 AND name = ?2")?
        .query_row(params![file.root, file.name_bytes()], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Circumstances may have changed: forgets the stamps of the files that they kept from being
/// delivered, so that the next look is one at a changed file.
pub fn lift_obstacles(connection: &Connection, root: Root) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE file SET ctime_ns = 0 WHERE root = ?1 AND cure = 1")?
        .execute(params![root])
}

/// Takes findings in, one after the other. With `adopt`, targets are taken to hold them already.
pub fn record(
    connection: &Connection,
    findings: &[Finding],
    adopt: bool,
    now_ms: i64,
) -> rusqlite::Result<Recorded> {
    let mut desk = Desk { connection, adopt, now_ms, recorded: Recorded::default() };
    for finding in findings {
        desk.take(finding)?;
    }
    Ok(desk.recorded)
}

/// Takes a target to hold what is wanted of an item.
pub fn adopt(connection: &Connection, target: i64, item: i64) -> rusqlite::Result<()> {
    let desk = Desk { connection, adopt: true, now_ms: 0, recorded: Recorded::default() };
    let item = desk.item_row(item)?;
    match desk.sum(&item)? {
        Some(sum) if sum.version == item.want => desk.adopt(target, &item, &sum),
        _ => Ok(()),
    }
}

struct Desk<'c> {
    connection: &'c Connection,
    adopt: bool,
    now_ms: i64,
    recorded: Recorded,
}

/// What a row of `item` says before a change.
struct Item {
    id: i64,
    kind: Kind,
    content: ContentId,
    want: Version,
    want_no: i64,
    source: Option<i64>,
    /// When its source was made and written: how new it is.
    rank: (i64, i64),
}

/// What the files of an item add up to.
struct Sum {
    /// The newest file: its row, and how new it is.
    source: i64,
    rank: (i64, i64),
    /// When it last changed in any way, in milliseconds.
    changed_ms: i64,
    version: Version,
    /// Of a report: the digest of its fields, and all its summaries.
    report: Option<(Version, Taken)>,
    /// Of audio.
    seconds: Option<i64>,
}

/// A row of `file`, as the adding up needs it.
struct FileRow {
    id: i64,
    mtime_ns: i64,
    ctime_ns: i64,
    name: Vec<u8>,
    made_ms: i64,
    digest: Version,
    variants: Taken,
    seconds: Option<i64>,
}

impl Desk<'_> {
    fn take(&mut self, finding: &Finding) -> rusqlite::Result<()> {
        let file = &finding.file;
        let before = self.file_row(file)?;
        let left = before.and_then(|(_, item)| item);
        match &finding.found {
            Found::Gone => {
                let Some((row, _)) = before else { return Ok(()) };
                let heir = self.leave(left, row)?;
                self.execute("DELETE FROM file WHERE id = ?1", params![row])?;
                self.without(left, heir)
            }
            Found::Problem(stamp, problem)
            | Found::Obstacle(stamp, problem)
            | Found::NotOurs(stamp, problem) => {
                let cure = match &finding.found {
                    Found::Obstacle(..) => CIRCUMSTANCES,
                    Found::NotOurs(..) => NOTHING_NEEDED,
                    _ => ANOTHER_FILE,
                };
                let row = self.keep(file, stamp, &Kept { problem: Some(problem), cure, ..NONE })?;
                let heir = self.leave(left, row)?;
                self.without(left, heir)
            }
            Found::Report(stamp, facts) => self.report(file, stamp, facts, left),
            Found::Audio(stamp, facts) => self.audio(file, stamp, facts, left),
        }
    }

    fn report(
        &mut self,
        file: &FileRef,
        stamp: &Stamp,
        facts: &ReportFacts,
        left: Option<i64>,
    ) -> rusqlite::Result<()> {
        let item = self.item(Kind::Report, &facts.id)?;
        let kept = Kept {
            item: Some(item),
            made_ms: Some(facts.made_ms),
            digest: Some(facts.fields),
            variants: Some(taken_to_text(&facts.variants)),
            ..NONE
        };
        let row = self.keep(file, stamp, &kept)?;
        if left != Some(item) {
            let heir = self.leave(left, row)?;
            self.without(left, heir)?;
        }
        self.add_up(item, Some(stamp))?;
        self.claim_audio(&facts.id, &file.stem())
    }

    fn audio(
        &mut self,
        file: &FileRef,
        stamp: &Stamp,
        facts: &AudioFacts,
        left: Option<i64>,
    ) -> rusqlite::Result<()> {
        let content = self.content_of(&facts.keys)?;
        let item = content.map(|id| self.item(Kind::Audio, &id)).transpose()?;
        let kept = Kept {
            item,
            made_ms: Some(facts.made_ms),
            digest: Some(facts.digest),
            seconds: facts.seconds,
            ..NONE
        };
        let row = self.keep(file, stamp, &kept)?;
        if left != item {
            let heir = self.leave(left, row)?;
            self.without(left, heir)?;
        }
        self.execute("DELETE FROM audio_key WHERE file = ?1", params![row])?;
        match item {
            Some(item) => self.add_up(item, Some(stamp)),
            None => facts.keys.iter().try_for_each(|key| {
                self.execute(
                    "INSERT OR IGNORE INTO audio_key (key, file) VALUES (?1, ?2)",
                    params![key, row],
                )
            }),
        }
    }

    /// Which content the name of an audio file means: its report must be known (contract B.3).
    fn content_of(&self, keys: &[String]) -> rusqlite::Result<Option<ContentId>> {
        let mut by_id = self.connection.prepare_cached(
            "SELECT content FROM item INDEXED BY item_bare WHERE kind = 0
             AND substr(content, instr(content, ':') + 1) = ?1
             ORDER BY content <> ?1, id LIMIT 1",
        )?;
        let mut by_name = self.connection.prepare_cached(
            "SELECT content FROM file JOIN item ON item.id = file.item
             WHERE file.root = 0 AND file.name = ?1",
        )?;
        for key in keys {
            let found = by_id.query_row(params![key], |row| row.get(0)).optional()?;
            if found.is_some() {
                return Ok(found);
            }
            let name = format!("{key}.{}", Root::Reports.extension());
            let found = by_name.query_row(params![name.as_bytes()], |row| row.get(0)).optional()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Gives audio files that were waiting for this report to it.
    fn claim_audio(&mut self, id: &ContentId, stem: &str) -> rusqlite::Result<()> {
        let waiting: Vec<i64> = self
            .connection
            .prepare_cached("SELECT DISTINCT file FROM audio_key WHERE key IN (?1, ?2, ?3)")?
            .query_map(params![id.bare(), id, stem], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if waiting.is_empty() {
            return Ok(());
        }
        let item = self.item(Kind::Audio, id)?;
        for row in waiting {
            self.execute("UPDATE file SET item = ?1 WHERE id = ?2", params![item, row])?;
            self.execute("DELETE FROM audio_key WHERE file = ?1", params![row])?;
        }
        self.add_up(item, None)
    }

    fn file_row(&self, file: &FileRef) -> rusqlite::Result<Option<(i64, Option<i64>)>> {
        self.connection
            .prepare_cached("SELECT id, item FROM file WHERE root = ?1 AND name = ?2")?
            .query_row(params![file.root, file.name_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// Writes the row of a file and gives its id.
    fn keep(&self, file: &FileRef, stamp: &Stamp, kept: &Kept<'_>) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO file (root, name, size, mtime_ns, ctime_ns, inode,
                                   item, made_ms, digest, variants, seconds, problem, cure)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                 ON CONFLICT (root, name) DO UPDATE SET
                     size = excluded.size, mtime_ns = excluded.mtime_ns,
                     ctime_ns = excluded.ctime_ns, inode = excluded.inode,
                     item = excluded.item, made_ms = excluded.made_ms,
                     digest = excluded.digest, variants = excluded.variants,
                     seconds = excluded.seconds, problem = excluded.problem,
                     cure = excluded.cure
                 RETURNING id",
            )?
            .query_row(
                params![
                    file.root,
                    file.name_bytes(),
                    stamp.size,
                    stamp.mtime_ns,
                    stamp.ctime_ns,
                    stamp.inode,
                    kept.item,
                    kept.made_ms,
                    kept.digest,
                    kept.variants,
                    kept.seconds,
                    kept.problem,
                    kept.cure,
                ],
                |row| row.get(0),
            )
    }

    /// The id of an item, made when there is none.
    fn item(&self, kind: Kind, content: &ContentId) -> rusqlite::Result<i64> {
        let found = self
            .connection
            .prepare_cached("SELECT id FROM item WHERE kind = ?1 AND content = ?2")?
            .query_row(params![kind, content], |row| row.get(0))
            .optional()?;
        match found {
            Some(id) => Ok(id),
            None => self
                .connection
                .prepare_cached(
                    "INSERT INTO item (kind, content, want, want_no, changed_ms, made_ms,
                                       mtime_ns, indexed_ms)
                     VALUES (?1, ?2, ?3, 0, 0, ?4, ?4, 0) RETURNING id",
                )?
                .query_row(params![kind, content, NOTHING, i64::MIN], |row| row.get(0)),
        }
    }

    /// Takes a file away from the item that it gave the fields of. How new it was is kept, so that
    /// an older file does not come back in its place. One that is as new does, a renamed one for
    /// one: says whether there is such an heir.
    fn leave(&self, item: Option<i64>, row: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "UPDATE item SET source = (
                     SELECT id FROM file WHERE file.item = ?1 AND file.id <> ?2
                     AND (file.made_ms, file.mtime_ns) >= (item.made_ms, item.mtime_ns))
                 WHERE id = ?1 AND source = ?2 RETURNING source IS NOT NULL",
            )?
            .query_row(params![item, row], |row| row.get(0))
            .optional()
            .map(|heir| heir.unwrap_or(false))
    }

    /// An item lost a file. What was delivered stays as it is there, unless an heir says otherwise;
    /// what was not must now do without.
    fn without(&mut self, item: Option<i64>, heir: bool) -> rusqlite::Result<()> {
        let Some(item) = item else { return Ok(()) };
        let level: bool = self
            .connection
            .prepare_cached(
                "SELECT NOT EXISTS (SELECT 1 FROM delivery WHERE item = ?1 AND state <> ?2)",
            )?
            .query_row(params![item, State::Current], |row| row.get(0))?;
        if level && !heir { Ok(()) } else { self.add_up(item, None) }
    }

    /// Computes anew what targets should hold of an item, and makes due what differs. `stamp` is
    /// that of the file which gave the reason.
    fn add_up(&mut self, item: i64, stamp: Option<&Stamp>) -> rusqlite::Result<()> {
        let item = self.item_row(item)?;
        let sum = match self.sum(&item)? {
            Some(sum) if item.source.is_some() || sum.rank >= item.rank => sum,
            _ => return self.vanish(&item),
        };
        self.execute(
            "UPDATE item SET source = ?2, made_ms = ?3, mtime_ns = ?4, seconds = ?5 WHERE id = ?1",
            params![item.id, sum.source, sum.rank.0, sum.rank.1, sum.seconds],
        )?;
        if sum.version == item.want {
            return self.reappear(&item);
        }
        let changed_ms = stamp.map_or(sum.changed_ms, Stamp::changed_ms);
        // The clock makes numbers grow over the loss of the outbox, too.
        let want_no = self.now_ms.max(item.want_no + 1);
        self.execute(
            "UPDATE item SET want = ?2, want_no = ?3, changed_ms = ?4,
                    indexed_ms = CASE WHEN want_no = 0 THEN ?5 ELSE indexed_ms END
             WHERE id = ?1",
            params![item.id, sum.version, want_no, changed_ms, sum.rank.1 / 1_000_000],
        )?;
        self.make_due(&item, &sum)
    }

    fn item_row(&self, item: i64) -> rusqlite::Result<Item> {
        self.connection
            .prepare_cached(
                "SELECT id, kind, content, want, want_no, source, made_ms, mtime_ns
                 FROM item WHERE id = ?1",
            )?
            .query_row(params![item], |row| {
                Ok(Item {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    content: row.get(2)?,
                    want: row.get(3)?,
                    want_no: row.get(4)?,
                    source: row.get(5)?,
                    rank: (row.get(6)?, row.get(7)?),
                })
            })
    }

    fn sum(&self, item: &Item) -> rusqlite::Result<Option<Sum>> {
        let rows: Vec<FileRow> = self
            .connection
            .prepare_cached(
                "SELECT id, mtime_ns, ctime_ns, name, made_ms, digest, variants, seconds
                 FROM file WHERE item = ?1",
            )?
            .query_map(params![item.id], |row| {
                Ok(FileRow {
                    id: row.get(0)?,
                    mtime_ns: row.get(1)?,
                    ctime_ns: row.get(2)?,
                    name: row.get(3)?,
                    made_ms: row.get(4)?,
                    digest: row.get(5)?,
                    variants: taken_from_text(row.get_ref(6)?.as_str_or_null()?),
                    seconds: row.get(7)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(match item.kind {
            Kind::Report => merged(rows).map(|(rows, merged)| {
                let newest = &rows[merged.fields_from];
                let taken = merged.variants.into_iter().map(|v| (v.name, v.digest)).collect();
                Sum { report: Some((newest.digest, taken)), ..sum_of(newest, merged.version) }
            }),
            Kind::Audio => rows
                .iter()
                .max_by(|a, b| newness(a).cmp(&newness(b)))
                .map(|newest| sum_of(newest, newest.digest)),
        })
    }

    /// Nothing on the disk gives what is wanted: what was not delivered cannot be any more.
    fn vanish(&mut self, item: &Item) -> rusqlite::Result<()> {
        let gone = self
            .connection
            .prepare_cached(
                "UPDATE delivery SET state = ?2 WHERE item = ?1 AND state IN (?3, ?4, ?5)",
            )?
            .execute(params![
                item.id,
                State::Vanished,
                State::Due,
                State::WaitsForReport,
                State::Parked
            ])?;
        if gone > 0 {
            self.recorded.vanished.push(Vanished { kind: item.kind, id: item.content.clone() });
        }
        Ok(())
    }

    /// What had vanished is there again, as it was.
    fn reappear(&mut self, item: &Item) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "SELECT target, name FROM delivery JOIN target ON target.id = delivery.target
                 WHERE item = ?1 AND state = ?2",
            )?
            .query_map(params![item.id, State::Vanished], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, String)>, _>>()?
            .into_iter()
            .try_for_each(|(target, name)| {
                let state = self.open_state(target, item)?;
                self.say_wanted(name, item, state);
                self.execute(
                    "UPDATE delivery SET state = ?3, due_ms = ?4, failures = 0, strikes = 0
                     WHERE target = ?1 AND item = ?2",
                    params![target, item.id, state, self.now_ms],
                )
            })
    }

    /// Tells every target's row of an item that another version is wanted.
    fn make_due(&mut self, item: &Item, sum: &Sum) -> rusqlite::Result<()> {
        let targets: Vec<(i64, String)> = self
            .connection
            .prepare_cached("SELECT id, name FROM target")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (target, name) in targets {
            if self.adopt {
                self.adopt(target, item, sum)?;
                continue;
            }
            let holds = self.holds(target, item, sum)?;
            let state = if holds { State::Current } else { self.open_state(target, item)? };
            self.say_wanted(name, item, state);
            self.connection
                .prepare_cached(
                    "INSERT INTO delivery (target, item, state, due_ms) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (target, item) DO UPDATE SET
                         state = excluded.state, due_ms = excluded.due_ms, failures = 0,
                         strikes = 0, error = NULL, known = iif(?5, ?6, known)",
                )?
                .execute(params![target, item.id, state, self.now_ms, holds, sum.version])?;
        }
        Ok(())
    }

    fn say_wanted(&mut self, target: String, item: &Item, state: State) {
        let waits = match state {
            State::Due => false,
            State::WaitsForReport => true,
            State::Current | State::Parked | State::Vanished | State::Dropped => return,
        };
        let (kind, id) = (item.kind, item.content.clone());
        self.recorded.wanted.push(Wanted { target, kind, id, waits });
    }

    /// Takes a target to hold what is wanted. Its audio lies where the dashboard always puts it
    /// (contract D), which later sends of the report must say.
    fn adopt(&self, target: i64, item: &Item, sum: &Sum) -> rusqlite::Result<()> {
        let (fields, taken, public_url) = match &sum.report {
            Some((fields, taken)) => (Some(*fields), Some(taken_to_text(taken)), None),
            None => (None, None, Some(audio_public_url(item.content.as_str()))),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO delivery (target, item, state, known, fields, taken, public_url)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (target, item) DO UPDATE SET
                     state = excluded.state, known = excluded.known, fields = excluded.fields,
                     taken = excluded.taken, public_url = excluded.public_url",
            )?
            .execute(params![
                target,
                item.id,
                State::Current,
                sum.version,
                fields,
                taken,
                public_url
            ])
            .map(drop)
    }

    /// Whether a target holds all of this already: exactly this version, or these fields and every
    /// one of these summaries, since a summary that went away is not one to take back (contract
    /// B.5).
    fn holds(&self, target: i64, item: &Item, sum: &Sum) -> rusqlite::Result<bool> {
        let known = self
            .connection
            .prepare_cached(
                "SELECT iif(known_no IS NULL, NULL, known), fields, taken FROM delivery
                 WHERE target = ?1 AND item = ?2",
            )?
            .query_row(params![target, item.id], |row| {
                Ok((
                    row.get::<_, Option<Version>>(0)?,
                    row.get::<_, Option<Version>>(1)?,
                    taken_from_text(row.get_ref(2)?.as_str_or_null()?),
                ))
            })
            .optional()?;
        let Some((known, fields, taken)) = known else { return Ok(false) };
        let nothing_to_send = sum.report.as_ref().is_some_and(|(digest, variants)| {
            fields == Some(*digest)
                && variants.iter().all(|(name, digest)| taken.get(name) == Some(digest))
        });
        Ok(known == Some(sum.version) || nothing_to_send)
    }

    /// Due, but for audio whose report the target has not acknowledged.
    fn open_state(&self, target: i64, item: &Item) -> rusqlite::Result<State> {
        if item.kind == Kind::Report {
            return Ok(State::Due);
        }
        let acknowledged: bool = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM delivery JOIN item ON item.id = delivery.item
                                WHERE delivery.target = ?1 AND item.kind = ?2
                                AND item.content = ?3 AND delivery.known IS NOT NULL)",
            )?
            .query_row(params![target, Kind::Report, item.content], |row| row.get(0))?;
        Ok(if acknowledged { State::Due } else { State::WaitsForReport })
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute(params).map(drop)
    }
}

/// The columns of `file` beyond its name and stamp.
struct Kept<'a> {
    item: Option<i64>,
    made_ms: Option<i64>,
    digest: Option<Version>,
    variants: Option<String>,
    seconds: Option<i64>,
    problem: Option<&'a str>,
    cure: i64,
}

const NONE: Kept<'static> = Kept {
    item: None,
    made_ms: None,
    digest: None,
    variants: None,
    seconds: None,
    problem: None,
    cure: ANOTHER_FILE,
};

fn newness(row: &FileRow) -> (i64, i64, &[u8]) {
    (row.made_ms, row.mtime_ns, &row.name)
}

fn sum_of(newest: &FileRow, version: Version) -> Sum {
    Sum {
        source: newest.id,
        rank: (newest.made_ms, newest.mtime_ns),
        changed_ms: newest.ctime_ns / 1_000_000,
        version,
        report: None,
        seconds: newest.seconds,
    }
}

fn merged(rows: Vec<FileRow>) -> Option<(Vec<FileRow>, Merged)> {
    let facts: Vec<FileFacts> = rows
        .iter()
        .map(|row| FileFacts {
            made_at_ms: row.made_ms,
            mtime_ns: row.mtime_ns,
            name: row.name.clone(),
            fields: row.digest,
            variants: row.variants.clone().into_iter().collect(),
        })
        .collect();
    merge(&facts).map(|merged| (rows, merged))
}
