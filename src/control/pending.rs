//! Files that are not taken in yet, as the status and the listing show them.

use tokio::time::Instant;

use super::wire::{Item, Pending};
use crate::delivery::ItemState;
use crate::file::Root;
use crate::id::Kind;
use crate::intake;

impl Pending {
    pub fn new(file: &intake::Pending, now: Instant) -> Self {
        let waited = now.saturating_duration_since(file.since);
        Self {
            path: file.file.to_string(),
            kind: match file.file.root {
                Root::Reports | Root::Rows => Kind::Report,
                Root::Exports => Kind::Audio,
            },
            for_s: waited.as_secs(),
            reason: match &file.trouble {
                Some(why) => format!("it cannot be read: {why}; it is tried again in a minute"),
                None => format!("still being written for {}", span(waited.as_secs())),
            },
        }
    }

    /// As a row of the listing: nobody knows its id yet.
    pub fn into_item(self) -> Item {
        Item {
            id: None,
            kind: self.kind,
            target: None,
            state: ItemState::Waiting,
            path: Some(self.path),
            reason: Some(self.reason),
            attempts: 0,
            due_at: None,
            changed_at: None,
            acknowledged_at: None,
            action: None,
            parked_since: None,
            warning: None,
        }
    }
}

/// Seconds in their largest unit.
pub fn span(seconds: u64) -> String {
    match seconds {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..86_400 => format!("{} h", s / 3600),
        86_400..172_800 => "1 day".to_owned(),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::FileRef;
    use std::time::Duration;

    #[test]
    fn a_file_is_told_by_name_with_what_it_waits_for() {
        let since = Instant::now();
        let told = |trouble: Option<&str>| {
            let file = FileRef::new(Root::Exports, "a\n.mp3");
            let file = intake::Pending { file, since, trouble: trouble.map(str::to_owned) };
            Pending::new(&file, since + Duration::from_secs(14 * 60 + 5))
        };
        let written = told(None);
        assert_eq!(written.path, "exports/a\\n.mp3");
        assert_eq!(written.reason, "still being written for 14 min");
        let unread = told(Some("Input/output error"));
        assert_eq!(
            unread.reason,
            "it cannot be read: Input/output error; it is tried again in a minute"
        );
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        for (n, text) in [(59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 days")] {
            assert_eq!(span(n), text);
        }
    }
}
