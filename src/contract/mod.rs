//! Both ends of the ingest wire: paths, headers, bodies and answers.
//!
//! The daemon writes what the server reads and the other way round, so the words stand here once.
//! Where a rule comes from the dashboard it names its section of the contract ("contract C.5").

pub mod answer;
pub mod legacy;
pub mod payload;
pub mod reading;

pub use answer::{
    Action, AudioAnswer, ContentAnswer, DeleteAnswer, ErrorAnswer, ReportAnswer, UploadAnswer,
};
pub use payload::{Media, ReportPayload, SummaryVariant};
pub use reading::{ListingAnswer, Pagination, RecordAnswer};

/// Takes a report (contract C).
pub const REPORT_PATH: &str = "/ingest/report";
/// Takes an audio file (contract D).
pub const AUDIO_PATH: &str = "/ingest/audio";
/// Says that the server lives (contract E).
pub const HEALTH_PATH: &str = "/health";
/// Says whether the server is set up to take anything (contract E).
pub const INGEST_HEALTH_PATH: &str = "/health/ingest";
/// Says whether the database answers (contract E).
pub const DATABASE_HEALTH_PATH: &str = "/health/db";
/// Where stored audio is served, and what a `public_url` begins with (contract D).
pub const AUDIO_PUBLIC_PREFIX: &str = "/exports/audio/";
/// Serves an id's audio, whatever its file is called: `<id>.mp3` follows (contract E).
pub const BY_VIDEO_PREFIX: &str = "/exports/by_video/";
/// Lists the visible records (contract E.1).
pub const REPORTS_PATH: &str = "/api/reports";
/// Tells what happens, as server-sent events (contract E.3).
pub const EVENTS_PATH: &str = "/api/report-events";
/// Takes a flat row, as the older generation sends it (contract F.2).
pub const CONTENT_PATH: &str = "/api/content";
/// Takes an audio file under a name of the sender's choice (contract F.1).
pub const UPLOAD_AUDIO_PATH: &str = "/api/upload-audio";
/// Deletes a record: `DELETE` with the id after it, or `POST` with the id in the body (contract
/// G.1).
pub const DELETE_PATH: &str = "/api/delete";
/// The longest body that [`UPLOAD_AUDIO_PATH`] takes, in bytes (contract F.1).
pub const UPLOAD_AUDIO_MAX: u64 = 25 << 20;

/// Carries the shared secret (contract C.2).
pub const TOKEN_HEADER: &str = "x-ingest-token";

/// Carries the older generation's secret to what deletes; elsewhere it is the bearer of
/// `Authorization` (contract F, G.1).
pub const SECRET_HEADER: &str = "x-sync-secret";

/// Carries a number that only grows for one id and kind. A receiver that knows it never lets a
/// late copy of an older version overwrite a newer one; the dashboard ignores it.
pub const VERSION_HEADER: &str = "x-ytv2-version";

/// The multipart part that names the content (contract D).
pub const AUDIO_PART_ID: &str = "video_id";
/// The multipart part that holds the file (contract D).
pub const AUDIO_PART_FILE: &str = "audio";
/// Our own extra part: the file's length in whole seconds. The dashboard ignores parts it does not
/// know (contract D, "Parts"), the ingest side keeps it as `analysis_json.audio_duration_seconds`.
/// It stands before the file, so that a server may stream.
pub const AUDIO_PART_DURATION: &str = "duration_seconds";

/// The variants that make a record appear in listings, in every generation of the dashboard
/// (contract C.6).
pub const VISIBLE_VARIANTS: [&str; 8] = [
    "comprehensive",
    "key-points",
    "bullet-points",
    "executive",
    "key-insights",
    "audio",
    "audio-fr",
    "audio-es",
];

/// What the dashboard, which asks Python, takes for true (contract, "falsy").
pub fn truthy(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The file name under which the dashboard keeps an id's audio: every `yt:` removed, then every
/// `:` (contract D, "Id for file"). Not yet safe for a path: whoever stores must see to that.
pub fn audio_file_stem(video_id: &str) -> String {
    video_id.trim().replace("yt:", "").replace(':', "")
}

/// Where the dashboard serves an id's audio (contract D, "Destination").
pub fn audio_public_url(video_id: &str) -> String {
    format!("{AUDIO_PUBLIC_PREFIX}{}.mp3", audio_file_stem(video_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emptiness_and_nought_are_not_true() {
        use serde_json::json;
        for falsy in
            [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({})]
        {
            assert!(!truthy(&falsy), "{falsy}");
        }
        for true_ in [json!(true), json!(1), json!(-0.5), json!(" "), json!([0]), json!({"a": 0})] {
            assert!(truthy(&true_), "{true_}");
        }
    }

    #[test]
    fn the_audio_name_of_an_id_loses_its_colons() {
        for (id, stem) in [
            ("abc", "abc"),
            ("yt:abc", "abc"),
            (" abc ", "abc"),
            ("reddit:1n2abcd", "reddit1n2abcd"),
            ("web:0f", "web0f"),
        ] {
            assert_eq!(audio_file_stem(id), stem);
        }
    }
}
