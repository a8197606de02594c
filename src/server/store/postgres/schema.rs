//! Which tables there are, and how they come to be up to date.

use std::collections::BTreeSet;

use deadpool_postgres::{GenericClient, Pool, PoolError, Transaction};

use super::call::{self, CallError};
use crate::server::store::StoreError;

/// The first that is tested; 14 and older leave support.
const OLDEST: i32 = 15;

/// Step n takes a database from n to n + 1. A step that was released never changes.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// Lets one server at a time bring a database up to date, for as long as that takes.
const LOCK: &str = "SET LOCAL statement_timeout = '5min'; SELECT pg_advisory_xact_lock(1498699338)";

const STEPS: &str = "
    CREATE TABLE IF NOT EXISTS ytv2_ingest_schema (
        step       integer PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";

const FOUND: &str = "SELECT coalesce(max(step), 0) FROM ytv2_ingest_schema";

const TAKEN: &str = "INSERT INTO ytv2_ingest_schema (step) VALUES ($1)";

const COLUMNS: &str = "
    SELECT attname::text FROM pg_attribute
     WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped";

/// What of the dashboard's tables is used.
const USED: [(&str, &[&str]); 2] = [
    (
        "content",
        &[
            "video_id",
            "title",
            "channel_name",
            "indexed_at",
            "duration_seconds",
            "thumbnail_url",
            "canonical_url",
            "subcategories_json",
            "analysis_json",
            "topics_json",
            "has_audio",
        ],
    ),
    (
        "content_summaries",
        &["video_id", "variant", "revision", "is_latest", "text", "html", "created_at"],
    ),
];

/// Why a database cannot be the store, now or at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("PostgreSQL {0} is too old: {OLDEST} is the oldest that will do")]
    TooOld(i32),
    #[error(
        "the database was used by a newer ytv2-ingest (schema {found}, this one knows {known})"
    )]
    Newer { found: usize, known: usize },
    #[error(
        "the database is not up to date (schema {found} of {known}): run `ytv2-ingest --migrate-only` once, as a user who may create tables, or leave out --no-migrate"
    )]
    Behind { found: usize, known: usize },
    #[error(
        "the database has a table {table} without the columns {missing}, so it is not the dashboard's: use a database or a schema of its own"
    )]
    Foreign { table: &'static str, missing: String },
    #[error("the database refuses: {0}")]
    Refused(String),
    #[error("{0}")]
    Away(StoreError),
}

impl OpenError {
    /// Whether it stays so until a person acts.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Away(_))
    }
}

impl From<CallError> for OpenError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Postgres(error) if is_refusal(&error) => Self::Refused(call::said(&error)),
            error => Self::Away(error.into()),
        }
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        CallError::from(error).into()
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        CallError::from(error).into()
    }
}

/// Whether the server has understood, and will answer the same next time: a wrong password, no such
/// database, no right to make tables, a table that stands in the way. What passes is in the other
/// classes: lost connections (08), read-only (25), deadlocks (40), no room (53), locks (55), a
/// server that stops or starts (57), and its machine (58).
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let passing = ["08", "25", "40", "53", "55", "57", "58"];
    error.code().is_some_and(|code| !passing.contains(&&code.code()[..2]))
}

/// Brings the database up to date if it may, and makes sure that it is.
pub(super) async fn open(pool: &Pool, migrate: bool) -> Result<(), OpenError> {
    let mut connection = pool.get().await?;
    let version: String = connection.query_one("SHOW server_version_num", &[]).await?.get(0);
    let major = version.parse::<i32>().unwrap_or_default() / 10_000;
    if major < OLDEST {
        return Err(OpenError::TooOld(major));
    }
    let transaction = connection.transaction().await?;
    check(&transaction).await?;
    if migrate {
        bring_up(&transaction).await?;
    } else {
        let found = found(&transaction).await?;
        let known = MIGRATIONS.len();
        if found < known {
            return Err(OpenError::Behind { found, known });
        }
    }
    transaction.commit().await?;
    Ok(())
}

async fn bring_up(db: &Transaction<'_>) -> Result<(), OpenError> {
    db.batch_execute(LOCK).await?;
    db.batch_execute(STEPS).await?;
    for (step, tables) in MIGRATIONS.iter().enumerate().skip(found(db).await?) {
        db.batch_execute(tables).await?;
        db.execute(TAKEN, &[&i32::try_from(step + 1).unwrap_or(i32::MAX)]).await?;
        tracing::info!(step = step + 1, "database brought up to date");
    }
    Ok(())
}

/// How far it is; not further than this program knows.
async fn found(db: &Transaction<'_>) -> Result<usize, OpenError> {
    let known = MIGRATIONS.len();
    let exists = "SELECT to_regclass('ytv2_ingest_schema') IS NOT NULL";
    if !db.query_one(exists, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let found: i32 = db.query_one(FOUND, &[]).await?.get(0);
    let found = usize::try_from(found).unwrap_or_default();
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(found) }
}

/// Makes sure that the tables that are there already are those that are meant.
async fn check(db: &Transaction<'_>) -> Result<(), OpenError> {
    for (table, used) in USED {
        let rows = db.query(COLUMNS, &[&table]).await?;
        if rows.is_empty() {
            continue;
        }
        let there: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing: Vec<&str> =
            used.iter().copied().filter(|column| !there.contains(*column)).collect();
        if !missing.is_empty() {
            return Err(OpenError::Foreign { table, missing: missing.join(", ") });
        }
    }
    Ok(())
}
