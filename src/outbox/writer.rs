//! The thread that owns the connection: it takes jobs in groups, and a group is one commit.

use std::path::{Path, PathBuf};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::{Fault, fault};
use super::room::{Fullness, Room, fault_at};
use super::{OutboxError, quarantine};

/// How many jobs may wait before whoever brings more waits too.
const QUEUE: usize = 256;
/// How many jobs share a commit at the most, so that none waits long for the others.
const GROUP: usize = QUEUE;

/// What a job does to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    /// Keeps what nobody could find out again.
    Keep,
    /// Keeps what a target would say again, if it were asked.
    Mark,
    /// Takes in what lies on the disk, and will lie there when there is room.
    TakeIn,
}

struct Job {
    access: Access,
    work: Box<dyn Work>,
}

/// What a job does, and whom it tells.
trait Work: Send {
    /// May be called again when what it did was undone.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Tells whoever asked how it went, once the commit is through or has failed.
    fn tell(self: Box<Self>, outcome: Result<(), OutboxError>);
}

struct Asked<T, F> {
    run: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, OutboxError>>,
}

impl<T, F> Work for Asked<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.result = Some((self.run)(connection)?);
        Ok(())
    }

    fn tell(self: Box<Self>, outcome: Result<(), OutboxError>) {
        let Self { result, reply, .. } = *self;
        let _asker_gone = reply.send(outcome.and_then(|()| result.ok_or(OutboxError::Closed)));
    }
}

/// The way to the thread. Clones share it; it ends when the last is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    full: Fullness,
}

/// The way to the thread for whoever does not keep it.
pub struct WeakWriter {
    jobs: mpsc::WeakSender<Job>,
    full: Fullness,
}

impl WeakWriter {
    pub fn upgrade(&self) -> Option<Writer> {
        Some(Writer { jobs: self.jobs.upgrade()?, full: self.full.clone() })
    }
}

impl Writer {
    /// Starts the thread on the outbox at `path`. The receiver gets the error that ended it, or is
    /// closed when it ended because nobody was left to ask.
    pub fn start(connection: Connection, path: &Path) -> (Self, oneshot::Receiver<OutboxError>) {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        let (failed, failure) = oneshot::channel();
        let room = Room::new(path);
        let mut keeper = Keeper { connection, durability: None, room, path: path.to_owned() };
        let full = keeper.room.fullness();
        thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || {
                if let Err(error) = keeper.serve(&mut queue) {
                    // The queue is still open, so that nobody hears of a closed outbox before
                    // there is word of why.
                    let _nobody_listens = failed.send(error);
                }
            })
            .expect("a thread can be started");
        (Self { jobs, full }, failure)
    }

    pub fn downgrade(&self) -> WeakWriter {
        WeakWriter { jobs: self.jobs.downgrade(), full: self.full.clone() }
    }

    /// Since when the volume is full.
    pub fn fullness(&self) -> &Fullness {
        &self.full
    }

    /// Runs something that changes rows. It is durable when this returns. It may be run again when
    /// what it did was undone for want of room.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.send(Access::Keep, change).await
    }

    /// The same for what a target would say again: it outlives this process, but a power cut perhaps
    /// not before it is [hardened](super::hardening).
    pub async fn mark<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.send(Access::Mark, change).await
    }

    /// The same for what can be found again on the disk: it outlives this process, but a power cut
    /// perhaps not. On a full volume it is refused at once, so that it takes no room from what
    /// cannot be found again.
    pub async fn take_in<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.send(Access::TakeIn, change).await
    }

    /// Runs something that only looks.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.send(Access::Read, look).await
    }

    async fn send<T: Send + 'static>(
        &self,
        access: Access,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let (reply, mut answer) = oneshot::channel();
        let work = Box::new(Asked { run, result: None, reply });
        self.jobs.send(Job { access, work }).await.map_err(|_| OutboxError::Closed)?;
        tokio::select! {
            biased;
            told = &mut answer => told.map_err(|_| OutboxError::Closed)?,
            // A job that was on its way when the thread ended lies in the queue, and is neither done
            // nor dropped.
            () = self.jobs.closed() => answer.try_recv().map_err(|_| OutboxError::Closed)?,
        }
    }
}

/// What the thread has.
struct Keeper {
    connection: Connection,
    /// Whether commits wait for the disk, as the connection was told last.
    durability: Option<Durability>,
    room: Room,
    path: PathBuf,
}

impl Keeper {
    fn serve(&mut self, queue: &mut mpsc::Receiver<Job>) -> Result<(), OutboxError> {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(job) = queue.try_recv()
            {
                group.push(job);
            }
            self.room.look();
            // Who only looks waits for no commit: nobody's own word is in it yet, since whoever
            // writes is told before he asks for more.
            let (looks, changes): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|job| job.access == Access::Read);
            for group in [looks, changes] {
                if !group.is_empty() {
                    self.commit(group)?;
                }
            }
        }
        self.checkpoint();
        Ok(())
    }

    /// Commits a group. What finds no room is tried again alone, when some was made.
    fn commit(&mut self, group: Vec<Job>) -> Result<(), OutboxError> {
        let unplaced = self.attempt(group)?;
        if unplaced.is_empty() {
            return Ok(());
        }
        self.room.make();
        // When all of the log is in the file, the log begins again at its front, in the blocks that
        // it has.
        self.checkpoint();
        for job in unplaced {
            for job in self.attempt(vec![job])? {
                job.work.tell(Err(OutboxError::DiskFull));
            }
        }
        Ok(())
    }

    /// Commits a group, and gives back those that found no room. Any other failure of a commit is
    /// everybody's, and the end: what SQLite holds after that is for the next start to find out,
    /// from the disk.
    fn attempt(&mut self, group: Vec<Job>) -> Result<Vec<Job>, OutboxError> {
        let full = self.room.is_full();
        let (refused, mut group): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|job| full && job.access == Access::TakeIn);
        for job in refused {
            job.work.tell(Err(OutboxError::DiskFull));
        }
        let means = |error: &rusqlite::Error| fault_at(&self.path, error);
        match transact(&self.connection, &mut self.durability, &mut group, means) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    job.work.tell(outcome.map_err(OutboxError::from));
                }
                Ok(Vec::new())
            }
            Err((_, Fault::Full)) => Ok(group),
            Err((error, fault)) => {
                let why = error.to_string();
                let end = match fault {
                    Fault::Corrupt => {
                        quarantine::suspect(&self.path, &why);
                        OutboxError::corrupt(&self.path, why.clone())
                    }
                    _ => OutboxError::Broken(why.clone()),
                };
                for job in group {
                    job.work.tell(Err(OutboxError::Broken(why.clone())));
                }
                Err(end)
            }
        }
    }

    /// Brings the log into the file as far as that is possible.
    fn checkpoint(&self) {
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        let _later_then = self.connection.query_row(checkpoint, [], |_| Ok(()));
    }
}

/// Runs a group in one transaction. A job whose own statement fails is undone alone; any other
/// failure is given with what it `means`.
fn transact(
    connection: &Connection,
    durability: &mut Option<Durability>,
    group: &mut [Job],
    means: impl Fn(&rusqlite::Error) -> Fault,
) -> Result<Vec<rusqlite::Result<()>>, (rusqlite::Error, Fault)> {
    let statement = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(drop);
    let outcome = (|| {
        let writes = group.iter().any(|job| job.access != Access::Read);
        if writes {
            let needed = Durability::of(group);
            if *durability != Some(needed) {
                connection.execute_batch(needed.pragma())?;
                *durability = Some(needed);
            }
            statement("BEGIN IMMEDIATE")?;
        }
        // One alone is undone with its transaction. A savepoint copies each page that changes after it.
        let (apart, mut undone) = (writes && group.len() > 1, false);
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            if apart {
                statement("SAVEPOINT job")?;
            }
            let outcome = job.work.run(connection);
            if let Err(error) = outcome {
                if fault(&error) != Fault::Statement {
                    return Err(error);
                }
                if apart {
                    statement("ROLLBACK TO job")?;
                } else if writes {
                    statement("ROLLBACK")?;
                    undone = true;
                }
                outcomes.push(Err(error));
            } else {
                outcomes.push(Ok(()));
            }
            if apart {
                statement("RELEASE job")?;
            }
        }
        if writes && !undone {
            statement("COMMIT")?;
        }
        Ok(outcomes)
    })();
    let undo = |error| match means(&error) {
        // SQLite may have undone it already. After any other failure nothing more is asked of it.
        Fault::Full if !connection.is_autocommit() => match statement("ROLLBACK") {
            Ok(()) => (error, Fault::Full),
            Err(error) => (error, Fault::Disk),
        },
        fault => (error, fault),
    };
    outcome.map_err(undo)
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    Full,
    /// With the next commit that does wait, this one is durable as well.
    Normal,
}

impl Durability {
    /// What lies on the disk as a file is read again after a power cut, and what a target holds is sent
    /// to it again, so that neither waits.
    fn of(group: &[Job]) -> Self {
        match group.iter().any(|job| job.access == Access::Keep) {
            true => Durability::Full,
            false => Durability::Normal,
        }
    }

    fn pragma(self) -> &'static str {
        match self {
            Durability::Full => "PRAGMA synchronous = FULL",
            Durability::Normal => "PRAGMA synchronous = NORMAL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer() -> (Writer, oneshot::Receiver<OutboxError>) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER UNIQUE) STRICT").unwrap();
        let directory = tempfile::tempdir().unwrap();
        Writer::start(connection, &directory.path().join("outbox.db"))
    }

    fn insert(x: i64) -> impl FnMut(&Connection) -> rusqlite::Result<usize> + Send + 'static {
        move |connection| {
            connection.execute("INSERT INTO t VALUES (?1)", [x])?;
            connection.execute("INSERT INTO t VALUES (?1)", [x + 1000])
        }
    }

    async fn rows(writer: &Writer) -> Vec<i64> {
        let look = |connection: &Connection| {
            connection
                .prepare("SELECT x FROM t ORDER BY x")?
                .query_map([], |row| row.get::<_, i64>(0))?
                .collect::<Result<Vec<_>, _>>()
        };
        writer.read(look).await.unwrap()
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
        assert_eq!(rows(&writer).await, [5, 7, 1001, 1005, 1007, 2001]);
    }

    #[tokio::test]
    async fn a_job_that_fails_when_it_comes_alone_leaves_nothing_behind() {
        let (writer, _failure) = writer().await;
        writer.write(insert(1001)).await.unwrap();
        // Its second row is there already.
        assert!(writer.write(insert(1)).await.is_err());
        writer.write(insert(2)).await.unwrap();
        assert_eq!(rows(&writer).await, [2, 1001, 1002, 2001]);
    }

    #[tokio::test]
    async fn only_what_could_not_be_found_again_waits_for_the_disk() {
        let (writer, _failure) = writer().await;
        let level = |connection: &Connection| {
            connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))
        };
        let (normal, full) = (1, 2);
        for _ in 0..2 {
            assert_eq!(writer.take_in(level).await.unwrap(), normal);
            assert_eq!(writer.mark(level).await.unwrap(), normal);
            assert_eq!(writer.write(level).await.unwrap(), full);
        }
        // They wait behind another job, so that they are committed together.
        let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let held = writer.read(move |_| {
            begins.send(()).unwrap();
            gate.recv().unwrap();
            Ok(())
        });
        let all = async {
            begun.recv().await;
            tokio::join!(writer.take_in(level), writer.mark(level), writer.write(level), async {
                open.send(())
            })
        };
        let (_, (found, marked, kept, _)) = tokio::join!(held, all);
        let levels = [found, marked, kept].map(Result::unwrap);
        assert_eq!(levels, [full; 3], "one commit of all");
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
    async fn what_finds_no_room_is_refused_alone_and_ends_nothing() {
        let (directory, connection) =
            (tempfile::tempdir().unwrap(), Connection::open_in_memory().unwrap());
        connection
            .execute_batch("CREATE TABLE t (x BLOB) STRICT; PRAGMA max_page_count = 20")
            .unwrap();
        let path = directory.path().join("outbox.db");
        let (writer, _failure) = Writer::start(connection, &path);
        let blob = |size: i64| {
            move |connection: &Connection| {
                connection.execute("INSERT INTO t VALUES (zeroblob(?1))", [size])
            }
        };
        let (first, large, last) = tokio::join!(
            writer.write(blob(100)),
            writer.take_in(blob(1_000_000)),
            writer.write(blob(100)),
        );
        assert!(first.is_ok() && last.is_ok(), "{first:?} {last:?}");
        assert!(large.as_ref().is_err_and(OutboxError::is_disk_full), "{large:?}");
        let marked = writer.write(blob(1_000_000)).await;
        assert!(marked.as_ref().is_err_and(OutboxError::is_disk_full), "{marked:?}");
        assert!(writer.fullness().since().is_some());

        // The volume itself has room, as the next look finds out.
        writer.take_in(blob(100)).await.unwrap();
        assert!(writer.fullness().since().is_none());
        let rows = writer
            .read(|connection| {
                connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            })
            .await;
        assert_eq!(rows.unwrap(), 3);
    }

    #[tokio::test]
    async fn the_thread_ends_with_the_last_handle() {
        let (writer, failure) = writer().await;
        drop(writer);
        assert!(failure.await.is_err(), "ended without an error");
    }
}
