//! `POST /ingest/audio`: a multipart upload, linked to its row if there is one (contract D).

use serde_json::{Value, json};

use super::record::Audio;
use super::state::State;
use super::wire::Answer;

/// The two parts that count.
pub(super) struct Upload {
    /// As it was sent, with whatever blanks.
    pub video_id: String,
    pub audio: Vec<u8>,
}

/// The name that an id's audio is stored under.
pub(super) fn file_name(id: &str) -> String {
    format!("{}.mp3", id.trim().replace("yt:", "").replace(':', ""))
}

/// Stores the file, then links it. Without a row nothing is linked, and nobody is told
/// (contract 0.3).
pub(super) fn process(state: &mut State, seq: usize, upload: &Upload) -> Answer {
    let name = file_name(&upload.video_id);
    let public_url = format!("/exports/audio/{name}");
    state.files.insert(name, Audio::new(&upload.audio));
    if let Some(record) = state.rows.get_mut(upload.video_id.trim()) {
        record.has_audio = true;
        let analysis = record.analysis_json.get_or_insert_with(|| json!({}));
        if let Value::Object(fields) = analysis {
            fields.insert("audio_url".to_owned(), json!(public_url));
        }
    }
    state.stored(seq);
    Answer::json(200, &json!({ "saved": true, "public_url": public_url }))
}

/// Finds the parts. Others are ignored, of a repeated one the last wins.
pub(super) fn parse(content_type: &str, body: &[u8]) -> Option<Upload> {
    let mut id = None;
    let mut audio = None;
    for (disposition, content) in fields(content_type, body)? {
        let file_name = parameter(&disposition, "filename").filter(|name| !name.is_empty());
        match (parameter(&disposition, "name").as_deref(), file_name) {
            (Some("video_id"), None) => id = String::from_utf8(content.to_vec()).ok(),
            (Some("audio"), Some(_)) => audio = Some(content.to_vec()),
            _ => {}
        }
    }
    let video_id = id.filter(|id| !id.trim().is_empty())?;
    Some(Upload { video_id, audio: audio? })
}

/// The part `audio` with a file's name, its disposition and its bytes: of several the last.
pub(super) fn file_part<'a>(content_type: &str, body: &'a [u8]) -> Option<(String, &'a [u8])> {
    let named = |disposition: &str, name: &str| {
        parameter(disposition, name).filter(|value| !value.is_empty())
    };
    fields(content_type, body)?.into_iter().rfind(|(disposition, _)| {
        named(disposition, "name").as_deref() == Some("audio")
            && named(disposition, "filename").is_some()
    })
}

/// The parts of a form: how each is disposed of, and its bytes.
fn fields<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<(String, &'a [u8])>> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("--{boundary}");
    let field = |part: &'a [u8]| {
        let split = find(part, b"\r\n\r\n")?;
        let head: String = part[..split].iter().copied().map(char::from).collect();
        Some((disposition(&head)?, &part[split + 4..]))
    };
    Some(parts(body, delimiter.as_bytes()).into_iter().filter_map(field).collect())
}

/// The bytes between the delimiters, without the line ends that belong to these.
fn parts<'a>(body: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let Some(first) = find(body, delimiter) else { return parts };
    let mut rest = &body[first + delimiter.len()..];
    let closing = [b"\r\n", delimiter].concat();
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        // The next delimiter may follow at once, and then shares this line end.
        let Some(end) = find(after, &closing) else { break };
        parts.push(&after[..end]);
        rest = &after[end + closing.len()..];
    }
    parts
}

fn disposition(head: &str) -> Option<String> {
    let line = head.split("\r\n").find(|line| {
        line.split_once(':')
            .is_some_and(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
    })?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A parameter of a header value, quoted or not. `filename*=` is another parameter than
/// `filename=`, as it is to Python's parser.
pub(super) fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // A search for the first byte first, since an upload may be large.
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}
