//! What is held and what has come become what is held next, the same for every database. Pure.

use super::{Link, NamedAudio, NewAudio, Placement};
use crate::contract::{AUDIO_PUBLIC_PREFIX, Action};
use crate::id::Version;

/// What a store knows of an id's audio file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audio {
    pub(super) file_name: String,
    /// Of the bytes.
    pub(super) digest: Version,
    pub(super) duration_seconds: Option<i64>,
    /// The sender's number; none if it never said one.
    pub(super) version: Option<i64>,
}

impl Audio {
    /// The audio after `new`, when `held` was there before. Until it is known which names are
    /// free, the name is empty for an id that has none yet.
    pub(super) fn after(new: &NewAudio, held: Option<&Audio>, version: Option<i64>) -> Audio {
        // What is known of the length stays true only as long as the bytes do.
        let same_bytes = held.filter(|held| held.digest == new.digest);
        Audio {
            file_name: held.map(|held| held.file_name.clone()).unwrap_or_default(),
            digest: new.digest,
            duration_seconds: new
                .duration_seconds
                .or_else(|| same_bytes.and_then(|held| held.duration_seconds)),
            version: version.or(held.and_then(|held| held.version)),
        }
    }

    /// The audio after a file has come under a name of its own.
    pub(super) fn named(new: &NamedAudio, held: Option<&Audio>) -> Audio {
        let same_bytes = held.filter(|held| held.digest == new.digest);
        Audio {
            file_name: new.file_name.clone(),
            digest: new.digest,
            duration_seconds: same_bytes.and_then(|held| held.duration_seconds),
            version: held.and_then(|held| held.version),
        }
    }

    /// What became of it, now that it is in the place of `held`.
    pub(super) fn action(&self, held: Option<&Audio>) -> Action {
        let same = |held: &Audio| {
            held.digest == self.digest && held.duration_seconds == self.duration_seconds
        };
        action(held.is_some(), !held.is_some_and(same))
    }

    /// Where the file of `new` belongs.
    pub(super) fn placement(&self, new: &NewAudio, held: Option<&Audio>) -> Placement {
        Placement {
            file_name: self.file_name.clone(),
            bytes: new.bytes.unsigned_abs(),
            unchanged: held.is_some_and(|held| held.digest == new.digest),
        }
    }

    /// Where the file of `new` belongs, under its own name.
    pub(super) fn placement_named(new: &NamedAudio, held: Option<&Audio>) -> Placement {
        let same = |held: &Audio| held.digest == new.digest && held.file_name == new.file_name;
        Placement {
            file_name: new.file_name.clone(),
            bytes: new.bytes.unsigned_abs(),
            unchanged: held.is_some_and(same),
        }
    }

    /// The name of the file that is of no more use once this is in the place of `held`.
    pub(super) fn replaced(&self, held: Option<Audio>) -> Option<String> {
        held.map(|held| held.file_name).filter(|name| *name != self.file_name)
    }

    /// How a record speaks of it.
    pub(super) fn link(&self) -> Link {
        Link {
            url: Some(format!("{AUDIO_PUBLIC_PREFIX}{}", self.file_name)),
            duration_seconds: self.duration_seconds,
        }
    }
}

/// The stored number, if it is newer than the one that came.
pub(super) fn newer(stored: Option<i64>, came: Option<i64>) -> Option<i64> {
    stored.filter(|stored| came.is_some_and(|came| came < *stored))
}

pub(super) fn action(was_there: bool, changed: bool) -> Action {
    match (was_there, changed) {
        (false, _) => Action::Created,
        (true, true) => Action::Updated,
        (true, false) => Action::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::name::names;

    fn new(bytes: &str, duration_seconds: Option<i64>) -> NewAudio {
        NewAudio {
            video_id: "x".into(),
            names: names("x"),
            digest: Version::of(bytes.as_bytes()),
            bytes: 5,
            duration_seconds,
        }
    }

    #[test]
    fn a_length_is_kept_for_as_long_as_the_bytes_are_the_same() {
        let held = Audio::after(&new("a", Some(9)), None, Some(3));
        for (bytes, duration, kept, action) in [
            ("a", None, Some(9), Action::Unchanged),
            ("a", Some(9), Some(9), Action::Unchanged),
            ("a", Some(8), Some(8), Action::Updated),
            ("b", None, None, Action::Updated),
        ] {
            let after = Audio::after(&new(bytes, duration), Some(&held), None);
            assert_eq!((after.duration_seconds, after.version), (kept, Some(3)));
            assert_eq!(after.action(Some(&held)), action, "{bytes} {duration:?}");
            assert_eq!(after.placement(&new(bytes, duration), Some(&held)).unchanged, bytes == "a");
        }
        assert_eq!(held.action(None), Action::Created);
    }

    #[test]
    fn only_a_smaller_number_is_older() {
        for (stored, came, found) in [
            (Some(5), Some(4), Some(5)),
            (Some(5), Some(5), None),
            (Some(5), None, None),
            (None, Some(1), None),
        ] {
            assert_eq!(newer(stored, came), found);
        }
    }
}
