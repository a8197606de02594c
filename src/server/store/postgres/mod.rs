//! A [`Store`] in a PostgreSQL database, which several servers and the dashboard may share.

mod address;
mod audio_rows;
mod batches;
mod before;
mod call;
mod delete;
mod named;
mod pool;
mod put;
mod read;
mod relay;
mod rows;
mod schema;
mod single;
mod sql;
mod tls;
mod words;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{AudioStored, Held, NewAudio, Place, Report, ReportStored, Store, StoreError};
use batches::Batches;
use call::{CallError, Work};
use put::Sent;

pub use address::{Address, AddressError};
pub use schema::OpenError;

/// For a database that was away at the start to be brought up to date by a request.
const READY: Duration = Duration::from_secs(20);

/// See the module. It holds no state but its connections.
pub struct Postgres {
    pool: Pool,
    batches: Batches,
    config: Box<Config>,
    tls: Option<MakeRustlsConnect>,
    migrate: bool,
    up_to_date: OnceCell<()>,
}

impl Postgres {
    /// Does not connect yet, and is to be called where there is a runtime. `migrate`: whether it may make and change tables.
    pub fn new(address: &Address, migrate: bool) -> anyhow::Result<Self> {
        let (config, tls) = (address.config.clone(), tls::connector(&address.encryption)?);
        let pool = pool::pool(&config, tls.clone())?;
        let batches = Batches::start(&pool::pool_by_keys(&config, tls.clone(), batches::LANES)?);
        Ok(Self { pool, batches, config, tls, migrate, up_to_date: OnceCell::new() })
    }

    /// Brings the tables up to date, or makes sure that they are. Whoever does not call it has it
    /// done by the first call that finds the database there.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        let open = || async {
            schema::open(&self.pool, self.migrate).await?;
            if self.migrate {
                tokio::spawn(words::keep(self.config.clone(), self.tls.clone()));
            }
            Ok(())
        };
        self.up_to_date.get_or_try_init(open).await.copied()
    }

    /// Makes all that there is to make, and waits for its end.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        schema::open(&self.pool, true).await?;
        words::index(self.config.clone(), self.tls.clone()).await;
        Ok(())
    }

    async fn connection(&self) -> Result<Object, StoreError> {
        self.ready().await?;
        Ok(self.pool.get().await.map_err(CallError::from)?)
    }

    /// In a time that a request may wait: those that come meanwhile wait for the same attempt.
    async fn ready(&self) -> Result<(), StoreError> {
        let prepared = tokio::time::timeout(READY, self.prepare()).await;
        prepared.map_err(|_| CallError::Late)?.map_err(|error| match error {
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
        let sent = Arc::new(Sent { report, version, now });
        async move {
            self.ready().await?;
            if let Some(stored) = self.batches.take(sent.clone()).await {
                return Ok(stored);
            }
            let work: Work<_> =
                Box::new(move |db| async move { put::report(db, sent).await }.boxed());
            Ok(call::write(self.connection().await?, work).await?)
        }
        .boxed()
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
        async move { Ok(call::write_with_file(self.connection().await?, work).await?) }.boxed()
    }

    fn report(&self, video_id: String) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        let work: Work<_> =
            Box::new(move |db| async move { Ok(rows::held(db, &[video_id]).await?.pop()) }.boxed());
        async move { Ok(call::read(self.connection().await?, work).await?) }.boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let work: Work<_> = Box::new(|db| async move { Ok(rows::any(db).await?) }.boxed());
        async move { Ok(call::read(self.connection().await?, work).await?) }.boxed()
    }

    /// Never: a database that is away comes back.
    fn lost(&self) -> BoxFuture<'_, ()> {
        future::pending().boxed()
    }
}
