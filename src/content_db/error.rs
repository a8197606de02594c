//! Why the old content database cannot be read, in words for whoever has to mend it.

use std::path::{Path, PathBuf};

/// `Display` says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ContentDbError {
    #[error("{}: there is no such file; name the pipeline's database in content_db.path, or leave that empty", .0.display())]
    Missing(PathBuf),
    #[error("{}: {source}; ytv2d must be let read the file, and the -wal beside it", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: is no SQLite database; name the pipeline's database in content_db.path", .0.display())]
    NotADatabase(PathBuf),
    #[error("{}: was written by a newer SQLite than ytv2d knows; install a newer ytv2d", .0.display())]
    Newer(PathBuf),
    #[error("{}: {why}: it is not the pipeline's content database, or a newer one than ytv2d knows", path.display())]
    NoContent { path: PathBuf, why: String },
    #[error(
        "{}: another program has kept it locked, or kept rewriting it, for {seconds} seconds; it is \
         tried again later", path.display()
    )]
    Busy { path: PathBuf, seconds: u64 },
    #[error(
        "{}: a program died in the middle of a change to it; start the pipeline once, which undoes \
         that: ytv2d never writes to it", .0.display()
    )]
    Unfinished(PathBuf),
    #[error("{}: is corrupt: {source}; restore it from a backup, or leave content_db.path empty", path.display())]
    Corrupt { path: PathBuf, source: rusqlite::Error },
    #[error("{}: {source}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

impl ContentDbError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::NotFound => ContentDbError::Missing(path),
            _ => ContentDbError::File { path, source },
        }
    }

    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, ReadOnly};
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(NotADatabase) => ContentDbError::NotADatabase(path),
            // The one change that a reader could not do without: undoing what was left half done.
            Some(ReadOnly) => ContentDbError::Unfinished(path),
            Some(DatabaseCorrupt) => ContentDbError::Corrupt { path, source },
            _ => ContentDbError::Sqlite { path, source },
        }
    }

    /// Whether the same may do in a while, without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, ContentDbError::Busy { .. })
    }
}
