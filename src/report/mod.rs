//! What a report file says: bytes in, a record out, and nothing but values on the way.
//!
//! A file becomes text (`text`), a tree (`tree`), one of seven shapes (`shape`), and by that shape's
//! column of the contract's table H (`table`) a [`Report`]. Several reports of one id are
//! [merged](merge()), and the result [composed](compose()) into what the ingest endpoint takes.

mod analysis;
mod audio_name;
mod compose;
mod extras;
mod fields;
mod flat;
mod html;
mod identity;
mod merge;
mod names;
mod pick;
mod problem;
mod shape;
mod stem;
mod table;
mod text;
mod tree;
mod universal;
mod variant_name;
mod variants;
mod youtube;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use audio_name::{AudioName, audio_name};
pub use compose::{KnownAudio, compose};
pub use extras::Extras;
pub use fields::Fields;
pub use flat::{Dates, flat_row};
pub use html::from_text as html_from_text;
pub use merge::{Chosen, FileFacts, Merged, merge};
pub use names::ignored_report_name;
pub use problem::Problem;
pub use shape::Shape;
pub use tree::{Unread, bounded_json};
pub use universal::universal;
pub use variant_name::{is_visible, normalise as variant_name, visible_stand_in};
pub use variants::Variant;

use crate::id::ContentId;

/// Grows whenever the same file comes to be read as another id, date, field or summary: what was
/// read before is read again then.
pub const READING: u32 = 1;

/// What is known about a file beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file's name without `.json`, lossy where it is not UTF-8.
    pub file_stem: &'a str,
    /// Where the clock hung that wrote the timestamps without a zone.
    pub zone: &'a TimeZone,
    pub ids: IdPolicy,
}

/// How ids of other sources than YouTube are sent (contract H, "Id policy"). YouTube's are always
/// bare, in their own case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdPolicy {
    /// `reddit:1n2abcd`, as the ingest endpoint documents it.
    #[default]
    Prefixed,
    /// `1n2abcd`, as the pipeline's direct writer stores it.
    Bare,
}

/// One file's report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub shape: Shape,
    pub id: ContentId,
    /// When the content was made, which decides between several files of one id. `None`: the file
    /// does not say, and the caller takes its mtime.
    pub made_at: Option<Timestamp>,
    pub fields: Fields,
    pub extras: Extras,
    /// Each name once, none without a text; a copy for visibility is [`merge()`]'s affair.
    pub variants: Vec<Variant>,
    /// What was odd and could be lived with.
    pub remarks: Vec<String>,
}

/// Reads a report file. Whoever hands over the bytes spares their copy, which may be large.
pub fn read(bytes: impl Into<Vec<u8>>, source: &Source<'_>) -> Result<Report, Problem> {
    let mut bytes = bytes.into();
    if bytes.is_empty() {
        return Err(Problem::Empty);
    }
    let was_mended = text::mend_surrogates(&mut bytes);
    let (tree, remark) = match std::str::from_utf8(text::unmarked(&bytes)) {
        Ok(text) => (tree::parse(text)?, None),
        Err(_) => (tree::parse_latin_1(&bytes)?, Some(text::NOT_UTF_8)),
    };
    drop(bytes);

    let root = &tree.root;
    let shape = shape::recognise(root).ok_or(Problem::NotAReport)?;
    let identity = identity::identify(root, shape.column(), source)?;
    let fields = fields::fields(root, shape, &identity, source);
    let variants = variants::variants(root, shape.column(), source.zone)?;

    let remarks = [
        remark,
        was_mended.then_some("lone surrogates became U+FFFD"),
        tree.had_nul.then_some("NUL characters left out"),
        identity.case_lost.then_some("the id may have lost its upper case"),
        variants.is_empty().then_some("no summary in it: stored, but not listed"),
    ];
    Ok(Report {
        shape,
        made_at: made_at(root, &fields, &variants, source.zone),
        id: identity.id,
        fields,
        extras: extras::extras(root, shape, source.zone),
        variants,
        remarks: remarks.into_iter().flatten().map(str::to_owned).collect(),
    })
}

fn made_at(
    root: &Map<String, Value>,
    fields: &Fields,
    variants: &[Variant],
    zone: &TimeZone,
) -> Option<Timestamp> {
    pick::first_instant(root, &["processed_at"], zone)
        .or(fields.indexed_at)
        .or_else(|| variants.iter().filter_map(|variant| variant.generated_at).max())
}
