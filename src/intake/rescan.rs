//! A look at a root, or at one file of it, that somebody asks for and waits for.

use std::ffi::OsString;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::file::Root;

/// How many may wait at one root.
const WAITING: usize = 16;

/// The way to the intake of one root.
#[derive(Clone, Debug)]
pub struct Handle {
    pub root: Root,
    requests: mpsc::Sender<Request>,
}

/// Where the requests of a [`Handle`] arrive.
pub type Requests = mpsc::Receiver<Request>;

/// Asks for a look.
#[derive(Debug)]
pub enum Request {
    Through(Through),
    At(At),
}

/// At the whole root.
#[derive(Debug)]
pub struct Through {
    /// Whether what this look misses is to be believed deleted, however much it is.
    pub accept_removals: bool,
    answer: oneshot::Sender<Result<Rescanned, NotLooked>>,
}

/// At one file, which whoever asks has finished writing.
#[derive(Debug)]
pub struct At {
    pub name: OsString,
    answer: oneshot::Sender<Result<(), NotLooked>>,
}

/// What a look through a root came to, as numbers of files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rescanned {
    /// That are recorded now.
    pub files: usize,
    pub new: usize,
    pub changed: usize,
    /// That were believed to be deleted.
    pub gone: usize,
    /// That are missing, and stay recorded all the same.
    pub held_back: usize,
    /// Why they do.
    pub why_held_back: Option<String>,
    pub took: Duration,
}

/// Why a root was not looked through.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotLooked {
    /// It cannot be seen.
    #[error("{0}")]
    Unseen(String),
    #[error("the outbox's volume is full: make room")]
    DiskFull,
    #[error("the daemon is stopping")]
    Stopping,
}

impl Handle {
    /// The two ends of the way to a root's intake.
    pub fn new(root: Root) -> (Self, Requests) {
        let (requests, arriving) = mpsc::channel(WAITING);
        (Self { root, requests }, arriving)
    }

    /// Has the root looked through, and waits until that is done.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn rescan(&self, accept_removals: bool) -> Result<Rescanned, NotLooked> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Through(Through { accept_removals, answer });
        self.requests.send(request).await.map_err(|_| NotLooked::Stopping)?;
        answered.await.unwrap_or(Err(NotLooked::Stopping))
    }

    /// Has one file taken in as it is, however short a time it has been quiet, and waits until it
    /// is recorded.
    ///
    /// # Errors
    /// Why nobody looked.
    pub async fn take_in(&self, name: OsString) -> Result<(), NotLooked> {
        let (answer, answered) = oneshot::channel();
        let request = Request::At(At { name, answer });
        self.requests.send(request).await.map_err(|_| NotLooked::Stopping)?;
        answered.await.unwrap_or(Err(NotLooked::Stopping))
    }
}

impl At {
    pub fn answer(self, answer: Result<(), NotLooked>) {
        let _nobody_waits = self.answer.send(answer);
    }
}

impl Through {
    pub fn answer(self, answer: Result<Rescanned, NotLooked>) {
        let _nobody_waits = self.answer.send(answer);
    }
}
