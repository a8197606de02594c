//! Questions to a file system, which may never answer: a mount whose server is gone holds on to
//! every thread that asks it something.
//!
//! Each question has a thread of its own, and is given up when nothing moves any more. The threads
//! that are lost that way are counted, and what holds one is not asked about again.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::file::{FileRef, Root};

/// How long a file system may take for one step: longer than disks take to spin up.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// So many threads may be lost to one root.
const LOST_MAX: usize = 8;

/// What has been asked and not answered.
#[derive(Clone, Debug)]
pub struct Questions {
    patience: Duration,
    lost: Arc<Mutex<Vec<Lost>>>,
}

impl Default for Questions {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

#[derive(Debug)]
struct Lost {
    root: Root,
    /// The file in question; nothing, when it was about the directory.
    name: Option<OsString>,
    /// Gone as soon as the thread is back.
    thread: Weak<()>,
}

/// How often an answer came nearer. It costs next to nothing to tell, since that is done for every
/// name of a directory; whoever waits looks at the clock.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    count: AtomicUsize,
    /// Whoever is asked waits for something else.
    rest: AtomicBool,
}

impl Questions {
    /// Those that are given up when nothing has moved for `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { patience, lost: Arc::default() }
    }

    /// Asks something about a file of a root, or about the root itself.
    ///
    /// # Errors
    /// The file system's own, or [`io::ErrorKind::TimedOut`] when it does not answer.
    pub async fn ask<T: Send + 'static>(
        &self,
        root: Root,
        name: Option<&OsStr>,
        question: impl FnOnce(&Pulse) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.may_ask(root, name)?;
        self.wait_for(question, || (root, name.map(OsStr::to_owned))).await
    }

    /// Asks in a thread of its own, and gives up when nothing moves any more. Then `held_by` says
    /// what is at fault.
    async fn wait_for<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Pulse) -> io::Result<T> + Send + 'static,
        held_by: impl FnOnce() -> (Root, Option<OsString>),
    ) -> io::Result<T> {
        let (pulse, alive) = (Pulse::start(), Arc::new(()));
        let thread = Arc::downgrade(&alive);
        let beating = pulse.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let _alive = alive;
            question(&beating)
        });
        tokio::select! {
            answer = answer => answer.expect("a question does not panic"),
            () = pulse.stops(self.patience) => {
                let (root, name) = held_by();
                self.lock().push(Lost { root, name, thread });
                Err(silence("the file system does not answer"))
            }
        }
    }

    /// Asks the same about files of one root, one after the other in one thread, since a thread for
    /// each would take longer than most answers. Where there are answers for the first files alone,
    /// the others are to be asked about again; an error is held against the first of those.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_each<T: Send + 'static>(
        &self,
        files: &Arc<[FileRef]>,
        question: impl Fn(&FileRef, &Pulse) -> T + Send + 'static,
    ) -> (Vec<T>, io::Result<()>) {
        let Some(first) = files.first() else { return (Vec::new(), Ok(())) };
        if let Err(error) = self.may_ask(first.root, Some(&first.name)) {
            return (Vec::new(), Err(error));
        }
        let may = |file: &&FileRef| self.may_ask(file.root, Some(&file.name)).is_ok();
        let count = files.iter().take_while(may).count();
        let answers = Arc::new(Mutex::new(Vec::with_capacity(files.len())));
        let (each, answered) = (Arc::clone(files), Arc::clone(&answers));
        let asking = self.wait_for(
            move |pulse| {
                for file in each.iter().take(count) {
                    // Whoever asked has given up, and asks about the others in another thread.
                    if Arc::strong_count(&answered) == 1 {
                        break;
                    }
                    let answer = question(file, pulse);
                    pulse.beat();
                    lock(&answered).push(answer);
                }
                Ok(())
            },
            || (first.root, files.get(lock(&answers).len()).map(|file| file.name.clone())),
        );
        let outcome = asking.await;
        let answers = std::mem::take(&mut *lock(&answers));
        (answers, outcome)
    }

    /// Another file system stands there: what the last one has not answered is nothing against it.
    pub fn forgive(&self, root: Root) {
        self.lock().iter_mut().filter(|lost| lost.root == root).for_each(|lost| lost.name = None);
    }

    fn may_ask(&self, root: Root, name: Option<&OsStr>) -> io::Result<()> {
        let mut lost = self.lock();
        lost.retain(|lost| lost.thread.strong_count() > 0);
        let of_root = || lost.iter().filter(|lost| lost.root == root);
        if name.is_some() && of_root().any(|lost| lost.name.as_deref() == name) {
            return Err(silence("the file system has not answered when it was last asked"));
        }
        if of_root().count() >= LOST_MAX {
            return Err(silence(
                "the file system has left too many questions unanswered: should it be sound \
                 again, restart ytv2d",
            ));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Lost>> {
        lock(&self.lost)
    }
}

/// Each change is one step, so a panic elsewhere leaves nothing half done.
fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn silence(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl Pulse {
    pub fn start() -> Self {
        Self(Arc::default())
    }

    /// Something has moved.
    pub fn beat(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for something that the file system has no part in, and that may take as long as it takes.
    pub fn rest<T>(&self, until: impl FnOnce() -> T) -> T {
        self.0.rest.store(true, Ordering::Relaxed);
        let came = until();
        self.beat();
        self.0.rest.store(false, Ordering::Relaxed);
        came
    }

    /// Returns when nothing has moved for `patience`, or an eighth of that later.
    pub async fn stops(&self, patience: Duration) {
        let (mut beats, mut moved) = (self.beats(), Instant::now());
        while moved.elapsed() < patience {
            sleep(patience / 8).await;
            let now = self.beats();
            if now != beats || self.0.rest.load(Ordering::Relaxed) {
                (beats, moved) = (now, Instant::now());
            }
        }
    }

    fn beats(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// A reader that beats with each read.
    pub fn of<R: Read>(&self, reader: R) -> impl Read {
        Beating { reader, pulse: self.clone() }
    }
}

struct Beating<R> {
    reader: R,
    pulse: Pulse,
}

impl<R: Read> Read for Beating<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer);
        self.pulse.beat();
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A question that is not answered before the other end is dropped.
    fn endless() -> (Sender<()>, impl FnOnce(&Pulse) -> io::Result<()>) {
        let (held, answer): (_, Receiver<()>) = channel();
        (held, move |_: &Pulse| {
            let _gone = answer.recv();
            Ok(())
        })
    }

    /// Asks what is not answered. Time stands still by itself while a thread is busy.
    async fn ask_in_vain(
        questions: &Questions,
        name: &str,
        question: impl FnOnce(&Pulse) -> io::Result<()> + Send + 'static,
    ) -> io::Error {
        let asking = questions.ask(Root::Exports, Some(OsStr::new(name)), question);
        let running_ahead = async {
            loop {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            answer = asking => answer.unwrap_err(),
            () = running_ahead => unreachable!("it has no end"),
        }
    }

    async fn answers(questions: &Questions, root: Root, name: Option<&str>) -> bool {
        questions.ask(root, name.map(OsStr::new), |_| Ok(())).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_given_up_and_not_asked_again_until_it_has() {
        let questions = Questions::default();
        let (held, question) = endless();
        let begun = Instant::now();
        let error = ask_in_vain(&questions, "a", question).await;
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < 2 * PATIENCE);

        assert!(!answers(&questions, Root::Exports, Some("a")).await, "still held");
        assert!(answers(&questions, Root::Exports, Some("b")).await);
        assert!(answers(&questions, Root::Exports, None).await);
        assert!(answers(&questions, Root::Reports, Some("a")).await);
        questions.forgive(Root::Exports);
        assert!(answers(&questions, Root::Exports, Some("a")).await, "another file system");
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_threads_are_lost_to_a_root_and_no_more_until_one_is_back() {
        let questions = Questions::default();
        let mut held = Vec::new();
        for n in 0..LOST_MAX {
            let (hold, question) = endless();
            ask_in_vain(&questions, &n.to_string(), question).await;
            held.push(hold);
        }
        questions.forgive(Root::Exports);
        let begun = Instant::now();
        assert!(!answers(&questions, Root::Exports, None).await);
        assert_eq!(begun.elapsed(), Duration::ZERO, "it was not asked");
        assert!(answers(&questions, Root::Reports, None).await);
        held.pop();
        while questions.lock()[LOST_MAX - 1].thread.strong_count() > 0 {
            std::thread::yield_now();
        }
        assert!(answers(&questions, Root::Exports, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_files_the_one_that_does_not_answer_is_held_to_account() {
        let questions = Questions::default();
        let files = |names: &[&str]| -> Arc<[FileRef]> {
            names.iter().map(|name| FileRef::new(Root::Exports, *name)).collect()
        };
        let (_held, answer): (Sender<()>, Receiver<()>) = channel();
        let (at_b, is_at_b) = channel();
        let name = move |file: &FileRef, _: &Pulse| {
            if file.name == "b" {
                at_b.send(()).unwrap();
                let _gone = answer.recv();
            }
            file.name.clone()
        };
        let abc = files(&["a", "b", "c"]);
        let asking = questions.ask_each(&abc, name);
        let running_ahead = async {
            while is_at_b.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
            loop {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        };
        let (answers, silence) = tokio::select! {
            outcome = asking => outcome,
            () = running_ahead => unreachable!("it has no end"),
        };
        assert_eq!(answers, ["a"]);
        assert_eq!(silence.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let name = |file: &FileRef, _: &Pulse| file.name.clone();
        let (answers, silence) = questions.ask_each(&files(&["c", "b", "d"]), name).await;
        assert!(answers == ["c"] && silence.is_ok(), "what has not answered is not asked");
        let (answers, silence) = questions.ask_each(&files(&["b", "d"]), name).await;
        assert!(answers.is_empty() && silence.is_err());
        assert_eq!(questions.ask_each(&files(&["d"]), name).await.0, ["d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_may_take_as_long_as_it_takes() {
        let questions = Questions::default();
        let (step, steps) = channel();
        let (done, taken) = channel();
        let reading = questions.ask(Root::Exports, Some(OsStr::new("a")), move |pulse| {
            for () in steps {
                pulse.beat();
                done.send(()).unwrap();
            }
            Ok(())
        });
        let moving = async move {
            for _ in 0..10 {
                tokio::time::advance(PATIENCE / 2).await;
                step.send(()).unwrap();
                taken.recv().unwrap();
            }
        };
        let (answer, ()) = tokio::join!(reading, moving);
        answer.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_something_else_may_take_as_long_as_it_takes() {
        let questions = Questions::default();
        let (came, other): (Sender<()>, Receiver<()>) = channel();
        let (rests, is_resting) = channel();
        let waiting = questions.ask(Root::Exports, Some(OsStr::new("a")), move |pulse| {
            pulse.rest(|| {
                rests.send(()).unwrap();
                other.recv().map_err(io::Error::other)
            })
        });
        let meanwhile = async move {
            while is_resting.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
            for _ in 0..100 {
                tokio::time::advance(PATIENCE / 10).await;
            }
            came.send(()).unwrap();
        };
        let (answer, ()) = tokio::join!(waiting, meanwhile);
        answer.unwrap();
    }
}
