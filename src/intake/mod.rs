//! The intake of one root: what changed on the disk becomes rows of the outbox.
//!
//! Each root has its own, so that a large audio file being read holds no report up.

mod announce;
mod audio;
mod inspect;
mod look;
mod recent;
mod reconcile;
mod report;
mod sight;
mod status;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::config::{Config, FirstRun};
use crate::file::{FileRef, Root};
use crate::journal::Journal;
use crate::outbox::{Finding, Found, Outbox, OutboxError};
use crate::watch::{Deletions, Directory, Entry, Eye, Hints, Mounts, Settling, Touch, Vision};
pub use inspect::{Inspection, inspect};
use look::{Looked, Rules, Seen, Trigger};
use recent::Recent;
pub use status::RootStatus;

/// How long a report that does not parse may be quiet before it is called malformed.
const REPORT_QUIET: Duration = Duration::from_secs(5);
/// How many files are looked at between two commits.
const GROUP: usize = 64;
/// When a file is tried again that ought to be readable, and was not.
const UNREADABLE: Duration = Duration::from_secs(60);
/// A file that keeps changing is not looked at more often than this, whatever is configured.
const QUIET_MIN: Duration = Duration::from_millis(100);
/// How long a file system may take to list a directory, or a page of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Watches a root, and takes in what settles in it.
pub struct Intake {
    root: Root,
    path: PathBuf,
    outbox: Outbox,
    journal: Journal,
    settings: watch::Receiver<Arc<Config>>,
    hints: Hints,
    eye: Eye,
    mounts: Mounts,
    settling: Settling,
    recent: Recent,
    vision: Vision,
    deletions: Deletions,
    status: watch::Sender<RootStatus>,
    next_check: Instant,
    /// How long to wait for a root that is lost, before it is looked for again.
    lost_wait: Duration,
    next_scan: Instant,
    /// Nothing, when none is due.
    next_canary: Option<Instant>,
    /// Something kept events from telling of all that changed since the last look.
    blind: bool,
    /// How many files are recorded.
    files: usize,
    /// Whether it was looked through since the start.
    looked_through: bool,
    /// What the first look through finds counts as delivered.
    adopting: bool,
}

/// How many files a reconcile found to be what.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    known: usize,
    new: usize,
    changed: usize,
    gone: usize,
}

impl Intake {
    pub fn new(
        root: Root,
        outbox: Outbox,
        journal: Journal,
        settings: watch::Receiver<Arc<Config>>,
        hints: Hints,
        status: watch::Sender<RootStatus>,
    ) -> Self {
        let path = settings.borrow().watch.path(root).to_owned();
        let vision = Vision::new(settings.borrow().watch.mode);
        let eye = Eye::new(&path, hints.clone());
        let (settling, now) = (Settling::default(), Instant::now());
        Self {
            root,
            path,
            outbox,
            journal,
            settings,
            hints,
            eye,
            mounts: Mounts::watch(),
            settling,
            recent: Recent::default(),
            vision,
            deletions: Deletions::default(),
            status,
            next_check: now,
            lost_wait: sight::LOST_CHECK,
            next_scan: now,
            next_canary: None,
            blind: false,
            files: 0,
            looked_through: false,
            adopting: false,
        }
    }

    /// Works until told to stop; says through `reconciled` when the root was looked through for
    /// the first time, or was found to be missing.
    ///
    /// # Errors
    /// Only those of the outbox. A root that cannot be read is waited for.
    pub async fn run(
        mut self,
        reconciled: oneshot::Sender<()>,
        stop: CancellationToken,
    ) -> Result<(), OutboxError> {
        let mut reconciled = Some(reconciled);
        self.lift_obstacles().await?;
        let first_run = self.outbox.is_first_run(self.root).await?;
        self.adopting = first_run && self.settings.borrow().watch.first_run == FirstRun::Adopt;
        loop {
            // A turn that is given up is made again at the next start, from the disk.
            let turn = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                turn = self.turn() => turn,
            };
            let full = match turn {
                Ok(()) => false,
                Err(error) if error.is_disk_full() => true,
                Err(error) => return Err(error),
            };
            if let Some(reconciled) = reconciled.take() {
                self.status.send_modify(|status| status.reconciled = true);
                let _nobody_waits = reconciled.send(());
            }
            if full {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    room = self.outbox.wait_for_room() => room?,
                }
                // What was read is forgotten, and still lies on the disk.
                self.look_through_now();
                continue;
            }
            let wakes = [
                Some(self.next_check),
                Some(self.next_scan),
                self.next_canary,
                self.deletions.judge_at(),
                self.settling.next(),
            ];
            let wake = wakes.into_iter().flatten().min().unwrap_or(self.next_check);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.hints.wait() => {}
                () = self.mounts.changed() => {
                    self.eye.doubt();
                    self.next_check = Instant::now();
                }
                // Other names may be ours now, and the root be watched in another way.
                Ok(()) = self.settings.changed() => {
                    self.lift_obstacles().await?;
                    self.next_check = Instant::now();
                    self.look_through_now();
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Has files looked at again that a right or a limit kept from being read.
    async fn lift_obstacles(&self) -> Result<(), OutboxError> {
        match self.outbox.lift_obstacles(self.root).await {
            Err(error) if !error.is_disk_full() => Err(error),
            _ => Ok(()),
        }
    }

    fn look_through_now(&mut self) {
        self.next_scan = Instant::now();
        self.blind = true;
    }

    async fn end_first_run(&mut self) -> Result<(), OutboxError> {
        if self.outbox.is_first_run(self.root).await? {
            self.outbox.end_first_run(self.root).await?;
            if std::mem::take(&mut self.adopting) {
                info!(root = %self.root, "what was there is taken as delivered already");
            }
        }
        Ok(())
    }

    /// Does whatever there is to do at this moment.
    async fn turn(&mut self) -> Result<(), OutboxError> {
        let now = Instant::now();
        let batch = self.hints.take();
        if batch.lost {
            self.say_lost_events();
        }
        if batch.everything {
            self.look_through_now();
        }
        if now >= self.next_check || batch.everything {
            self.check_root().await;
        }
        if self.next_canary.is_some_and(|at| now >= at) {
            self.send_canary().await;
        }
        // What events told of is no news to the look that follows.
        self.take_hinted(batch.names.into_iter().collect()).await?;
        // Asked anew, since a look may have been ordered a moment ago.
        let is_due = |at: Instant| Instant::now() >= at;
        if is_due(self.next_scan) || self.deletions.judge_at().is_some_and(is_due) {
            // Should this be given up, the next look is as blind.
            if self.eye.is_open() && self.reconcile().await? {
                self.blind = false;
                self.end_first_run().await?;
            }
            self.next_scan = Instant::now() + self.scan_interval();
        }
        let due = self.settling.due(Instant::now());
        self.look_at(due, Trigger::Due).await?;
        self.publish();
        Ok(())
    }

    async fn take_hinted(&mut self, names: Vec<(OsString, Touch)>) -> Result<(), OutboxError> {
        let (now, quiet) = (Instant::now(), self.rules().quiet);
        let (mut done, mut doubted) = (Vec::new(), Vec::new());
        let ignore = self.settings.borrow().watch.ignore.clone();
        if !names.is_empty() {
            self.status.send_modify(|status| status.last_event = Some(clock::now()));
        }
        for (name, touch) in names {
            if !look::is_ours(self.root, &name, &ignore) {
                continue;
            }
            match touch {
                Touch::Written => self.settling.touch(&name, quiet, now),
                Touch::Done => done.push(name),
                Touch::Doubted => doubted.push(name),
            }
        }
        self.look_at(doubted, Trigger::Doubt).await?;
        self.look_at(done, Trigger::Event).await
    }

    /// Looks at files, and takes in those that are ready.
    async fn look_at(&mut self, names: Vec<OsString>, trigger: Trigger) -> Result<(), OutboxError> {
        let mut names = names.into_iter();
        loop {
            let group: Vec<OsString> = names.by_ref().take(GROUP).collect();
            // A dead mount would let nobody go who asks it something.
            if group.is_empty() || !self.eye.is_open() {
                return Ok(());
            }
            let files = group.into_iter().map(|name| FileRef::new(self.root, name)).collect();
            let known = self.outbox.stamps_of(files).await?;
            let path = self.path.clone();
            let look = ask(move || {
                let directory = Directory::open(&path)?;
                let seen = look::see(&directory, known.into_iter());
                Ok((Arc::new(directory), seen))
            });
            let (directory, (seen, unseen)) = match look.await {
                Ok(looked) => looked,
                Err(error) => {
                    self.lose_sight(&error);
                    return Ok(());
                }
            };
            self.postpone(unseen);
            self.files += self.take(directory, seen, trigger).await?;
        }
    }

    /// Decides about files that were seen, reads those that are ready, and records them in one go.
    /// Says how many were not recorded before.
    async fn take(
        &mut self,
        directory: Arc<Directory>,
        seen: Vec<Seen>,
        trigger: Trigger,
    ) -> Result<usize, OutboxError> {
        let rules = self.rules();
        let mut findings = Vec::new();
        let mut ready = Vec::new();
        let (mut fresh, mut again) = (HashSet::new(), HashSet::new());
        for seen in seen {
            if seen.known.is_none() {
                fresh.insert(seen.file.clone());
            }
            if matches!(seen.entry, Some(Entry::File(stamp)) if seen.known == Some(stamp)) {
                again.insert(seen.file.clone());
            }
            match look::decide(&seen, trigger, &rules, &mut self.settling, Instant::now()) {
                Looked::Nothing => {}
                Looked::Gone => self.deletions.heard_of(seen.file.name, Instant::now()),
                Looked::Found(found) => findings.push(Finding { file: seen.file, found }),
                Looked::Ready => ready.push(seen.file),
            }
        }
        if !ready.is_empty() {
            let reading =
                tokio::task::spawn_blocking(move || look::read(&directory, ready, &rules));
            for (file, outcome) in reading.await.expect("reading does not panic") {
                let Some(found) = self.weigh(&file, outcome) else { continue };
                let is_news = self.recent.is_news(&file.name, &found, Instant::now());
                // What is in doubt is what was recorded, not what was found.
                if is_news || trigger == Trigger::Doubt || !again.contains(&file) {
                    findings.push(Finding { file, found });
                }
            }
        }
        let recorded = findings.iter().filter(|finding| fresh.contains(&finding.file)).count();
        self.record(findings, trigger).await?;
        Ok(recorded)
    }

    /// Records findings, and says what there is to say of them.
    async fn record(
        &mut self,
        findings: Vec<Finding>,
        trigger: Trigger,
    ) -> Result<(), OutboxError> {
        if findings.is_empty() {
            return Ok(());
        }
        // An obstacle is met again at every start, and told once.
        let mut told = HashSet::new();
        for finding in &findings {
            if let Found::Obstacle(_, problem) = &finding.found
                && self.outbox.problem(finding.file.clone()).await?.as_ref() == Some(problem)
            {
                told.insert(finding.file.clone());
            }
        }
        let adopt = self.adopting && trigger == Trigger::Scan;
        let recorded = self.outbox.record(findings.clone(), adopt, clock::now_ms()).await?;
        // Not before, so that what is taken in at a second try is not told twice.
        let news = findings.iter().filter(|finding| !told.contains(&finding.file));
        announce::findings(&self.journal, news);
        announce::recorded(&self.journal, recorded);
        Ok(())
    }

    /// What a reading means now: a file that is not whole yet is waited for.
    fn weigh(&mut self, file: &FileRef, outcome: look::Outcome) -> Option<Found> {
        let now = Instant::now();
        match outcome {
            look::Outcome::Found(found) => {
                self.settling.forget(&file.name);
                Some(found)
            }
            look::Outcome::Unfinished(stamp, problem) => {
                let settled = self.settling.has_settled(&file.name, stamp, REPORT_QUIET, now);
                settled.then_some(Found::Problem(stamp, problem))
            }
            look::Outcome::Moving => {
                self.settling.touch(&file.name, self.rules().quiet, now);
                None
            }
            look::Outcome::Failed(error) => {
                self.settling.touch(&file.name, UNREADABLE, now);
                warn!(%file, %error, "a file cannot be read; it is tried again in a minute");
                None
            }
        }
    }

    /// Leaves files for a while that could not be looked at.
    fn postpone(&mut self, files: Vec<FileRef>) {
        for file in files {
            self.settling.touch(&file.name, UNREADABLE, Instant::now());
        }
    }

    fn rules(&self) -> Rules {
        let config = self.settings.borrow();
        Rules {
            root: self.root,
            quiet: match self.root {
                Root::Reports => REPORT_QUIET,
                Root::Exports => config.watch.audio_quiet.max(QUIET_MIN),
            },
            report_limit: config.report_limit,
            timezone: config.watch.timezone.clone(),
            ids: config.ingest.ids,
            adopting: self.adopting,
            events: self.vision.reason().is_none(),
        }
    }
}

/// Asks a file system something, on a thread of its own. A dead mount never answers: the thread is
/// its own then, and nobody waits any longer.
async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match timeout(PATIENCE, tokio::task::spawn_blocking(question)).await {
        Ok(answer) => answer.expect("a look does not panic"),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the file system does not answer")),
    }
}
