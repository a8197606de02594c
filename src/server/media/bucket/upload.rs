//! An upload to an object store, a part at a time.

use std::io;
use std::sync::Arc;

use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions,
};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

/// Parts are of one size but for the last, as some stores demand, and at most ten thousand: this
/// is enough for eighty gigabytes.
const PART: usize = 8 << 20;

/// A file on its way in. Dropped, it is gone.
pub(in crate::server) struct Upload {
    store: Arc<AmazonS3>,
    path: Path,
    part: Vec<u8>,
    /// Once there is more than one part.
    parts: Option<Box<dyn MultipartUpload>>,
    /// What is dropped may be dropped on a thread outside of it.
    runtime: Handle,
    _room: OwnedSemaphorePermit,
}

impl Upload {
    pub(super) fn new(store: Arc<AmazonS3>, path: Path, room: OwnedSemaphorePermit) -> Self {
        let runtime = Handle::current();
        Self { store, path, part: Vec::new(), parts: None, runtime, _room: room }
    }

    pub(in super::super) async fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            if self.part.len() == PART {
                self.send().await?;
            }
            let (now, later) = piece.split_at(piece.len().min(PART - self.part.len()));
            self.part.extend_from_slice(now);
            piece = later;
        }
        Ok(())
    }

    async fn send(&mut self) -> io::Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let options = PutMultipartOptions { attributes: sound(), ..Default::default() };
                none.insert(self.store.put_multipart_opts(&self.path, options).await?)
            }
        };
        Ok(parts.put_part(std::mem::take(&mut self.part).into()).await?)
    }

    pub(in super::super) async fn finish(mut self) -> io::Result<Finished> {
        // Before the object is there: should this be dropped meanwhile, it may appear all the same.
        let finished = Finished {
            store: self.store.clone(),
            path: Some(self.path.clone()),
            runtime: self.runtime.clone(),
        };
        if self.parts.is_some() {
            self.send().await?;
        }
        match &mut self.parts {
            Some(parts) => {
                parts.complete().await?;
                self.parts = None;
            }
            None => {
                let options = PutOptions { attributes: sound(), ..Default::default() };
                let bytes = std::mem::take(&mut self.part).into();
                self.store.put_opts(&self.path, bytes, options).await?;
            }
        }
        Ok(finished)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            aside(&self.runtime, async move { parts.abort().await });
        }
    }
}

/// An object that is whole, though not yet under its name. Dropped, it is gone.
pub(in crate::server) struct Finished {
    store: Arc<AmazonS3>,
    /// None once it is removed.
    path: Option<Path>,
    runtime: Handle,
}

impl Finished {
    /// Gives the object another name.
    pub(super) async fn rename(mut self, to: &Path) -> io::Result<()> {
        let Some(path) = &self.path else { return Err(io::ErrorKind::NotFound.into()) };
        self.store.copy(path, to).await?;
        match self.store.delete(path).await {
            Ok(()) => self.path = None,
            Err(error) => warn!(%error, "a placed upload could not be removed yet"),
        }
        Ok(())
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let store = self.store.clone();
            aside(&self.runtime, async move { store.delete(&path).await });
        }
    }
}

/// What the files are called by whoever is given them straight from the store.
fn sound() -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, "audio/mpeg")])
}

/// Cleans up while nobody waits for it. What stays behind is removed by a later start.
fn aside(runtime: &Handle, work: impl Future<Output = object_store::Result<()>> + Send + 'static) {
    runtime.spawn(async move {
        if let Err(error) = work.await {
            warn!(%error, "an upload's remains could not be removed");
        }
    });
}
