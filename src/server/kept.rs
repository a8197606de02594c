//! Where records and audio are kept, as a person says it, and how that is opened.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use tracing::warn;

use super::Media;
use super::failure::Failure;
use super::store::{Address, Postgres, Sqlite, SqliteError, Store};

/// What the dashboard calls the address of its database (contract I.2).
pub(super) const DATABASE_VARIABLE: &str = "DATABASE_URL_POSTGRES_NEW";

/// Which store, and where.
#[derive(Clone, Debug)]
pub(super) enum StoreAt {
    Sqlite(PathBuf),
    Postgres(Address),
}

impl StoreAt {
    /// What the command line says, else the environment, else a file here.
    pub(super) fn choose(
        argument: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Self, Failure> {
        let environment = environment.map(str::trim).filter(|address| !address.is_empty());
        match (argument, environment) {
            (Some(argument), _) => argument.parse(),
            (None, Some(address)) if !Address::is_one(address) => {
                let why = "must be postgres:// and the address of a database";
                Err(Failure::Config(format!("{DATABASE_VARIABLE} {why}")))
            }
            (None, Some(address)) => address.parse(),
            (None, None) => Ok(Self::Sqlite("ytv2-ingest.db".into())),
        }
    }

    /// Opens it, and brings its tables up to date if `migrate`. A PostgreSQL that is away is no
    /// failure: it comes back.
    pub(super) async fn open(&self, migrate: bool) -> Result<Arc<dyn Store>, Failure> {
        match self {
            Self::Sqlite(_) if !migrate => {
                Err(Failure::Config("--no-migrate is for PostgreSQL alone".into()))
            }
            Self::Sqlite(path) => match Sqlite::open(path) {
                Ok(store) => Ok(Arc::new(store)),
                Err(
                    error @ (SqliteError::Foreign(_)
                    | SqliteError::Newer { .. }
                    | SqliteError::Library(_)),
                ) => Err(Failure::Config(error.to_string())),
                Err(error) => {
                    let context = format!("cannot open {}", path.display());
                    Err(anyhow::Error::new(error).context(context).into())
                }
            },
            Self::Postgres(address) => {
                let store = postgres(address, migrate)?;
                match store.prepare().await {
                    Err(error) if error.is_lasting() => {
                        Err(Failure::Config(format!("{address}: {error}")))
                    }
                    Err(error) => {
                        warn!(%error, %address, "database away, answering 503 until it is back");
                        Ok(Arc::new(store))
                    }
                    Ok(()) => Ok(Arc::new(store)),
                }
            }
        }
    }

    /// Brings its tables up to date, and fails if that could not be done now.
    pub(super) async fn migrate(&self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(_) => self.open(true).await.map(drop),
            Self::Postgres(address) => {
                let done = postgres(address, true)?.migrate().await;
                Ok(done.with_context(|| address.to_string())?)
            }
        }
    }
}

fn postgres(address: &Address, migrate: bool) -> Result<Postgres, Failure> {
    let unusable = |error: anyhow::Error| Failure::Config(format!("{address}: {error:#}"));
    Postgres::new(address, migrate).map_err(unusable)
}

impl FromStr for StoreAt {
    type Err = Failure;

    /// A failure does not repeat the text, since there may be a password in it.
    fn from_str(text: &str) -> Result<Self, Failure> {
        if Address::is_one(text) {
            let address = Address::parse(text);
            return address.map(Self::Postgres).map_err(|why| Failure::Config(why.to_string()));
        }
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(Failure::Config(
                "a store is sqlite: and the path of its file, such as sqlite:ytv2-ingest.db, or postgres:// and the address of a database".into(),
            )),
        }
    }
}

/// Where the audio files are.
#[derive(Clone, Debug)]
pub(super) enum MediaAt {
    Folder(PathBuf),
    Bucket { bucket: String, folder: String },
}

impl MediaAt {
    pub(super) async fn open(&self) -> Result<Media, Failure> {
        match self {
            Self::Folder(path) => Ok(Media::folder(path)
                .with_context(|| format!("cannot use the folder {}", path.display()))?),
            Self::Bucket { bucket, folder } => {
                Media::bucket(bucket, folder).await.map_err(|error| {
                    Failure::Config(format!("cannot use s3://{bucket}/{folder}: {error}"))
                })
            }
        }
    }
}

impl FromStr for MediaAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(place) = text.strip_prefix("s3://") else { return Ok(Self::Folder(text.into())) };
        let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err("a bucket is s3:// and its name, such as s3://bucket/folder".into());
        }
        let folder = folder.trim_matches('/').to_owned();
        Ok(Self::Bucket { bucket: bucket.to_owned(), folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_a_file_here() {
        let database = Some("postgres://u@localhost/d");
        for (argument, environment, chosen) in [
            (None, None, "Sqlite(\"ytv2-ingest.db\")"),
            (None, Some(" "), "Sqlite(\"ytv2-ingest.db\")"),
            (Some("sqlite:a:b"), database, "Sqlite(\"a:b\")"),
            (None, database, "Postgres(postgres://localhost/d)"),
            (Some("postgresql://u@127.0.0.1/e"), database, "Postgres(postgres://127.0.0.1/e)"),
        ] {
            let found = StoreAt::choose(argument, environment).unwrap();
            assert_eq!(format!("{found:?}"), chosen);
        }
        for bad in ["", "sqlite:", "x.db", "mysql:x", "postgres://h:port/d"] {
            assert!(bad.parse::<StoreAt>().is_err(), "{bad}");
        }
        assert!(StoreAt::choose(None, Some("mysql://x")).is_err());
    }
}
