//! What happened of late, told to whoever listens: a bounded journal in memory, for
//! `GET /events` and the counts of the metrics. It is news, never the truth: that is the outbox's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::id::Kind;

/// So many events are kept for whoever comes later, and so many may a listener be behind.
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
    TargetUp,
    TargetDown,
    RootLost,
    RootFound,
    /// A listener was too slow, or came too late: so many events are missing here.
    Missed,
}

impl Happening {
    pub const ALL: [Happening; 11] = [
        Happening::Seen,
        Happening::Due,
        Happening::Started,
        Happening::Delivered,
        Happening::Failed,
        Happening::Parked,
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
    /// Grows from event to event, across restarts too.
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
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug)]
struct Kept {
    next: u64,
    events: VecDeque<Arc<Event>>,
}

/// What was kept after some event, and the way to what follows.
#[derive(Debug)]
pub struct Listening {
    /// How many events were lost between the one asked for and the first that is kept.
    pub missed: u64,
    pub kept: Vec<Arc<Event>>,
    pub live: broadcast::Receiver<Arc<Event>>,
}

impl Journal {
    /// A journal that begins now, in milliseconds since 1970, which makes its ids greater than those
    /// of any journal before: nobody writes a thousand events in each millisecond.
    pub fn new(now_ms: i64) -> Self {
        let (live, _) = broadcast::channel(KEPT);
        let next = now_ms.max(1).unsigned_abs() * 1000;
        let kept = Mutex::new(Kept { next, events: VecDeque::with_capacity(KEPT) });
        Self { shared: Arc::new(Shared { kept, live }) }
    }

    /// Adds an event.
    pub fn tell(&self, news: News, at: Timestamp) {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Arc::new(Event { id: kept.next, at, news });
        kept.next += 1;
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        // Under the lock, so that nobody hears of it twice or never. Nobody need listen.
        let _heard_by = self.shared.live.send(event);
    }

    /// What follows the event with this id; without one, what is yet to come.
    pub fn listen(&self, after: Option<u64>) -> Listening {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.shared.live.subscribe();
        let Some(after) = after else { return Listening { missed: 0, kept: Vec::new(), live } };
        let oldest = kept.next - kept.events.len() as u64;
        // An id of before the start says nothing of how many came after it.
        let missed = if after + 1 < oldest { oldest - after - 1 } else { 0 };
        let events = kept.events.iter().filter(|event| event.id > after).cloned().collect();
        Listening { missed, kept: events, live }
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

    #[test]
    fn what_was_told_is_kept_and_what_comes_is_heard() {
        let journal = told(3);
        let mut listening = journal.listen(Some(5000));
        let ids: Vec<_> = listening.kept.iter().map(|event| event.id).collect();
        assert_eq!((listening.missed, ids), (0, vec![5001, 5002]));
        journal.tell(News::new(Happening::Due), Timestamp::UNIX_EPOCH);
        assert_eq!(listening.live.try_recv().unwrap().id, 5003);
        assert!(journal.listen(None).kept.is_empty());
    }

    #[test]
    fn only_the_last_are_kept_and_the_others_are_counted() {
        let journal = told(KEPT + 7);
        let listening = journal.listen(Some(5001));
        assert_eq!((listening.missed, listening.kept.len()), (5, KEPT));
        assert_eq!(journal.listen(Some(5000 + KEPT as u64)).kept.len(), 6);
        assert!(journal.listen(Some(u64::MAX - 1)).kept.is_empty());
    }

    #[test]
    fn a_slow_listener_loses_events_and_holds_nobody_up() {
        let journal = told(0);
        let mut slow = journal.listen(None).live;
        for _ in 0..3 * KEPT {
            journal.tell(News::new(Happening::Seen), Timestamp::UNIX_EPOCH);
        }
        assert!(matches!(slow.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
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
