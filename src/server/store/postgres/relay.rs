//! What servers on one database tell each other, by `LISTEN` and `NOTIFY` on a connection of its own.
//!
//! A message is not a part of the transaction that it speaks of: committing with one would put all
//! writers of the database in a row. It follows, and a server that dies in between leaves it untold.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{info, warn};

use super::super::share::{Heard, Peers, Share, Ways};
use super::call::CallError;
use super::{Postgres, single, sql};
use crate::server::store::StoreError;

/// `NOTIFY` takes less than this, in bytes.
const MESSAGE_MAX: usize = 8000;

/// How many messages go out at a time.
const BATCH: usize = 64;

/// For a connection to be made, and for a statement.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the start of the server waits for all this. Joining later costs a [`Heard::Missed`].
const JOINING: Duration = Duration::from_secs(2);

/// Until the next attempt at a connection.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a silent connection is tried: nobody else would notice that it is dead.
const ALIVE: Duration = Duration::from_secs(30);

impl Share for Postgres {
    fn join(&self) -> BoxFuture<'_, Option<Peers>> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let (joined, answer) = oneshot::channel();
        let peers = Peers::new(|ways| Relay::new(config, tls, ways).run(joined));
        async move {
            // An end without a word is a first attempt that failed.
            let _ = timeout(JOINING, answer).await;
            Some(peers)
        }
        .boxed()
    }
}

struct Relay {
    config: Box<Config>,
    tls: Option<MakeRustlsConnect>,
    /// What this server's messages begin with.
    name: String,
    /// The number of the last message: of two that are alike in one transaction, PostgreSQL
    /// delivers one.
    number: u64,
    ways: Ways,
    /// Whether something was told of which nobody knows whether it got out.
    doubt: bool,
}

impl Relay {
    fn new(config: Box<Config>, tls: Option<MakeRustlsConnect>, ways: Ways) -> Self {
        let name = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        Self { config, tls, name, number: 0, ways, doubt: false }
    }

    async fn run(mut self, joined: oneshot::Sender<()>) {
        let mut joined = Some(joined);
        let mut away = false;
        while let Err(error) = self.session(&mut joined, &mut away).await {
            joined = None;
            if !away {
                let error = StoreError::from(error);
                warn!(%error, "the other servers are out of reach, joining them again");
            }
            away = true;
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = self.ways.heard.closed() => return,
            }
        }
    }

    /// Tells and hears until nobody listens any more.
    async fn session(
        &mut self,
        joined: &mut Option<oneshot::Sender<()>>,
        away: &mut bool,
    ) -> Result<(), CallError> {
        let (client, mut messages) = tokio::select! {
            connected = within(single::connect(&self.config, self.tls.clone())) => connected?,
            () = self.ways.heard.closed() => return Ok(()),
        };
        let Self { name, number, ways: Ways { told, lost, heard }, doubt, .. } = self;
        let hearing = async {
            while let Some(message) = messages.try_next().await? {
                let AsyncMessage::Notification(message) = message else { continue };
                if let Some(message) = said(message.payload(), name) {
                    let _ = heard.send(message).await;
                }
            }
            Err(CallError::Unexpected("the connection was closed"))
        };
        let telling = async {
            let channel: Option<String> = within(client.query_one(sql::CHANNEL, &[])).await?.get(0);
            let channel = channel.ok_or(CallError::Unexpected("there are no tables yet"))?;
            within(client.batch_execute(&format!("LISTEN {channel}"))).await?;
            let in_time = joined.take().is_some_and(|joined| joined.send(()).is_ok());
            if !in_time {
                let _ = heard.send(Heard::Missed).await;
            }
            if std::mem::take(away) {
                info!("the other servers are in reach again");
            }
            loop {
                *doubt |= lost.swap(false, Ordering::Relaxed);
                let mut batch = vec![String::new(); usize::from(*doubt)];
                if !*doubt {
                    tokio::select! {
                        got = told.recv_many(&mut batch, BATCH) => if got == 0 { return Ok(()) },
                        () = heard.closed(), if !told.is_closed() => told.close(),
                        () = sleep(ALIVE) => {}
                    }
                }
                for message in &mut batch {
                    *number += 1;
                    let whole = format!("{name} {number} {message}");
                    // Without its words it says that something is missed.
                    let fits = whole.len() < MESSAGE_MAX;
                    *message = if fits { whole } else { format!("{name} {number} ") };
                }
                *doubt |= !batch.is_empty();
                within(client.execute(sql::TELL, &[&channel, &batch])).await?;
                *doubt = false;
            }
        };
        tokio::select! {
            ended = hearing => ended,
            ended = telling => ended,
        }
    }
}

async fn within<T>(
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, CallError> {
    Ok(timeout(PATIENCE, work).await.map_err(|_| CallError::Late)??)
}

/// What another server has said, if it was another.
fn said(payload: &str, name: &str) -> Option<Heard> {
    let mut parts = payload.splitn(3, ' ');
    let (from, _number, message) = (parts.next()?, parts.next()?, parts.next()?);
    match message {
        _ if from == name => None,
        "" => Some(Heard::Missed),
        message => Some(Heard::Message(message.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_say_is_heard() {
        for (payload, heard) in [
            ("me 1 {}", None),
            ("you 1 {\"a\": 1}", Some(Heard::Message("{\"a\": 1}".into()))),
            ("you 2 ", Some(Heard::Missed)),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(said(payload, "me"), heard, "{payload:?}");
        }
    }
}
