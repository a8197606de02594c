//! The summaries of a report, wherever and under whatever name they are kept (contract H.1).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::problem::Problem;
use super::table::{Column, Summaries};
use super::{html, pick, variant_name};
use crate::contract::truthy;
use crate::id::Version;

/// One summary: a normalised name, and a text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    pub name: String,
    pub text: String,
    /// The file's own, else made from the text. Never empty: the dashboard hides a record whose
    /// html is null (contract C.6).
    pub html: String,
    pub generated_at: Option<Timestamp>,
}

impl Variant {
    /// Stands for text and html. The name is no part of it, so that a copy under another name has
    /// the same one.
    pub fn digest(&self) -> Version {
        let length = (self.text.len() as u64).to_le_bytes();
        // In one piece, of which several kilobytes are hashed at a time.
        Version::of(&[&length, self.text.as_bytes(), self.html.as_bytes()].concat())
    }
}

/// What the texts of all summaries and their HTML may take together. Real ones have a hundredth of
/// it, and what is sent has each of them twice, escaped.
const TEXTS_BYTES: usize = 4 << 20;

/// Keys of a summary object whose strings are no summaries: the text that has its own rule, and
/// bookkeeping (contract H.1.1; the last row is what legacy objects keep there as well).
const NOT_VARIANTS: [&str; 22] = [
    "summary",
    "headline",
    "summary_type",
    "generated_at",
    "variants",
    "default_variant",
    "latest_variant",
    "language",
    "proficiency",
    "proficiency_level",
    "audio_url",
    "html",
    "text",
    "error",
    "type",
    "content",
    "sentiment",
    "image",
    "image_url",
    "quality_score",
    "word_count",
    "topics",
];

/// Where summaries stand as items of a list.
const LISTS: [&str; 3] = ["summary_variants", "summary.variants", "summary.content.variants"];
/// Where the name of an unnamed body stands, outside of it.
const BODY_NAME: [&str; 3] = ["summary_type", "media_metadata.summary_type", "summary.type"];
/// Where a body keeps its own text; `content` in what is left of legacy files (contract A.3).
const BODY_TEXT: [&str; 3] = ["summary", "content", "text"];
/// Where an item of a list keeps its name, and its text.
const ITEM_NAME: [&str; 3] = ["variant", "summary_type", "type"];
const ITEM_TEXT: [&str; 3] = ["text", "summary", "content"];
/// Where an object that stands in a text's place keeps the text.
const NESTED_TEXT: [&str; 2] = ["summary", "comprehensive"];

/// All summaries of a file, each name once, in the order of H.1.1.
pub(super) fn variants(
    root: &Map<String, Value>,
    column: &Column,
    zone: &TimeZone,
) -> Result<Vec<Variant>, Problem> {
    let mut found = Found { zone, variants: Vec::new(), left: Some(TEXTS_BYTES) };
    for list in LISTS {
        found.items(pick::at(root, list));
    }
    match column.summaries {
        Summaries::Row => found.row(root),
        Summaries::In(bodies) => {
            let failed = root.get("summary").is_some_and(is_failure);
            let body = bodies
                .iter()
                .find_map(|path| Some((*path, pick::at(root, path).filter(|body| truthy(body))?)));
            if let Some((path, body)) = body.filter(|_| !failed) {
                // A bare text has no key that could name it, and only a legacy one has any around
                // it.
                let bare = path == "summary" && body.is_string();
                let name = pick::first_text(root, &BODY_NAME).filter(|_| !bare);
                found.body(body, name.unwrap_or(variant_name::DEFAULT), true);
            }
        }
    }
    match found.left {
        Some(_) => Ok(found.variants),
        None => Err(Problem::TooLong),
    }
}

/// A summary that could not be made: its texts are placeholders (contract A.1.1).
fn is_failure(object: &Value) -> bool {
    object.get("error").is_some_and(truthy)
}

struct Found<'a> {
    zone: &'a TimeZone,
    variants: Vec<Variant>,
    /// How many more bytes there may be; nothing, when there were too many.
    left: Option<usize>,
}

impl Found<'_> {
    fn items(&mut self, list: Option<&Value>) {
        for item in list.and_then(Value::as_array).into_iter().flatten() {
            let Some(map) = item.as_object().filter(|_| !is_failure(item)) else { continue };
            let name = pick::first_text(map, &ITEM_NAME).unwrap_or(variant_name::DEFAULT);
            let text = ITEM_TEXT.iter().find_map(|key| text_of(map.get(*key)?));
            self.take(name, text, pick::string(map, "html"), self.generated_at(map));
        }
    }

    /// One summary object: its own text, then one variant for each further text. `outermost`: an
    /// object in the text's place is such a body again, but only once.
    fn body(&mut self, body: &Value, name: &str, outermost: bool) {
        let map = match body {
            Value::String(text) => return self.take(name, Some(text), None, None),
            Value::Object(map) if !is_failure(body) => map,
            _ => return,
        };
        let name = pick::text(map, "summary_type").unwrap_or(name);
        let generated_at = self.generated_at(map);
        for value in BODY_TEXT.iter().filter_map(|key| map.get(*key)) {
            match value {
                Value::Object(_) if outermost => self.body(value, name, false),
                Value::String(text) if filled(text).is_some() => {
                    self.take(name, Some(text), None, generated_at);
                }
                _ => continue,
            }
            break;
        }
        for (key, value) in map {
            if !NOT_VARIANTS.contains(&key.as_str()) {
                self.take(key, value.as_str(), None, generated_at);
            }
        }
    }

    fn row(&mut self, root: &Map<String, Value>) {
        let name = pick::text(root, "summary_type").unwrap_or(variant_name::DEFAULT);
        self.take(name, pick::string(root, "summary_text"), None, None);
    }

    fn generated_at(&self, map: &Map<String, Value>) -> Option<Timestamp> {
        pick::instant(map.get("generated_at")?, self.zone)
    }

    /// Of two summaries of one name the newer one stays, else the first.
    fn take(
        &mut self,
        name: &str,
        text: Option<&str>,
        html: Option<&str>,
        generated_at: Option<Timestamp>,
    ) {
        let Some(text) = text.and_then(filled) else { return };
        let room = self.left.and_then(|left| left.checked_sub(text.len()));
        let html = room.and_then(|room| match html.and_then(filled) {
            Some(html) => (html.len() <= room).then(|| html.to_owned()),
            None => html::from_text_within(text, room),
        });
        self.left = room.zip(html.as_ref()).map(|(room, html)| room - html.len());
        let Some(html) = html else { return };
        let name = variant_name::normalise(name);
        let new = Variant { name, text: text.to_owned(), html, generated_at };
        match self.variants.iter_mut().find(|known| known.name == new.name) {
            Some(known) if known.generated_at < new.generated_at => *known = new,
            Some(_) => {}
            None => self.variants.push(new),
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then_some(text)
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => filled(text),
        Value::Object(map) if !is_failure(value) => {
            NESTED_TEXT.iter().find_map(|key| filled(map.get(*key)?.as_str()?))
        }
        _ => None,
    }
}
