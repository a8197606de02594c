//! What has just become due, on its way to whoever sends it: the last delivery for each target. One that
//! is not taken at once is none of this room's any more; its lane asks for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::lane;
use super::model::{Due, Handed, Recorded, Wanted};

/// The last delivery for each target, by the target's row.
#[derive(Clone, Debug, Default)]
pub struct Handing(Arc<Mutex<HashMap<i64, Handed>>>);

impl Handing {
    /// What to hand over of what was recorded in this era: what is the only thing that became due for its
    /// target. What the target has had before needs a [note](super::Outbox::parcel) first, and is not
    /// handed over.
    pub fn look(
        connection: &Connection,
        recorded: &Recorded,
        era: u64,
        now_ms: i64,
    ) -> rusqlite::Result<Vec<Handed>> {
        let mut all = Vec::new();
        for Wanted { row, item, kind, id, .. } in alone(&recorded.wanted) {
            let Some(parcel) = lane::first_parcel(connection, *row, *item)? else { continue };
            let (item, kind, id) = (*item, *kind, id.clone());
            let due = Due { item, kind, id, due_ms: now_ms, failures: 0, strikes: 0 };
            all.push(Handed { era, due, parcel });
        }
        Ok(all)
    }

    /// Hands them over, each to its target.
    pub fn put(&self, handed: Vec<Handed>) {
        let mut waiting = self.lock();
        waiting.extend(handed.into_iter().map(|handed| (handed.parcel.target, handed)));
    }

    /// Takes what was handed over for a target.
    pub fn take(&self, target: i64) -> Option<Handed> {
        self.lock().remove(&target)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Handed>> {
        // Each change is one step, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that are the only ones to be sent to their target.
fn alone(wanted: &[Wanted]) -> impl Iterator<Item = &Wanted> {
    let due = || wanted.iter().filter(|wanted| !wanted.waits);
    due().filter(move |wanted| due().filter(|other| other.row == wanted.row).count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;

    #[test]
    fn only_what_a_target_is_to_be_sent_alone_is_handed_over() {
        let wanted = |row: i64, kind: Kind, waits: bool| Wanted {
            row,
            target: format!("target {row}"),
            item: row,
            kind,
            id: "id".parse().unwrap(),
            waits,
        };
        let (report, audio) = (Kind::Report, Kind::Audio);
        for (wanted, expected) in [
            (vec![], vec![]),
            (vec![wanted(1, report, false)], vec![1]),
            (vec![wanted(1, report, false), wanted(2, report, false)], vec![1, 2]),
            (vec![wanted(1, report, false), wanted(1, audio, true)], vec![1]),
            (vec![wanted(1, report, false), wanted(1, audio, false)], vec![]),
            (vec![wanted(1, audio, true)], vec![]),
        ] {
            let rows: Vec<i64> = alone(&wanted).map(|wanted| wanted.row).collect();
            assert_eq!(rows, expected);
        }
    }
}
