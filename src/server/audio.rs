//! `POST /ingest/audio` (contract D).

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, State};
use axum::http::{HeaderMap, Request, header};
use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::Value;
use tracing::info;

use super::door::Admitted;
use super::media::{Media, Received};
use super::problem::{Problem, Unstorable};
use super::store::NewAudio;
use super::{Ingest, body, events, name, row};
use crate::contract::{
    AUDIO_PART_DURATION, AUDIO_PART_FILE, AUDIO_PART_ID, AUDIO_PUBLIC_PREFIX, AudioAnswer,
};

/// The longest text part, in bytes.
const TEXT_MAX: usize = 64 << 10;

pub(super) async fn take(
    admitted: Admitted,
    State(ingest): State<Ingest>,
    request: Request<Body>,
) -> Result<Json<AudioAnswer>, Problem> {
    let parts = Parts::read(&ingest, request).await?;
    let video_id = parts.video_id.trim().to_owned();
    let Some(received) = parts.file.filter(|_| !video_id.is_empty()) else {
        return Err(Problem::BadRequest("video_id and audio required".into()));
    };
    let refusal = if video_id.contains('\0') {
        Some(Unstorable::new(AUDIO_PART_ID, "has a NUL, which no database takes as text"))
    } else if received.bytes == 0 {
        Some(Unstorable::new(AUDIO_PART_FILE, "is empty: wait until the file is written"))
    } else {
        None
    };
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }

    let bytes = received.bytes;
    let audio = NewAudio {
        names: name::names(&video_id),
        video_id: video_id.clone(),
        digest: received.digest,
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        duration_seconds: parts.duration_seconds,
    };
    let media = ingest.media.clone();
    let place = Box::new(move |to| media.place(received.upload, to).boxed());
    let stored = ingest.store.put_audio(audio, admitted.version, place, Timestamp::now()).await?;
    info!(
        id = ?video_id,
        action = stored.action.as_str(),
        file = stored.file_name,
        linked = stored.linked,
        bytes,
        "audio taken"
    );
    ingest.metrics.audio_taken(stored.action, bytes);
    if stored.action.changes() {
        let url = format!("{AUDIO_PUBLIC_PREFIX}{}", stored.file_name);
        events::audio_added(&ingest, Some(&video_id), &url);
    }
    Ok(Json(AudioAnswer {
        saved: true,
        public_url: format!("{AUDIO_PUBLIC_PREFIX}{}", stored.file_name),
        action: Some(stored.action),
        version: stored.superseded_by,
    }))
}

/// What was in the form, in whatever order it came; of a repeated part, the last.
#[derive(Default)]
struct Parts {
    video_id: String,
    duration_seconds: Option<i64>,
    file: Option<Received>,
}

impl Parts {
    async fn read(ingest: &Ingest, request: Request<Body>) -> Result<Self, Problem> {
        let unannounced = announces_no_body(request.headers());
        let form = Multipart::from_request(request, &()).await;
        let mut form =
            form.map_err(|_| Problem::BadRequest("expected multipart/form-data".into()))?;
        let mut next = form.next_field().await.map_err(|error| match broken(error) {
            Problem::BadRequest(_) if unannounced => Problem::BadRequest("no data received".into()),
            other => other,
        })?;
        let mut parts = Self::default();
        let mut left = Left { limit: ingest.limits.audio_bytes, bytes: ingest.limits.audio_bytes };
        while let Some(field) = next {
            match field.name() {
                Some(AUDIO_PART_ID) => parts.video_id = text(AUDIO_PART_ID, field).await?,
                Some(AUDIO_PART_DURATION) => {
                    let hint = "must be a whole number of seconds";
                    let seconds = text(AUDIO_PART_DURATION, field).await?;
                    parts.duration_seconds = match seconds.trim() {
                        "" => None,
                        seconds => row::whole(AUDIO_PART_DURATION, &Value::from(seconds), hint)?,
                    };
                }
                // Without a file name it is not a file (contract D, "Parts").
                Some(AUDIO_PART_FILE) if field.file_name().is_some_and(|name| !name.is_empty()) => {
                    parts.file = Some(keep(&ingest.media, field, &mut left).await?);
                }
                _ => skip(field, &mut left).await?,
            }
            next = form.next_field().await.map_err(broken)?;
        }
        Ok(parts)
    }
}

/// How much more may come.
pub(super) struct Left {
    pub(super) limit: u64,
    pub(super) bytes: u64,
}

impl Left {
    fn take(&mut self, piece: &[u8]) -> Result<(), Problem> {
        let left = self.bytes.checked_sub(piece.len() as u64);
        self.bytes = left.ok_or(Problem::TooLarge { limit: self.limit })?;
        Ok(())
    }
}

pub(super) async fn keep(
    media: &Media,
    mut field: Field<'_>,
    left: &mut Left,
) -> Result<Received, Problem> {
    let mut upload = media.begin()?;
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        left.take(&piece)?;
        upload.write(&piece).await?;
    }
    Ok(upload.finish().await?)
}

pub(super) async fn skip(mut field: Field<'_>, left: &mut Left) -> Result<(), Problem> {
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        left.take(&piece)?;
    }
    Ok(())
}

async fn text(name: &str, mut field: Field<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > TEXT_MAX {
            return Err(Problem::TooLarge { limit: TEXT_MAX as u64 });
        }
    }
    Ok(String::from_utf8(bytes).map_err(|_| Unstorable::new(name, "must be UTF-8"))?)
}

/// Also true of a compressed body, whose length is not known any more.
fn announces_no_body(headers: &HeaderMap) -> bool {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    headers.get(header::CONTENT_LENGTH).map_or(!chunked, |length| length == "0")
}

pub(super) fn broken(error: MultipartError) -> Problem {
    match body::unreadable(&error) {
        Problem::BadRequest(_) => Problem::BadRequest("the form is malformed or cut off".into()),
        other => other,
    }
}
