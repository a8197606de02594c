//! A record goes, and all that hangs on it.

use deadpool_postgres::Transaction;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::super::{Delete, Deleted, Remove, StoreError};
use super::call::{self, CallError, Work};
use super::{Postgres, audio_rows, rows};

impl Delete for Postgres {
    fn delete(
        &self,
        video_id: String,
        remove: Remove,
    ) -> BoxFuture<'_, Result<Deleted, StoreError>> {
        let work: Work<_> =
            Box::new(move |db| async move { delete(db, &video_id, remove).await }.boxed());
        async move { Ok(call::write_with_file(self.connection().await?, work).await?) }.boxed()
    }
}

async fn delete(
    db: &Transaction<'_>,
    video_id: &str,
    remove: Remove,
) -> Result<Deleted, CallError> {
    rows::lock(db, video_id).await?;
    let audio = audio_rows::audio(db, video_id).await?;
    // A dashboard that is writing the record comes wholly before.
    rows::content_for_update(db, video_id).await?;
    let mut deleted =
        Deleted { record: rows::delete_content(db, video_id).await?, ..Deleted::default() };
    if let Some(audio) = audio {
        audio_rows::delete_audio(db, video_id).await?;
        deleted.audio = true;
        deleted.files = remove(audio.file_name).await.map_err(CallError::Media)?.into();
    }
    Ok(deleted)
}
