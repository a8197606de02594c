//! What a store forgets (contract G).

use std::io;

use futures_util::future::BoxFuture;

use super::StoreError;

/// The forgetting part of a [`Store`](super::Store).
pub trait Delete {
    /// Forgets the record of an id, its summaries and its audio. `remove` is called with the name of
    /// the audio file, if there is one.
    fn delete(
        &self,
        video_id: String,
        remove: Remove,
    ) -> BoxFuture<'_, Result<Deleted, StoreError>>;
}

/// Removes a file from the media folder, and says whether it was there. Called where
/// [`Place`](super::Place) is, for the same reason: an upload of the same id comes wholly before or
/// wholly after. Should the commit then fail, the file is gone and the row is not, until someone
/// deletes again.
pub type Remove = Box<dyn FnOnce(String) -> BoxFuture<'static, io::Result<bool>> + Send>;

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// There was a record.
    pub record: bool,
    /// There was audio, whether or not its file was still there.
    pub audio: bool,
    /// How many files were removed.
    pub files: u32,
}
