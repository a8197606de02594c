//! A bucket of an object store that speaks S3, and what is on its way into it.
//!
//! An object store knows no rename: an upload is an object of its own beside the finished ones,
//! which the store copies to its name, and a copy appears as a whole or not at all.

mod http;
mod serve;
mod upload;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::{Path, PathPart};
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::super::problem::Problem;
use super::super::store::Placement;
use super::ABANDONED;
pub(in crate::server) use upload::{Finished, Upload};

const COMING_IN: &str = ".upload-";

/// How many uploads there may be at a time. Each holds a part in memory.
const UPLOADS: usize = 8;

/// The bucket, and the folder in it. Finished files have the names that
/// [`Names`](super::super::store::Names) says.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    folder: Path,
    room: Arc<Semaphore>,
}

impl Bucket {
    /// Takes the credentials, the region and the endpoint from the `AWS_*` variables, and clears
    /// the folder of what was abandoned there. Plain HTTP is for an endpoint that is named so.
    ///
    /// # Errors
    /// When the variables make no sense, or the object store answers that it is not to be had. One
    /// that does not answer is no error: it comes back.
    pub(super) async fn open(bucket: &str, folder: &str) -> anyhow::Result<Self> {
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let retries = RetryConfig {
            max_retries: 3,
            retry_timeout: Duration::from_secs(20),
            backoff: BackoffConfig::default(),
        };
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_allow_http(plain)
            .with_retry(retries)
            .with_http_connector(http::Connector)
            .build()?;
        let bucket = Self {
            store: Arc::new(store),
            folder: Path::parse(folder).context("a folder in a bucket has no such name")?,
            room: Arc::new(Semaphore::new(UPLOADS)),
        };
        match bucket.try_out().await {
            Ok(()) => {}
            Err(
                error @ (object_store::Error::NotFound { .. }
                | object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }),
            ) => return Err(error.into()),
            Err(error) => warn!(%error, "object store away, answering 503 until it is back"),
        }
        Ok(bucket)
    }

    /// Writes and removes an object, and tidies up.
    async fn try_out(&self) -> object_store::Result<()> {
        let path = self.coming_in();
        self.store.put(&path, "".into()).await?;
        self.store.delete(&path).await?;
        if let Err(error) = self.clear().await {
            warn!(%error, "cannot look for abandoned uploads");
        }
        Ok(())
    }

    /// Removes uploads whose process has died. Parts of them that never became an object are for a
    /// rule of the bucket's to remove (`AbortIncompleteMultipartUpload`).
    async fn clear(&self) -> object_store::Result<()> {
        let folder = Some(&self.folder).filter(|folder| !folder.as_ref().is_empty());
        let mut objects = self.store.list(folder);
        while let Some(object) = objects.try_next().await? {
            let modified = SystemTime::from(object.last_modified);
            let age = SystemTime::now().duration_since(modified).unwrap_or_default();
            let name = object.location.filename().unwrap_or_default();
            if name.starts_with(COMING_IN) && age > ABANDONED {
                info!(file = name, "abandoned upload removed");
                self.store.delete(&object.location).await?;
            }
        }
        Ok(())
    }

    fn path(&self, file_name: &str) -> io::Result<Path> {
        Ok(self.folder.clone().join(PathPart::parse(file_name).map_err(io::Error::other)?))
    }

    /// Never waits for room: whoever waits holds a connection that others need.
    pub(super) fn begin(&self) -> Result<Upload, Problem> {
        let room = self.room.clone().try_acquire_owned().map_err(|_| Problem::Crowded)?;
        Ok(Upload::new(self.store.clone(), self.coming_in(), room))
    }

    /// A name for an upload that no other has.
    fn coming_in(&self) -> Path {
        let name = format!("{COMING_IN}{:016x}{:016x}.part", chance(), chance());
        self.folder.clone().join(name)
    }

    /// Gives a finished upload its name.
    pub(super) async fn place(&self, upload: Finished, to: &Placement) -> io::Result<()> {
        let path = self.path(&to.file_name)?;
        // The same bytes again: nothing to do, unless someone took the file away.
        if to.unchanged && self.store.head(&path).await.is_ok_and(|held| held.size == to.bytes) {
            return Ok(());
        }
        upload.rename(&path).await
    }

    /// Removes a finished file, and says whether it was there, which the removal does not.
    pub(super) async fn remove(&self, file_name: &str) -> io::Result<bool> {
        let path = self.path(file_name)?;
        match self.store.head(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            found => drop(found?),
        }
        self.store.delete(&path).await?;
        Ok(true)
    }
}

/// A number that no other process comes upon.
fn chance() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
