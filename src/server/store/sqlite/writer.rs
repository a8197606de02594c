//! The one thread that owns the connection, and commits for many callers at once.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::super::StoreError;

/// How many calls may wait. Those beyond wait for a place among them.
const QUEUE: usize = 256;

/// How many calls share a commit, and so an fsync.
const GROUP: usize = 50;

/// How long the file may take to close. Everything in it is safe already, and a disk that hangs
/// must not keep the process from ending.
const CLOSING: Duration = Duration::from_secs(2);

/// A failure inside a call, which undoes that call and no other of its group.
#[derive(Debug)]
pub(super) enum CallError {
    Sqlite(rusqlite::Error),
    Media(std::io::Error),
}

impl From<rusqlite::Error> for CallError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl CallError {
    /// Whether the disk or the file cannot be trusted any more. A failed fsync leaves pages that
    /// look clean, so trying again on this connection could call something durable that is not.
    fn is_fatal(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Sqlite(error) => Self::Database(error.to_string()),
            CallError::Media(error) => Self::Media(error),
        }
    }
}

/// Does the work, and says whether it failed and how to answer once the commit is known.
type Call = Box<dyn FnOnce(&Connection) -> (Option<Failure>, Answer) + Send>;

/// Given why the group's commit failed, if it did.
type Answer = Box<dyn FnOnce(Option<&Failure>)>;

#[derive(Debug)]
struct Failure {
    why: String,
    fatal: bool,
}

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        let why = match error {
            CallError::Sqlite(error) => error.to_string(),
            CallError::Media(error) => error.to_string(),
        };
        Self { why, fatal: error.is_fatal() }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&CallError::from(error))
    }
}

/// The way to the thread.
pub(super) struct Writer {
    calls: Option<mpsc::Sender<Call>>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (calls, queue) = mpsc::channel(QUEUE);
        let work = move || {
            if let Err(failure) = run(&connection, queue) {
                error!(why = failure.why, "the database file can no longer be trusted");
            }
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(work)?;
        Ok(Self { calls: Some(calls), thread })
    }

    /// Has `work` done inside a transaction, and answers once that is committed.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |db| {
            let result = work(db);
            let failed = result.as_ref().err().map(Failure::from);
            let answer: Answer = Box::new(move |uncommitted| {
                // A failure of its own says more than that of the group.
                let _ = answer.send(match (result, uncommitted) {
                    (Err(error), _) => Err(error.into()),
                    (Ok(_), Some(failure)) => Err(StoreError::Database(failure.why.clone())),
                    (Ok(value), None) => Ok(value),
                });
            });
            (failed, answer)
        });
        let calls = self.calls.as_ref().ok_or(StoreError::Lost)?;
        calls.send(call).await.map_err(|_| StoreError::Lost)?;
        answered.await.map_err(|_| StoreError::Aborted)?
    }

    /// Resolves when the thread has ended.
    pub(super) async fn lost(&self) {
        if let Some(calls) = &self.calls {
            calls.closed().await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.calls.take());
        let deadline = Instant::now() + CLOSING;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Works until every sender is gone, or until going on would be dangerous.
fn run(db: &Connection, mut queue: mpsc::Receiver<Call>) -> Result<(), Failure> {
    let mut group = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut group, GROUP) > 0 {
        let mut answers = Vec::with_capacity(group.len());
        let failure = commit(db, &mut group, &mut answers).err();
        if failure.is_some() && !db.is_autocommit() {
            let _ = db.execute_batch("ROLLBACK");
        }
        for answer in answers {
            answer(failure.as_ref());
        }
        if let Some(failure) = failure.filter(|failure| failure.fatal) {
            return Err(failure);
        }
    }
    Ok(())
}

/// One transaction for a group of calls, each of which can fail alone. The calls that it does not
/// come to are dropped, which their callers notice.
fn commit(
    db: &Connection,
    group: &mut Vec<Call>,
    answers: &mut Vec<Answer>,
) -> Result<(), Failure> {
    let sql = |statement: &str| db.prepare_cached(statement)?.execute([]);
    let calls = std::mem::take(group);
    sql("BEGIN IMMEDIATE")?;
    for call in calls {
        sql("SAVEPOINT one")?;
        let (failed, answer) = call(db);
        answers.push(answer);
        if let Some(failure) = failed {
            if failure.fatal {
                return Err(failure);
            }
            // On a full disk SQLite has rolled back the whole group by itself: this fails then.
            sql("ROLLBACK TO one")?;
        }
        sql("RELEASE one")?;
    }
    sql("COMMIT")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x TEXT UNIQUE) STRICT").unwrap();
        Writer::start(db).unwrap()
    }

    async fn add(writer: &Writer, x: String) -> Result<usize, StoreError> {
        writer.call(move |db| Ok(db.execute("INSERT INTO t VALUES (?1)", [x])?)).await
    }

    async fn count(writer: &Writer) -> i64 {
        let count = |db: &Connection| Ok(db.query_row("SELECT count(*) FROM t", [], |r| r.get(0))?);
        writer.call(count).await.unwrap()
    }

    /// Holds the thread until told, so that the calls after it become one group.
    fn hold(writer: &Writer) -> (impl Future<Output = ()> + '_, std::sync::mpsc::Sender<()>) {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let held = async move {
            let _ = writer.call(move |_| Ok(wait.recv().is_ok())).await;
        };
        (held, go)
    }

    #[tokio::test]
    async fn a_call_that_fails_undoes_itself_and_no_other_of_its_group() {
        let writer = writer();
        let (held, go) = hold(&writer);
        let (_, ones, others, ()) = tokio::join!(
            held,
            add(&writer, "one".into()),
            futures_util::future::join_all(
                ["two", "one", "three"].map(|x| add(&writer, x.to_owned()))
            ),
            async { drop(go) },
        );
        assert!(ones.is_ok());
        let outcomes: Vec<_> = others.iter().map(Result::is_ok).collect();
        assert_eq!(outcomes, [true, false, true]);
        assert_eq!(count(&writer).await, 3);
    }

    #[tokio::test]
    async fn a_full_disk_fails_what_was_not_committed_and_passes() {
        let writer = writer();
        add(&writer, "kept".into()).await.unwrap();
        let limit = |pages: u32| {
            move |db: &Connection| Ok(db.pragma_update(None, "max_page_count", pages)?)
        };
        writer.call(limit(4)).await.unwrap();
        let full = add(&writer, "x".repeat(1 << 20)).await;
        assert!(matches!(full, Err(StoreError::Database(_))), "{full:?}");
        assert_eq!(count(&writer).await, 1);
        writer.call(limit(10_000)).await.unwrap();
        add(&writer, "x".repeat(1 << 20)).await.unwrap();
        assert_eq!(count(&writer).await, 2);
    }

    #[tokio::test]
    async fn a_thread_that_died_is_noticed() {
        let writer = writer();
        let panicked = writer.call(|_| -> Result<(), CallError> { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(StoreError::Aborted)));
        writer.lost().await;
        assert!(matches!(add(&writer, "x".into()).await, Err(StoreError::Lost)));
    }
}
