//! Watches a history as it is played, and says what should not have been.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::dashboard::{Dashboard, Request};
use super::disk::{Content, Disk, audio_bytes, content_id, named_audio, text, title};
use super::history::{Fate, History, Mode, variant_name};
use super::world::{PARK_AFTER, Tally};
use crate::contract::{VISIBLE_VARIANTS, audio_public_url};
use crate::delivery::{Answer, Verdict};
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind, Version};
use crate::outbox::{Due, Finding, Found, Outcome, Parcel, Settled, Settlement};

/// The longest that a sound item may wait for poison beside it, and for its turn.
const CALM_MS: i64 = 30_000;
/// After how many acknowledgements without proof, at the earliest, an item may be flagged.
const UNPROVEN_MIN: u32 = 3;

type Key = (Kind, ContentId);

pub struct Judge {
    pub tally: Tally,
    /// When anything was last done to a request, or to the target.
    pub last_trouble_ms: i64,
    calm: bool,
    outages: u32,
    poison: BTreeSet<Key>,
    /// Ids with a request of this life that is not settled.
    aloft: BTreeSet<ContentId>,
    /// Those of them that have no answer yet.
    waiting: BTreeSet<ContentId>,
    /// How many those may be.
    at_once: usize,
    /// The number and the version that were sent last.
    sent: BTreeMap<Key, (i64, Version)>,
    indexed: BTreeMap<ContentId, i64>,
    /// What is known to be held, and was not sent another version of since.
    held: BTreeMap<i64, Version>,
    /// Failures in a row, of a version, that chance has caused.
    bad_luck: BTreeMap<Key, (Version, u32)>,
    /// Items whose last answer was that nobody is let in.
    denied: BTreeSet<i64>,
    untouched: Option<Counts>,
    /// The files as the intake has told of them; nothing of those that are no good.
    files: BTreeMap<FileRef, Option<Filed>>,
    lost_a_file: BTreeSet<Key>,
    /// Ids that had a report. Before that, audio is nobody's.
    reported: BTreeSet<ContentId>,
    /// What looked like poison and was none.
    lookalikes: BTreeSet<Key>,
    mode: Mode,
    outage: Outage,
    silence: bool,
}

/// A file as the intake has told of it.
#[derive(Clone)]
struct Filed {
    key: Key,
    /// How new it is: when it was made, when it was written.
    age: (i64, i64),
    inode: i64,
    /// When it was found to be there as it is.
    found_ms: i64,
    /// Whether its id may go by it: not when it lay beside a newer one that went away.
    counts: bool,
}

#[derive(Default)]
struct Outage {
    since_ms: i64,
    requests: i64,
    lives: i64,
    looks: i64,
}

/// What an attempt may change of a row.
#[derive(Clone, Debug, PartialEq)]
struct Counts {
    wanted: i64,
    state: i64,
    due_ms: i64,
    failures: i64,
    strikes: i64,
}

/// How an item stands.
struct Row {
    key: Key,
    state: i64,
    has_source: bool,
    known: bool,
}

const CURRENT: i64 = 0;
const DUE: i64 = 1;
const WAITS: i64 = 2;
const PARKED: i64 = 3;
const VANISHED: i64 = 4;

macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+));
        }
    };
}

impl Judge {
    pub fn new(history: &History) -> Self {
        let poison = history.poison.iter().map(|(kind, id, _)| (*kind, content_id(*id)));
        Self {
            tally: Tally::default(),
            last_trouble_ms: 0,
            calm: history.is_calm(),
            outages: history.outages(),
            poison: poison.collect(),
            aloft: BTreeSet::new(),
            waiting: BTreeSet::new(),
            at_once: 0,
            sent: BTreeMap::new(),
            indexed: BTreeMap::new(),
            held: BTreeMap::new(),
            bad_luck: BTreeMap::new(),
            denied: BTreeSet::new(),
            untouched: None,
            files: BTreeMap::new(),
            lost_a_file: BTreeSet::new(),
            reported: BTreeSet::new(),
            lookalikes: BTreeSet::new(),
            mode: Mode::Up,
            outage: Outage::default(),
            silence: false,
        }
    }

    // --- as it happens

    /// An attempt begins. From here on the target may hold what it is about, even if the files turn
    /// out to have changed again and nothing is sent.
    pub fn attempts(&mut self, parcel: &Parcel) {
        if self.held.get(&parcel.item) != Some(&parcel.want) {
            self.held.remove(&parcel.item);
        }
    }

    /// A request is about to be sent. Gives what becomes of it: no item may have so much bad luck
    /// that it would look like poison.
    pub fn sends(
        &mut self,
        due: &Due,
        parcel: &Parcel,
        fate: Fate,
        mode: Mode,
        now: i64,
    ) -> Result<Fate, String> {
        let key = (parcel.kind, parcel.id.clone());
        let name = format!("the {} of {}", parcel.kind, parcel.id);
        let poisonous = self.poison.contains(&key);
        self.takes_off(due)?;
        let (no, want) = (parcel.want_no, parcel.want);
        if let Some((last_no, last)) = self.sent.insert(key.clone(), (no, want)) {
            ensure!(no >= last_no, "{name} went from number {last_no} back to {no}");
            ensure!(no > last_no || want == last, "{name} has two versions of number {no}");
        }
        if parcel.kind == Kind::Report {
            let indexed = *self.indexed.entry(parcel.id.clone()).or_insert(parcel.indexed_ms);
            ensure!(indexed == parcel.indexed_ms, "{name} moved to the top");
        }
        let (source, newest) = (&parcel.source.file, self.newest(&key));
        ensure!(newest == Some(source), "{name} goes by {source}, and not by {newest:?}");
        ensure!(self.held.get(&due.item) != Some(&want), "{name} was sent again without a change");
        ensure!(!self.silence || poisonous, "{name} was sent after everything was delivered");
        self.tally.saw(format!("{mode:?}"));

        if mode.is_outage() {
            self.outage.requests += 1;
            self.last_trouble_ms = now;
            return Ok(fate);
        }
        let luck = self.bad_luck.entry(key).or_insert((want, 0));
        if luck.0 != want {
            *luck = (want, 0);
        }
        let most = if fate.is_unproven() { UNPROVEN_MIN } else { PARK_AFTER - 2 };
        let fate = match fate {
            fate if poisonous || !fate.is_failure() => fate,
            _ if luck.1 >= most.saturating_sub(2 * self.outages) => Fate::Fine,
            fate => {
                luck.1 += 1;
                fate
            }
        };
        if fate != Fate::Fine {
            self.last_trouble_ms = now;
            let word = fate.to_string();
            self.tally.saw(word.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default());
        }
        Ok(fate)
    }

    /// The same of what was handed over, and is not recorded any more: the outbox knows nothing of it.
    pub fn sends_undone(&mut self, due: &Due) -> Result<(), String> {
        self.takes_off(due)
    }

    fn takes_off(&mut self, due: &Due) -> Result<(), String> {
        ensure!(self.aloft.insert(due.id.clone()), "two requests for {} at once", due.id);
        self.waiting.insert(due.id.clone());
        let (now_waiting, most) = (self.waiting.len(), self.at_once);
        ensure!(now_waiting <= most, "{now_waiting} requests at once, and {most} are allowed");
        Ok(())
    }

    /// The target has done what a request asked for.
    pub fn done(&mut self, request: &Request, answer: Option<&Answer>) -> Result<(), String> {
        let superseded = |answer: &&Answer| answer.body.windows(10).any(|w| w == b"superseded");
        if answer.filter(superseded).is_some() {
            self.tally.saw("superseded");
        }
        let key = (request.kind(), request.id.clone());
        ensure!(!self.poison.contains(&key), "poison was taken");
        Ok(())
    }

    /// The sender has heard what came of a request.
    pub fn verdict(&mut self, due: &Due, verdict: &Verdict) {
        if matches!(verdict, Verdict::Denied(_) | Verdict::Misdirected(_)) {
            self.denied.insert(due.item);
        } else {
            self.denied.remove(&due.item);
        }
    }

    /// A settlement is about to be written.
    pub fn settles(
        &mut self,
        outbox: &Connection,
        settlement: &Settlement,
        now: i64,
    ) -> Result<(), String> {
        let item = settlement.item;
        if self.denied.remove(&item) {
            ensure!(
                matches!(settlement.outcome, Outcome::Untouched { .. }),
                "who is not let in had it counted against him: {settlement:?}"
            );
        }
        // What is said of a version that is not wanted any more says nothing of the one that is.
        let counts = counts(outbox, item);
        self.untouched = match settlement.outcome {
            Outcome::Delivered { .. } | Outcome::Superseded { .. } => None,
            Outcome::Untouched { .. } => Some(counts.clone()),
            _ => (counts.wanted != settlement.sent_no).then_some(counts.clone()),
        };
        let key = key_of(outbox, item);
        if let Outcome::Parked { error } = &settlement.outcome {
            self.tally.saw("parked");
            // Alone, at a target that says that it is well: nobody could tell it from poison.
            let alone = standing(outbox).iter().all(|row| row.key == key || row.state != DUE);
            if alone && self.mode == Mode::Blind {
                self.lookalikes.insert(key.clone());
            }
            let excused = self.poison.contains(&key) || self.lookalikes.contains(&key);
            ensure!(excused, "the {} of {} was parked: {error}", key.0, key.1);
        }
        if let Outcome::Delivered { .. } = settlement.outcome {
            let born = counts.due_ms;
            ensure!(
                !self.calm || now - born <= CALM_MS,
                "the {} of {} waited for {} ms",
                key.0,
                key.1,
                now - born
            );
            self.bad_luck.remove(&key);
        }
        Ok(())
    }

    /// A settlement was written.
    pub fn settled(
        &mut self,
        outbox: &Connection,
        settlement: &Settlement,
        settled: Settled,
    ) -> Result<(), String> {
        let item = settlement.item;
        if let Some(before) = self.untouched.take() {
            let mut after = counts(outbox, item);
            if let Outcome::Untouched { due_ms: Some(_), .. } = settlement.outcome {
                // The target said when; that is all that may differ.
                after.due_ms = before.due_ms;
            }
            ensure!(before == after, "{:?} counted: {before:?}, {after:?}", settlement.outcome);
        }
        if let (Outcome::Delivered { version, .. }, Settled::Level) = (&settlement.outcome, settled)
        {
            self.held.insert(item, *version);
        }
        self.rows(outbox)
    }

    /// The target is back.
    pub fn resumed(&self, outbox: &Connection, now: i64) -> Result<(), String> {
        let waiting: i64 = outbox
            .prepare_cached(
                "SELECT count(*) FROM delivery WHERE state = 1 AND strikes = 0 AND due_ms > ?1",
            )
            .and_then(|mut rows| rows.query_row([now], |row| row.get(0)))
            .map_err(|error| error.to_string())?;
        ensure!(waiting == 0, "{waiting} wait on the account of a target that is back");
        Ok(())
    }

    /// A request has come to its end, or was never made.
    pub fn answered(&mut self, id: &ContentId) {
        self.waiting.remove(id);
    }

    /// How many requests wait for their answer.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The daemon starts, and may have so many requests at once.
    pub fn life_begins(&mut self, at_once: usize) {
        self.at_once = at_once;
    }

    /// An attempt is over and settled.
    pub fn landed(&mut self, id: &ContentId) {
        self.aloft.remove(id);
    }

    pub fn life_ends(&mut self) {
        self.tally.saw("death");
        if !self.aloft.is_empty() {
            self.tally.saw("death in flight");
        }
        self.aloft.clear();
        self.waiting.clear();
        self.denied.clear();
        self.outage.lives += 1;
    }

    pub fn outbox_lost(&mut self) {
        self.held.clear();
        self.files.clear();
        self.lost_a_file.clear();
        self.reported.clear();
        self.indexed.clear();
        self.sent.clear();
    }

    pub fn silence_begins(&mut self) {
        self.silence = true;
    }

    /// The target gets well, or falls ill.
    pub fn turns(&mut self, from: Mode, to: Mode, now: i64) -> Result<(), String> {
        let Outage { since_ms, requests, lives, looks } = std::mem::take(&mut self.outage);
        self.outage.since_ms = now;
        self.mode = to;
        if from == Mode::Up {
            return Ok(());
        }
        self.last_trouble_ms = now;
        if !from.is_outage() {
            return Ok(());
        }
        let most = 12 * (lives + 1) + 8 * looks + (now - since_ms) / 60_000;
        ensure!(
            requests <= most,
            "{requests} requests in {} ms of {from:?} before {to:?}, at most {most}",
            now - since_ms
        );
        Ok(())
    }

    // --- what is recorded

    pub fn recorded_names(&self) -> Vec<FileRef> {
        self.files.keys().cloned().collect()
    }

    /// Findings were taken in.
    pub fn recorded(&mut self, findings: &[Finding], now: i64) {
        self.outage.looks += 1;
        for Finding { file, found } in findings {
            let was = self.files.remove(file).flatten();
            let (key, made_ms, stamp) = match found {
                Found::Report(stamp, facts) => {
                    self.reported.insert(facts.id.clone());
                    ((Kind::Report, facts.id.clone()), facts.made_ms, stamp)
                }
                Found::Audio(stamp, facts) => {
                    let id = self.meant(&facts.keys[0], was.as_ref());
                    ((Kind::Audio, id), facts.made_ms, stamp)
                }
                Found::Problem(..)
                | Found::Obstacle(..)
                | Found::NotOurs(..)
                | Found::Deleted(..) => {
                    self.gives_way(was, now, now);
                    self.files.insert(file.clone(), None);
                    continue;
                }
                Found::Gone(until) => {
                    self.gives_way(was, *until, now);
                    continue;
                }
            };
            let (age, inode) = ((made_ms, stamp.mtime_ns), stamp.inode);
            let mut filed = Filed { key, age, inode, found_ms: now, counts: true };
            match was {
                Some(was) if was.key != filed.key || was.age > age => {
                    self.gives_way(Some(was), now, now);
                }
                // Whatever else changed of it, nobody put it there anew.
                Some(was) if was.age == age && was.inode == inode => filed = was,
                _ => {}
            }
            if filed.key.0 == Kind::Report {
                self.takes_its_audio(file, &filed.key.1, now);
            }
            self.files.insert(file.clone(), Some(filed));
        }
    }

    /// The id that the name of an audio file means: one that it says, or that of the report after
    /// whose file it is named.
    fn meant(&self, key: &str, was: Option<&Filed>) -> ContentId {
        let said = (0..=255).map(content_id).find(|id| id.bare() == key);
        let report = FileRef::new(Root::Reports, format!("{key}.json"));
        let named = self.files.get(&report).and_then(Option::as_ref).or(was);
        said.or(named.map(|filed| filed.key.1.clone())).unwrap_or_else(nobody)
    }

    /// What is named after a report's file is the audio of its id, whatever that was before.
    fn takes_its_audio(&mut self, report: &FileRef, id: &ContentId, now: i64) {
        let audio = named_audio(&report.stem());
        let Some(Some(was)) = self.files.get(&audio).cloned() else { return };
        if was.key.1 == *id {
            return;
        }
        let found_ms = if was.key.1 == nobody() { was.found_ms } else { now };
        self.files.remove(&audio);
        let filed = Filed { key: (Kind::Audio, id.clone()), found_ms, counts: true, ..was };
        self.gives_way(Some(was), now, now);
        self.files.insert(audio, Some(filed));
    }

    /// A file is not what its id went by until a moment, if it was: nothing that lay beside it then
    /// comes in its place, but for what is as new.
    fn gives_way(&mut self, was: Option<Filed>, until: i64, now: i64) {
        let Some(was) = was.filter(|was| self.reported.contains(&was.key.1)) else { return };
        self.lost_a_file.insert(was.key.clone());
        let others = || self.files.values().flatten().filter(|other| other.key == was.key);
        if !was.counts || others().any(|other| other.counts && other.age >= was.age) {
            return;
        }
        for other in self.files.values_mut().flatten().filter(|other| other.key == was.key) {
            other.counts &= other.found_ms >= until && other.found_ms <= now;
        }
    }

    /// The file that an id goes by: the newest of those that count.
    fn newest(&self, key: &Key) -> Option<&FileRef> {
        let filed = self.files.iter().filter_map(|(name, filed)| Some((name, filed.as_ref()?)));
        filed
            .filter(|(_, filed)| filed.counts && filed.key == *key)
            .max_by_key(|(name, filed)| (filed.age, *name))
            .map(|(name, _)| name)
    }

    // --- what the rows say

    /// The rows agree with each other.
    pub fn rows(&mut self, outbox: &Connection) -> Result<(), String> {
        let wrong = outbox
            .prepare_cached(
                "SELECT count(*), max(kind || ' ' || content || ' in state ' || state)
                 FROM delivery JOIN item ON item.id = delivery.item
                 WHERE (state = 0) <> coalesce(known = want AND known_no IS NOT NULL, 0)
                    OR (state IN (1, 2, 3) AND source IS NULL)
                    OR (state = 2 AND kind = 0)",
            )
            .and_then(|mut wrong| {
                wrong.query_row([], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
                })
            })
            .map_err(|error| error.to_string())?;
        ensure!(wrong.0 == 0, "rows contradict themselves: {}", wrong.1.unwrap_or_default());
        Ok(())
    }

    /// Whether nothing sound is to be delivered any more.
    pub fn is_level(&self, outbox: &Connection) -> bool {
        let rows = standing(outbox);
        rows.iter().all(|row| match row.state {
            DUE => self.poison.contains(&row.key),
            WAITS => !is_known(&rows, &row.key.1),
            _ => true,
        })
    }

    /// The target is level with the disk, as far as anything is sound.
    pub fn end(
        &mut self,
        outbox: &Connection,
        disk: &Disk,
        dashboard: &Dashboard,
    ) -> Result<(), String> {
        self.rows(outbox)?;
        let rows = standing(outbox);
        for row in &rows {
            let (kind, id) = &row.key;
            if self.poison.contains(&row.key) {
                continue;
            }
            let name = format!("the {kind} of {id}");
            let state = row.state;
            if state == PARKED && self.lookalikes.contains(&row.key) {
                continue;
            }
            let waits_for_ever = state == WAITS && !is_known(&rows, id);
            ensure!(
                matches!(state, CURRENT | VANISHED) || waits_for_ever,
                "{name} is in state {state} at the end"
            );
            let lost_a_file = self.lost_a_file.contains(&row.key);
            ensure!(
                row.has_source || lost_a_file,
                "{name} has no file, though none was taken away"
            );
            let newest = self.newest(&row.key);
            ensure!(
                row.has_source == newest.is_some(),
                "{name} has {} file, though it goes by {newest:?}",
                if row.has_source { "a" } else { "no" }
            );
            ensure!(state != VANISHED || lost_a_file, "{name} has vanished by itself");
            if state == CURRENT {
                self.holds(row, lost_a_file, disk, dashboard)
                    .map_err(|error| format!("{name}: {error}"))?;
            }
        }
        // Whatever lies on the disk has its row.
        for (file, on_disk) in &disk.files {
            let key = match (&on_disk.content, self.files.get(file)) {
                (Content::Garbage, _) => continue,
                (_, Some(Some(filed))) => filed.key.clone(),
                _ => return Err(format!("nobody was told of {file}")),
            };
            let report = (Kind::Report, key.1.clone());
            let orphan = key.0 == Kind::Audio && !rows.iter().any(|row| row.key == report);
            ensure!(orphan || rows.iter().any(|row| row.key == key), "{file} was overlooked");
        }
        Ok(())
    }

    /// The target holds what the disk says of an item that counts as delivered.
    fn holds(
        &self,
        row: &Row,
        lost_a_file: bool,
        disk: &Disk,
        dashboard: &Dashboard,
    ) -> Result<(), String> {
        let (kind, id) = &row.key;
        let held = dashboard.rows.get(id).ok_or("the target has no record")?;
        let mut files: Vec<_> = disk
            .files
            .iter()
            .filter_map(|(name, file)| {
                let Content::Report { id: of, made_ms, .. } = &file.content else { return None };
                let age = (*made_ms, file.stamp.mtime_ns, name);
                (content_id(*of) == *id).then_some((age, &file.content))
            })
            .collect();
        files.sort_by(|a, b| b.0.cmp(&a.0));
        if *kind == Kind::Audio {
            let url = Some(audio_public_url(id.as_str()));
            ensure!(held.has_audio && held.audio_url == url, "the record forgot it: {held:?}");
        }
        let Some(newest) = self.newest(&row.key) else { return Ok(()) };
        match &disk.files.get(newest).ok_or("no file, though the item has one")?.content {
            Content::Audio { bytes, .. } => {
                let held = dashboard.audio.get(id).ok_or("no audio")?;
                ensure!(held.bytes == audio_bytes(*bytes), "other bytes");
            }
            Content::Report { fields, .. } => {
                ensure!(held.title == title(*fields), "{} is not f{fields}", held.title);
                let mut wanted = BTreeMap::new();
                for (_, content) in &files {
                    let Content::Report { variants, .. } = content else { continue };
                    for (letter, number) in variants {
                        wanted.entry(*letter).or_insert(*number);
                    }
                }
                for (letter, number) in &wanted {
                    let held = held.variants.get(variant_name(*letter));
                    // A text may outlive the file that brought it.
                    let good = match held {
                        Some(held) => lost_a_file || *held == text(*letter, *number),
                        None => false,
                    };
                    ensure!(good, "{} is {held:?}, not {number}", variant_name(*letter));
                }
                let seen = VISIBLE_VARIANTS.iter().any(|name| held.variants.contains_key(*name));
                ensure!(seen || wanted.is_empty(), "nobody would see it");
            }
            Content::Garbage => {}
        }
        Ok(())
    }
}

/// Whose audio is that of a report that was never seen.
fn nobody() -> ContentId {
    "nobody".parse().expect("an id")
}

fn is_known(rows: &[Row], id: &ContentId) -> bool {
    rows.iter().any(|row| row.key == (Kind::Report, id.clone()) && row.known)
}

fn standing(outbox: &Connection) -> Vec<Row> {
    outbox
        .prepare_cached(
            "SELECT kind, content, state, source IS NOT NULL, known IS NOT NULL
             FROM delivery JOIN item ON item.id = delivery.item",
        )
        .and_then(|mut rows| {
            rows.query_map([], |row| {
                Ok(Row {
                    key: (row.get(0)?, row.get(1)?),
                    state: row.get(2)?,
                    has_source: row.get(3)?,
                    known: row.get(4)?,
                })
            })?
            .collect()
        })
        .expect("rows can be read")
}

fn key_of(outbox: &Connection, item: i64) -> Key {
    outbox
        .prepare_cached("SELECT kind, content FROM item WHERE id = ?1")
        .and_then(|mut row| row.query_row([item], |row| Ok((row.get(0)?, row.get(1)?))))
        .expect("the item is there")
}

fn counts(outbox: &Connection, item: i64) -> Counts {
    outbox
        .prepare_cached(
            "SELECT want_no, state, due_ms, failures, strikes
             FROM delivery JOIN item ON item.id = item WHERE item = ?1",
        )
        .and_then(|mut row| {
            row.query_row([item], |row| {
                Ok(Counts {
                    wanted: row.get(0)?,
                    state: row.get(1)?,
                    due_ms: row.get(2)?,
                    failures: row.get(3)?,
                    strikes: row.get(4)?,
                })
            })
        })
        .expect("the row is there")
}
