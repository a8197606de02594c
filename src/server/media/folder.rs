//! A folder of audio files, and what is on its way into it.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;
use tower_http::services::ServeFile;
use tracing::info;

use super::super::store::Placement;
use super::ABANDONED;

const COMING_IN: &str = ".upload-";

/// The folder. Finished files have the names that [`Names`](super::super::store::Names) says;
/// uploads are hidden files beside them, so that finishing one is a rename within one file system.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    dir: Arc<Path>,
}

impl Folder {
    /// Opens the folder, makes it if need be, and clears it of what was abandoned there.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let age = |modified| SystemTime::now().duration_since(modified).unwrap_or_default();
            if entry.file_name().to_string_lossy().starts_with(COMING_IN)
                && age(entry.metadata()?.modified()?) > ABANDONED
            {
                info!(file = ?entry.file_name(), "abandoned upload removed");
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { dir: dir.into() })
    }

    /// Where a finished file of this name is.
    pub(super) fn path(&self, file_name: &str) -> PathBuf {
        self.dir.join(file_name)
    }

    pub(super) async fn serve(
        &self,
        file_name: &str,
        request: Request<Body>,
    ) -> io::Result<Response> {
        ServeFile::new(self.path(file_name))
            .try_call(request)
            .await
            .map(IntoResponse::into_response)
    }

    pub(super) fn begin(&self) -> io::Result<Upload> {
        let (file, path) = tempfile::Builder::new()
            .prefix(COMING_IN)
            .suffix(".part")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&self.dir)?
            .into_parts();
        Ok(Upload { file: tokio::fs::File::from_std(file), path })
    }

    /// Gives a finished upload its name, and makes sure that it keeps both across a power cut.
    pub(super) fn place(&self, upload: TempPath, to: &Placement) -> io::Result<()> {
        let path = self.path(&to.file_name);
        // The same bytes again: nothing to do, unless someone took the file away.
        if to.unchanged && std::fs::metadata(&path).is_ok_and(|held| held.len() == to.bytes) {
            return Ok(());
        }
        upload.persist(path)?;
        std::fs::File::open(&self.dir)?.sync_all()
    }

    /// Removes a finished file, for good, and says whether it was there.
    pub(super) async fn remove(&self, file_name: &str) -> io::Result<bool> {
        match tokio::fs::remove_file(self.path(file_name)).await {
            Ok(()) => {
                tokio::fs::File::open(&self.dir).await?.sync_all().await?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A file on its way in. Dropped, it is gone.
pub(super) struct Upload {
    file: tokio::fs::File,
    path: TempPath,
}

impl Upload {
    pub(super) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece).await
    }

    /// The whole of it is on the disk then, though not yet under its name.
    pub(super) async fn finish(mut self) -> io::Result<TempPath> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        Ok(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_removes_abandoned_uploads_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * ABANDONED;
        for (name, modified) in
            [(".upload-old.part", old), (".upload-new.part", SystemTime::now()), ("x.mp3", old)]
        {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(modified).unwrap();
        }
        Folder::open(dir.path()).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".upload-new.part", "x.mp3"]);
    }
}
