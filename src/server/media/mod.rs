//! Where the audio files are, and what is on its way there.

mod bucket;
mod folder;

use std::io;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tempfile::TempPath;

use super::problem::Problem;
use super::store::Placement;
use crate::id::Version;
use bucket::Bucket;
use folder::Folder;

/// An upload that nobody has written to for this long died with its process. Not simply every one
/// that is found at the start: several servers may share the place.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// The place of the files. A clone shares it.
#[derive(Clone, Debug)]
pub struct Media(Place);

#[derive(Clone, Debug)]
enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

impl Media {
    /// Files in a folder, which is made if need be and cleared of what was abandoned there.
    pub fn folder(dir: &Path) -> io::Result<Self> {
        Ok(Self(Place::Folder(Folder::open(dir)?)))
    }

    /// Files in a folder of a bucket, which several servers may share. What it is told, and what
    /// fails, see [`Bucket::open`].
    pub async fn bucket(bucket: &str, folder: &str) -> anyhow::Result<Self> {
        Ok(Self(Place::Bucket(Bucket::open(bucket, folder).await?)))
    }

    /// Begins an upload. Dropped before it is placed, it leaves nothing behind.
    pub(super) fn begin(&self) -> Result<Upload, Problem> {
        let way = match &self.0 {
            Place::Folder(folder) => Way::Folder(folder.begin()?),
            Place::Bucket(bucket) => Way::Bucket(bucket.begin()?),
        };
        Ok(Upload { way, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    /// Gives a finished upload its name, durably.
    pub(super) async fn place(self, upload: Finished, to: Placement) -> io::Result<()> {
        match (self.0, upload) {
            (Place::Folder(folder), Finished::Folder(path)) => {
                let placed = tokio::task::spawn_blocking(move || folder.place(path, &to));
                placed.await.map_err(io::Error::other)?
            }
            (Place::Bucket(bucket), Finished::Bucket(object)) => bucket.place(object, &to).await,
            _ => Err(io::Error::other("the upload was begun in another place")),
        }
    }

    /// Removes a finished file, for good, and says whether it was there.
    pub(super) async fn remove(self, file_name: String) -> io::Result<bool> {
        match self.0 {
            Place::Folder(folder) => folder.remove(&file_name).await,
            Place::Bucket(bucket) => bucket.remove(&file_name).await,
        }
    }

    /// Answers `GET` and `HEAD`, with ranges; 404 when there is no file of this name.
    pub(super) async fn serve(
        &self,
        file_name: &str,
        request: Request<Body>,
    ) -> io::Result<Response> {
        match &self.0 {
            Place::Folder(folder) => folder.serve(file_name, request).await,
            Place::Bucket(bucket) => bucket.serve(file_name, request).await,
        }
    }
}

/// A file on its way in.
pub(super) struct Upload {
    way: Way,
    hasher: blake3::Hasher,
    bytes: u64,
}

enum Way {
    Folder(folder::Upload),
    Bucket(bucket::Upload),
}

/// A file that is whole and durable, though not yet under its name.
pub(super) struct Received {
    pub(super) upload: Finished,
    pub(super) bytes: u64,
    pub(super) digest: Version,
}

pub(super) enum Finished {
    Folder(TempPath),
    Bucket(bucket::Finished),
}

impl Upload {
    pub(super) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        match &mut self.way {
            Way::Folder(upload) => upload.write(piece).await,
            Way::Bucket(upload) => upload.write(piece).await,
        }
    }

    pub(super) async fn finish(self) -> io::Result<Received> {
        let upload = match self.way {
            Way::Folder(upload) => Finished::Folder(upload.finish().await?),
            Way::Bucket(upload) => Finished::Bucket(upload.finish().await?),
        };
        let digest = Version::from_hash(&self.hasher.finalize());
        Ok(Received { upload, bytes: self.bytes, digest })
    }
}
