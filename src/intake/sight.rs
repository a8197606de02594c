//! How the intake keeps sight of its root, and says so.

use std::ffi::{OsStr, OsString};
use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Intake, NotLooked, Pending, RootStatus};
use crate::clock;
use crate::config::WatchMode;
use crate::file::FileRef;
use crate::file_system;
use crate::journal::{Happening, News};
use crate::outbox::{Finding, Found};
use crate::watch::{Canary, Judgement, Reason, Settling, Sight, Sighting};

/// How often a root is looked at itself: whether it is there, and still the one that is watched.
pub(super) const ROOT_CHECK: Duration = Duration::from_secs(10);
/// How soon one that is lost is looked for again, at first; in the end as seldom as the others.
pub(super) const LOST_CHECK: Duration = Duration::from_millis(500);
/// How often a canary is sent.
const CANARY: Duration = Duration::from_secs(60 * 60);
/// So many of the files that are waited for are told by name.
const PENDING_MAX: usize = 100;
/// How long an event may be on its way.
const STRAGGLERS: Duration = Duration::from_secs(1);
/// Why nobody's word is taken for a deletion.
const STAND_IN: &str = "another directory, or another mount, stands at the path, and none of the known files is in \
     it: mount the right one; should this be the right one, restart ytv2d and say it again";

impl Intake {
    /// Looks at the root itself. What is new is to be looked through.
    pub(super) async fn check_root(&mut self) {
        let mode = self.settings.borrow().watch.mode;
        self.vision.set_mode(mode);
        let sight = self.eye.check(mode != WatchMode::Scan).await;
        let wait = match &sight {
            Sight::Lost(_) => {
                let wait = self.lost_wait;
                self.lost_wait = ROOT_CHECK.min(wait * 2);
                wait
            }
            _ => {
                self.lost_wait = LOST_CHECK;
                ROOT_CHECK
            }
        };
        self.next_check = Instant::now() + wait;
        match sight {
            Sight::Steady => {}
            Sight::New => self.take_up(None, true),
            Sight::Turned => self.take_up(None, false),
            Sight::Unwatched { error, is_new, was_watched } => {
                self.vision.found(Some(no_watch(&error)));
                if is_new || was_watched {
                    self.take_up(Some(no_watch(&error)), is_new);
                }
            }
            Sight::Lost(error) => self.lose_sight(&error),
        }
        self.say_turn();
    }

    /// Goes on with another directory, or another watch.
    fn take_up(&mut self, no_watch: Option<String>, is_other: bool) {
        if is_other {
            let file_system = file_system::of(&self.path).map_or("unknown", |fs| fs.name);
            if self.vision.since().is_some() && !self.vision.is_lost() {
                warn!(root = %self.root, path = %self.path.display(), file_system,
                    "another directory, or another mount, stands at the path: it is taken up");
            }
            self.is_other = self.looked_through;
            self.status.send_modify(|status| status.file_system = file_system);
            self.questions.forgive(self.root);
        }
        let is_watched = no_watch.is_none() && self.settings.borrow().watch.mode == WatchMode::Auto;
        self.next_canary = is_watched.then(Instant::now);
        self.vision.found(no_watch);
        self.vision.replaced();
        self.look_through_now();
    }

    /// The root cannot be seen. That is no deletion.
    pub(super) fn lose_sight(&mut self, error: &io::Error) {
        // Whatever is found next is taken up as new, and looked through.
        self.eye.close();
        self.settling = Settling::default();
        self.troubles.clear();
        self.next_canary = None;
        self.deletions.forget();
        self.vision.lost(error.to_string());
        self.say_turn();
    }

    /// Sends a canary, and believes it.
    pub(super) async fn send_canary(&mut self) {
        let canary = Canary::send(self.root, &self.path, &self.hints, &self.questions).await;
        self.next_canary = Some(Instant::now() + CANARY);
        let word = match &canary {
            Canary::Seen => "seen",
            Canary::Unseen => "unseen",
            Canary::NotWritten(_) => "not writable: judged by what looks find",
        };
        self.status.send_modify(|status| status.last_canary = Some((clock::now(), word)));
        match canary {
            Canary::Seen => self.vision.canary(true),
            Canary::Unseen => self.vision.canary(false),
            // What is still on its way has come by then, or does not come.
            Canary::NotWritten(_) => tokio::time::sleep(STRAGGLERS).await,
        }
        self.next_scan = self.next_scan.min(Instant::now() + self.scan_interval());
        self.say_turn();
    }

    /// Files have changed, and no event has told of it. Events come in order, so once that of a
    /// canary has come, theirs have, or will not.
    pub(super) async fn ask_the_kernel_about(&mut self, untold: Vec<OsString>) {
        self.send_canary().await;
        let silent = self.hints.silent_about(untold);
        if !silent.is_empty() {
            self.vision.missed(silent.len());
            self.say_turn();
        }
    }

    /// How long until the root is looked through again.
    pub(super) fn scan_interval(&self) -> Duration {
        let watch = &self.settings.borrow().watch;
        match self.vision.reason() {
            Some(_) => watch.scan.min(watch.rescan),
            None => watch.rescan,
        }
    }

    /// Files that a look through everything has missed, if they are believed to be deleted, or why
    /// not. To `accept` it is a person's word, and good for this look alone: it says that the files
    /// were deleted, not that this is the directory that they were in.
    pub(super) fn believed(
        &mut self,
        gone: Vec<FileRef>,
        accept: bool,
    ) -> Result<Vec<Finding>, String> {
        let limit = self.settings.borrow().watch.mass_delete;
        let (count, known, now) = (gone.len(), self.files, Instant::now());
        let gone: Vec<Finding> = gone
            .into_iter()
            .map(|file| {
                self.deletions.heard_of(file.name.clone(), self.last_look, now);
                let until = self.deletions.until(&file.name).unwrap_or(now);
                Finding { file, found: Found::Gone(wall_ms(until)) }
            })
            .collect();
        if accept && !self.is_stand_in {
            self.deletions.forget();
            if count > 0 {
                warn!(root = %self.root, path = %self.path.display(), gone = count, known,
                    "files are gone, and that is meant: it was said so");
            }
        } else {
            match self.deletions.judge(count, known, limit, now) {
                Judgement::TooSoon if accept => return Err(STAND_IN.to_owned()),
                Judgement::TooSoon => return Err("more may follow in a moment".to_owned()),
                Judgement::Suspicious => {
                    self.vision.suspect(Some((count, known)));
                    self.say_turn();
                    return Err(if accept { STAND_IN.to_owned() } else { self.state() });
                }
                Judgement::Believed => {}
            }
        }
        self.vision.suspect(None);
        self.say_turn();
        self.files = known.saturating_sub(count);
        Ok(gone)
    }

    /// Why the root was not looked through.
    pub(super) fn unseen(&self) -> NotLooked {
        NotLooked::Unseen(self.state())
    }

    fn state(&self) -> String {
        self.vision.sighting().to_string()
    }

    pub(super) fn say_lost_events(&self) {
        warn!(root = %self.root, path = %self.path.display(),
            "events were lost, as in a burst of them: the directory is looked through instead");
        self.status.send_modify(|status| status.overflows += 1);
    }

    /// Says when the root is seen in another way than before, once.
    pub(super) fn say_turn(&mut self) {
        let is_first = self.vision.since().is_none();
        let Some(sighting) = self.vision.turn(clock::now()) else { return };
        let was_seen = self.status.borrow().is_seen();
        let (root, path) = (self.root, self.path.display());
        match &sighting {
            Sighting::Events if is_first => {}
            Sighting::Events => info!(%root, %path, "the directory is watched by events again"),
            Sighting::Scanning(Reason::Configured) => {
                info!(%root, %path, "the directory is looked through by the clock, as configured");
            }
            Sighting::Scanning(reason) => {
                warn!(%root, %path, %reason,
                    "no events can be relied on: the directory is looked through by the clock");
            }
            Sighting::Lost(why) => error!(%root, %path, why,
                "a watched directory cannot be read: create it or mount it; it is taken up by \
                 itself once it is there"),
            Sighting::Suspicious { gone, known } => warn!(%root, %path, gone, known,
                "so many files are gone at once that this is taken for a failed mount: nothing is \
                 forgotten; mount the directory again, or, if they were deleted on purpose, say so \
                 with: ytv2d rescan --accept-removals"),
        }
        let is_seen = sighting.is_seen();
        self.found_again |= is_seen && !was_seen && !is_first;
        if is_seen != was_seen || (is_first && !is_seen) {
            let turn = if is_seen { Happening::RootFound } else { Happening::RootLost };
            let news = News {
                root: Some(root.to_string()),
                path: Some(path.to_string()),
                words: Some(sighting.to_string()),
                ..News::new(turn)
            };
            self.journal.tell(news, clock::now());
        }
        self.publish();
    }

    /// Lets others see how things are.
    pub(super) fn publish(&self) {
        let sighting = self.vision.sighting();
        let since = self.vision.since().unwrap_or_else(clock::now);
        let troubled = self.troubles.len();
        let unsettled = self.settling.count().saturating_sub(troubled);
        let files = self.files;
        let pending = self.pending();
        self.status.send_if_modified(|status| {
            let now = RootStatus {
                sighting: Some((sighting, since)),
                files,
                unsettled,
                troubled,
                pending,
                ..status.clone()
            };
            let is_news = *status != now;
            *status = now;
            is_news
        });
    }

    /// The files that are waited for, those in trouble first.
    fn pending(&self) -> Vec<Pending> {
        let file = |name: &OsStr| FileRef::new(self.root, name);
        let troubled = self.troubles.iter().map(|(name, (since, why))| Pending {
            file: file(name),
            since: *since,
            trouble: Some(why.clone()),
        });
        let written = self.settling.oldest(PENDING_MAX).into_iter();
        let written = written
            .filter(|(_, name)| !self.troubles.contains_key(*name))
            .map(|(since, name)| Pending { file: file(name), since, trouble: None });
        troubled.chain(written).take(PENDING_MAX).collect()
    }
}

/// A moment of the past, by the system's clock: in milliseconds since 1970, rounded down.
fn wall_ms(moment: Instant) -> i64 {
    clock::now_ms() - 1 - moment.elapsed().as_millis() as i64
}

/// Why the kernel gives no watch, with what an operator can do.
fn no_watch(error: &notify::Error) -> String {
    use notify::ErrorKind;
    const EMFILE: i32 = 24;
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "no inotify watches are left: raise sysctl fs.inotify.max_user_watches".to_owned()
        }
        ErrorKind::Io(io) if io.raw_os_error() == Some(EMFILE) => {
            "no inotify instances are left: raise sysctl fs.inotify.max_user_instances".to_owned()
        }
        _ => error.to_string(),
    }
}
