//! What is due next, fetched by the batch together with what there is to know of it: an attempt that
//! had to ask for itself would wait for the commit of those before it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::file::Root;
use crate::id::{ContentId, Kind};
use crate::outbox::{Due, Handed, Parcel};
use crate::watch::SHORT;

/// The smallest batch, and the largest. Whatever changes in the outbox throws the rest of one away,
/// so it grows only while nothing does.
const BATCH: (usize, usize) = (8, 256);
/// So many reports are packed at a time before they are asked for: to wake a thread takes about as
/// long as to pack one.
const PACK: usize = 16;

/// The next items in the order in which they are due.
#[derive(Debug)]
pub struct Ahead {
    era: u64,
    rows: Vec<Due>,
    parcels: HashMap<i64, Fetched>,
    /// Items whose packing is not ordered yet.
    unordered: VecDeque<i64>,
    /// How many are ordered to be packed, and not taken.
    ordered: usize,
    batch: usize,
    /// The last time that nothing was due which was not under way.
    idle: Option<Idle>,
}

#[derive(Clone, Copy, Debug)]
struct Idle {
    era: u64,
    /// When something will be due, in milliseconds since 1970.
    until_ms: Option<i64>,
}

#[derive(Debug)]
struct Fetched {
    parcel: Arc<Parcel>,
    is_ordered: bool,
}

/// What was known of an item in an era of the outbox, and is to be asked for anew in any other.
#[derive(Debug)]
pub struct Prepared {
    pub parcel: Arc<Parcel>,
    pub era: u64,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            era: 0,
            rows: Vec::new(),
            parcels: HashMap::new(),
            unordered: VecDeque::new(),
            ordered: 0,
            batch: BATCH.0,
            idle: None,
        }
    }
}

impl Ahead {
    /// Forgets what is not of this era.
    pub fn enter(&mut self, era: u64) {
        if self.era != era {
            *self = Self { era, idle: self.idle, ..Self::default() };
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
        let later = fetched.iter().find(|(due, _)| !is_due(due)).map(|(due, _)| due.due_ms);
        for (due, parcel) in fetched.into_iter().take_while(|(due, _)| is_due(due)) {
            if !is_aloft(&due.id) {
                self.add(due, parcel);
            }
        }
        self.idle = self.rows.is_empty().then_some(Idle { era: self.era, until_ms: later });
        later
    }

    /// Takes in what was handed over, if it is all that there is, but for what those that are under way
    /// make due: nothing is overtaken by it. Says when the next is due then.
    pub fn take_over(&mut self, handed: Handed, now_ms: i64) -> Option<Option<i64>> {
        let Handed { era, due, parcel } = handed;
        let is_all = |idle: &Idle| {
            era == self.era && era == idle.era + 1 && idle.until_ms.is_none_or(|at| at > now_ms)
        };
        let idle = self.idle.take_if(|idle| is_all(idle))?;
        self.add(due, Some(parcel));
        Some(idle.until_ms)
    }

    fn add(&mut self, due: Due, parcel: Option<Parcel>) {
        if let Some(parcel) = parcel {
            if is_short_report(&parcel) {
                self.unordered.push_back(due.item);
            }
            let fetched = Fetched { parcel: Arc::new(parcel), is_ordered: false };
            self.parcels.insert(due.item, fetched);
        }
        self.rows.push(due);
    }

    /// What is to be packed now, so that it is ready when it is taken; nothing while there is enough
    /// of that.
    pub fn next_to_pack(&mut self) -> Vec<Arc<Parcel>> {
        let mut parcels = Vec::new();
        if self.ordered > PACK / 2 {
            return parcels;
        }
        while parcels.len() < PACK
            && let Some(item) = self.unordered.pop_front()
        {
            if let Some(fetched) = self.parcels.get_mut(&item) {
                fetched.is_ordered = true;
                parcels.push(Arc::clone(&fetched.parcel));
            }
        }
        self.ordered += parcels.len();
        parcels
    }

    /// An item is started, which may change whatever else is known of its id.
    pub fn take(&mut self, due: &Due) -> Option<Prepared> {
        let Self { rows, parcels, ordered, era, .. } = self;
        let mut remove = |item| {
            let fetched: Fetched = parcels.remove(&item)?;
            *ordered -= usize::from(fetched.is_ordered);
            Some(fetched.parcel)
        };
        let prepared = remove(due.item);
        rows.retain(|row| {
            let stays = row.id != due.id;
            if !stays {
                remove(row.item);
            }
            stays
        });
        prepared.map(|parcel| Prepared { parcel, era: *era })
    }
}

fn is_short_report(parcel: &Parcel) -> bool {
    parcel.kind == Kind::Report
        && parcel.source.file.root == Root::Reports
        && parcel.source.stamp.size <= SHORT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{FileRef, Stamp};
    use crate::id::Version;
    use crate::outbox::FileOf;

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

    #[test]
    fn what_is_handed_over_is_taken_only_where_nothing_was_due_before_it() {
        let nothing = |ahead: &mut Ahead| {
            ahead.refill(vec![(due(9, "later", 50), None)], |due| due.due_ms <= 10, |_| false)
        };
        let handed =
            |era| Handed { era, due: due(1, "a", 10), parcel: parcel(1, Root::Reports, 1) };
        for (what, idle_in, now_in, handed_in, now_ms, taken) in [
            ("it is all", Some(4), 5, 5, 10, true),
            ("something else came before it", Some(3), 5, 5, 10, false),
            ("something else came after it", Some(4), 6, 5, 10, false),
            ("it is of another era", Some(5), 5, 5, 10, false),
            ("what was to come has come", Some(4), 5, 5, 50, false),
            ("nobody has looked", None, 5, 5, 10, false),
        ] {
            let mut ahead = Ahead::default();
            if let Some(era) = idle_in {
                ahead.enter(era);
                assert_eq!(nothing(&mut ahead), Some(50));
            }
            ahead.enter(now_in);
            let later = ahead.take_over(handed(handed_in), now_ms);
            assert_eq!(later, taken.then_some(Some(50)), "{what}");
            assert_eq!(items(&ahead), if taken { vec![1] } else { vec![] }, "{what}");
            if taken {
                assert_eq!(ahead.next_to_pack().len(), 1);
                assert!(ahead.take(&due(1, "a", 10)).is_some_and(|known| known.era == now_in));
                assert!(ahead.take_over(handed(5), now_ms).is_none(), "others may be due by now");
            }
        }
        // What waits for its turn was there before.
        let mut ahead = filled();
        ahead.enter(8);
        assert!(ahead.take_over(handed(8), 10).is_none());
    }

    fn parcel(item: i64, root: Root, size: i64) -> Parcel {
        let id: ContentId = format!("id{item}").parse().unwrap();
        let stamp = Stamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0 };
        let (want, kind) = (Version::of(b"x"), Kind::Report);
        Parcel {
            target: 1,
            item,
            kind,
            id,
            want,
            want_no: 1,
            changed_ms: 0,
            indexed_ms: 0,
            known: false,
            holds: None,
            source: FileOf { file: FileRef::new(root, item.to_string()), stamp },
            variants: Vec::new(),
            taken: Vec::new(),
            digest: want,
            audio_url: None,
            audio_seconds: None,
        }
    }

    #[test]
    fn short_reports_are_packed_before_their_turn_some_at_a_time() {
        let mut ahead = Ahead::default();
        ahead.enter(1);
        let many = 3 * PACK as i64;
        let fetch = |item: i64| {
            let (root, size) = match item {
                1 => (Root::Reports, SHORT + 1),
                2 => (Root::Rows, 1),
                _ => (Root::Reports, SHORT),
            };
            (due(item, &format!("id{item}"), 0), Some(parcel(item, root, size)))
        };
        ahead.refill((0..many).map(fetch).collect(), |_| true, |_| false);
        let next = |ahead: &mut Ahead| -> Vec<i64> {
            ahead.next_to_pack().iter().map(|parcel| parcel.item).collect()
        };
        let first: Vec<i64> = [0].into_iter().chain(3..=PACK as i64 + 1).collect();
        assert_eq!(next(&mut ahead), first);
        assert!(next(&mut ahead).is_empty(), "there is enough of it");
        let mut taken = 0;
        let second = loop {
            let due = ahead.rows()[0].clone();
            let prepared = ahead.take(&due).expect("its parcel was fetched");
            assert_eq!(prepared.parcel.item, due.item);
            taken += usize::from(first.contains(&due.item));
            let more = next(&mut ahead);
            if !more.is_empty() {
                break more;
            }
        };
        assert_eq!(taken, PACK / 2, "half of them are left");
        assert_eq!(second.len(), PACK);
        assert_eq!(second[0], PACK as i64 + 2);
        ahead.enter(2);
        assert!(next(&mut ahead).is_empty());
    }
}
