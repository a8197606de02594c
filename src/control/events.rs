//! `GET /events`: what happens, as it happens, as server-sent events. Whoever comes back with the id
//! of the last event that it had is told what came after it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use crate::clock;
use crate::journal::{Event, Gap, Happening, Journal, News};

/// So many may listen at a time: the other connections are for those who ask.
const LISTENERS_MAX: usize = 256;
/// After so much silence a comment says that the connection lives.
const SILENCE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

/// What `GET /events` may be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The id of the last event that was heard; 0 for all that is kept.
    after: Option<u64>,
}

/// What listeners listen to.
#[derive(Clone)]
pub struct Feed {
    journal: Journal,
    stop: CancellationToken,
    places: Arc<Semaphore>,
}

impl Feed {
    /// Every listening ends when `stop` is cancelled.
    pub fn new(journal: Journal, stop: CancellationToken) -> Self {
        Self { journal, stop, places: Arc::new(Semaphore::new(LISTENERS_MAX)) }
    }

    /// Begins to listen. The header, which a client sends that comes back by itself, goes before
    /// what it was first asked with.
    pub fn listen(&self, headers: &HeaderMap, asked: Asked) -> Result<Response, Refusal> {
        let after = match headers.get(LAST_EVENT_ID) {
            None => asked.after,
            Some(id) => match id.to_str().ok().and_then(|id| id.parse().ok()) {
                Some(id) => Some(id),
                None => {
                    return Err(Refusal::bad(
                        "Last-Event-ID is no number",
                        "send the id of an event as it came, or 0 for all that is kept",
                    ));
                }
            },
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Refusal::busy(
                format!("{LISTENERS_MAX} listen already"),
                "close some, and try again: ytv2d status tells how things are",
            )
        })?;
        let listening = Listening {
            // Before looking, so that nothing is missed in between.
            told: self.journal.told(),
            after: after.unwrap_or_else(|| self.journal.last()),
            journal: self.journal.clone(),
            ahead: VecDeque::new(),
            stop: self.stop.clone(),
            _place: place,
        };
        let stream = unfold(listening, async |mut listening| {
            let event = listening.next().await?;
            let said = sse::Event::default()
                .id(event.id.to_string())
                .event(event.news.event.as_str())
                .data(serde_json::to_string(&*event).expect("an event is JSON"));
            Some((Ok::<_, Infallible>(said), listening))
        });
        Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(SILENCE)).into_response())
    }
}

/// One who listens. What it does not take in time is lost to it, and counted.
struct Listening {
    journal: Journal,
    told: watch::Receiver<()>,
    after: u64,
    ahead: VecDeque<Arc<Event>>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Listening {
    /// The next event; nothing when the daemon stops.
    async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            if let Some(event) = self.ahead.pop_front() {
                return Some(event);
            }
            self.told.mark_unchanged();
            let since = self.journal.since(self.after);
            let missed = match since.gap {
                Gap::None => None,
                Gap::Of(count) => Some((Some(count), None)),
                Gap::Unknown => Some((None, Some("the daemon was started again".to_owned()))),
            };
            if let Some((missed, words)) = missed {
                let news = News { missed, words, ..News::new(Happening::Missed) };
                let event = Event { id: since.before, at: clock::now(), news };
                self.ahead.push_back(Arc::new(event));
            }
            self.after = since.before + since.events.len() as u64;
            self.ahead.extend(since.events);
            if self.ahead.is_empty() {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    told = self.told.changed() => told.ok()?,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(journal: &Journal, after: u64) -> Listening {
        Listening {
            told: journal.told(),
            after,
            journal: journal.clone(),
            ahead: VecDeque::new(),
            stop: CancellationToken::new(),
            _place: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        }
    }

    fn tell(journal: &Journal, events: usize) {
        for _ in 0..events {
            journal.tell(News::new(Happening::Seen), clock::now());
        }
    }

    #[tokio::test]
    async fn what_was_lost_to_a_slow_listener_is_counted_in_its_place() {
        let journal = Journal::new(1);
        let mut listening = listening(&journal, 0);
        tell(&journal, 3);
        assert_eq!(listening.next().await.unwrap().id, 1000);
        tell(&journal, 1500);
        let ids = [listening.next().await.unwrap().id, listening.next().await.unwrap().id];
        assert_eq!(ids, [1001, 1002]);
        let missed = listening.next().await.unwrap();
        assert_eq!((missed.id, missed.news.event), (1502, Happening::Missed));
        assert_eq!(missed.news.missed, Some(500));
        assert_eq!(listening.next().await.unwrap().id, 1503);
    }

    #[tokio::test]
    async fn a_listener_from_before_a_restart_is_told_so_and_the_stop_ends_all() {
        let journal = Journal::new(10);
        tell(&journal, 1);
        let mut listening = listening(&journal, 77);
        let missed = listening.next().await.unwrap();
        assert_eq!((missed.id, missed.news.missed), (9999, None));
        assert_eq!(listening.next().await.unwrap().id, 10_000);
        listening.stop.cancel();
        assert!(listening.next().await.is_none());
    }
}
