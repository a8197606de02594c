//! The intake of one root: what changed on the disk becomes rows of the outbox.
//!
//! Each root has its own, so that a large audio file being read holds no report up.

mod announce;
mod audio;
mod inspect;
mod look;
mod once;
mod recent;
mod reconcile;
mod report;
mod rescan;
mod rows;
mod side_by_side;
mod sight;
mod status;
mod survey;
mod taking;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock;
use crate::config::{Config, FirstRun, RootPath};
use crate::file::Root;
use crate::journal::Journal;
use crate::outbox::{Outbox, OutboxError};
use crate::watch::{Deletions, Eye, Hints, Mounts, Questions, Settling, Touch, Vision};
pub use inspect::{Inspection, inspect};
use look::{Rules, Trigger};
pub use once::read_once;
use recent::Recent;
pub use rescan::{Handle, NotLooked, Requests, Rescanned};
use rescan::{Request, Through};
pub use rows::{RowIntake, RowsStatus};
pub use status::{Pending, RootStatus};
pub use survey::Surveyor;

/// A file that keeps changing is not looked at more often than this, whatever is configured.
const QUIET_MIN: Duration = Duration::from_millis(100);
/// How long to wait for word that a file which was just made is closed. Whoever looks at once finds it
/// empty, and is still looking when it is whole.
const BEGINNING: Duration = Duration::from_millis(20);

/// Watches a root, and takes in what settles in it.
pub struct Intake {
    root: Root,
    path: RootPath,
    outbox: Outbox,
    journal: Journal,
    settings: watch::Receiver<Arc<Config>>,
    hints: Hints,
    requests: Requests,
    /// The one that is to be answered next.
    asked: Option<Through>,
    /// A file that somebody waits for.
    awaited: Option<rescan::At>,
    eye: Eye,
    mounts: Mounts,
    questions: Questions,
    settling: Settling,
    /// Files that are tried again later, since when, and why: they can be neither looked at nor
    /// read.
    troubles: HashMap<OsString, (Instant, String)>,
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
    /// Whether what is recorded is known to have been read by the rules that hold.
    rules_known: bool,
    /// Whether it was looked through since the start.
    looked_through: bool,
    /// When the last look through it began. What it has missed since was there then.
    last_look: Instant,
    /// What the first look through finds counts as delivered.
    adopting: bool,
    /// Another directory has taken the place of the one that was looked through, and was not looked
    /// through itself so far.
    is_other: bool,
    /// When it was, none of the files that were recorded was in it, and nor are they by now.
    is_stand_in: bool,
    /// It is seen again, and what waited for that is not due yet.
    found_again: bool,
}

/// How many files a reconcile found to be what.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    known: usize,
    new: usize,
    changed: usize,
    gone: usize,
}

/// What an intake works with.
pub struct Tools {
    pub outbox: Outbox,
    pub journal: Journal,
    pub settings: watch::Receiver<Arc<Config>>,
    pub hints: Hints,
    pub questions: Questions,
}

impl Intake {
    pub fn new(
        root: Root,
        tools: Tools,
        requests: Requests,
        status: watch::Sender<RootStatus>,
    ) -> Self {
        let Tools { outbox, journal, settings, hints, questions } = tools;
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
            requests,
            asked: None,
            awaited: None,
            eye,
            mounts: Mounts::watch(),
            questions,
            settling,
            troubles: HashMap::new(),
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
            rules_known: false,
            looked_through: false,
            last_look: now,
            adopting: false,
            is_other: false,
            is_stand_in: false,
            found_again: false,
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
                if let Some(request) = self.asked.take() {
                    request.answer(Err(NotLooked::DiskFull));
                }
                if let Some(request) = self.awaited.take() {
                    request.answer(Err(NotLooked::DiskFull));
                }
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
                Some(request) = self.requests.recv() => match request {
                    Request::Through(request) => self.asked = Some(request),
                    Request::At(request) => {
                        self.awaited = Some(request);
                    }
                },
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

    /// Has everything read again that was read by other rules: of another configuration, or of
    /// another version of this program. They do not change while it runs.
    async fn read_anew(&mut self) -> Result<(), OutboxError> {
        let files = self.outbox.read_by(self.root, self.rules().reading()).await?;
        self.rules_known = true;
        if files > 0 {
            info!(root = %self.root, files,
                "the id policy, the time zone or this program is not what it was: all files are \
                 read again");
        }
        Ok(())
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
        if !self.rules_known {
            self.read_anew().await?;
        }
        let now = Instant::now();
        let batch = self.hints.take();
        if batch.lost {
            self.say_lost_events();
        }
        if self.asked.is_some() {
            self.lift_obstacles().await?;
        }
        let everything = batch.everything || self.asked.is_some();
        if everything {
            self.look_through_now();
        }
        if now >= self.next_check || everything {
            self.check_root().await;
        }
        if self.next_canary.is_some_and(|at| now >= at) {
            self.send_canary().await;
        }
        if let Some(request) = &self.awaited {
            let name = request.name.clone();
            self.look_at(vec![name], Trigger::Order).await?;
        }
        if let Some(request) = self.awaited.take() {
            let seen = if self.eye.is_open() { Ok(()) } else { Err(self.unseen()) };
            request.answer(seen);
        }
        // What events told of is no news to the look that follows.
        self.take_hinted(batch.names.into_iter().collect()).await?;
        // Asked anew, since a look may have been ordered a moment ago.
        let is_due = |at: Instant| Instant::now() >= at;
        if is_due(self.next_scan) || self.deletions.judge_at().is_some_and(is_due) {
            // Should this be given up, the next look is as blind.
            let mut looked = None;
            if self.eye.is_open() {
                looked = self.reconcile().await?;
            }
            if looked.is_some() {
                self.blind = false;
                self.end_first_run().await?;
            }
            self.next_scan = Instant::now() + self.scan_interval();
            if let Some(request) = self.asked.take() {
                request.answer(looked.ok_or_else(|| self.unseen()));
            }
        }
        // Once what there is was taken in, since that is what is to be sent.
        if self.found_again {
            self.outbox.found_again(self.root, clock::now_ms()).await?;
            self.found_again = false;
        }
        let due = self.settling.due(Instant::now());
        self.look_at(due, Trigger::Due).await?;
        // What is not tried again is no trouble any more.
        self.troubles.retain(|name, _| self.settling.has(name));
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
            if !look::is_ours(self.root, &name, &ignore, self.outbox.pairs()) {
                continue;
            }
            match touch {
                Touch::Created => self.settling.touch(&name, BEGINNING, now),
                Touch::Written => self.settling.touch(&name, quiet, now),
                Touch::Done => done.push(name),
                Touch::Doubted => doubted.push(name),
            }
        }
        self.look_at(doubted, Trigger::Doubt).await?;
        self.look_at(done, Trigger::Event).await
    }

    fn rules(&self) -> Rules {
        let config = self.settings.borrow();
        Rules {
            root: self.root,
            quiet: match self.root {
                Root::Reports | Root::Rows => config.watch.report_quiet,
                Root::Exports => config.watch.audio_quiet,
            }
            .max(QUIET_MIN),
            report_limit: config.report_limit,
            timezone: config.watch.timezone.clone(),
            ids: config.ids,
            adopting: self.adopting,
            events: self.vision.reason().is_none(),
            pairs: self.outbox.pairs().clone(),
        }
    }
}
