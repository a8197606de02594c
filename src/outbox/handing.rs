//! What has just become due, on its way to whoever sends it: the last delivery for each target. One that
//! is not taken at once is none of this room's any more; its lane asks for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::model::{Due, Handed, Parcel};

/// The last delivery for each target, by the target's row.
#[derive(Clone, Debug, Default)]
pub struct Handing(Arc<Mutex<HashMap<i64, Handed>>>);

impl Handing {
    /// Hands over what became due in this era, each to its target.
    pub fn put(&self, parcels: Vec<Parcel>, era: u64, now_ms: i64) {
        let handed = parcels.into_iter().map(|parcel| {
            let Parcel { target, item, kind, .. } = parcel;
            let id = parcel.id.clone();
            let due = Due { item, kind, id, due_ms: now_ms, failures: 0, strikes: 0 };
            (target, Handed { era, due, parcel })
        });
        self.lock().extend(handed);
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
