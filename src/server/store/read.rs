//! What a store tells readers.

use futures_util::future::BoxFuture;

use super::{Held, StoreError};

/// The reading half of a [`Store`](super::Store).
pub trait Read {
    /// One page of the visible records.
    fn reports(&self, query: Query) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// The name of an id's audio file in the media folder.
    fn audio_file(&self, video_id: String) -> BoxFuture<'_, Result<Option<String>, StoreError>>;

    /// How much there is.
    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>>;
}

/// Which records, in which order. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Each has to occur in the title, the channel, the id or a latest summary, in whatever case
    /// (SQLite folds that of ASCII letters alone). Free of NUL, which PostgreSQL takes nowhere.
    pub words: Vec<String>,
    /// As [`Listed::source`] says it.
    pub source: Option<String>,
    /// The whole name.
    pub channel: Option<String>,
    pub has_audio: Option<bool>,
    pub sort: Sort,
    pub offset: u32,
    pub limit: u32,
}

/// The order of a listing; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By `indexed_at`, the latest first.
    #[default]
    Newest,
    Oldest,
    TitleUp,
    TitleDown,
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::TitleUp, Self::TitleDown];

    /// The word of contract E.1.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::TitleUp => "title_az",
            Self::TitleDown => "title_za",
        }
    }

    /// The columns of `content` as `c`, in SQL that every store understands.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::Newest => "c.indexed_at DESC, c.video_id DESC",
            Self::Oldest => "c.indexed_at, c.video_id",
            Self::TitleUp => "lower(c.title), c.video_id",
            Self::TitleDown => "lower(c.title) DESC, c.video_id DESC",
        }
    }
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub reports: Vec<Listed>,
    /// How many records the query has on all pages together.
    pub total: i64,
}

/// A record in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub held: Held,
    /// `youtube`, `reddit`, `wikipedia`, `lds`, `web` or `other`.
    pub source: String,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub records: i64,
    /// How many of the records listings show.
    pub visible: i64,
    pub audio_files: i64,
    /// All audio files together.
    pub audio_bytes: i64,
}

/// A word as a pattern for `LIKE … ESCAPE '\'`: anywhere, and nothing in it is a wildcard.
pub(super) fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_character_of_a_word_is_a_wildcard() {
        assert_eq!(super::pattern(r"100%_\a"), r"%100\%\_\\a%");
    }
}
