//! `GET /api/report-events`: what happens, as server-sent events (contract E.3).
//!
//! Beyond the contract each event has an id, and whoever comes back with `Last-Event-ID` gets what
//! there was in between. When that is not known any more, or a reader was too slow, `events-missed`
//! says so: the listing is to be read again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::Ingest;
use super::feed::{self, Feed};
use super::peers::Message;
use super::problem::Problem;
use crate::clock;
use crate::id::CONTENT_ID_MAX;

const REPORT_ADDED: &str = "report-added";
const AUDIO_ADDED: &str = "audio-added";
const REPORT_DELETED: &str = "report-deleted";

/// What events there are.
pub(super) const NAMES: [&str; 3] = [REPORT_ADDED, AUDIO_ADDED, REPORT_DELETED];

/// How often a silent stream says that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// How many events are handed to a connection at a time.
const BATCH: usize = 64;

/// How many summary names an event lists.
const NAMES_MAX: usize = 32;

pub(super) async fn follow(
    State(ingest): State<Ingest>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = ingest.streams.clone().try_acquire_owned().map_err(|_| Problem::Crowded)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let at = last.map_or_else(|| ingest.feed.last(), |id| id.trim().parse().unwrap_or(0));
    let follower = Follower {
        changes: ingest.feed.changes(),
        feed: ingest.feed.clone(),
        metrics: ingest.metrics.clone(),
        stop: ingest.stop.clone(),
        at,
        ready: VecDeque::from([Event::default().comment("connected").retry(RETRY)]),
        _place: place,
    };
    ingest.metrics.event_streams.inc();
    let alive = KeepAlive::new().interval(ALIVE).text("alive");
    let mut response = Sse::new(follower.stream()).keep_alive(alive).into_response();
    // nginx would keep the events until it has a buffer full of them.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// One connection's place in the feed.
struct Follower {
    feed: Feed,
    changes: watch::Receiver<u64>,
    metrics: super::metrics::Metrics,
    stop: CancellationToken,
    /// The id of the last event that was handed over.
    at: u64,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures_util::stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// The next event; none when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // Before the look, so that nothing falls between the two.
            self.changes.borrow_and_update();
            self.look();
            if self.ready.is_empty() {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    changed = self.changes.changed() => changed.ok()?,
                }
            }
        }
    }

    fn look(&mut self) {
        let news = self.feed.since(self.at, BATCH);
        if let Some(to) = news.missed_to {
            self.metrics.events_missed.inc();
            self.at = to;
            let event = Event::default().event("events-missed").id(to.to_string());
            self.ready.push_back(event.data(json!({ "to": to }).to_string()));
        }
        for feed::Event { id, name, data } in news.events {
            self.at = id;
            self.ready.push_back(Event::default().event(name).id(id.to_string()).data(data));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.metrics.event_streams.dec();
    }
}

/// A record is new, or has changed.
pub(super) fn report_added<'a>(
    ingest: &Ingest,
    video_id: &str,
    summaries: impl Iterator<Item = &'a str>,
    indexed_at: Option<Timestamp>,
) {
    let now = clock::now();
    let names = summaries.filter(|name| name.len() <= CONTENT_ID_MAX).take(NAMES_MAX);
    let data = json!({
        "video_id": told(video_id),
        "summary_types": names.collect::<Vec<_>>(),
        "timestamp": indexed_at.unwrap_or(now).to_string(),
    });
    publish(ingest, REPORT_ADDED, data, now);
}

/// An id has audio, or other audio than before. `video_id`: none when nobody knows whose it is.
pub(super) fn audio_added(ingest: &Ingest, video_id: Option<&str>, audio_url: &str) {
    let now = clock::now();
    let data = json!({
        "video_id": video_id.map_or(Value::Null, told),
        "audio_url": audio_url,
        "timestamp": now.to_string(),
    });
    publish(ingest, AUDIO_ADDED, data, now);
}

/// A record is gone.
pub(super) fn report_deleted(ingest: &Ingest, video_id: &str) {
    let now = clock::now();
    let data = json!({ "video_id": told(video_id), "timestamp": now.to_string() });
    publish(ingest, REPORT_DELETED, data, now);
}

/// Tells who follows this server, and the other servers.
fn publish(ingest: &Ingest, event: &'static str, data: Value, now: Timestamp) {
    ingest.feed.publish(event, &data, now);
    if let Some(peers) = &ingest.peers
        && let Ok(message) = serde_json::to_string(&Message { event, data })
    {
        peers.tell(message);
    }
}

/// An id; null when it is longer than any real one, since the feed keeps a thousand of them.
fn told(video_id: &str) -> Value {
    if video_id.len() <= CONTENT_ID_MAX { video_id.into() } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::server::store::Sqlite;
    use crate::server::{Guard, Limits, Media};

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_now_and_then_that_it_is_alive() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&dir.path().join("store.db")).unwrap();
        let media = Media::folder(dir.path()).unwrap();
        let ingest = Ingest::new(std::sync::Arc::new(store), media, Guard::Open, Limits::default());
        let response = follow(State(ingest.clone()), HeaderMap::new()).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = response.into_body().into_data_stream();
        let mut next = async || String::from_utf8(stream.next().await?.unwrap().to_vec()).ok();
        assert_eq!(next().await.as_deref(), Some(": connected\nretry: 2000\n\n"));
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            assert_eq!(next().await.as_deref(), Some(": alive\n\n"));
        }
        assert_eq!(begun.elapsed(), 3 * ALIVE);
        ingest.stop.cancel();
        assert_eq!(next().await, None);
    }
}
