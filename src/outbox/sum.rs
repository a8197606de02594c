//! What the files of an item add up to: the fields of the newest, and each summary of the newest that
//! has it.

use rusqlite::Connection;

use super::model::{FileOf, ReportFacts, SendVariant, Taken};
use super::summaries;
use crate::id::{Kind, Version};
use crate::report::{Chosen, FileFacts, Merged, merge};

/// Of the rows of `file` of an item, those that count: a report file wins over a row of the old
/// database (issue 6).
pub const COUNTS: &str = "NOT (file.root = 2 AND EXISTS (SELECT 1 FROM file AS other
     WHERE other.item = file.item AND other.root = 0))";

/// What the files of an item add up to.
pub struct Sum {
    /// The row of the newest file that stands for it.
    pub source: i64,
    /// When that was written.
    pub mtime_ns: i64,
    /// When it last changed in any way, in milliseconds.
    pub changed_ms: i64,
    pub version: Version,
    /// Of the fields of that file, or of its bytes.
    pub digest: Version,
    /// All summaries of a report.
    pub summaries: Option<Taken>,
    /// Of audio.
    pub seconds: Option<i64>,
}

impl Sum {
    /// The date of a report whose file has none, in milliseconds.
    pub fn indexed_ms(&self) -> i64 {
        self.mtime_ns / 1_000_000
    }

    /// Digests of all that is said: of the fields, or of the bytes, and of each summary.
    pub fn digests(&self) -> Vec<Version> {
        let summaries = self.summaries.iter().flat_map(Taken::values);
        [self.digest].into_iter().chain(summaries.copied()).collect()
    }
}

/// A row of `file`, as the adding up needs it.
struct FileRow {
    id: i64,
    mtime_ns: i64,
    ctime_ns: i64,
    name: Vec<u8>,
    made_ms: i64,
    digest: Version,
    variants: Taken,
    seconds: Option<i64>,
    stands: bool,
}

/// What a report adds up to that is all there is of its item, and is not in a row yet; with its summaries,
/// as they are to be sent.
pub fn first(of: &FileOf, facts: &ReportFacts) -> (Sum, Vec<SendVariant>) {
    let row = FileRow {
        id: 0,
        mtime_ns: of.stamp.mtime_ns,
        ctime_ns: of.stamp.ctime_ns,
        name: of.file.name_bytes().to_owned(),
        made_ms: facts.made_ms,
        digest: facts.fields,
        variants: facts.variants.clone(),
        seconds: None,
        stands: true,
    };
    let (rows, merged) = merged(vec![row]).expect("one file adds up to something");
    let variants = to_send(std::slice::from_ref(of), merged.clone());
    (report_sum(&rows, merged), variants)
}

/// The summaries of what files add up to, each with the file that has it.
pub fn to_send(files: &[FileOf], merged: Merged) -> Vec<SendVariant> {
    let with_file = |variant: Chosen| SendVariant {
        from: files[variant.file].clone(),
        name: variant.name,
        source_name: variant.source_name,
        digest: variant.digest,
    };
    merged.variants.into_iter().map(with_file).collect()
}

/// What the files of an item add up to; nothing, when none stands for it.
pub fn sum(connection: &Connection, item: i64, kind: Kind) -> rusqlite::Result<Option<Sum>> {
    let rows: Vec<FileRow> = connection
        .prepare_cached(&format!(
            "SELECT id, mtime_ns, ctime_ns, name, made_ms, digest, variants, seconds,
                    stands_ms IS NOT NULL
             FROM file WHERE item = ?1 AND {COUNTS}"
        ))?
        .query_map([item], |row| {
            Ok(FileRow {
                id: row.get(0)?,
                mtime_ns: row.get(1)?,
                ctime_ns: row.get(2)?,
                name: row.get(3)?,
                made_ms: row.get(4)?,
                digest: row.get(5)?,
                variants: summaries::unpack(row.get_ref(6)?.as_blob_or_null()?),
                seconds: row.get(7)?,
                stands: row.get(8)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    if !rows.iter().any(|row| row.stands) {
        return Ok(None);
    }
    Ok(match kind {
        Kind::Report => merged(rows).map(|(rows, merged)| report_sum(&rows, merged)),
        Kind::Audio => rows
            .iter()
            .max_by(|a, b| newness(a).cmp(&newness(b)))
            .map(|newest| sum_of(newest, newest.digest)),
    })
}

fn report_sum(rows: &[FileRow], merged: Merged) -> Sum {
    let newest = &rows[merged.fields_from];
    let taken = merged.variants.into_iter().map(|v| (v.name, v.digest)).collect();
    Sum { summaries: Some(taken), ..sum_of(newest, merged.version) }
}

fn newness(row: &FileRow) -> (bool, i64, i64, &[u8]) {
    (row.stands, row.made_ms, row.mtime_ns, &row.name)
}

fn sum_of(newest: &FileRow, version: Version) -> Sum {
    Sum {
        source: newest.id,
        mtime_ns: newest.mtime_ns,
        changed_ms: newest.ctime_ns / 1_000_000,
        version,
        digest: newest.digest,
        summaries: None,
        seconds: newest.seconds,
    }
}

fn merged(rows: Vec<FileRow>) -> Option<(Vec<FileRow>, Merged)> {
    let facts: Vec<FileFacts> = rows
        .iter()
        .map(|row| FileFacts {
            made_at_ms: row.made_ms,
            mtime_ns: row.mtime_ns,
            stands: row.stands,
            name: row.name.clone(),
            fields: row.digest,
            variants: row.variants.clone().into_iter().collect(),
        })
        .collect();
    merge(&facts).map(|merged| (rows, merged))
}
