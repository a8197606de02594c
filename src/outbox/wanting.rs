//! What every target is told to want of an item, now that its files say something else.

use rusqlite::{OptionalExtension, params};

use super::level::{Desk, Hear, Item};
use super::model::{FileOf, Parcel, Recorded, SendVariant, Vanished, Wanted};
use super::sql::State;
use super::sum::Sum;
use super::summaries;
use crate::contract::audio_public_url;
use crate::id::{Kind, Version};

impl Desk<'_> {
    /// Nothing on the disk gives what is wanted: what was not delivered cannot be any more.
    pub fn vanish(&mut self, item: &Item) -> rusqlite::Result<()> {
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
    pub fn reappear(&mut self, item: &Item) -> rusqlite::Result<()> {
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
                self.say_wanted(target, name, item, state);
                self.execute(
                    "UPDATE delivery SET state = ?3, due_ms = ?4, failures = 0, strikes = 0
                     WHERE target = ?1 AND item = ?2",
                    params![target, item.id, state, self.now_ms],
                )
            })
    }

    /// Says what every target is to be sent of an item that none of them has had any of. There is no audio
    /// of it: that belongs to a report which was there before.
    pub fn announce(
        &self,
        hear: Hear<'_>,
        item: &Item,
        of: &FileOf,
        sum: &Sum,
        variants: &[SendVariant],
    ) -> rusqlite::Result<()> {
        let mut early = Recorded { new_files: 1, ..Recorded::default() };
        let mut parcels = Vec::new();
        for (row, target) in self.targets()? {
            let (kind, id) = (item.kind, item.content.clone());
            parcels.push(Parcel {
                target: row,
                item: item.id,
                kind,
                id: id.clone(),
                want: sum.version,
                want_no: self.want_no(item),
                changed_ms: of.stamp.changed_ms(),
                indexed_ms: sum.indexed_ms(),
                known: false,
                holds: None,
                source: of.clone(),
                variants: variants.to_vec(),
                taken: Vec::new(),
                digest: sum.digest,
                audio_url: None,
                audio_seconds: None,
            });
            early.wanted.push(Wanted { row, target, item: item.id, kind, id, waits: false });
        }
        hear(early, parcels);
        Ok(())
    }

    /// Tells every target's row of an item that another version is wanted.
    pub fn make_due(&mut self, item: &Item, sum: &Sum) -> rusqlite::Result<()> {
        for (target, name) in self.targets()? {
            if self.adopt {
                self.adopt(target, item, sum)?;
                continue;
            }
            let holds = !item.is_new && self.holds(target, item, sum)?;
            let state = if holds { State::Current } else { self.open_state(target, item)? };
            self.say_wanted(target, name, item, state);
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

    /// Every target's row, and its name.
    pub fn targets(&self) -> rusqlite::Result<Vec<(i64, String)>> {
        self.connection
            .prepare_cached("SELECT id, name FROM target")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    fn say_wanted(&mut self, row: i64, target: String, item: &Item, state: State) {
        let waits = match state {
            State::Due => false,
            State::WaitsForReport => true,
            State::Current | State::Parked | State::Vanished | State::Dropped => return,
        };
        let (kind, id) = (item.kind, item.content.clone());
        self.recorded.wanted.push(Wanted { row, target, item: item.id, kind, id, waits });
    }

    /// Takes a target to hold what is wanted. Its audio lies where the dashboard always puts it
    /// (contract D), which later sends of the report must say.
    pub fn adopt(&self, target: i64, item: &Item, sum: &Sum) -> rusqlite::Result<()> {
        let (fields, taken, public_url) = match &sum.summaries {
            Some(taken) => (Some(sum.digest), Some(summaries::pack(taken)), None),
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
    pub fn holds(&self, target: i64, item: &Item, sum: &Sum) -> rusqlite::Result<bool> {
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
        let nothing_to_send = sum.summaries.as_ref().is_some_and(|variants| {
            fields == Some(sum.digest)
                && variants.iter().all(|(name, digest)| taken.get(name) == Some(digest))
        });
        Ok(known == Some(sum.version) || nothing_to_send)
    }

    /// Due, but for audio whose report the target has not acknowledged.
    pub fn open_state(&self, target: i64, item: &Item) -> rusqlite::Result<State> {
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
}
