//! One call of the store: a connection, a transaction, a deadline, and what a failure means.

use std::io;
use std::time::Duration;

use deadpool_postgres::{Object, PoolError, TimeoutType, Transaction};
use futures_util::future::BoxFuture;
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;

use super::super::StoreError;

/// For all of a call. The server keeps a tighter time on each statement, but a server that stands
/// still, or whose network is gone, keeps no time at all.
const DEADLINE: Duration = Duration::from_secs(30);

/// For a call in which a file finds its place.
const DEADLINE_WITH_FILE: Duration = Duration::from_secs(180);

/// For a call whose work is begun anew in other calls if it fails.
const DEADLINE_OF_BATCH: Duration = Duration::from_secs(10);

/// Why a call failed. Its transaction is undone then.
#[derive(Debug)]
pub(super) enum CallError {
    Postgres(tokio_postgres::Error),
    Pool(PoolError),
    Media(io::Error),
    Late,
    Unexpected(&'static str),
}

impl From<tokio_postgres::Error> for CallError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<PoolError> for CallError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            error => Self::Pool(error),
        }
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Postgres(error) if is_permanent(&error) => Self::Unstorable(said(&error)),
            CallError::Postgres(error) => Self::Database(said(&error)),
            CallError::Pool(PoolError::Timeout(TimeoutType::Wait)) => {
                Self::Database("every connection is in use".into())
            }
            CallError::Pool(PoolError::Timeout(_)) | CallError::Late => {
                Self::Database("it does not answer".into())
            }
            CallError::Pool(error) => Self::Database(error.to_string()),
            CallError::Media(error) => Self::Media(error),
            CallError::Unexpected(what) => Self::Database(what.into()),
        }
    }
}

/// What a transaction does.
pub(super) type Work<T> =
    Box<dyn for<'a> FnOnce(&'a Transaction<'a>) -> BoxFuture<'a, Result<T, CallError>> + Send>;

/// Works inside a transaction, and commits it. Statements see what was committed before each
/// of them: whoever waited for a lock sees what it was held for.
pub(super) async fn write<T>(connection: Object, work: Work<T>) -> Result<T, CallError> {
    within(connection, IsolationLevel::ReadCommitted, DEADLINE, work).await
}

/// The same, with time for a file to find its place.
pub(super) async fn write_with_file<T>(connection: Object, work: Work<T>) -> Result<T, CallError> {
    within(connection, IsolationLevel::ReadCommitted, DEADLINE_WITH_FILE, work).await
}

/// The same, for work that somebody else does if it fails.
pub(super) async fn write_batch<T>(connection: Object, work: Work<T>) -> Result<T, CallError> {
    within(connection, IsolationLevel::ReadCommitted, DEADLINE_OF_BATCH, work).await
}

/// Reads inside a transaction, all of it from the same moment.
pub(super) async fn read<T>(connection: Object, work: Work<T>) -> Result<T, CallError> {
    within(connection, IsolationLevel::RepeatableRead, DEADLINE, work).await
}

async fn within<T>(
    mut connection: Object,
    isolation: IsolationLevel,
    deadline: Duration,
    work: Work<T>,
) -> Result<T, CallError> {
    let done = async {
        let transaction = connection.build_transaction().isolation_level(isolation).start().await?;
        let value = work(&transaction).await?;
        transaction.commit().await?;
        Ok(value)
    };
    let done = tokio::time::timeout(deadline, done).await.unwrap_or(Err(CallError::Late));
    if done.as_ref().is_err_and(spoils) {
        // Out of the pool with it.
        drop(Object::take(connection));
    }
    done
}

/// Whether the connection is of no more use: it hangs, or what is prepared on it no longer fits
/// the tables.
fn spoils(error: &CallError) -> bool {
    match error {
        CallError::Late => true,
        CallError::Postgres(error) => {
            error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
                || error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
        }
        _ => false,
    }
}

/// Whether no number of attempts would get this stored: the value is out of its column's range or
/// too large (classes 22 and 54), or a rule of the table's forbids it (class 23, but for what
/// another writer may have caused).
fn is_permanent(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return false };
    let passes = [SqlState::UNIQUE_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION].contains(code);
    ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)) && !passes
}

/// The server's own words, where they are the server's.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => {
            let causes = std::iter::successors(std::error::Error::source(error), |e| e.source());
            causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
        }
    }
}
