//! The thread that owns the connection: it takes jobs in groups, and a group is one commit.

use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::OutboxError;

/// How many jobs may wait before whoever brings more waits too.
const QUEUE: usize = 256;
/// How many jobs share a commit at the most, so that none waits long for the others.
const GROUP: usize = 64;

/// Tells whoever asked how it went, once the commit is through or has failed.
type Answer = Box<dyn FnOnce(Result<(), OutboxError>) + Send>;

/// Does the work, says whether it is to be kept, and how to tell.
type Work = Box<dyn FnOnce(&Connection) -> (bool, Answer) + Send>;

struct Job {
    writes: bool,
    run: Work,
}

/// The way to the thread. Clones share it; it ends when the last is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. The receiver gets the error that ended it, or is closed when it ended
    /// because nobody was left to ask.
    pub fn start(connection: Connection) -> (Self, oneshot::Receiver<OutboxError>) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (failed, failure) = oneshot::channel();
        thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || {
                if let Err(error) = serve(&connection, queue) {
                    let _nobody_listens = failed.send(error);
                }
            })
            .expect("a thread can be started");
        (Self { jobs }, failure)
    }

    /// Runs something that changes rows. It is durable when this returns.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.send(true, change).await
    }

    /// Runs something that only looks.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.send(false, look).await
    }

    async fn send<T: Send + 'static>(
        &self,
        writes: bool,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let (reply, answer) = oneshot::channel();
        let run = Box::new(move |connection: &Connection| {
            let result = work(connection);
            let keep = result.is_ok();
            let tell: Answer = Box::new(move |commit| {
                let _asker_gone = reply.send(match commit {
                    Ok(()) => result.map_err(OutboxError::from),
                    Err(error) => Err(error),
                });
            });
            (keep, tell)
        });
        self.jobs.send(Job { writes, run }).await.map_err(|_| OutboxError::Closed)?;
        answer.await.map_err(|_| OutboxError::Closed)?
    }
}

fn serve(connection: &Connection, mut queue: mpsc::Receiver<Job>) -> Result<(), OutboxError> {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(job) = queue.try_recv()
        {
            group.push(job);
        }
        commit(connection, group)?;
    }
    Ok(())
}

/// Runs a group in one transaction. A job that fails is undone alone; a commit that fails is
/// everybody's failure, and the end: what SQLite holds after that is for the next start to find
/// out, from the disk.
fn commit(connection: &Connection, group: Vec<Job>) -> Result<(), OutboxError> {
    let writes = group.iter().any(|job| job.writes);
    let statement = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(drop);
    let mut answers = Vec::with_capacity(group.len());
    let outcome = (|| -> rusqlite::Result<()> {
        if writes {
            statement("BEGIN IMMEDIATE")?;
        }
        for job in group {
            if job.writes {
                statement("SAVEPOINT job")?;
            }
            let (keep, answer) = (job.run)(connection);
            answers.push(answer);
            if job.writes {
                if !keep {
                    statement("ROLLBACK TO job")?;
                }
                statement("RELEASE job")?;
            }
        }
        if writes {
            statement("COMMIT")?;
        }
        Ok(())
    })();
    for answer in answers {
        answer(outcome.as_ref().map(drop).map_err(|error| OutboxError::Commit(error.to_string())));
    }
    outcome.map_err(OutboxError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer() -> (Writer, oneshot::Receiver<OutboxError>) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER UNIQUE) STRICT").unwrap();
        Writer::start(connection)
    }

    fn insert(x: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static {
        move |connection| {
            connection.execute("INSERT INTO t VALUES (?1)", [x])?;
            connection.execute("INSERT INTO t VALUES (?1)", [x + 1000])
        }
    }

    #[tokio::test]
    async fn a_job_that_fails_is_undone_alone() {
        let (writer, _failure) = writer().await;
        writer.write(insert(1001)).await.unwrap();
        let (a, b, c) = tokio::join!(
            writer.write(insert(5)),
            writer.write(insert(1)), // its second row is there already
            writer.write(insert(7)),
        );
        assert!(a.is_ok() && b.is_err() && c.is_ok());
        let rows = writer
            .read(|connection| {
                connection
                    .prepare("SELECT x FROM t ORDER BY x")?
                    .query_map([], |row| row.get::<_, i64>(0))?
                    .collect::<Result<Vec<_>, _>>()
            })
            .await
            .unwrap();
        assert_eq!(rows, [5, 7, 1001, 1005, 1007, 2001]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_told_to_all_and_ends_the_thread() {
        let (writer, failure) = writer().await;
        let broken = writer
            .write(|connection| connection.execute_batch("COMMIT")) // pulls the ground away
            .await;
        assert!(broken.is_err(), "{broken:?}");
        failure.await.unwrap();
        assert!(matches!(writer.write(insert(1)).await, Err(OutboxError::Closed)));
    }

    #[tokio::test]
    async fn the_thread_ends_with_the_last_handle() {
        let (writer, failure) = writer().await;
        drop(writer);
        assert!(failure.await.is_err(), "ended without an error");
    }
}
