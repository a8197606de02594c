//! A [`Store`] in one SQLite file.

mod delete;
mod named;
mod put;
mod read;
mod rows;
mod schema;
mod sql;
mod writer;

use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::runtime::Handle;

use super::{AudioStored, Held, NewAudio, Place, Report, ReportStored, Share, Store, StoreError};
use writer::Writer;

pub use schema::OpenError;

/// See the module. Dropped, it closes the file.
pub struct Sqlite {
    writer: Writer,
}

impl Sqlite {
    /// Opens or makes the file at `path`, brings its tables up to date, and holds it alone.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { writer: Writer::start(schema::open(path)?)? })
    }
}

/// Nobody else opens the file.
impl Share for Sqlite {}

impl Store for Sqlite {
    fn put_report(
        &self,
        report: Report,
        version: Option<i64>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<ReportStored, StoreError>> {
        self.writer.call(move |db| put::report(db, &report, version, now)).boxed()
    }

    fn put_audio(
        &self,
        audio: NewAudio,
        version: Option<i64>,
        place: Place,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<AudioStored, StoreError>> {
        // The thread is the store's own, so it may wait for the file to find its place.
        let runtime = Handle::current();
        let place = move |to| runtime.block_on(place(to));
        self.writer.call(move |db| put::audio(db, &audio, version, place, now)).boxed()
    }

    fn report(&self, video_id: String) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        self.writer.call(move |db| Ok(rows::held(db, &video_id)?)).boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.writer.call(|db| Ok(rows::any(db)?)).boxed()
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        self.writer.lost().boxed()
    }
}
