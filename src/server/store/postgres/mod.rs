//! A [`Store`] in a PostgreSQL database, which several servers and the dashboard may share.

mod address;
mod call;
mod pool;
mod put;
mod rows;
mod schema;
mod sql;

use deadpool_postgres::Pool;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::{AudioStored, Held, NewAudio, Place, Report, ReportStored, Store, StoreError};
use call::{CallError, Work};

pub use address::{Address, AddressError};
pub use schema::OpenError;

/// See the module. It holds no state but its connections.
pub struct Postgres {
    pool: Pool,
    migrate: bool,
    up_to_date: OnceCell<()>,
}

impl Postgres {
    /// Does not connect yet. `migrate`: whether it may make and change tables.
    pub fn new(address: &Address, migrate: bool) -> anyhow::Result<Self> {
        Ok(Self { pool: pool::pool(address)?, migrate, up_to_date: OnceCell::new() })
    }

    /// Brings the tables up to date, or makes sure that they are. Whoever does not call it has it
    /// done by the first call that finds the database there.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        let open = || schema::open(&self.pool, self.migrate);
        self.up_to_date.get_or_try_init(open).await.copied()
    }

    async fn write<T>(&self, work: Work<T>) -> Result<T, StoreError> {
        self.ready().await?;
        Ok(call::write(self.pool.get().await.map_err(CallError::from)?, work).await?)
    }

    async fn read<T>(&self, work: Work<T>) -> Result<T, StoreError> {
        self.ready().await?;
        Ok(call::read(self.pool.get().await.map_err(CallError::from)?, work).await?)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.prepare().await.map_err(|error| match error {
            OpenError::Away(error) => error,
            lasting => StoreError::Database(lasting.to_string()),
        })
    }
}

impl Store for Postgres {
    fn put_report(
        &self,
        report: Report,
        version: Option<i64>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<ReportStored, StoreError>> {
        let work: Work<_> =
            Box::new(move |db| async move { put::report(db, &report, version, now).await }.boxed());
        self.write(work).boxed()
    }

    fn put_audio(
        &self,
        audio: NewAudio,
        version: Option<i64>,
        place: Place,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<AudioStored, StoreError>> {
        let work: Work<_> = Box::new(move |db| {
            async move { put::audio(db, &audio, version, place, now).await }.boxed()
        });
        self.write(work).boxed()
    }

    fn report(&self, video_id: String) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        self.read(Box::new(move |db| async move { Ok(rows::held(db, &video_id).await?) }.boxed()))
            .boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.read(Box::new(|db| async move { Ok(rows::any(db).await?) }.boxed())).boxed()
    }

    /// Never: a database that is away comes back.
    fn lost(&self) -> BoxFuture<'_, ()> {
        future::pending().boxed()
    }
}
