//! What differs between the two kinds of endpoint: paths, the header that lets us in, the form of an
//! upload, and its limit.

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::multipart::{Form, Part};

use crate::config::Token;
use crate::contract::legacy::UPLOAD_AUDIO_PART_ID;
use crate::contract::{
    AUDIO_PART_DURATION, AUDIO_PART_FILE, AUDIO_PART_ID, AUDIO_PATH, CONTENT_PATH,
    DATABASE_HEALTH_PATH, HEALTH_PATH, INGEST_HEALTH_PATH, REPORT_PATH, TOKEN_HEADER,
    UPLOAD_AUDIO_MAX, UPLOAD_AUDIO_PATH, audio_file_stem,
};
use crate::id::{ContentId, Kind, TargetName};

/// What a form takes beside its file, and some more.
const FORM_ROOM: u64 = 4096;

/// Where a kind is delivered to.
pub fn path(target: TargetName, kind: Kind) -> &'static str {
    match (target, kind) {
        (TargetName::Dashboard, Kind::Report) => REPORT_PATH,
        (TargetName::Dashboard, Kind::Audio) => AUDIO_PATH,
        (TargetName::Legacy, Kind::Report) => CONTENT_PATH,
        (TargetName::Legacy, Kind::Audio) => UPLOAD_AUDIO_PATH,
    }
}

/// Where its health is asked for, each part of it on its own. What the ingest endpoints say of
/// theirs is none of the legacy ones' affair.
pub fn health_paths(target: TargetName) -> &'static [&'static str] {
    match target {
        TargetName::Dashboard => &[INGEST_HEALTH_PATH, HEALTH_PATH, DATABASE_HEALTH_PATH],
        TargetName::Legacy => &[HEALTH_PATH],
    }
}

/// The header that lets us in.
pub fn key(
    target: TargetName,
    secret: &Token,
) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
    let (name, text) = match target {
        TargetName::Dashboard => {
            (HeaderName::from_static(TOKEN_HEADER), secret.expose().to_owned())
        }
        TargetName::Legacy => (AUTHORIZATION, format!("Bearer {}", secret.expose())),
    };
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The form of an upload, its file last, under a name that is safe in any directory.
pub fn form(target: TargetName, id: &ContentId, seconds: Option<i64>, file: Part) -> Form {
    let (form, stem) = match target {
        TargetName::Dashboard => {
            let form = Form::new().text(AUDIO_PART_ID, id.as_str().to_owned());
            let form = match seconds {
                Some(seconds) => form.text(AUDIO_PART_DURATION, seconds.to_string()),
                None => form,
            };
            (form, audio_file_stem(id.as_str()))
        }
        // There the name is all that says whose it is, and names carry no prefix (contract B.2).
        TargetName::Legacy => {
            let form = Form::new().text(UPLOAD_AUDIO_PART_ID, id.as_str().to_owned());
            (form, id.bare().to_owned())
        }
    };
    let file =
        file.file_name(format!("{stem}.mp3")).mime_str("audio/mpeg").expect("a sound media type");
    form.part(AUDIO_PART_FILE, file)
}

/// Why a file of so many bytes will never be taken.
pub fn too_large(target: TargetName, bytes: u64) -> Option<String> {
    let is_too_large =
        target == TargetName::Legacy && bytes.saturating_add(FORM_ROOM) > UPLOAD_AUDIO_MAX;
    is_too_large.then(|| {
        format!(
            "the audio has {bytes} bytes, and a legacy dashboard takes 25 MiB \
             ({UPLOAD_AUDIO_MAX} bytes) in one upload: a smaller file would be sent"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_legacy_upload_has_a_limit_and_the_form_counts() {
        for (target, bytes, fits) in [
            (TargetName::Legacy, UPLOAD_AUDIO_MAX - FORM_ROOM, true),
            (TargetName::Legacy, UPLOAD_AUDIO_MAX - FORM_ROOM + 1, false),
            (TargetName::Legacy, u64::MAX, false),
            (TargetName::Dashboard, u64::MAX, true),
        ] {
            assert_eq!(too_large(target, bytes).is_none(), fits, "{target} {bytes}");
        }
    }
}
