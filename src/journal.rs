//! What happened of late, told to whoever listens: a bounded journal in memory, for
//! `GET /events` and the counts of the metrics. It is news, never the truth: that is the outbox's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::id::Kind;

/// So many events are kept for whoever comes later; so many may a listener be behind.
pub const KEPT: usize = 1000;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A file was looked at, and is new or has changed.
    Seen,
    /// A target should hold another version by now.
    Due,
    /// A request began.
    Started,
    Delivered,
    /// A request failed, and is made again.
    Failed,
    /// Not tried again until its file changes.
    Parked,
    /// It was deleted at the dashboard, and is not sent any more.
    Deleted,
    TargetUp,
    TargetDown,
    RootLost,
    RootFound,
    /// A listener was too slow, or came too late: so many events are missing here.
    Missed,
}

impl Happening {
    pub const ALL: [Happening; 12] = [
        Happening::Seen,
        Happening::Due,
        Happening::Started,
        Happening::Delivered,
        Happening::Failed,
        Happening::Parked,
        Happening::Deleted,
        Happening::TargetUp,
        Happening::TargetDown,
        Happening::RootLost,
        Happening::RootFound,
        Happening::Missed,
    ];

    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Happening::Seen => "seen",
            Happening::Due => "due",
            Happening::Started => "started",
            Happening::Delivered => "delivered",
            Happening::Failed => "failed",
            Happening::Parked => "parked",
            Happening::Deleted => "deleted",
            Happening::TargetUp => "target_up",
            Happening::TargetDown => "target_down",
            Happening::RootLost => "root_lost",
            Happening::RootFound => "root_found",
            Happening::Missed => "missed",
        }
    }
}

/// One event. What does not apply is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one from event to event, and across restarts while the clock is not set back.
    pub id: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub news: News,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    pub event: Happening,
    /// `reports` or `exports`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The id of a report, or of its audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// As people see it, with every odd byte escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the target answered, what is wrong, or what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Of what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// From the change of the file to the acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_change_ms: Option<i64>,
    /// How many events are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl News {
    pub fn new(event: Happening) -> Self {
        Self {
            event,
            root: None,
            target: None,
            kind: None,
            content: None,
            path: None,
            words: None,
            bytes: None,
            since_change_ms: None,
            missed: None,
        }
    }
}

/// The journal, for as many as write and read it. Writing never waits: a listener that does not
/// keep up loses events.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    first: u64,
    kept: Mutex<Kept>,
    told: watch::Sender<()>,
}

#[derive(Debug)]
struct Kept {
    next: u64,
    events: VecDeque<Arc<Event>>,
}

/// What lies between the event that a listener had last and the next one that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    None,
    Of(u64),
    /// The daemon was restarted since, and nobody counted.
    Unknown,
}

/// What was told since some event.
#[derive(Debug)]
pub struct Since {
    pub gap: Gap,
    pub events: Vec<Arc<Event>>,
    /// The last event before these, kept or not.
    pub before: u64,
}

impl Journal {
    /// A journal that begins now, in milliseconds since 1970, which makes its ids greater than those
    /// of any journal before: nobody writes a thousand events in each millisecond.
    pub fn new(now_ms: i64) -> Self {
        let first = now_ms.max(1).unsigned_abs() * 1000;
        let kept = Mutex::new(Kept { next: first, events: VecDeque::new() });
        let (told, _) = watch::channel(());
        Self { shared: Arc::new(Shared { first, kept, told }) }
    }

    /// Adds an event.
    pub fn tell(&self, news: News, at: Timestamp) {
        let mut kept = self.kept();
        let event = Arc::new(Event { id: kept.next, at, news });
        kept.next += 1;
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(event);
        drop(kept);
        self.shared.told.send_replace(());
    }

    /// Hears of every event. Ask for it before reading, and nothing is missed.
    pub fn told(&self) -> watch::Receiver<()> {
        self.shared.told.subscribe()
    }

    /// The id of the last event, or the one before the first.
    pub fn last(&self) -> u64 {
        self.kept().next - 1
    }

    /// What followed the event with this id; after 0, all that is kept.
    pub fn since(&self, after: u64) -> Since {
        let kept = self.kept();
        let first = self.shared.first;
        let oldest = kept.next - kept.events.len() as u64;
        let gap = match after {
            1.. if after < first - 1 => Gap::Unknown,
            _ => match oldest - 1 - after.clamp(first - 1, oldest - 1) {
                0 => Gap::None,
                lost => Gap::Of(lost),
            },
        };
        let known = after.saturating_add(1).saturating_sub(oldest).min(kept.events.len() as u64);
        let events = kept.events.iter().skip(known as usize).cloned().collect();
        Since { gap, events, before: oldest + known - 1 }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(count: usize) -> Journal {
        let journal = Journal::new(5);
        for _ in 0..count {
            journal.tell(News::new(Happening::Seen), Timestamp::UNIX_EPOCH);
        }
        journal
    }

    fn ids(since: &Since) -> Vec<u64> {
        since.events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn what_was_told_is_kept_and_what_comes_is_heard() {
        let journal = told(3);
        let mut more = journal.told();
        assert_eq!(ids(&journal.since(5000)), [5001, 5002]);
        assert!(!more.has_changed().unwrap());
        journal.tell(News::new(Happening::Due), Timestamp::UNIX_EPOCH);
        assert!(more.has_changed().unwrap());
        more.mark_unchanged();
        assert_eq!(ids(&journal.since(5002)), [5003]);
        assert_eq!((journal.last(), told(0).last()), (5003, 4999));
    }

    #[test]
    fn only_the_last_are_kept_and_the_others_are_counted() {
        let (journal, kept) = (told(KEPT + 7), KEPT as u64);
        for (after, gap, before) in [
            (0, Gap::Of(7), 5006),
            (4000, Gap::Unknown, 5006),
            (4999, Gap::Of(7), 5006),
            (5001, Gap::Of(5), 5006),
            (5006, Gap::None, 5006),
            (5000 + kept, Gap::None, 5000 + kept),
            (5006 + kept, Gap::None, 5006 + kept),
            // The clock was set back, and the daemon started again.
            (u64::MAX, Gap::None, 5006 + kept),
        ] {
            let since = journal.since(after);
            assert_eq!((since.gap, since.before), (gap, before), "{after}");
            assert_eq!(ids(&since), (before + 1..5007 + kept).collect::<Vec<_>>(), "{after}");
        }
        assert_eq!(told(0).since(0).gap, Gap::None);
    }

    #[test]
    fn the_words_are_those_of_the_wire() {
        for happening in Happening::ALL {
            assert_eq!(serde_json::to_value(happening).unwrap(), happening.as_str());
        }
        let event = Event {
            id: 1,
            at: Timestamp::UNIX_EPOCH,
            news: News { content: Some("x".to_owned()), ..News::new(Happening::TargetUp) },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"id":1,"at":"1970-01-01T00:00:00Z","event":"target_up","content":"x"}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
