//! The reports that everybody is given: ready for the ingest endpoint as they lie there, so that a
//! loop that knows nothing of the pipeline's shapes can send them too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::fixtures::{Shape, report};

/// Bytes of a report as the pipeline writes them: contract A's samples lie between 4 and 12 KB.
const USUAL: usize = 7000;

/// A report of some 7 KB, another for each number, and the name of its file.
pub fn usual(n: usize) -> (String, Vec<u8>) {
    let mut report = report(Shape::IngestReady, n);
    let short = report.bytes().len();
    let text = &mut report.json["summary_variants"][0]["text"];
    let sentence = format!("\n\nIn part {n} nothing much happens, and it is told at some length.");
    let more = sentence.repeat((USUAL - short) / (sentence.len() + 2));
    *text = Value::String(text.as_str().unwrap_or_default().to_owned() + &more);
    (report.file_name.clone(), report.bytes())
}

/// The shortest that there is, for rows that ask for many files and not for many bytes.
pub fn small(n: usize) -> (String, Vec<u8>) {
    let report = report(Shape::IngestReady, n);
    (report.file_name.clone(), report.bytes())
}

/// Writes the reports of these numbers into a directory, and gives their paths.
pub fn write(
    directory: &Path,
    numbers: std::ops::Range<usize>,
    make: fn(usize) -> (String, Vec<u8>),
) -> Vec<PathBuf> {
    numbers
        .map(|n| {
            let (name, bytes) = make(n);
            let path = directory.join(name);
            fs::write(&path, bytes).expect("room for a report");
            path
        })
        .collect()
}
