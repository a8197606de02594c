//! What is due next, fetched by the batch together with what there is to know of it: an attempt that
//! had to ask for itself would wait for the commit of those before it.

use std::collections::HashMap;

use crate::id::ContentId;
use crate::outbox::{Due, Parcel};

/// The smallest batch, and the largest. Whatever changes in the outbox throws the rest of one away,
/// so it grows only while nothing does.
const BATCH: (usize, usize) = (8, 256);

/// The next items in the order in which they are due.
#[derive(Debug)]
pub struct Ahead {
    era: u64,
    rows: Vec<Due>,
    parcels: HashMap<i64, Parcel>,
    batch: usize,
}

/// What was known of an item in an era of the outbox, and is to be asked for anew in any other.
#[derive(Debug)]
pub struct Prepared {
    pub parcel: Parcel,
    pub era: u64,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { era: 0, rows: Vec::new(), parcels: HashMap::new(), batch: BATCH.0 }
    }
}

impl Ahead {
    /// Forgets what is not of this era.
    pub fn enter(&mut self, era: u64) {
        if self.era != era {
            *self = Self { era, ..Self::default() };
        }
    }

    pub fn rows(&self) -> &[Due] {
        &self.rows
    }

    /// How many rows to fetch when none are left.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Takes in what was fetched in this era: what may be started now, and whose id is not `aloft`,
    /// since what is written down of that is about to change. Says when the first of the others is
    /// due.
    pub fn refill(
        &mut self,
        fetched: Vec<(Due, Option<Parcel>)>,
        is_due: impl Fn(&Due) -> bool,
        is_aloft: impl Fn(&ContentId) -> bool,
    ) -> Option<i64> {
        self.batch = (2 * self.batch).min(BATCH.1);
        for (due, parcel) in fetched {
            if !is_due(&due) {
                return Some(due.due_ms);
            }
            if !is_aloft(&due.id) {
                self.parcels.extend(parcel.map(|parcel| (due.item, parcel)));
                self.rows.push(due);
            }
        }
        None
    }

    /// An item is started, which may change whatever else is known of its id.
    pub fn take(&mut self, due: &Due) -> Option<Prepared> {
        let prepared = self.parcels.remove(&due.item);
        let Self { rows, parcels, .. } = self;
        rows.retain(|row| {
            let stays = row.id != due.id;
            if !stays {
                parcels.remove(&row.item);
            }
            stays
        });
        prepared.map(|parcel| Prepared { parcel, era: self.era })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;

    fn due(item: i64, id: &str, due_ms: i64) -> Due {
        let (kind, id) = (Kind::Report, id.parse().unwrap());
        Due { item, kind, id, due_ms, failures: 0, strikes: 0 }
    }

    fn items(ahead: &Ahead) -> Vec<i64> {
        ahead.rows().iter().map(|row| row.item).collect()
    }

    fn filled() -> Ahead {
        let mut ahead = Ahead::default();
        ahead.enter(7);
        let rows = [(1, "a", 1), (2, "b", 2), (3, "a", 3), (4, "c", 4), (5, "d", 9), (6, "e", 10)];
        let rows = rows.map(|(item, id, due_ms)| (due(item, id, due_ms), None)).to_vec();
        let next = ahead.refill(rows, |due| due.due_ms < 9, |id| id.as_str() == "c");
        assert_eq!(next, Some(9));
        ahead
    }

    #[test]
    fn only_what_may_start_is_kept_and_an_id_goes_as_a_whole() {
        let mut ahead = filled();
        assert_eq!(items(&ahead), [1, 2, 3]);
        assert!(ahead.take(&due(1, "a", 1)).is_none());
        assert_eq!(items(&ahead), [2]);
    }

    #[test]
    fn another_era_knows_nothing_and_batches_grow_within_one() {
        let mut ahead = filled();
        for _ in 0..9 {
            ahead.refill(Vec::new(), |_| true, |_| false);
        }
        assert_eq!(ahead.batch(), BATCH.1);
        ahead.enter(7);
        assert_eq!((items(&ahead), ahead.batch()), (vec![1, 2, 3], BATCH.1));
        ahead.enter(8);
        assert_eq!((items(&ahead), ahead.batch()), (vec![], BATCH.0));
    }
}
