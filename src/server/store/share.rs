//! How servers that share a store tell each other what has happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

/// How many messages may wait on their way out, and on their way in.
const WAITING: usize = 1024;

/// For what still waits on its way out when this server ends.
const LEAVING: Duration = Duration::from_secs(2);

/// The part of a [`Store`](super::Store) that other servers may be at as well.
pub trait Share {
    /// Joins the others; none where there can be none. Answers once everything that they tell from
    /// now on is heard, or the store turns out to be away, which [`Heard::Missed`] ends.
    fn join(&self) -> BoxFuture<'_, Option<Peers>> {
        Box::pin(future::ready(None))
    }
}

/// The others.
pub struct Peers {
    pub tell: Teller,
    /// Never what this server told itself.
    pub heard: mpsc::Receiver<Heard>,
    relay: JoinHandle<()>,
}

/// What comes from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Message(String),
    /// They may have told something that got lost.
    Missed,
}

/// Tells the others. A clone is as good.
#[derive(Clone)]
pub struct Teller {
    messages: mpsc::Sender<String>,
    lost: Arc<AtomicBool>,
}

/// A store's ends of the two ways.
pub(super) struct Ways {
    /// Ends when there is nothing more to tell.
    pub(super) told: mpsc::Receiver<String>,
    /// Whether something to tell was lost. Taken back when the others have been told so.
    pub(super) lost: Arc<AtomicBool>,
    /// Closes when nobody listens any more; `told` is to be closed then, and emptied.
    pub(super) heard: mpsc::Sender<Heard>,
}

impl Peers {
    /// Has `relay` carry what is told and heard.
    pub(super) fn new<R>(relay: impl FnOnce(Ways) -> R) -> Self
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let (messages, told) = mpsc::channel(WAITING);
        let (hear, heard) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicBool::new(false));
        let relay = relay(Ways { told, lost: lost.clone(), heard: hear });
        Self { tell: Teller { messages, lost }, heard, relay: tokio::spawn(relay) }
    }

    /// Hears no more, and gives what was told the time to get out.
    pub async fn leave(self) {
        drop(self.heard);
        if tokio::time::timeout(LEAVING, self.relay).await.is_err() {
            warn!("the other servers could not be told everything");
        }
    }
}

impl Teller {
    /// Never waits. What cannot be delivered the others count as [`Heard::Missed`].
    pub fn tell(&self, message: String) {
        if self.messages.try_send(message).is_err() {
            self.lost.store(true, Ordering::Relaxed);
        }
    }
}
