//! The intake of the old content database: its rows become rows of the outbox, as report files do.
//!
//! Rows and what is recorded of them come in the order of their keys and are walked side by side, a
//! page at a time: memory holds one page, and the keys that are gone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::rescan::{Request, Through};
use super::{Counts, NotLooked, Requests, Rescanned, RootStatus, Tools, announce, look, report};
use crate::clock;
use crate::config::{FirstRun, Percent};
use crate::content_db::{ContentDb, ContentDbError, ContentPage, ContentRow, DbStamp};
use crate::file::{FileRef, Root, Stamp};
use crate::outbox::{Finding, Found, Outbox, OutboxError, Recorded};
use crate::watch::{PATIENCE, is_mass_deletion};

/// How many rows are compared at a time.
pub(super) const PAGE: usize = 500;
/// When a database is tried again that cannot be read, unless it is looked at sooner anyway.
const RETRY: Duration = Duration::from_secs(60);

/// Keeps the outbox level with the rows of the database, where there is one.
pub struct RowIntake {
    tools: Tools,
    requests: Requests,
    status: watch::Sender<RowsStatus>,
    db: Option<ContentDb>,
    /// What the database looked like from outside before the last look through it.
    seen: Option<DbStamp>,
    asked: Vec<Through>,
    next_check: Instant,
    adopting: bool,
    /// It goes by the configuration as it is now.
    configured: bool,
}

/// What can be said of the database at any time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsStatus {
    /// Nothing where none is configured.
    pub path: Option<PathBuf>,
    /// Why it cannot be read, and what to do.
    pub error: Option<String>,
    /// Why missing rows are not forgotten.
    pub held_back: Option<String>,
    pub last_look: Option<(Timestamp, Duration)>,
}

/// Why a look through the rows came to nothing.
enum Fault {
    /// The database's, in words; whether it passes by itself.
    Database(String, bool),
    Outbox(OutboxError),
}

impl From<OutboxError> for Fault {
    fn from(error: OutboxError) -> Self {
        Fault::Outbox(error)
    }
}

impl RowIntake {
    pub fn new(tools: Tools, requests: Requests, status: watch::Sender<RowsStatus>) -> Self {
        Self {
            tools,
            requests,
            status,
            db: None,
            seen: None,
            asked: Vec::new(),
            next_check: Instant::now(),
            adopting: false,
            configured: false,
        }
    }

    /// Works until told to stop. Files win over rows, so that the `roots` are looked through first.
    ///
    /// # Errors
    /// Only those of the outbox. A database that cannot be read is tried again.
    pub async fn run(
        mut self,
        roots: Vec<watch::Receiver<RootStatus>>,
        stop: CancellationToken,
    ) -> Result<(), OutboxError> {
        for mut root in roots {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = root.wait_for(|status| status.reconciled) => {}
            }
        }
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                turn = self.turn() => turn,
            };
            match turn {
                Ok(()) => {}
                Err(error) if error.is_disk_full() => {
                    self.answer(&Err(NotLooked::DiskFull));
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        room = self.tools.outbox.wait_for_room() => room?,
                    }
                    self.look_through_soon();
                    continue;
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.tools.hints.wait() => {}
                Some(request) = self.requests.recv() => match request {
                    Request::Through(request) => self.asked.push(request),
                    Request::At(request) => {
                        self.look_through_soon();
                        request.answer(Ok(()));
                    }
                },
                Ok(()) = self.tools.settings.changed() => self.configured = false,
                () = tokio::time::sleep_until(self.next_check) => {}
            }
        }
    }

    /// Goes by the configuration as it is now.
    async fn configure(&mut self) -> Result<(), OutboxError> {
        let config = self.tools.settings.borrow_and_update().clone();
        self.db = ContentDb::configured(&config);
        let path = config.content_db.clone();
        self.status.send_modify(|status| {
            *status = RowsStatus { path, ..RowsStatus::default() };
        });
        self.look_through_soon();
        if self.db.is_some() {
            let rules = look::reading(config.ids, &config.watch.timezone);
            self.tools.outbox.read_by(Root::Rows, rules).await?;
            let first_run = self.tools.outbox.is_first_run(Root::Rows).await?;
            self.adopting = first_run && config.watch.first_run == FirstRun::Adopt;
        }
        self.configured = true;
        Ok(())
    }

    fn look_through_soon(&mut self) {
        self.seen = None;
        self.next_check = Instant::now();
    }

    fn answer(&mut self, answer: &Result<Rescanned, NotLooked>) {
        self.asked.drain(..).for_each(|request| request.answer(answer.clone()));
    }

    /// Does whatever there is to do at this moment.
    async fn turn(&mut self) -> Result<(), OutboxError> {
        if !self.configured {
            self.configure().await?;
        }
        let batch = self.tools.hints.take();
        let Some(db) = self.db.clone() else {
            self.next_check = Instant::now() + self.tools.settings.borrow().watch.rescan;
            let forgotten = self.forget_all().await?;
            self.answer(&Ok(forgotten));
            return Ok(());
        };
        let is_asked = !self.asked.is_empty();
        if !is_asked && !batch.everything && Instant::now() < self.next_check {
            for name in batch.names.into_keys() {
                self.look_at(&db, &name).await?;
            }
            return Ok(());
        }
        if is_asked || batch.everything {
            self.seen = None;
        }
        let interval = self.tools.settings.borrow().watch.rescan;
        let answer = match self.look_through(&db).await {
            Ok(found) => {
                self.next_check = Instant::now() + interval;
                self.say_readable();
                Ok(found)
            }
            Err(Fault::Outbox(error)) => return Err(error),
            Err(Fault::Database(why, passes)) => {
                self.next_check = Instant::now() + interval.min(RETRY);
                self.say_unreadable(&why, passes);
                Err(NotLooked::Unseen(why))
            }
        };
        self.answer(&answer);
        Ok(())
    }

    /// Looks through all rows, unless the database is what it was.
    async fn look_through(&mut self, db: &ContentDb) -> Result<Rescanned, Fault> {
        let started = Instant::now();
        let seen = self.ask(db, ContentDb::stamp).await?;
        if self.seen == Some(seen) {
            return Ok(Rescanned::default());
        }
        let mut counts = Counts::default();
        let mut gone = Vec::new();
        let (mut from, mut after) = (None, None);
        loop {
            let page = {
                let from: Option<Vec<u8>> = from.take();
                self.ask(db, move |db| db.page(from.as_deref(), PAGE)).await?
            };
            from.clone_from(&page.next);
            let differing = compare(&self.tools.outbox, page, after.take()).await?;
            counts.known += differing.known;
            counts.new += differing.new.len();
            counts.changed += differing.changed.len();
            gone.extend(differing.gone);
            self.record(differing.changed.into_iter().chain(differing.new).collect()).await?;
            after.clone_from(&from);
            if from.is_none() {
                break;
            }
        }
        let why_held_back = self.forget(gone, &mut counts).await?;
        if self.tools.outbox.is_first_run(Root::Rows).await? {
            self.tools.outbox.end_first_run(Root::Rows).await?;
            self.adopting = false;
        }
        // Should rows have been held back, they are judged anew.
        self.seen = why_held_back.is_none().then_some(seen);
        let took = started.elapsed();
        let Counts { known, new, changed, gone } = counts;
        info!(path = %db.path().display(), known, new, changed, gone,
            ms = took.as_millis() as u64, "looked through the database");
        self.status.send_modify(|status| {
            status.last_look = Some((clock::now(), took));
            status.held_back.clone_from(&why_held_back);
        });
        let held_back = if why_held_back.is_some() { gone } else { 0 };
        let (files, gone) = (known + new + changed + held_back, gone - held_back);
        Ok(Rescanned { files, new, changed, gone, held_back, why_held_back, took })
    }

    /// Looks at one row, which is not what a lane was promised.
    async fn look_at(&mut self, db: &ContentDb, name: &OsStr) -> Result<(), OutboxError> {
        let key = name.as_bytes().to_vec();
        let row = match self.ask(db, move |db| db.row(&key)).await {
            Ok(row) => row,
            Err(Fault::Outbox(error)) => return Err(error),
            Err(Fault::Database(why, passes)) => {
                self.say_unreadable(&why, passes);
                self.next_check = self.next_check.min(Instant::now() + RETRY);
                return Ok(());
            }
        };
        match row {
            Some(row) => {
                let file = FileRef::new(Root::Rows, name);
                let known = self.tools.outbox.stamps_of(vec![file]).await?.pop();
                self.record(vec![finding(row, known.and_then(|(_, stamp)| stamp))]).await
            }
            // With all others that may be gone: they are judged together.
            None => {
                self.look_through_soon();
                Ok(())
            }
        }
    }

    /// Forgets the rows that are gone, unless they are too many to be believed; says why not.
    async fn forget(
        &mut self,
        gone: Vec<FileRef>,
        counts: &mut Counts,
    ) -> Result<Option<String>, OutboxError> {
        counts.gone = gone.len();
        let (missing, known) = (gone.len(), counts.known + counts.changed + gone.len());
        let limit: Percent = self.tools.settings.borrow().watch.mass_delete;
        let is_meant = self.asked.iter().any(|request| request.accept_removals);
        if is_mass_deletion(missing, known, limit) && !is_meant {
            let why = format!(
                "{missing} of {known} rows are gone at once: nothing is forgotten; if that is \
                 meant: ytv2d rescan --accept-removals"
            );
            if self.status.borrow().held_back.as_ref() != Some(&why) {
                warn!(
                    gone = missing,
                    known,
                    "so many rows are gone from the database at once that nothing is forgotten"
                );
            }
            return Ok(Some(why));
        }
        for group in gone.chunks(PAGE) {
            self.record_gone(group.to_vec()).await?;
        }
        Ok(None)
    }

    /// No database is configured any more: what is recorded of one is none of our affair.
    async fn forget_all(&self) -> Result<Rescanned, OutboxError> {
        let mut gone = 0;
        loop {
            let recorded = self.tools.outbox.stamps(Root::Rows, None, PAGE).await?;
            if recorded.is_empty() {
                return Ok(Rescanned { gone, ..Rescanned::default() });
            }
            gone += recorded.len();
            self.record_gone(recorded.into_iter().map(|(file, _)| file).collect()).await?;
        }
    }

    async fn record_gone(&self, gone: Vec<FileRef>) -> Result<(), OutboxError> {
        let now_ms = clock::now_ms();
        let found = |file| Finding { file, found: Found::Gone(now_ms) };
        self.record(gone.into_iter().map(found).collect()).await
    }

    async fn record(&self, findings: Vec<Finding>) -> Result<(), OutboxError> {
        if findings.is_empty() {
            return Ok(());
        }
        let journal = self.tools.journal.clone();
        let tell = move |findings: &[Finding], recorded: &Recorded| {
            announce::findings(&journal, findings.iter());
            announce::recorded(&journal, recorded);
        };
        let now_ms = clock::now_ms();
        self.tools.outbox.record_telling(findings, self.adopting, now_ms, tell).await?;
        Ok(())
    }

    /// Asks the database something on a thread of its own.
    async fn ask<T: Send + 'static>(
        &self,
        db: &ContentDb,
        question: impl FnOnce(&ContentDb) -> Result<T, ContentDbError> + Send + 'static,
    ) -> Result<T, Fault> {
        let asked = db.clone();
        let answer = self.tools.questions.ask(Root::Rows, None, move |_| Ok(question(&asked)));
        match answer.await {
            Ok(answer) => {
                answer.map_err(|fault| Fault::Database(fault.to_string(), fault.is_transient()))
            }
            Err(silence) => Err(Fault::Database(
                format!("{}: {silence} within {PATIENCE:?}", db.path().display()),
                false,
            )),
        }
    }

    fn say_readable(&self) {
        let was_unreadable = self.status.send_if_modified(|status| status.error.take().is_some());
        if was_unreadable {
            info!("the database can be read again");
        }
    }

    /// Says once what is wrong. What passes by itself is worth no warning.
    fn say_unreadable(&self, why: &str, passes: bool) {
        if passes {
            info!(why, "the database cannot be read just now");
            return;
        }
        let is_news = self.status.send_if_modified(|status| {
            let is_news = status.error.as_deref() != Some(why);
            status.error = Some(why.to_owned());
            is_news
        });
        if is_news {
            warn!(
                why,
                "the database cannot be read: what is recorded of it stays, and files are \
                        delivered all the same"
            );
        }
    }
}

/// How a page of rows differs from what is recorded of them.
pub(super) struct Differing {
    pub known: usize,
    pub new: Vec<Finding>,
    pub changed: Vec<Finding>,
    pub gone: Vec<FileRef>,
}

/// Compares a page with what is recorded after a key, and as far as the page goes.
pub(super) async fn compare(
    outbox: &Outbox,
    page: ContentPage,
    mut after: Option<Vec<u8>>,
) -> Result<Differing, OutboxError> {
    let upto = page.next;
    let mut rows: BTreeMap<Vec<u8>, ContentRow> =
        page.rows.into_iter().map(|row| (row.key.clone(), row)).collect();
    let (mut known, mut changed, mut gone) = (0, Vec::new(), Vec::new());
    'recorded: loop {
        let recorded = outbox.stamps(Root::Rows, after.take(), PAGE).await?;
        let is_last = recorded.len() < PAGE;
        after = recorded.last().map(|(file, _)| file.name_bytes().to_vec());
        for (file, stamp) in recorded {
            if upto.as_deref().is_some_and(|upto| file.name_bytes() > upto) {
                break 'recorded;
            }
            match rows.remove(file.name_bytes()) {
                Some(row) if row.is_as_of(&stamp) => known += 1,
                Some(row) => changed.push(finding(row, Some(stamp))),
                None => gone.push(file),
            }
        }
        if is_last {
            break;
        }
    }
    let new = rows.into_values().map(|row| finding(row, None)).collect();
    Ok(Differing { known, new, changed, gone })
}

/// What a row is to the outbox, given what is recorded of it.
fn finding(row: ContentRow, known: Option<Stamp>) -> Finding {
    let stamp = row.stamp(known, clock::now());
    let file = FileRef::from_bytes(Root::Rows, &row.key);
    let found = match row.report {
        Ok(report) => Found::Report(stamp, report::facts(&report, &stamp)),
        Err(problem) => Found::Problem(stamp, format!("{problem}. {}", problem.hint())),
    };
    Finding { file, found }
}
