//! Reports that are packed before it is their turn, several in one thread: to wake one for each takes
//! about as long as to pack it.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::parcel::{Packed, Shelf, Unpacked, pack};
use super::second_look;
use crate::config::Config;
use crate::file::FileRef;
use crate::outbox::{FileOf, Parcel};
use crate::watch::{JustRead, Pulse, Questions};

/// What becomes of a report that is being packed. Closed, when nobody will pack it.
pub type Awaited = oneshot::Receiver<Result<Packed, Unpacked>>;

/// What is being packed, or waits to be sent.
#[derive(Debug, Default)]
pub struct Packing(HashMap<i64, (Arc<Parcel>, Awaited)>);

impl Packing {
    /// Packs those that were read a moment ago, and gives the others.
    pub fn at_hand(
        &mut self,
        parcels: Vec<Arc<Parcel>>,
        config: &Config,
        just_read: &JustRead,
    ) -> Vec<Arc<Parcel>> {
        let mut others = Vec::new();
        for parcel in parcels {
            let source = &parcel.source;
            // Summaries may come from other files, which would have to be read.
            let is_alone = parcel.variants.iter().all(|variant| variant.from == *source);
            let read = is_alone.then(|| just_read.take(&source.file, &source.stamp)).flatten();
            let Some(read) = read else {
                others.push(parcel);
                continue;
            };
            let (reply, awaited) = oneshot::channel();
            let (read, with_texts) = (Cell::new(Some(read)), is_chosen(&parcel, config));
            let gone = || Unpacked::Changed(source.file.clone());
            let packed = pack(&parcel, 0, with_texts, |_| read.take().ok_or_else(gone));
            let _is_kept_here = reply.send(packed);
            self.0.insert(parcel.item, (parcel, awaited));
        }
        others
    }

    /// Begins to pack reports, which are files, for the dashboard's endpoint, in this order.
    pub fn begin(&mut self, parcels: Vec<Arc<Parcel>>, config: Arc<Config>, questions: Questions) {
        // What nobody else knows of any more is not taken any more.
        self.0.retain(|_, (parcel, _)| Arc::strong_count(parcel) > 1);
        if parcels.is_empty() {
            return;
        }
        let files: Arc<[FileRef]> =
            parcels.iter().map(|parcel| parcel.source.file.clone()).collect();
        let (mut jobs, to_open) = (Vec::new(), parcels.clone());
        for parcel in parcels {
            let (reply, awaited) = oneshot::channel();
            jobs.push((Arc::clone(&parcel), reply));
            self.0.insert(parcel.item, (parcel, awaited));
        }
        let (shelf, to_open) = (Arc::new(Shelf::default()), Mutex::new(to_open.into_iter()));
        tokio::spawn(async move {
            // All of them before the first is read: each opening is news of the directory, which
            // would wake the thread that hears of it once for each.
            let (of, on) = (Arc::clone(&config), Arc::clone(&shelf));
            let open_next = move |_: &FileRef, _: &Pulse| {
                let parcel = next(&to_open)?;
                Some(on.open(&parcel.source, &of))
            };
            let (opened, _given_up) = questions.ask_each(&files, open_next).await;
            let jobs = Mutex::new(jobs.into_iter().zip(opened.into_iter().flatten()));
            let pack_next = move |_: &FileRef, pulse: &Pulse| {
                let Some(((parcel, reply), opened)) = next(&jobs) else { return };
                let (opened, with_texts) = (Cell::new(Some(opened)), is_chosen(&parcel, &config));
                let read = |of: &FileOf| match opened.take().filter(|_| *of == parcel.source) {
                    Some(opened) => shelf.read_opened(&opened?, of, &config, pulse),
                    None => shelf.read(of, &config, pulse),
                };
                let _not_wanted_any_more = reply.send(pack(&parcel, 0, with_texts, read));
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

/// The next of what is left.
fn next<T>(left: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    left.lock().unwrap_or_else(PoisonError::into_inner).next()
}

fn is_chosen(parcel: &Parcel, config: &Config) -> bool {
    second_look::is_chosen(config.verify.mode, parcel.want)
}
