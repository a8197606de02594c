//! How the house's words are written into columns and read back.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::contract::Action;
use crate::file::Root;
use crate::id::{ContentId, Kind, Version};

impl ToSql for Version {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
    }
}

impl FromSql for Version {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        bytes.try_into().map(Version::from_bytes).map_err(|_| FromSqlError::InvalidBlobSize {
            expected_size: 16,
            blob_size: bytes.len(),
        })
    }
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self {
            Kind::Report => 0_i64,
            Kind::Audio => 1,
        }))
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Kind::Report),
            1 => Ok(Kind::Audio),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

impl ToSql for Root {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self {
            Root::Reports => 0_i64,
            Root::Exports => 1,
            Root::Rows => 2,
        }))
    }
}

impl FromSql for Root {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Root::Reports),
            1 => Ok(Root::Exports),
            2 => Ok(Root::Rows),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

impl ToSql for Action {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for Action {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Action::ALL
            .into_iter()
            .find(|action| action.as_str() == word)
            .ok_or_else(|| FromSqlError::Other(format!("no action: {word}").into()))
    }
}

impl ToSql for ContentId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl FromSql for ContentId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

/// The numbers of `delivery.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Current,
    Due,
    WaitsForReport,
    Parked,
    Vanished,
    Dropped,
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value.as_i64()? {
            0 => State::Current,
            1 => State::Due,
            2 => State::WaitsForReport,
            3 => State::Parked,
            4 => State::Vanished,
            5 => State::Dropped,
            other => return Err(FromSqlError::OutOfRange(other)),
        })
    }
}
