//! What an error of SQLite's means for the outbox.

use rusqlite::{Error, ErrorCode, ffi};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else has the file open at this moment.
    Busy,
    /// The volume has no room. Nothing is harmed, and what was undone can be done again.
    Full,
    /// The file holds what we cannot have written.
    Corrupt,
    /// The disk failed, or does not let us. After a failed write nobody knows what it holds, and a
    /// second try on the same connection may be told a lie (`faults.md` 1).
    Disk,
    /// A matter of the statement alone.
    Statement,
}

pub fn fault(error: &Error) -> Fault {
    match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Busy,
            ErrorCode::DiskFull => Fault::Full,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Fault::Corrupt,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly => Fault::Disk,
            _ => Fault::Statement,
        },
        // No page is checked against anything, so a flipped bit may show only in a value.
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => Fault::Corrupt,
        _ => Fault::Statement,
    }
}

/// Whether it may be that there is no room, though SQLite does not say so: it knows a full volume,
/// and calls a quota that is used up an I/O error like any other.
pub fn may_lack_room(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(failure, _) => {
            failure.extended_code == ffi::SQLITE_IOERR_WRITE
                || failure.code == ErrorCode::CannotOpen
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_means_one_thing() {
        for (code, meaning) in [
            (ffi::SQLITE_BUSY, Fault::Busy),
            (ffi::SQLITE_BUSY_RECOVERY, Fault::Busy),
            (ffi::SQLITE_FULL, Fault::Full),
            (ffi::SQLITE_CORRUPT, Fault::Corrupt),
            (ffi::SQLITE_CORRUPT_INDEX, Fault::Corrupt),
            (ffi::SQLITE_NOTADB, Fault::Corrupt),
            (ffi::SQLITE_IOERR, Fault::Disk),
            (ffi::SQLITE_IOERR_FSYNC, Fault::Disk),
            (ffi::SQLITE_IOERR_WRITE, Fault::Disk),
            (ffi::SQLITE_READONLY_DIRECTORY, Fault::Disk),
            (ffi::SQLITE_CANTOPEN, Fault::Disk),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Fault::Statement),
            (ffi::SQLITE_ERROR, Fault::Statement),
        ] {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(fault(&error), meaning, "{code}");
        }
        for (code, may) in [
            (ffi::SQLITE_IOERR_WRITE, true),
            (ffi::SQLITE_CANTOPEN, true),
            (ffi::SQLITE_IOERR_FSYNC, false),
            (ffi::SQLITE_IOERR_READ, false),
            (ffi::SQLITE_CORRUPT, false),
        ] {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(may_lack_room(&error), may, "{code}");
        }
        assert_eq!(fault(&Error::IntegralValueOutOfRange(0, 7)), Fault::Corrupt);
        assert_eq!(fault(&Error::QueryReturnedNoRows), Fault::Statement);
    }
}
