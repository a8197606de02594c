//! Reports that are packed before it is their turn, several in one thread: to wake one for each takes
//! about as long as to pack it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::parcel::{Packed, Shelf, Unpacked, pack};
use super::second_look;
use crate::config::Config;
use crate::file::FileRef;
use crate::outbox::Parcel;
use crate::watch::Questions;

/// What becomes of a report that is being packed. Closed, when nobody will pack it.
pub type Awaited = oneshot::Receiver<Result<Packed, Unpacked>>;

/// What is being packed, or waits to be sent.
#[derive(Debug, Default)]
pub struct Packing(HashMap<i64, (Arc<Parcel>, Awaited)>);

impl Packing {
    /// Begins to pack reports for the dashboard's endpoint, in this order.
    pub fn begin(&mut self, parcels: Vec<Arc<Parcel>>, config: Arc<Config>, questions: Questions) {
        // What nobody else knows of any more is not taken any more.
        self.0.retain(|_, (parcel, _)| Arc::strong_count(parcel) > 1);
        let files: Arc<[FileRef]> =
            parcels.iter().map(|parcel| parcel.source.file.clone()).collect();
        let mut jobs = Vec::new();
        for parcel in parcels {
            let (reply, awaited) = oneshot::channel();
            jobs.push((Arc::clone(&parcel), reply));
            self.0.insert(parcel.item, (parcel, awaited));
        }
        let desk = Mutex::new((jobs.into_iter(), Shelf::default()));
        tokio::spawn(async move {
            let pack_next = move |_: &FileRef, pulse: &_| {
                let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
                let (jobs, shelf) = &mut *desk;
                let Some((parcel, reply)) = jobs.next() else { return };
                let with_texts = second_look::is_chosen(config.verify.mode, parcel.want);
                let packed = pack(&parcel, 0, with_texts, |of| shelf.read(of, &config, pulse));
                let _not_wanted_any_more = reply.send(packed);
            };
            // Whatever is not packed is asked for again, by itself, and found to be at fault or not.
            let _given_up = questions.ask_each(&files, pack_next).await;
        });
    }

    /// The report of a parcel, if it is one of those.
    pub fn take(&mut self, parcel: &Arc<Parcel>) -> Option<Awaited> {
        let (_, awaited) = self.0.remove(&parcel.item).filter(|(of, _)| Arc::ptr_eq(of, parcel))?;
        Some(awaited)
    }
}
