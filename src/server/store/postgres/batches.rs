//! Reports that come at the same time share a transaction, and so its statements and its commit.
//!
//! Nobody in a batch waits for anybody else: an id that another writer holds is left out, and a batch
//! that fails is undone and taken apart. Whoever sent what was left out takes it alone, waits where
//! there is something to wait for, and is told what is wrong with it and nothing else.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::super::ReportStored;
use super::call::{self, CallError, Work};
use super::put::{self, Sent};

/// How many batches are under way at a time.
pub(super) const LANES: usize = 4;

/// For how long a batch is under way alone. What comes meanwhile gathers, since the larger a batch,
/// the less each report in it costs; but it does not wait for a batch that hangs.
const HEAD_START: Duration = Duration::from_millis(20);

/// How many reports share a transaction at the most.
const TOGETHER: usize = 64;

/// How many may wait. Those beyond wait for a place among them.
const WAITING: usize = 256;

/// For a connection. Who waits longer does so alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the lanes, which end with it.
pub(super) struct Batches {
    waiting: mpsc::Sender<Waiting>,
}

struct Waiting {
    sent: Arc<Sent>,
    /// Dropped, it says that the report was not taken.
    taken: oneshot::Sender<ReportStored>,
}

impl Batches {
    /// With a pool of [`LANES`] connections.
    pub(super) fn start(pool: &Pool) -> Self {
        let (waiting, queue) = mpsc::channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..LANES {
            tokio::spawn(run(pool.clone(), queue.clone()));
        }
        Self { waiting }
    }

    /// What became of a report; none if it is to be taken alone.
    pub(super) async fn take(&self, sent: Arc<Sent>) -> Option<ReportStored> {
        let (taken, stored) = oneshot::channel();
        self.waiting.send(Waiting { sent, taken }).await.ok()?;
        stored.await.ok()
    }
}

/// Takes what has come meanwhile, again and again.
async fn run(pool: Pool, queue: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    loop {
        // Whoever has the queue has the head start, too.
        let mut turn = queue.lock().await;
        if turn.recv_many(&mut batch, TOGETHER).await == 0 {
            return;
        }
        // Of two reports of one id, the second is to find what the first has left.
        let mut ids = HashSet::new();
        batch.retain(|waiting| ids.insert(waiting.sent.report.video_id.clone()));
        let sent: Vec<_> = batch.iter().map(|waiting| waiting.sent.clone()).collect();
        let mut work = pin!(take(&pool, sent));
        let early = timeout(HEAD_START, &mut work).await;
        drop(turn);
        let stored = match early {
            Ok(stored) => stored,
            Err(_) => work.await,
        };
        for (waiting, stored) in batch.drain(..).zip(stored.unwrap_or_default()) {
            if let Some(stored) = stored {
                // Whoever asked may have gone.
                let _ = waiting.taken.send(stored);
            }
        }
    }
}

/// None of a report that was left out. What has failed, each of the batch will find out alone.
async fn take(pool: &Pool, sent: Vec<Arc<Sent>>) -> Result<Vec<Option<ReportStored>>, CallError> {
    let connection = timeout(PATIENCE, pool.get()).await.map_err(|_| CallError::Late)??;
    let work: Work<_> =
        Box::new(move |db| async move { put::free_reports(db, &sent).await }.boxed());
    call::write_batch(connection, work).await
}
