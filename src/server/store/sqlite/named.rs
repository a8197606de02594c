//! Audio that comes under a name finds the id that it belongs to.

use std::io;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};
use tokio::runtime::Handle;

use super::super::level::Audio;
use super::super::{NamedAudio, Place, Placement, PutNamed, Remove, StoreError};
use super::writer::CallError;
use super::{Sqlite, put, rows, sql};

impl PutNamed for Sqlite {
    fn put_named_audio(
        &self,
        audio: NamedAudio,
        place: Place,
        remove: Remove,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        // The thread is the store's own, so it may wait for the files.
        let runtime = Handle::current();
        let placing = runtime.clone();
        let place = move |to| placing.block_on(place(to));
        let remove = move |name| runtime.block_on(remove(name));
        self.writer.call(move |db| put_named(db, &audio, place, remove, now)).boxed()
    }
}

fn put_named(
    db: &Connection,
    new: &NamedAudio,
    place: impl FnOnce(Placement) -> io::Result<()>,
    remove: impl FnOnce(String) -> io::Result<bool>,
    now: Timestamp,
) -> Result<Option<String>, CallError> {
    let owner = owner(db, new)?;
    let held = owner.as_deref().map(|id| rows::audio(db, id)).transpose()?.flatten();
    let audio = Audio::named(new, held.as_ref());
    let placement = Audio::placement_named(new, held.as_ref());
    let replaced = audio.replaced(held);
    if let Some(id) = &owner {
        if replaced.is_some() {
            db.prepare_cached(sql::DELETE_AUDIO)?.execute(named_params! {":video_id": id})?;
        }
        rows::put_audio(db, id, &audio, new.bytes, now)?;
        put::link(db, id, &audio.link(), now)?;
    }
    place(placement).map_err(CallError::Media)?;
    if let Some(name) = replaced {
        remove(name).map_err(CallError::Media)?;
    }
    Ok(owner)
}

/// Whose audio it is to be: see [`PutNamed`].
fn owner(db: &Connection, new: &NamedAudio) -> rusqlite::Result<Option<String>> {
    let taken: Option<(String, String)> = db
        .prepare_cached(sql::AUDIO_OF_NAME)?
        .query_row(named_params! {":file_name": new.file_name}, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((video_id, file_name)) = taken {
        // Another's name but for its case cannot be had twice; so the file is kept for nobody.
        return Ok((file_name == new.file_name).then_some(video_id));
    }
    for id in &new.about {
        if rows::content(db, id)?.is_some() {
            return Ok(Some(id.clone()));
        }
    }
    Ok(new.surely.clone())
}
