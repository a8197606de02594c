//! The pipeline's old SQLite content database (contract J), read page by page and never written.

mod error;
mod layout;
mod look;
mod row;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension};

pub use error::ContentDbError;

use crate::config::Config;
use crate::file::{READ_ANEW, Stamp};
use crate::id::Version;
use crate::report::{self, IdPolicy, Problem, Report, Source};
use layout::Layout;
use row::Assembler;

/// A page ends early when its rows come to so many bytes.
const PAGE_BYTES: usize = 4 << 20;

/// Where the database lies, and how its rows are to be understood. Nothing is kept open between two
/// questions. All of them block, for a few milliseconds or, where the file is locked, seconds.
#[derive(Clone, Debug)]
pub struct ContentDb {
    path: PathBuf,
    zone: TimeZone,
    ids: IdPolicy,
}

/// A row, and the report that it is.
#[derive(Clone, Debug)]
pub struct ContentRow {
    /// `content.id`, byte for byte: what a page goes on after. Many are a YouTube id in lower case
    /// (contract J.1), so the report's own id is another.
    pub key: Vec<u8>,
    /// Stands for all that the tables say of it: equal, and it need not be looked at again.
    pub fingerprint: Version,
    pub report: Result<Report, Problem>,
}

impl ContentRow {
    /// What stands for the row where the stamp of a file does: its fingerprint, and when its content
    /// was made. One without a date has that of the stamp that is `known` of the same row, or else
    /// `now`.
    pub fn stamp(&self, known: Option<Stamp>, now: Timestamp) -> Stamp {
        let (inode, size) = self.halves();
        let made_at = self.report.as_ref().ok().and_then(|report| report.made_at);
        let ns = |at: Timestamp| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX);
        let made_ns = match (made_at, known) {
            (Some(at), _) => ns(at),
            (None, Some(known)) if self.is_print_of(&known) => known.mtime_ns,
            (None, _) => ns(now),
        };
        // Nought is for what is to be read again.
        let made_ns = if made_ns == READ_ANEW { 1 } else { made_ns };
        Stamp { size, mtime_ns: made_ns, ctime_ns: made_ns, inode }
    }

    /// Whether this is the row, unchanged, that was given this stamp, and it need not be taken in
    /// again.
    pub fn is_as_of(&self, stamp: &Stamp) -> bool {
        self.is_print_of(stamp) && stamp.ctime_ns != READ_ANEW
    }

    /// Whether this row is what it was when it was given this stamp.
    pub fn is_print_of(&self, stamp: &Stamp) -> bool {
        self.halves() == (stamp.inode, stamp.size)
    }

    fn halves(&self) -> (i64, i64) {
        let bits = u128::from_be_bytes(*self.fingerprint.as_bytes());
        ((bits >> 64) as i64, bits as i64)
    }
}

/// Rows in the order of their keys.
#[derive(Clone, Debug)]
pub struct ContentPage {
    pub rows: Vec<ContentRow>,
    /// Where the next page goes on; nothing after the last one.
    pub next: Option<Vec<u8>>,
}

/// What changes whenever the database may have: equal, and no row need be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DbStamp {
    file: Stamp,
    /// Where there is one.
    log: Option<Stamp>,
}

impl ContentDb {
    /// `zone` is that of dates without one, as of report files.
    pub fn new(path: PathBuf, zone: TimeZone, ids: IdPolicy) -> Self {
        Self { path, zone, ids }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The one that a configuration names.
    pub fn configured(config: &Config) -> Option<Self> {
        let path = config.content_db.clone()?;
        Some(Self::new(path, config.watch.timezone.clone(), config.ids))
    }

    /// A look from outside, without opening it.
    ///
    /// # Errors
    /// When there is nothing to be seen.
    pub fn stamp(&self) -> Result<DbStamp, ContentDbError> {
        let at = |error| ContentDbError::file(&self.path, error);
        let real = fs::canonicalize(&self.path).map_err(at)?;
        let stamp = |path: &Path| rustix::fs::stat(path).map(|stat| Stamp::from(&stat));
        Ok(DbStamp {
            file: stamp(&real).map_err(|error| at(error.into()))?,
            log: stamp(&look::log_of(&real)).ok(),
        })
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub fn count(&self) -> Result<u64, ContentDbError> {
        self.look(|connection, _| {
            connection.query_row("SELECT count(*) FROM content", [], |row| row.get::<_, i64>(0))
        })
        .map(i64::unsigned_abs)
    }

    /// At most `limit` rows after a key, or from the first.
    ///
    /// # Errors
    /// Whatever keeps it from being read. A row that is no report is a row with a problem.
    pub fn page(&self, after: Option<&[u8]>, limit: usize) -> Result<ContentPage, ContentDbError> {
        self.look(|connection, layout| {
            let sql = select(layout, "id > CAST(?1 AS TEXT) ORDER BY id");
            let mut statement = connection.prepare(&sql)?;
            let mut assembler = Assembler::new(connection, layout)?;
            let mut found = statement.query([after.unwrap_or_default()])?;
            let mut page = ContentPage { rows: Vec::new(), next: None };
            let mut bytes = 0;
            while let Some(row) = found.next()? {
                if page.rows.len() >= limit.max(1) || bytes >= PAGE_BYTES {
                    page.next = page.rows.last().map(|row| row.key.clone());
                    break;
                }
                let (row, size) = self.read(&mut assembler, row)?;
                page.rows.push(row);
                bytes += size;
            }
            Ok(page)
        })
    }

    /// The row with this key.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub fn row(&self, key: &[u8]) -> Result<Option<ContentRow>, ContentDbError> {
        self.look(|connection, layout| {
            let mut assembler = Assembler::new(connection, layout)?;
            connection
                .prepare(&select(layout, "id = CAST(?1 AS TEXT)"))?
                .query_row([key], |row| self.read(&mut assembler, row))
                .optional()
                .map(|found| found.map(|(row, _)| row))
        })
    }

    /// A row, and how many bytes of JSON it was.
    fn read(
        &self,
        assembler: &mut Assembler<'_>,
        row: &rusqlite::Row<'_>,
    ) -> rusqlite::Result<(ContentRow, usize)> {
        let key = row.get_ref(0)?.as_bytes()?.to_vec();
        let json = serde_json::Value::Object(assembler.flat_row(row)?).to_string();
        // There is no file that could lend its name to a report without a title.
        let source = Source { file_stem: "", zone: &self.zone, ids: self.ids };
        let report = report::read(json.as_bytes(), &source);
        Ok((ContentRow { key, fingerprint: Version::of(json.as_bytes()), report }, json.len()))
    }

    fn look<T>(
        &self,
        read: impl Fn(&Connection, &Layout) -> rusqlite::Result<T>,
    ) -> Result<T, ContentDbError> {
        let at = |error| ContentDbError::sqlite(&self.path, error);
        look::look(&self.path, |connection| {
            // One moment for all that is read.
            let moment = connection.unchecked_transaction().map_err(at)?;
            let layout = Layout::of(&moment)
                .map_err(at)?
                .map_err(|why| ContentDbError::NoContent { path: self.path.clone(), why })?;
            read(&moment, &layout).map_err(at)
        })
    }
}

/// Rows whose key is no text are none of the pipeline's, and could not be found again.
fn select(layout: &Layout, which: &str) -> String {
    let columns = layout.columns.join(", ");
    format!("SELECT {columns} FROM content WHERE typeof(id) = 'text' AND {which}")
}
