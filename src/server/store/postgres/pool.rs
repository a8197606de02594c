//! The connections: how many, how they are made, and what each is told first.

use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Few enough for several servers to share a small database, which allows a hundred by default.
const CONNECTIONS: usize = 16;

/// For a connection to become free, and to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// A statement that takes longer waits for a lock whose holder is stuck. Between two statements an
/// audio file may be on its way to its place. And what is answered for has to be on the disk,
/// whatever the database's default is.
const SETTINGS: &str = "
    SET statement_timeout = '15s';
    SET idle_in_transaction_session_timeout = '170s';
    SET TimeZone = 'UTC';
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off';";

/// For statements that look a few rows up by their keys. A plan that was made while a table was empty
/// would read all of it, until PostgreSQL notices that it has grown.
const BY_KEYS: &str = "SET enable_seqscan = off;";

/// A pool that is still empty: it connects when it is asked to.
pub(super) fn pool(config: &Config, tls: Option<MakeRustlsConnect>) -> anyhow::Result<Pool> {
    build(config, tls, CONNECTIONS, SETTINGS.to_owned())
}

/// The same with so many connections, for statements that look a few rows up by their keys.
pub(super) fn pool_by_keys(
    config: &Config,
    tls: Option<MakeRustlsConnect>,
    connections: usize,
) -> anyhow::Result<Pool> {
    build(config, tls, connections, format!("{SETTINGS}{BY_KEYS}"))
}

fn build(
    config: &Config,
    tls: Option<MakeRustlsConnect>,
    connections: usize,
    settings: String,
) -> anyhow::Result<Pool> {
    let config = config.clone();
    // A connection that has closed is noticed without asking.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match tls {
        None => Manager::from_config(config, NoTls, recycling),
        Some(tls) => Manager::from_config(config, tls, recycling),
    };
    let settle = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let settings = settings.clone();
        Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .post_create(settle)
        .build()
        .context("cannot set up connections")
}
