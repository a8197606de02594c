//! Everything of a record but its summaries, looked up through table H (contract H).

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::identity::Identity;
use super::shape::Shape;
use super::table::{Column, TextAt};
use super::{Source, analysis, pick, stem, youtube};
use crate::contract::Media;
use crate::id::Version;

/// The fields of a record as one file gives them, in the order in which the [digest](Self::digest) has
/// them: that of their names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fields {
    /// Without `audio_url`, which only a delivery can know (contract 0.2).
    pub analysis: Map<String, Value>,
    pub canonical_url: Option<String>,
    pub channel_name: Option<String>,
    pub content_source: Option<String>,
    /// The length of the video, in whole seconds.
    pub duration_seconds: Option<i64>,
    /// `None`: the file does not say, and the caller takes its mtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indexed_at: Option<Timestamp>,
    /// Only of an ingest-ready file that names the URL of its audio: in every other shape `media`
    /// is no sign of an MP3 (contract A.2).
    #[serde(serialize_with = "by_name")]
    pub media: Option<Media>,
    pub subcategories: Option<Value>,
    pub thumbnail_url: Option<String>,
    pub title: String,
    pub topics: Option<Value>,
}

impl Fields {
    /// Stands for all of it. A time that the file does not name is no part of it: a mere touch
    /// would change that.
    pub fn digest(&self) -> Version {
        Version::of(&serde_json::to_vec(self).expect("fields are plain JSON"))
    }
}

/// With its own fields in the order of their names.
fn by_name<S: Serializer>(media: &Option<Media>, serializer: S) -> Result<S::Ok, S::Error> {
    let sorted = media.as_ref().map(serde_json::to_value).transpose();
    sorted.map_err(serde::ser::Error::custom)?.serialize(serializer)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Outboxes have digests of before, by which nothing that is there is sent again.
    #[test]
    fn a_digest_is_that_of_all_fields_in_the_order_of_their_names() {
        let media = Media { has_audio: true, audio_url: "/a.mp3".to_owned() };
        for (media, indexed_at) in [(None, None), (Some(media), Some(Timestamp::UNIX_EPOCH))] {
            let fields = Fields {
                analysis: Map::from_iter([
                    ("z".to_owned(), 1.5.into()),
                    ("a".to_owned(), json!([])),
                ]),
                canonical_url: None,
                channel_name: Some("\"é\u{7f}\n".to_owned()),
                content_source: None,
                duration_seconds: Some(7),
                indexed_at,
                media,
                subcategories: Some(json!({"b": null, "a": [true]})),
                thumbnail_url: Some(String::new()),
                title: "t".to_owned(),
                topics: None,
            };
            let sorted = serde_json::to_value(&fields).unwrap().to_string();
            assert_eq!(fields.digest(), Version::of(sorted.as_bytes()));
            assert_eq!(serde_json::to_string(&fields).unwrap(), sorted);
        }
    }
}
