//! Events of the other servers on the same store, and ours to them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Ingest;
use super::events::NAMES;
use super::feed::Feed;
use super::store::{Heard, Peers};
use crate::clock;

/// What one server tells another, which may be older or newer than itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message<N> {
    pub(super) event: N,
    pub(super) data: Value,
}

/// The others, for as long as this server is one of them.
pub(super) struct Joined {
    hearing: JoinHandle<()>,
    leave: CancellationToken,
}

/// Joins the others, if there can be any: from here on their events are those of `ingest`, too.
pub(super) async fn join(ingest: &mut Ingest) -> Option<Joined> {
    let peers = ingest.store.join().await?;
    ingest.peers = Some(peers.tell.clone());
    let leave = CancellationToken::new();
    let hearing = tokio::spawn(hear(peers, ingest.feed.clone(), leave.clone()));
    Some(Joined { hearing, leave })
}

impl Joined {
    /// Once there are no more events of ours.
    pub(super) async fn leave(self) {
        self.leave.cancel();
        if let Err(panic) = self.hearing.await {
            error!(%panic, "the task that hears the other servers failed");
        }
    }
}

async fn hear(mut peers: Peers, feed: Feed, leave: CancellationToken) {
    loop {
        tokio::select! {
            () = leave.cancelled() => break,
            heard = peers.heard.recv() => match heard {
                Some(heard) => take(&feed, &heard),
                None => {
                    error!("events of other servers are not heard any more: restart");
                    break;
                }
            }
        }
    }
    peers.leave().await;
}

fn take(feed: &Feed, heard: &Heard) {
    let now = clock::now();
    match heard {
        Heard::Missed => feed.miss(now),
        Heard::Message(text) => {
            // What this version does not know, its readers do not either.
            let Ok(message) = serde_json::from_str::<Message<String>>(text) else { return };
            if let Some(name) = NAMES.into_iter().find(|name| *name == message.event) {
                feed.publish(name, &message.data, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_another_version_says_is_left_out_and_a_gap_is_passed_on() {
        let feed = Feed::new(Timestamp::UNIX_EPOCH);
        let start = feed.last();
        for text in ["", "{", "[]", r#"{"event": "report-eaten", "data": {}}"#, r#"{"event": 1}"#] {
            take(&feed, &Heard::Message(text.into()));
        }
        assert_eq!(feed.last(), start);
        let known = r#"{"event": "audio-added", "data": {"video_id": "a"}, "new": 1}"#;
        take(&feed, &Heard::Message(known.into()));
        let news = feed.since(start, 9);
        assert_eq!((news.events.len(), news.events[0].name), (1, "audio-added"));
        take(&feed, &Heard::Missed);
        assert_eq!(feed.since(start, 9).missed_to, Some(feed.last()));
    }
}
