//! Sample files as the pipeline writes them, with what the dashboard must show of each.

mod files;
mod ids;
mod shapes;

pub use files::{audio_name, ignored_audio_names, older_audio_name, write_in_place, write_renamed};
pub use ids::youtube_id;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// The shapes of contract A, each with its kinds of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A.1, with the variants of A.1.1.
    LegacyNested,
    /// A.2, with its four kinds of summary.
    UniversalYoutube,
    UniversalReddit,
    UniversalWeb,
    /// A.3: the id in lower case, no title, the text in the legacy place.
    Emptied,
    /// A.4: no id and no title at the root.
    Converted,
    /// A.5.
    FlatRow,
    /// A.6.
    IngestReady,
    /// A.8.
    Raw,
}

impl Shape {
    pub const ALL: [Shape; 9] = [
        Shape::LegacyNested,
        Shape::UniversalYoutube,
        Shape::UniversalReddit,
        Shape::UniversalWeb,
        Shape::Emptied,
        Shape::Converted,
        Shape::FlatRow,
        Shape::IngestReady,
        Shape::Raw,
    ];
}

/// A report file, and what must come of it.
#[derive(Clone, Debug)]
pub struct Report {
    pub file_name: String,
    pub json: Value,
    pub expected: Expected,
}

/// What the dashboard must hold of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The id as it is delivered: bare for YouTube, prefixed otherwise.
    pub id: String,
    pub title: String,
    pub channel: String,
    /// The text of each variant, by its normalised name.
    pub variants: BTreeMap<String, String>,
    /// When the report was made; where the file names no zone, as if it were UTC.
    pub indexed_at: Timestamp,
}

impl Report {
    /// The file's bytes: two blanks of indent, characters beyond ASCII as they are.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.json).expect("a report is JSON")
    }

    /// The id as file names carry it.
    pub fn bare_id(&self) -> &str {
        self.expected.id.split_once(':').map_or(&self.expected.id, |(_, bare)| bare)
    }
}

/// The n-th report of a shape, always the same for the same n. Over n it goes through the kinds of
/// summary of its shape, and through ids that begin with `-` or `_` and that end like `_1`.
pub fn report(shape: Shape, n: usize) -> Report {
    report_revised(shape, n, 0)
}

/// The same report as a later run of the pipeline leaves it: the same file and id, other texts, a
/// minute later for each revision.
pub fn report_revised(shape: Shape, n: usize, revision: u32) -> Report {
    shapes::Maker::new(shape, n, revision).report()
}

/// So many reports of mixed shapes, with an id and a file name each.
pub fn mixed_reports(count: usize) -> Vec<Report> {
    (0..count).map(|n| report(Shape::ALL[n % Shape::ALL.len()], n)).collect()
}
