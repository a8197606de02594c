//! The audio files that were handed over with their report, at hand: what the table `pair` says.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;

use crate::file::FileRef;
use crate::id::ContentId;

/// Which audio file belongs to which id, whatever its name says. There is one for each file whose
/// name does not say it: few.
#[derive(Clone, Debug, Default)]
pub struct Pairs(Arc<RwLock<HashMap<OsString, ContentId>>>);

impl Pairs {
    /// What was kept.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let kept = connection
            .prepare("SELECT name, content FROM pair")?
            .query_map([], |row| Ok((OsString::from_vec(row.get(0)?), row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(RwLock::new(kept))))
    }

    /// The id that a file of the exports was handed over with.
    pub fn id_of(&self, name: &OsStr) -> Option<ContentId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A file was handed over with the report of an id.
    pub fn add(&self, file: &FileRef, id: ContentId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(file.name.clone(), id);
    }
}
