//! How the intake keeps sight of its root, and says so.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Intake;
use super::look::Trigger;
use crate::clock;
use crate::config::WatchMode;
use crate::file::FileRef;
use crate::file_system;
use crate::outbox::{Finding, Found};
use crate::watch::{Canary, Reason, Sight, Sighting};

/// How often a root is looked at itself: whether it is there, and still the one that is watched.
pub(super) const ROOT_CHECK: Duration = Duration::from_secs(10);
/// How often a canary is sent.
const CANARY: Duration = Duration::from_secs(60 * 60);

impl Intake {
    /// Looks at the root itself; says whether it is new, so that it must be looked through.
    pub(super) fn check_root(&mut self) -> bool {
        self.next_check = Instant::now() + ROOT_CHECK;
        let mode = self.settings.borrow().watch.mode;
        self.vision.set_mode(mode);
        let was_lost = matches!(self.vision.sighting(), Sighting::Lost(_));
        let is_new = match self.eye.check() {
            Sight::Steady => false,
            Sight::New => {
                self.vision.found(None);
                self.vision.replaced();
                self.next_canary = (mode == WatchMode::Auto).then(Instant::now);
                let file_system = file_system::of(&self.path).map_or("unknown", |fs| fs.name);
                self.status.send_modify(|status| status.file_system = file_system);
                true
            }
            Sight::Unwatched(error) => {
                let had_watch = self.vision.reason().is_none();
                self.vision.found(Some(no_watch(&error)));
                had_watch || was_lost
            }
            Sight::Lost(error) => {
                self.vision.lost(error.to_string());
                false
            }
        };
        self.say_turn();
        is_new
    }

    /// Sends a canary, and believes it.
    pub(super) async fn send_canary(&mut self) {
        self.next_canary = Some(Instant::now() + CANARY);
        let canary = Canary::send(&self.path, &self.hints).await;
        let word = match &canary {
            Canary::Seen => "seen",
            Canary::Unseen => "unseen",
            Canary::NotWritten(_) => "not writable: judged by what looks find",
        };
        self.status.send_modify(|status| status.last_canary = Some((clock::now(), word)));
        match canary {
            Canary::Seen => self.vision.canary(true),
            Canary::Unseen => self.vision.canary(false),
            Canary::NotWritten(_) => {}
        }
        self.say_turn();
    }

    /// How long until the root is looked through again.
    pub(super) fn scan_interval(&self) -> Duration {
        let watch = &self.settings.borrow().watch;
        match self.vision.reason() {
            Some(_) => watch.scan.min(watch.rescan),
            None => watch.rescan,
        }
    }

    /// Files of which nothing is there any more, as far as that is believed to be meant so. A look
    /// through everything is judged as a whole, by itself.
    pub(super) fn believed(&mut self, gone: Vec<FileRef>, trigger: Trigger) -> Vec<Finding> {
        let limit = self.settings.borrow().watch.mass_delete;
        let now = Instant::now();
        let (count, known) = (gone.len(), self.files);
        let believed = match trigger {
            Trigger::Scan => self.deletions.believe_scan(count, known, limit, now),
            Trigger::Event | Trigger::Due if count == 0 => return Vec::new(),
            Trigger::Event | Trigger::Due => {
                self.deletions.believe_events(count, known, limit, now)
            }
        };
        if believed {
            if trigger == Trigger::Scan {
                self.vision.suspect(None);
            }
            self.files = known.saturating_sub(count);
        } else {
            self.vision.suspect(Some((count, known)));
        }
        self.say_turn();
        if !believed {
            return Vec::new();
        }
        gone.into_iter().map(|file| Finding { file, found: Found::Gone }).collect()
    }

    /// Says when the root is seen in another way than before, once.
    pub(super) fn say_turn(&mut self) {
        let is_first = self.vision.since().is_none();
        let Some(sighting) = self.vision.turn(clock::now()) else { return };
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
                 forgotten; if it was meant, all is well; if not, mount the directory again"),
        }
        self.publish();
    }

    /// Lets others see how things are.
    pub(super) fn publish(&self) {
        let sighting = self.vision.sighting();
        let since = self.vision.since().unwrap_or_else(clock::now);
        let unsettled = self.settling.unsettled(Instant::now());
        let files = self.files;
        self.status.send_modify(|status| {
            status.sighting = Some((sighting, since));
            status.files = files;
            status.unsettled = unsettled;
        });
    }
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
