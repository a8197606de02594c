//! Audio that comes under a name finds the id that it belongs to.

use deadpool_postgres::Transaction;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::super::level::Audio;
use super::super::{NamedAudio, Place, PutNamed, Remove, StoreError};
use super::call::{self, CallError, Work};
use super::{Postgres, audio_rows, rows};

impl PutNamed for Postgres {
    fn put_named_audio(
        &self,
        audio: NamedAudio,
        place: Place,
        remove: Remove,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let work: Work<_> = Box::new(move |db| {
            async move { put_named(db, &audio, place, remove, now).await }.boxed()
        });
        async move { Ok(call::write_with_file(self.connection().await?, work).await?) }.boxed()
    }
}

async fn put_named(
    db: &Transaction<'_>,
    new: &NamedAudio,
    place: Place,
    remove: Remove,
    now: Timestamp,
) -> Result<Option<String>, CallError> {
    let owner = settled_owner(db, new).await?;
    let held = match &owner {
        Some(id) => audio_rows::audio(db, id).await?,
        None => None,
    };
    let audio = Audio::named(new, held.as_ref());
    let placement = Audio::placement_named(new, held.as_ref());
    if let Some(id) = &owner {
        if held.is_some() {
            audio_rows::update_audio(db, id, &audio, new.bytes, now).await?;
        } else if !audio_rows::add_audio(db, id, &audio, new.bytes, now).await? {
            return Err(CHANGED);
        }
        audio_rows::link_audio(db, id, &audio.link()).await?;
    }
    place(placement).await.map_err(CallError::Media)?;
    if let Some(name) = audio.replaced(held) {
        remove(name).await.map_err(CallError::Media)?;
    }
    Ok(owner)
}

/// Another writer was faster; the sender comes again, and finds what that one left.
const CHANGED: CallError = CallError::Unexpected("the file name has just become another's");

/// Whose audio it is to be, which stays so until the transaction ends.
async fn settled_owner(
    db: &Transaction<'_>,
    new: &NamedAudio,
) -> Result<Option<String>, CallError> {
    let owner = owner(db, new).await?;
    // Only who owns it says what there is to lock.
    match &owner {
        Some(id) => rows::lock(db, id).await?,
        None => audio_rows::lock_name(db, &new.file_name).await?,
    }
    if self::owner(db, new).await? == owner { Ok(owner) } else { Err(CHANGED) }
}

/// See [`PutNamed`].
async fn owner(db: &Transaction<'_>, new: &NamedAudio) -> Result<Option<String>, CallError> {
    if let Some((video_id, file_name)) = audio_rows::audio_of_name(db, &new.file_name).await? {
        // Another's name but for its case cannot be had twice; so the file is kept for nobody.
        return Ok((file_name == new.file_name).then_some(video_id));
    }
    let known = rows::first_known(db, &new.about).await?;
    Ok(known.or_else(|| new.surely.clone()))
}
