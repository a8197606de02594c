//! What has happened lately, for whoever follows it.
//!
//! One list for all, and each follower is no more than a place in it: nobody has a queue that could
//! fill, so a follower who stops reading holds up nothing, and loses what the list no longer has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

/// How many events are kept.
const KEPT: usize = 1024;

/// One event, as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Only grows, also from one process to the next: microseconds since 1970, or one more than the
    /// event before.
    pub id: u64,
    /// `report-added`, `audio-added` or `report-deleted`.
    pub name: &'static str,
    /// JSON.
    pub data: Arc<str>,
}

/// What a follower is given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The id up to which events are gone that the follower has not had.
    pub missed_to: Option<u64>,
    pub events: Vec<Event>,
}

/// See the module. A clone is the same feed.
#[derive(Clone)]
pub struct Feed {
    kept: Arc<Mutex<Kept>>,
    /// The id of the last event. Only a wake-up: what is true stands in `kept`.
    last: watch::Sender<u64>,
}

struct Kept {
    events: VecDeque<Event>,
    /// The id of the last event that is not among them any more.
    gone_to: u64,
    last: u64,
}

impl Feed {
    /// An empty feed. Events from before `now` count as gone: another process may have had some.
    pub fn new(now: Timestamp) -> Self {
        let last = micros(now);
        let kept = Kept { events: VecDeque::with_capacity(KEPT), gone_to: last, last };
        Self { kept: Arc::new(Mutex::new(kept)), last: watch::Sender::new(last) }
    }

    pub fn publish(&self, name: &'static str, data: &serde_json::Value, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = micros(now).max(kept.last + 1);
        kept.last = id;
        if kept.events.len() == KEPT
            && let Some(oldest) = kept.events.pop_front()
        {
            kept.gone_to = oldest.id;
        }
        kept.events.push_back(Event { id, name, data: data.to_string().into() });
        // Under the lock, so that the number that is told never goes back.
        self.last.send_replace(id);
    }

    /// Events may have passed that this feed does not have: everybody is to be told so.
    pub fn miss(&self, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last = micros(now).max(kept.last + 1);
        kept.gone_to = kept.last;
        kept.events.clear();
        self.last.send_replace(kept.last);
    }

    /// Tells when there may be something new.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The id of the last event so far: following from here gives what is yet to come.
    pub fn last(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// What has happened since the event with this id, `most` events at the most.
    pub fn since(&self, id: u64, most: usize) -> News {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // An id that is none of ours is one of another server, whose order is not ours either, or
        // of a process before this one.
        let known = match kept.events.binary_search_by_key(&id, |event| event.id) {
            Ok(at) => Some(at + 1),
            Err(_) => (id == kept.gone_to).then_some(0),
        };
        News {
            missed_to: known.is_none().then_some(kept.gone_to),
            events: kept.events.iter().skip(known.unwrap_or(0)).take(most).cloned().collect(),
        }
    }
}

fn micros(time: Timestamp) -> u64 {
    time.as_microsecond().try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ids(news: &News) -> Vec<u64> {
        news.events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn ids_grow_even_when_the_clock_stands_or_goes_back() {
        let feed = Feed::new(at(10));
        let start = feed.last();
        for second in [10, 10, 9, 11] {
            feed.publish("x", &json!(second), at(second));
        }
        let news = feed.since(start, 9);
        assert_eq!(ids(&news), [10_000_001, 10_000_002, 10_000_003, 11_000_000]);
        assert_eq!(news.missed_to, None);
        assert_eq!(ids(&feed.since(10_000_002, 1)), [10_000_003]);
        assert_eq!(feed.since(feed.last(), 9), News::default());
    }

    #[test]
    fn whoever_comes_too_late_is_told_and_given_what_there_is() {
        let feed = Feed::new(at(10));
        let start = feed.last();
        for n in 0..=KEPT {
            feed.publish("x", &json!(n), at(10));
        }
        let news = feed.since(start, 2);
        assert_eq!((news.missed_to, ids(&news)), (Some(start + 1), vec![start + 2, start + 3]));
        assert_eq!(feed.since(start + 1, KEPT).missed_to, None);
        // Of the process before this one, and of a server whose clock is ahead.
        for id in [0, start - 1, feed.last() + 1] {
            let news = feed.since(id, KEPT);
            assert!(news.missed_to.is_some() && news.events.len() == KEPT, "{id}");
        }
    }
}
