//! What attempts came to, on its way into the outbox: one commit at a time, each with all that has
//! come since the last began.

use std::sync::Arc;

use crate::id::ContentId;
use crate::outbox::Settlement;

/// What one commit writes down, and which ids go on then.
pub type Batch = (Vec<ContentId>, Arc<[Settlement]>);

/// What waits to be written down.
#[derive(Debug, Default)]
pub struct Settling {
    waiting: Vec<(ContentId, Settlement)>,
    writing: bool,
}

impl Settling {
    pub fn add(&mut self, id: ContentId, settlement: Settlement) {
        self.waiting.push((id, settlement));
    }

    /// What is to be written down now; nothing while something is.
    pub fn next(&mut self) -> Option<Batch> {
        if self.writing || self.waiting.is_empty() {
            return None;
        }
        self.writing = true;
        let (ids, settlements): (_, Vec<_>) = self.waiting.drain(..).unzip();
        Some((ids, settlements.into()))
    }

    /// The last batch is in the outbox.
    pub fn written(&mut self) {
        self.writing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;
    use crate::outbox::Outcome;

    #[test]
    fn what_comes_while_something_is_written_down_goes_together() {
        let mut settling = Settling::default();
        let add = |settling: &mut Settling, item: i64| {
            let outcome = Outcome::Changed { due_ms: 0 };
            let id: ContentId = format!("id{item}").parse().unwrap();
            let settlement = Settlement {
                target: 1,
                item,
                kind: Kind::Report,
                id: id.clone(),
                sent_no: 1,
                at_ms: 0,
                status: None,
                outcome,
            };
            settling.add(id, settlement);
        };
        assert!(settling.next().is_none());
        add(&mut settling, 1);
        let items = |batch: Option<Batch>| {
            batch.map(|(ids, all)| {
                assert_eq!(ids.len(), all.len());
                all.iter().map(|settlement| settlement.item).collect::<Vec<_>>()
            })
        };
        assert_eq!(items(settling.next()), Some(vec![1]));
        add(&mut settling, 2);
        add(&mut settling, 3);
        assert_eq!(items(settling.next()), None);
        settling.written();
        assert_eq!(items(settling.next()), Some(vec![2, 3]));
        settling.written();
        assert_eq!(items(settling.next()), None);
    }
}
