//! Audio that says its file name and not its id, as the older generation sends it (contract F.1).

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{Place, Remove, StoreError};
use crate::id::Version;

/// The part of a [`Store`](super::Store) that takes such audio.
pub trait PutNamed {
    /// Has the file placed under exactly its name, and says whose audio it is now. It becomes the audio of, in this order:
    ///
    /// 1. the id whose audio has that very name already,
    /// 2. the first of [`NamedAudio::about`] that has a record,
    /// 3. [`NamedAudio::surely`], to be linked when its record comes,
    /// 4. nothing: then it is only kept.
    ///
    /// The file that was this id's audio before under another name is removed.
    fn put_named_audio(
        &self,
        audio: NamedAudio,
        place: Place,
        remove: Remove,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<String>, StoreError>>;
}

/// An audio file that has arrived under a name of its sender's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAudio {
    pub file_name: String,
    /// The ids that the name can be about, the likeliest first.
    pub about: Vec<String>,
    /// The id that the name can only be about.
    pub surely: Option<String>,
    pub digest: Version,
    pub bytes: i64,
}
