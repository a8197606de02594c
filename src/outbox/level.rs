//! The level itself: what was found on the disk becomes what every target should hold.
//!
//! Several files may be about one id. What targets should hold of it comes from the newest file that
//! *stands* for it, and what that one lacks from the others. Each file stands for its id from when
//! it was found there. When the newest goes away, is about something else, cannot be read any more
//! or becomes older than it was, and no other is as new, then all that lay there before are *left
//! behind*: who removes a report does not ask for the one before it (issue 4, line 7). A file that
//! is put there after that, however old, or that changes in more than its owner, rights or links,
//! is somebody's wish and stands. A row of the old database counts only while no report file has its
//! id, and never comes in the place of one that went away. While none stands, nothing is asked of
//! targets: they keep what was delivered, and what was not has vanished.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::grave;
use super::known::{ANOTHER_FILE, CIRCUMSTANCES, MOVE, NOTHING_NEEDED, stamp_of};
use super::model::{AudioFacts, FileOf, Finding, Found, Parcel, Recorded, ReportFacts};
use super::pairing;
use super::sum::{Sum, first, sum};
use super::summaries;
use crate::file::{FileRef, READ_ANEW, Root, Stamp};
use crate::id::{ContentId, Kind, Version};

/// The version of an item of which nothing was found yet.
const NOTHING: Version = Version::from_bytes([0; 16]);

/// Hears of the report of an id that nobody knew, before its rows are written: what will be recorded, and
/// what to send to each target.
pub type Hear<'a> = &'a mut dyn FnMut(Recorded, Vec<Parcel>);

/// Takes findings in, one after the other. With `adopt`, targets are taken to hold them already.
pub fn record(
    connection: &Connection,
    findings: &[Finding],
    adopt: bool,
    now_ms: i64,
) -> rusqlite::Result<Recorded> {
    record_aloud(connection, findings, adopt, now_ms, None)
}

/// The same, and has it heard where a finding comes alone and is all that there is to it.
pub fn record_aloud<'c>(
    connection: &'c Connection,
    findings: &[Finding],
    adopt: bool,
    now_ms: i64,
    hear: Option<Hear<'c>>,
) -> rusqlite::Result<Recorded> {
    let hear = hear.filter(|_| findings.len() == 1 && !adopt);
    let mut desk = Desk { connection, adopt, now_ms, recorded: Recorded::default(), hear };
    for finding in findings {
        desk.take(finding)?;
    }
    Ok(desk.recorded)
}

/// Takes a target to hold what is wanted of an item.
pub fn adopt(connection: &Connection, target: i64, item: i64) -> rusqlite::Result<()> {
    let recorded = Recorded::default();
    let desk = Desk { connection, adopt: true, now_ms: 0, recorded, hear: None };
    let item = desk.item_row(item)?;
    match sum(connection, item.id, item.kind)? {
        Some(sum) if sum.version == item.want => desk.adopt(target, &item, &sum),
        _ => Ok(()),
    }
}

/// An item, made when there is none: of which nothing is known, but when it last changed.
pub fn item(
    connection: &Connection,
    kind: Kind,
    content: &ContentId,
    changed_ms: i64,
) -> rusqlite::Result<Item> {
    let content = content.clone();
    let found = connection
        .prepare_cached("SELECT id, want, want_no FROM item WHERE kind = ?1 AND content = ?2")?
        .query_row(params![kind, content], |row| {
            let (id, want, want_no) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Item { id, is_new: false, kind, content: content.clone(), want, want_no })
        })
        .optional()?;
    match found {
        Some(item) => Ok(item),
        None => connection
            .prepare_cached(
                "INSERT INTO item (kind, content, want, want_no, changed_ms, indexed_ms)
                 VALUES (?1, ?2, ?3, 0, ?4, 0) RETURNING id",
            )?
            .query_row(params![kind, content, NOTHING, changed_ms], |row| row.get(0))
            .map(|id| Item { id, is_new: true, kind, content, want: NOTHING, want_no: 0 }),
    }
}

/// Takes findings in.
pub struct Desk<'c> {
    pub connection: &'c Connection,
    /// Targets are taken to hold what is found already.
    pub adopt: bool,
    pub now_ms: i64,
    pub recorded: Recorded,
    hear: Option<Hear<'c>>,
}

/// What a row of `item` says before a change.
pub struct Item {
    pub id: i64,
    /// It was made a moment ago, so that no target has an opinion of it, and nobody has deleted it.
    pub is_new: bool,
    pub kind: Kind,
    pub content: ContentId,
    pub want: Version,
    pub want_no: i64,
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
    cure: i64,
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
            cure: row.get(11)?,
        })
    }

    /// How new it was: when its content was made, and when it was written.
    fn age(&self) -> (Option<i64>, i64) {
        (self.made_ms, self.stamp.mtime_ns)
    }

    /// Whether it says all of this already, or was deleted at the dashboard just as it is, and is to be
    /// moved away whatever is in it.
    fn is_just(&self, stamp: &Stamp, kept: &Kept<'_>) -> bool {
        let says_so = (self.item, self.made_ms, self.digest)
            == (kept.item, kept.made_ms, kept.digest)
            && self.variants == kept.variants;
        self.stamp == *stamp && (says_so || self.cure == MOVE)
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
        self.recorded.new_files +=
            usize::from(former.is_none() && !matches!(finding.found, Found::Gone(_)));
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
            item: Some(item.id),
            made_ms: Some(facts.made_ms),
            digest: Some(facts.fields),
            variants: Some(summaries::pack(&facts.variants)),
            ..NONE
        };
        if former.as_ref().is_some_and(|former| former.is_just(stamp, &kept)) {
            self.recorded.known += 1;
            return Ok(());
        }
        let audio = pairing::candidates(self.connection, &facts.id, &file.stem())?;
        if item.is_new && former.is_none() {
            // It is all that there is of its item, which need not be asked for.
            let of = FileOf { file: file.clone(), stamp: *stamp };
            let (sum, variants) = first(&of, facts);
            if audio.is_empty()
                && let Some(hear) = self.hear.take()
            {
                self.announce(hear, &item, &of, &sum, &variants)?;
            }
            let source = self.place(file, stamp, &kept, None)?;
            self.reckon(&item, &Sum { source, ..sum }, Some(stamp))?;
        } else {
            self.place(file, stamp, &kept, former)?;
            self.add_up(&item, Some(stamp))?;
        }
        self.pair_audio(audio)
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
        item.map_or(Ok(()), |item| self.add_up_row(item, Some(stamp)))
    }

    /// Gives audio files, whose names may mean a report, to the one that they mean by now.
    fn pair_audio(&mut self, candidates: Vec<i64>) -> rusqlite::Result<()> {
        for row in candidates {
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
                self.add_up_row(item, None)?;
            }
        }
        Ok(())
    }

    /// The item of an audio file with these keys.
    fn paired(&self, keys: &[String], former: Option<&Former>) -> rusqlite::Result<Option<i64>> {
        let had = former.and_then(|former| former.item);
        let has = had.map(|item| self.item_row(item)).transpose()?.map(|item| item.content);
        pairing::content_of(self.connection, keys, has)?
            .map(|content| Ok(self.item(Kind::Audio, &content)?.id))
            .transpose()
    }

    fn former_at(&self, row: i64) -> rusqlite::Result<Former> {
        self.connection
            .prepare_cached(
                "SELECT size, mtime_ns, ctime_ns, inode, id, item, made_ms, digest, variants,
                        stands_ms, root, cure
                 FROM file WHERE id = ?1",
            )?
            .query_row([row], Former::of)
    }

    fn former(&self, file: &FileRef) -> rusqlite::Result<Option<Former>> {
        self.connection
            .prepare_cached(
                "SELECT size, mtime_ns, ctime_ns, inode, id, item, made_ms, digest, variants,
                        stands_ms, root, cure
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

    fn item(&self, kind: Kind, content: &ContentId) -> rusqlite::Result<Item> {
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
        if is_level && !has_heir { Ok(()) } else { self.add_up_row(item, None) }
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

    fn add_up_row(&mut self, item: i64, stamp: Option<&Stamp>) -> rusqlite::Result<()> {
        let item = self.item_row(item)?;
        self.add_up(&item, stamp)
    }

    /// Computes anew what targets should hold of an item, and makes due what differs. `stamp` is
    /// that of the file which gave the reason.
    fn add_up(&mut self, item: &Item, stamp: Option<&Stamp>) -> rusqlite::Result<()> {
        match sum(self.connection, item.id, item.kind)? {
            Some(sum) => self.reckon(item, &sum, stamp),
            None => self.vanish(item),
        }
    }

    fn reckon(&mut self, item: &Item, sum: &Sum, stamp: Option<&Stamp>) -> rusqlite::Result<()> {
        if sum.version == item.want {
            self.execute(
                "UPDATE item SET source = ?2, seconds = ?3 WHERE id = ?1",
                params![item.id, sum.source, sum.seconds],
            )?;
            return self.reappear(item);
        }
        let changed_ms = stamp.map_or(sum.changed_ms, Stamp::changed_ms);
        self.execute(
            "UPDATE item SET source = ?2, seconds = ?3, want = ?4, want_no = ?5, changed_ms = ?6,
                    indexed_ms = iif(want_no = 0, ?7, indexed_ms)
             WHERE id = ?1",
            params![
                item.id,
                sum.source,
                sum.seconds,
                sum.version,
                self.want_no(item),
                changed_ms,
                sum.indexed_ms()
            ],
        )?;
        // What comes back as it was deleted stays away.
        if !item.is_new && grave::keeps(self.connection, item.id, sum.source, sum.digests())? {
            return Ok(());
        }
        self.make_due(item, sum)
    }

    /// The number of the next version. The clock makes numbers grow over the loss of the outbox, too.
    pub fn want_no(&self, item: &Item) -> i64 {
        self.now_ms.max(item.want_no + 1)
    }

    fn item_row(&self, item: i64) -> rusqlite::Result<Item> {
        self.connection
            .prepare_cached("SELECT id, kind, content, want, want_no FROM item WHERE id = ?1")?
            .query_row(params![item], |row| {
                Ok(Item {
                    id: row.get(0)?,
                    is_new: false,
                    kind: row.get(1)?,
                    content: row.get(2)?,
                    want: row.get(3)?,
                    want_no: row.get(4)?,
                })
            })
    }

    pub fn execute(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
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
