//! `POST /api/upload-audio` (contract F.1).

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest, State};
use axum::http::{Request, header};
use futures_util::FutureExt;
use tracing::info;

use super::audio::{Left, broken, keep, skip};
use super::door::EitherAdmitted;
use super::media::Received;
use super::problem::{Problem, Unstorable};
use super::store::NamedAudio;
use super::{Ingest, events, name};
use crate::clock;
use crate::contract::{
    AUDIO_PART_FILE, AUDIO_PUBLIC_PREFIX, Action, UPLOAD_AUDIO_MAX, UploadAnswer,
};
use crate::report::{AudioName, audio_name};

pub(super) async fn take(
    _: EitherAdmitted,
    State(ingest): State<Ingest>,
    request: Request<Body>,
) -> Result<Json<UploadAnswer>, Problem> {
    let (file_name, received) = read(&ingest, request).await?;
    let size = received.bytes;
    let (about, surely) = about(&file_name);
    let audio = NamedAudio {
        file_name: file_name.clone(),
        about,
        surely,
        digest: received.digest,
        bytes: i64::try_from(size).unwrap_or(i64::MAX),
    };
    let (media, folder) = (ingest.media.clone(), ingest.media.clone());
    let place = Box::new(move |to| media.place(received.upload, to).boxed());
    let remove = Box::new(move |name| folder.remove(name).boxed());
    let owner = ingest.store.put_named_audio(audio, place, remove, clock::now()).await?;

    let public_url = format!("{AUDIO_PUBLIC_PREFIX}{file_name}");
    info!(id = ?owner, file = file_name, bytes = size, "audio taken under its name");
    ingest.metrics.audio_taken(Action::Updated, size);
    events::audio_added(&ingest, owner.as_deref(), &public_url);
    Ok(Json(UploadAnswer {
        success: true,
        message: match owner {
            Some(id) => format!("stored as the audio of {id}"),
            None => "stored; no record is known that it belongs to".into(),
        },
        relative_path: Some(format!("audio/{file_name}")),
        filename: file_name,
        public_url: Some(public_url),
        size,
    }))
}

/// The last audio part of the form, under the name that it was given.
async fn read(ingest: &Ingest, request: Request<Body>) -> Result<(String, Received), Problem> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > UPLOAD_AUDIO_MAX) {
        return Err(Problem::TooLarge { limit: UPLOAD_AUDIO_MAX });
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| Problem::BadRequest("expected multipart/form-data".into()))?;
    let mut left = Left { limit: UPLOAD_AUDIO_MAX, bytes: UPLOAD_AUDIO_MAX };
    let mut found = None;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.file_name().filter(|name| !name.is_empty()).map(str::to_owned) {
            Some(file_name) if field.name() == Some(AUDIO_PART_FILE) => {
                if !name::is_given(&file_name) {
                    let hint = "must be a bare name: letters, digits, '_', '-', and .mp3, 255 bytes at most";
                    return Err(Unstorable::new("filename", hint).into());
                }
                found = Some((file_name, keep(&ingest.media, field, &mut left).await?));
            }
            _ => skip(field, &mut left).await?,
        }
    }
    match found {
        None => Err(Problem::BadRequest("audio required".into())),
        Some((_, received)) if received.bytes == 0 => {
            let hint = "is empty: wait until the file is written";
            Err(Unstorable::new(AUDIO_PART_FILE, hint).into())
        }
        Some(found) => Ok(found),
    }
}

/// The ids that a file name can be about, and the one it is about for sure: an id of YouTube's
/// length is no word of a title.
fn about(file_name: &str) -> (Vec<String>, Option<String>) {
    let AudioName::Ours { keys, .. } = audio_name(file_name) else { return Default::default() };
    let surely = keys.first().filter(|key| key.len() == YOUTUBE_ID).cloned();
    let prefixed = |key: &String| ["", "reddit:", "web:"].map(|prefix| format!("{prefix}{key}"));
    (keys.iter().flat_map(prefixed).collect(), surely)
}

const YOUTUBE_ID: usize = 11;

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_tells_whose_audio_it_may_be() {
        let (about, surely) = super::about("audio_aB-3_xY9zQk_20250901_133809.mp3");
        assert_eq!((about[0].as_str(), surely.as_deref()), ("aB-3_xY9zQk", Some("aB-3_xY9zQk")));
        let (about, surely) = super::about("1n2abcd.mp3");
        assert_eq!(about, ["1n2abcd", "reddit:1n2abcd", "web:1n2abcd"]);
        assert_eq!(surely, None);
        assert_eq!(super::about("listen_aB-3_xY9zQk.mp3"), Default::default());
    }
}
