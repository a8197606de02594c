//! The level itself: what was found on the disk becomes what every target should hold.
//!
//! Several files may be about one id. What targets should hold of it comes from the newest file that
//! *stands* for it, and what that one lacks from the others. Each file stands for its id from when
//! it was found there. When the newest goes away, is about something else, cannot be read any more
//! or becomes older than it was, and no other is as new, then all that lay there before are *left
//! behind*: who removes a report does not ask for the one before it (issue 4, line 7). A file that
//! is put there after that, however old, or that changes in more than its owner, rights or links,
//! is somebody's wish and stands. A row of the old database counts only while no report file has its
//! id, and never comes in the place of one that went away. While none stands, nothing is asked of targets: they keep what
//! was delivered, and what was not has vanished.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::grave;
use super::model::{
    AudioFacts, DeletedFile, Finding, Found, Recorded, ReportFacts, Taken, Vanished, Wanted,
};
use super::pairing;
use super::sql::State;
use super::summaries;
use crate::contract::audio_public_url;
use crate::file::{FileRef, READ_ANEW, Root, Stamp};
use crate::id::{ContentId, Kind, Version};
use crate::report::{FileFacts, Merged, merge};

/// The numbers of `file.cure`.
const ANOTHER_FILE: i64 = 0;
const CIRCUMSTANCES: i64 = 1;
const NOTHING_NEEDED: i64 = 2;
const MOVE: i64 = 3;

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
        .prepare_cached(
            "UPDATE file SET ctime_ns = ?2 WHERE root = ?1 AND problem IS NOT NULL AND cure = 1",
        )?
        .execute(params![root, READ_ANEW])
}

/// The files of a root are to be read by these rules. If they were read by others, all of their
/// stamps are forgotten, so that the next look is one at changed files. Says how many that are.
pub fn read_by(connection: &Connection, root: Root, rules: &str) -> rusqlite::Result<usize> {
    let is_news = connection
        .prepare_cached(
            "INSERT INTO reading (root, rules) VALUES (?1, ?2)
             ON CONFLICT (root) DO UPDATE SET rules = excluded.rules WHERE rules <> excluded.rules",
        )?
        .execute(params![root, rules])?;
    if is_news == 0 {
        return Ok(0);
    }
    connection
        .prepare_cached("UPDATE file SET ctime_ns = ?2 WHERE root = ?1 AND cure <> ?3")?
        .execute(params![root, READ_ANEW, MOVE])
}

/// The files of a root that were deleted at the dashboard, and are to be moved away.
pub fn deleted(connection: &Connection, root: Root) -> rusqlite::Result<Vec<DeletedFile>> {
    connection
        .prepare_cached(
            "SELECT size, mtime_ns, ctime_ns, inode, name, problem FROM file
             WHERE root = ?1 AND problem IS NOT NULL AND cure = ?2",
        )?
        .query_map(params![root, MOVE], |row| {
            let name: Vec<u8> = row.get(4)?;
            Ok(DeletedFile {
                file: FileRef::from_bytes(root, &name),
                stamp: stamp_of(row)?,
                why: row.get(5)?,
            })
        })?
        .collect()
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

/// The id of an item, made when there is none: of which nothing is known, but when it last changed.
pub fn item(
    connection: &Connection,
    kind: Kind,
    content: &ContentId,
    changed_ms: i64,
) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT id FROM item WHERE kind = ?1 AND content = ?2")?
        .query_row(params![kind, content], |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached(
                "INSERT INTO item (kind, content, want, want_no, changed_ms, indexed_ms)
                 VALUES (?1, ?2, ?3, 0, ?4, 0) RETURNING id",
            )?
            .query_row(params![kind, content, NOTHING, changed_ms], |row| row.get(0)),
    }
}

struct Desk<'c> {
    connection: &'c Connection,
    adopt: bool,
    now_ms: i64,
    recorded: Recorded,
}

/// Of the rows of `file` of an item, those that count: a report file wins over a row of the old
/// database (issue 6).
pub const COUNTS: &str = "NOT (file.root = 2 AND EXISTS (SELECT 1 FROM file AS other
     WHERE other.item = file.item AND other.root = 0))";

/// What a row of `item` says before a change.
struct Item {
    id: i64,
    kind: Kind,
    content: ContentId,
    want: Version,
    want_no: i64,
}

/// What the files of an item add up to.
struct Sum {
    /// The row of the newest file that stands for it.
    source: i64,
    /// When that was written.
    mtime_ns: i64,
    /// When it last changed in any way, in milliseconds.
    changed_ms: i64,
    version: Version,
    /// Of a report: the digest of its fields, and all its summaries.
    report: Option<(Version, Taken)>,
    /// Of audio.
    seconds: Option<i64>,
}

impl Sum {
    /// Digests of all that is said: of the fields, or of the bytes, and of each summary.
    fn digests(&self) -> Vec<Version> {
        match &self.report {
            Some((fields, summaries)) => {
                [*fields].into_iter().chain(summaries.values().copied()).collect()
            }
            None => vec![self.version],
        }
    }
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
    stands: bool,
}

/// What a row of `file` said before a finding.
struct Former {
    id: i64,
    root: Root,
    stamp: Stamp,
    item: Option<i64>,
    made_ms: Option<i64>,
    digest: Option<Version>,
    variants: Option<Vec<u8>>,
    stands_ms: Option<i64>,
}

impl Former {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            stamp: stamp_of(row)?,
            id: row.get(4)?,
            item: row.get(5)?,
            made_ms: row.get(6)?,
            digest: row.get(7)?,
            variants: row.get(8)?,
            stands_ms: row.get(9)?,
            root: row.get(10)?,
        })
    }

    /// How new it was: when its content was made, and when it was written.
    fn age(&self) -> (Option<i64>, i64) {
        (self.made_ms, self.stamp.mtime_ns)
    }

    /// Whether nobody put anything in its place: at the most its owner, its rights or its links
    /// changed, for which it may have been unreadable, or it is us who read it in another way.
    fn is_same(&self, stamp: &Stamp, kept: &Kept<'_>) -> bool {
        let circumstances = Stamp { ctime_ns: stamp.ctime_ns, ..self.stamp };
        let content = self.stamp.ctime_ns == READ_ANEW
            || (self.digest == kept.digest && self.variants == kept.variants)
            || self.digest.is_none()
            || kept.digest.is_none();
        let item = self.item == kept.item || self.item.is_none() || kept.item.is_none();
        circumstances == *stamp && content && item
    }
}

impl Desk<'_> {
    fn take(&mut self, finding: &Finding) -> rusqlite::Result<()> {
        let file = &finding.file;
        let former = self.former(file)?;
        match &finding.found {
            Found::Gone(until_ms) => {
                let Some(former) = former else { return Ok(()) };
                self.execute("DELETE FROM file WHERE id = ?1", params![former.id])?;
                self.left(&former, *until_ms)
            }
            Found::Problem(stamp, problem)
            | Found::Obstacle(stamp, problem)
            | Found::NotOurs(stamp, problem)
            | Found::Deleted(stamp, problem) => {
                let cure = match &finding.found {
                    Found::Obstacle(..) => CIRCUMSTANCES,
                    Found::NotOurs(..) => NOTHING_NEEDED,
                    Found::Deleted(..) => MOVE,
                    _ => ANOTHER_FILE,
                };
                let kept = Kept { problem: Some(problem), cure, ..NONE };
                let row = self.place(file, stamp, &kept, former)?;
                pairing::forget(self.connection, row)
            }
            Found::Report(stamp, facts) => self.report(file, stamp, facts, former),
            Found::Audio(stamp, facts) => self.audio(file, stamp, facts, former),
        }
    }

    fn report(
        &mut self,
        file: &FileRef,
        stamp: &Stamp,
        facts: &ReportFacts,
        former: Option<Former>,
    ) -> rusqlite::Result<()> {
        let item = self.item(Kind::Report, &facts.id)?;
        let kept = Kept {
            item: Some(item),
            made_ms: Some(facts.made_ms),
            digest: Some(facts.fields),
            variants: Some(summaries::pack(&facts.variants)),
            ..NONE
        };
        self.place(file, stamp, &kept, former)?;
        self.add_up(item, Some(stamp))?;
        self.pair_audio(&facts.id, &file.stem())
    }

    fn audio(
        &mut self,
        file: &FileRef,
        stamp: &Stamp,
        facts: &AudioFacts,
        former: Option<Former>,
    ) -> rusqlite::Result<()> {
        let item = self.paired(&facts.keys, former.as_ref())?;
        let kept = Kept {
            item,
            made_ms: Some(facts.made_ms),
            digest: Some(facts.digest),
            seconds: facts.seconds,
            ..NONE
        };
        let row = self.place(file, stamp, &kept, former)?;
        pairing::remember(self.connection, row, &facts.keys)?;
        item.map_or(Ok(()), |item| self.add_up(item, Some(stamp)))
    }

    /// Gives audio files to the report that their names mean, now that this one is about this id.
    fn pair_audio(&mut self, id: &ContentId, stem: &str) -> rusqlite::Result<()> {
        for row in pairing::candidates(self.connection, id, stem)? {
            let keys = pairing::keys_of(self.connection, row)?;
            let former = self.former_at(row)?;
            let item = self.paired(&keys, Some(&former))?;
            if item != former.item
                && let Some(item) = item
            {
                self.execute(
                    "UPDATE file SET item = ?2, stands_ms = iif(item IS NULL, stands_ms, ?3)
                     WHERE id = ?1",
                    params![row, item, self.now_ms],
                )?;
                self.left(&former, self.now_ms)?;
                self.add_up(item, None)?;
            }
        }
        Ok(())
    }

    /// The item of an audio file with these keys.
    fn paired(&self, keys: &[String], former: Option<&Former>) -> rusqlite::Result<Option<i64>> {
        let had = former.and_then(|former| former.item);
        let has = had.map(|item| self.item_row(item)).transpose()?.map(|item| item.content);
        pairing::content_of(self.connection, keys, has)?
            .map(|content| self.item(Kind::Audio, &content))
            .transpose()
    }

    fn former_at(&self, row: i64) -> rusqlite::Result<Former> {
        self.connection
            .prepare_cached(
                "SELECT size, mtime_ns, ctime_ns, inode, id, item, made_ms, digest, variants,
                        stands_ms, root
                 FROM file WHERE id = ?1",
            )?
            .query_row([row], Former::of)
    }

    fn former(&self, file: &FileRef) -> rusqlite::Result<Option<Former>> {
        self.connection
            .prepare_cached(
                "SELECT size, mtime_ns, ctime_ns, inode, id, item, made_ms, digest, variants,
                        stands_ms, root
                 FROM file WHERE root = ?1 AND name = ?2",
            )?
            .query_row(params![file.root, file.name_bytes()], Former::of)
            .optional()
    }

    /// Writes the row of a file, sees to the item that it had, and gives its id.
    fn place(
        &mut self,
        file: &FileRef,
        stamp: &Stamp,
        kept: &Kept<'_>,
        former: Option<Former>,
    ) -> rusqlite::Result<i64> {
        let same = former.as_ref().filter(|former| former.is_same(stamp, kept));
        let stands_ms = same.map_or(Some(self.now_ms), |former| former.stands_ms);
        let row = self.keep(file, stamp, kept, stands_ms)?;
        let became_older =
            |former: &Former| same.is_none() && (kept.made_ms, stamp.mtime_ns) < former.age();
        match &former {
            Some(former) if former.item != kept.item => self.left(former, self.now_ms)?,
            Some(former) if became_older(former) => self.leave_behind(former, self.now_ms)?,
            _ => {}
        }
        Ok(row)
    }

    fn keep(
        &self,
        file: &FileRef,
        stamp: &Stamp,
        kept: &Kept<'_>,
        stands_ms: Option<i64>,
    ) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO file (root, name, size, mtime_ns, ctime_ns, inode,
                                   item, made_ms, digest, variants, seconds, problem, cure,
                                   stands_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 ON CONFLICT (root, name) DO UPDATE SET
                     size = excluded.size, mtime_ns = excluded.mtime_ns,
                     ctime_ns = excluded.ctime_ns, inode = excluded.inode,
                     item = excluded.item, made_ms = excluded.made_ms,
                     digest = excluded.digest, variants = excluded.variants,
                     seconds = excluded.seconds, problem = excluded.problem,
                     cure = excluded.cure, stands_ms = excluded.stands_ms
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
                    stands_ms,
                ],
                |row| row.get(0),
            )
    }

    fn item(&self, kind: Kind, content: &ContentId) -> rusqlite::Result<i64> {
        item(self.connection, kind, content, 0)
    }

    /// An item lost a file, which was its own until this moment. What was delivered stays as it is
    /// there, unless another file stands in its place; what was not must now do without.
    fn left(&mut self, former: &Former, until_ms: i64) -> rusqlite::Result<()> {
        let Some(item) = former.item else { return Ok(()) };
        self.leave_behind(former, until_ms)?;
        let (has_heir, is_level) = self
            .connection
            .prepare_cached(
                "UPDATE item SET source = iif(source = ?2, NULL, source) WHERE id = ?1
                 RETURNING source IS NULL AND EXISTS (
                               SELECT 1 FROM file WHERE file.item = ?1 AND stands_ms IS NOT NULL),
                           NOT EXISTS (
                               SELECT 1 FROM delivery WHERE delivery.item = ?1 AND state <> 0)",
            )?
            .query_row(params![item, former.id], |row| {
                Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?))
            })?;
        if is_level && !has_heir { Ok(()) } else { self.add_up(item, None) }
    }

    /// If a file gave the fields of its item until this moment, and none is as new, those that lay
    /// there before do not come in its place. Rows of the old database never come in that of a file,
    /// however new.
    fn leave_behind(&self, former: &Former, until_ms: i64) -> rusqlite::Result<()> {
        let (made_ms, mtime_ns) = former.age();
        // What was found later than now was found before the clock was set back.
        self.execute(
            "UPDATE file SET stands_ms = NULL
             WHERE item = ?1 AND id <> ?2 AND ?2 = (SELECT source FROM item WHERE id = ?1)
             AND (?7 <> 2 AND root = 2
                  OR stands_ms NOT BETWEEN ?3 AND ?4
                  AND NOT EXISTS (SELECT 1 FROM file AS heir
                                  WHERE heir.item = ?1 AND heir.id <> ?2
                                  AND heir.stands_ms IS NOT NULL
                                  AND (heir.root <> 2 OR ?7 = 2)
                                  AND (heir.made_ms, heir.mtime_ns) >= (?5, ?6)))",
            params![former.item, former.id, until_ms, self.now_ms, made_ms, mtime_ns, former.root],
        )
    }

    /// Computes anew what targets should hold of an item, and makes due what differs. `stamp` is
    /// that of the file which gave the reason.
    fn add_up(&mut self, item: i64, stamp: Option<&Stamp>) -> rusqlite::Result<()> {
        let item = self.item_row(item)?;
        let Some(sum) = self.sum(&item)? else { return self.vanish(&item) };
        self.execute(
            "UPDATE item SET source = ?2, seconds = ?3 WHERE id = ?1",
            params![item.id, sum.source, sum.seconds],
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
            params![item.id, sum.version, want_no, changed_ms, sum.mtime_ns / 1_000_000],
        )?;
        // What comes back as it was deleted stays away.
        if grave::keeps(self.connection, item.id, sum.source, sum.digests())? {
            return Ok(());
        }
        self.make_due(&item, &sum)
    }

    fn item_row(&self, item: i64) -> rusqlite::Result<Item> {
        self.connection
            .prepare_cached("SELECT id, kind, content, want, want_no FROM item WHERE id = ?1")?
            .query_row(params![item], |row| {
                Ok(Item {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    content: row.get(2)?,
                    want: row.get(3)?,
                    want_no: row.get(4)?,
                })
            })
    }

    /// What the files of an item add up to; nothing, when none stands for it.
    fn sum(&self, item: &Item) -> rusqlite::Result<Option<Sum>> {
        let rows: Vec<FileRow> = self
            .connection
            .prepare_cached(&format!(
                "SELECT id, mtime_ns, ctime_ns, name, made_ms, digest, variants, seconds,
                        stands_ms IS NOT NULL
                 FROM file WHERE item = ?1 AND {COUNTS}"
            ))?
            .query_map(params![item.id], |row| {
                Ok(FileRow {
                    id: row.get(0)?,
                    mtime_ns: row.get(1)?,
                    ctime_ns: row.get(2)?,
                    name: row.get(3)?,
                    made_ms: row.get(4)?,
                    digest: row.get(5)?,
                    variants: summaries::unpack(row.get_ref(6)?.as_blob_or_null()?),
                    seconds: row.get(7)?,
                    stands: row.get(8)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        if !rows.iter().any(|row| row.stands) {
            return Ok(None);
        }
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
            Some((fields, taken)) => (Some(*fields), Some(summaries::pack(taken)), None),
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
                    summaries::unpack(row.get_ref(2)?.as_blob_or_null()?),
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
    variants: Option<Vec<u8>>,
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

fn newness(row: &FileRow) -> (bool, i64, i64, &[u8]) {
    (row.stands, row.made_ms, row.mtime_ns, &row.name)
}

fn sum_of(newest: &FileRow, version: Version) -> Sum {
    Sum {
        source: newest.id,
        mtime_ns: newest.mtime_ns,
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
            stands: row.stands,
            name: row.name.clone(),
            fields: row.digest,
            variants: row.variants.clone().into_iter().collect(),
        })
        .collect();
    merge(&facts).map(|merged| (rows, merged))
}
