//! A record goes, and all that hangs on it.

use std::io;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, named_params};
use tokio::runtime::Handle;

use super::super::{Delete, Deleted, Remove, StoreError};
use super::writer::CallError;
use super::{Sqlite, rows, sql};

impl Delete for Sqlite {
    fn delete(
        &self,
        video_id: String,
        remove: Remove,
    ) -> BoxFuture<'_, Result<Deleted, StoreError>> {
        // The thread is the store's own, so it may wait for the file to go.
        let runtime = Handle::current();
        let remove = move |name| runtime.block_on(remove(name));
        self.writer.call(move |db| delete(db, &video_id, remove)).boxed()
    }
}

fn delete(
    db: &Connection,
    video_id: &str,
    remove: impl FnOnce(String) -> io::Result<bool>,
) -> Result<Deleted, CallError> {
    let key = named_params! {":video_id": video_id};
    let audio = rows::audio(db, video_id)?;
    // The summaries go by their foreign key.
    let record = db.prepare_cached(sql::DELETE_CONTENT)?.execute(key)? > 0;
    db.prepare_cached(sql::DELETE_AUDIO)?.execute(key)?;
    let had_audio = audio.is_some();
    let removed = audio.map(|audio| remove(audio.file_name)).transpose();
    let removed = removed.map_err(CallError::Media)?.unwrap_or(false);
    Ok(Deleted { record, audio: had_audio, files: removed.into() })
}
