//! The counts of the outbox, for as many as ask: one question at a time is put to it, and nobody
//! waits for the answer longer than a moment, since a slow disk may hold it up. Then the last one
//! serves, which says when it was true.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::outbox::{Count, Outbox, OutboxError};

/// How long to wait for counts of this moment, where there are earlier ones.
const PATIENCE: Duration = Duration::from_millis(30);

/// See the module.
#[derive(Clone)]
pub struct Counts {
    outbox: Outbox,
    /// How often was asked.
    asked: watch::Sender<u64>,
    /// What the last answer was, and to which question.
    answered: watch::Sender<(u64, Answer)>,
}

#[derive(Clone)]
enum Answer {
    NotYet,
    Counted(Arc<Count>),
    /// There is nobody left to answer.
    Closed,
}

impl Counts {
    pub fn new(outbox: Outbox) -> Self {
        let (asked, _) = watch::channel(0);
        let (answered, _) = watch::channel((0, Answer::NotYet));
        Self { outbox, asked, answered }
    }

    /// Answers until the outbox does not.
    pub async fn run(&self) {
        let mut asked = self.asked.subscribe();
        loop {
            // What was asked before this is answered by what is counted after it.
            let question = *asked.borrow_and_update();
            match self.outbox.count(clock::now_ms()).await {
                Ok(count) => {
                    self.answered.send_replace((question, Answer::Counted(Arc::new(count))));
                }
                Err(_) => {
                    self.answered.send_replace((u64::MAX, Answer::Closed));
                    return;
                }
            }
            // The sender is ours.
            let _more = asked.changed().await;
        }
    }

    /// The counts of this moment, or of the last at which they could be had.
    ///
    /// # Errors
    /// [`OutboxError::Closed`].
    pub async fn latest(&self) -> Result<Arc<Count>, OutboxError> {
        let mut question = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            question = *asked;
        });
        let mut answers = self.answered.subscribe();
        let fresh = timeout(PATIENCE, answers.wait_for(|(to, _)| *to >= question)).await;
        let fresh = fresh.ok().and_then(Result::ok).map(|answer| answer.1.clone());
        let answer = match fresh {
            Some(answer) => answer,
            None => {
                let any = answers.wait_for(|(_, answer)| !matches!(answer, Answer::NotYet));
                any.await.map_err(|_| OutboxError::Closed)?.1.clone()
            }
        };
        match answer {
            Answer::Counted(count) => Ok(count),
            Answer::NotYet | Answer::Closed => Err(OutboxError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn while_the_outbox_is_busy_the_last_counts_serve() {
        let directory = tempfile::tempdir().unwrap();
        let (outbox, _guard) = Outbox::open(&directory.path().join("outbox.db")).await.unwrap();
        let counts = Arc::new(Counts::new(outbox.clone()));
        let answering = tokio::spawn({
            let counts = Arc::clone(&counts);
            async move { counts.run().await }
        });
        let first = counts.latest().await.unwrap();
        let release = outbox.hold_up().await;
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&counts.latest().await.unwrap(), &first));
        }
        drop(release);
        while Arc::ptr_eq(&counts.latest().await.unwrap(), &first) {}
        assert!(counts.latest().await.unwrap().at_ms >= first.at_ms);
        answering.abort();
    }
}
