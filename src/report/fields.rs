//! Everything of a record but its summaries, looked up through table H (contract H).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::identity::Identity;
use super::shape::Shape;
use super::table::{Column, TextAt};
use super::{Source, analysis, pick, stem, youtube};
use crate::contract::Media;
use crate::id::Version;

/// The fields of a record as one file gives them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fields {
    pub title: String,
    pub channel_name: Option<String>,
    pub canonical_url: Option<String>,
    pub thumbnail_url: Option<String>,
    /// The length of the video, in whole seconds.
    pub duration_seconds: Option<i64>,
    /// `None`: the file does not say, and the caller takes its mtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indexed_at: Option<Timestamp>,
    /// Without `audio_url`, which only a delivery can know (contract 0.2).
    pub analysis: Map<String, Value>,
    pub subcategories: Option<Value>,
    pub topics: Option<Value>,
    pub content_source: Option<String>,
    /// Only of an ingest-ready file that names the URL of its audio: in every other shape `media`
    /// is no sign of an MP3 (contract A.2).
    pub media: Option<Media>,
}

impl Fields {
    /// Stands for all of it. A time that the file does not name is no part of it: a mere touch
    /// would change that.
    pub fn digest(&self) -> Version {
        let value = serde_json::to_value(self).expect("fields are plain JSON");
        Version::of(value.to_string().as_bytes())
    }
}

/// Reads the fields of a recognised report.
pub(super) fn fields(
    root: &Map<String, Value>,
    shape: Shape,
    identity: &Identity,
    source: &Source<'_>,
) -> Fields {
    let column = shape.column();
    let lookup = Lookup { root, youtube_id: identity.youtube.then(|| identity.id.bare()) };
    let analysis = analysis::analysis(root, column);
    Fields {
        title: title(root, column, identity, source),
        channel_name: lookup.first(column.channel_name).map(|name| one_line(&name)),
        canonical_url: lookup.first(column.canonical_url),
        thumbnail_url: lookup.first(column.thumbnail_url),
        duration_seconds: pick::first_seconds(root, column.duration_seconds),
        indexed_at: pick::first_instant(root, column.indexed_at, source.zone),
        subcategories: analysis::subcategories(root, &analysis),
        topics: analysis::topics(root, column),
        analysis,
        content_source: pick::text(root, "content_source").map(str::to_owned),
        media: (shape == Shape::IngestReady).then(|| media(root)).flatten(),
    }
}

fn title(
    root: &Map<String, Value>,
    column: &Column,
    identity: &Identity,
    source: &Source<'_>,
) -> String {
    pick::first_text(root, column.title)
        .map(one_line)
        .or_else(|| stem::words(source.file_stem, identity.id.bare()))
        .unwrap_or_else(|| identity.id.to_string())
}

/// Headings have no line breaks and no control characters; their length is their own affair.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn media(root: &Map<String, Value>) -> Option<Media> {
    let media = pick::object(root.get("media")?)?;
    let audio_url = pick::text(&media, "audio_url")?.to_owned();
    Some(Media { has_audio: true, audio_url })
}

struct Lookup<'a> {
    root: &'a Map<String, Value>,
    youtube_id: Option<&'a str>,
}

impl Lookup<'_> {
    fn first(&self, places: &[TextAt]) -> Option<String> {
        places.iter().find_map(|place| self.text(place))
    }

    fn text(&self, place: &TextAt) -> Option<String> {
        let at = |path| pick::text(self.root, path);
        match place {
            TextAt::At(path) => at(path).map(str::to_owned),
            TextAt::Subreddit(path) => {
                at(path).map(|name| format!("r/{}", name.trim_start_matches("r/")))
            }
            TextAt::Permalink(path) => at(path).map(|link| {
                if link.contains("://") {
                    link.to_owned()
                } else {
                    format!("https://www.reddit.com/{}", link.trim_start_matches('/'))
                }
            }),
            TextAt::WatchPage => self.youtube_id.map(youtube::watch_url),
            TextAt::Still => self.youtube_id.map(youtube::still_url),
        }
    }
}
