//! Where something may have changed: filled by the kernel's events, emptied by the intake.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, EventHandler};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::CANARY;

/// Beyond so many names it is cheaper to look at everything, and memory stays flat.
const NAMES_MAX: usize = 4096;
/// How long word of a file's beginning waits for that of its end, so that a short one is thought over
/// once.
const MOMENT: Duration = Duration::from_millis(2);

/// What an event said of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// It is there, most likely open and empty still: who makes a file writes it and closes it. A hard
    /// link is there as a whole, and has no further event.
    Created,
    /// Somebody may be writing it at this moment.
    Written,
    /// It was closed, renamed in, removed, or changed in a way that has no end.
    Done,
    /// What is recorded of it is not what is in it, whatever its stamp says: read it again.
    Doubted,
}

/// What has come together since the last look.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// Look at everything: hints were lost, or concern the directory itself.
    pub everything: bool,
    /// The reason is that events were lost: by the kernel, whose queue was full, or on their way.
    pub lost: bool,
    pub names: HashMap<OsString, Touch>,
    /// Not all of it is still being written.
    is_ready: bool,
}

/// The hints about one directory. Never blocks and never grows without bound, since a slow taker of
/// events is what makes the kernel drop them.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    batch: Mutex<Batch>,
    /// Something is to be looked at.
    wake: Notify,
    /// Something has begun.
    begun: Notify,
    /// How often the canary was seen.
    canary: tokio::sync::watch::Sender<u64>,
}

impl Hints {
    /// Waits until there is something to take: a moment longer where that is only what is still being
    /// written.
    pub async fn wait(&self) {
        let Shared { wake, begun, .. } = &*self.shared;
        tokio::select! {
            () = wake.notified() => {}
            () = begun.notified() => {
                let _or_not = timeout(MOMENT, wake.notified()).await;
            }
        }
    }

    /// Wakes whoever waits, though there may be nothing to take.
    pub fn nudge(&self) {
        self.shared.wake.notify_one();
    }

    /// Takes everything that has come together.
    pub fn take(&self) -> Batch {
        std::mem::take(&mut self.lock())
    }

    /// Those of these names of which nothing is waiting to be taken.
    pub fn silent_about(&self, mut names: Vec<OsString>) -> Vec<OsString> {
        let batch = self.lock();
        names.retain(|name| !batch.everything && !batch.names.contains_key(name));
        names
    }

    /// Counts the events of the canary.
    pub fn canary(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.canary.subscribe()
    }

    /// Asks for a look at one name.
    pub fn add(&self, name: &OsStr, touch: Touch) {
        self.change(|batch| batch.add(name, touch));
    }

    /// Asks for a look at everything.
    pub fn add_everything(&self) {
        self.change(Batch::overflow);
    }

    /// The end that `notify` calls, for the directory at `root`.
    pub fn handler(&self, root: &Path) -> impl EventHandler + use<> {
        let (hints, root): (_, PathBuf) = (self.clone(), root.to_owned());
        move |result: notify::Result<Event>| match result {
            // The flag comes without a path, and first: it outweighs everything else.
            Ok(event) if event.need_rescan() => hints.change(Batch::lose),
            Ok(event) => {
                let Some(touch) = touch(&event.kind) else { return };
                if event.paths.iter().any(|path| path.file_name() == Some(OsStr::new(CANARY))) {
                    hints.shared.canary.send_modify(|seen| *seen += 1);
                    return;
                }
                hints.change(|batch| {
                    for path in &event.paths {
                        match path.file_name() {
                            Some(name) if path != &root => batch.add(name, touch),
                            _ => batch.overflow(),
                        }
                    }
                });
            }
            Err(_) => hints.change(Batch::lose),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Batch)) {
        let mut batch = self.lock();
        change(&mut batch);
        if batch.is_ready {
            self.shared.wake.notify_one();
        } else if !batch.names.is_empty() {
            self.shared.begun.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Batch> {
        // A batch is whole after every step, so a panic elsewhere leaves nothing half done.
        self.shared.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn add(&mut self, name: &OsStr, touch: Touch) {
        if self.everything {
            return;
        }
        self.is_ready |= touch >= Touch::Done;
        if let Some(known) = self.names.get_mut(name) {
            *known = (*known).max(touch);
        } else if self.names.len() < NAMES_MAX {
            self.names.insert(name.to_owned(), touch);
        } else {
            self.overflow();
        }
    }

    fn overflow(&mut self) {
        self.everything = true;
        self.is_ready = true;
        self.names = HashMap::new();
    }

    fn lose(&mut self) {
        self.overflow();
        self.lost = true;
    }
}

/// What an event means; nothing for those that our own reading causes.
fn touch(kind: &EventKind) -> Option<Touch> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Touch::Done),
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(Touch::Written),
        EventKind::Create(_) => Some(Touch::Created),
        EventKind::Modify(_) | EventKind::Remove(_) => Some(Touch::Done),
        EventKind::Any | EventKind::Other => Some(Touch::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, Flag, MetadataKind, RemoveKind, RenameMode};

    fn handled(events: Vec<notify::Result<Event>>) -> Batch {
        let hints = Hints::default();
        let mut handler = hints.handler(Path::new("/root"));
        events.into_iter().for_each(|event| handler.handle_event(event));
        hints.take()
    }

    fn on(kind: EventKind, path: &str) -> notify::Result<Event> {
        Ok(Event::new(kind).add_path(path.into()))
    }

    #[test]
    fn every_event_that_may_change_a_file_is_a_hint_and_our_own_reading_is_none() {
        let done = Some(Touch::Done);
        for (kind, expected) in [
            (EventKind::Create(CreateKind::File), Some(Touch::Created)),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (EventKind::Access(AccessKind::Read), None),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), None),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), done),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), Some(Touch::Written)),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), done),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), done),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), done),
            (EventKind::Remove(RemoveKind::File), done),
        ] {
            let batch = handled(vec![on(kind, "/root/a")]);
            assert_eq!(batch.names.get(OsStr::new("a")).copied(), expected, "{kind:?}");
            assert!(!batch.everything);
        }
    }

    #[test]
    fn lost_events_and_news_of_the_directory_itself_ask_for_a_look_at_everything() {
        let lost = Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        let root_gone = on(EventKind::Remove(RemoveKind::Folder), "/root");
        let broken = Err(notify::Error::generic("x"));
        for (event, lost) in [(lost, true), (root_gone, false), (broken, true)] {
            let batch = handled(vec![event]);
            assert!(batch.everything);
            assert_eq!(batch.lost, lost);
        }
    }

    #[test]
    fn a_flood_of_names_becomes_one_look_at_everything() {
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let flood = |n: usize| (0..n).map(|i| on(close, &format!("/root/{i}"))).collect();
        assert_eq!(handled(flood(NAMES_MAX)).names.len(), NAMES_MAX);
        let batch = handled(flood(NAMES_MAX + 1));
        assert!(batch.everything && batch.names.is_empty());
    }

    #[test]
    fn the_end_of_a_writing_outweighs_its_middle() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let create = EventKind::Create(CreateKind::File);
        for order in [[create, written, close], [written, close, create], [close, create, written]]
        {
            let batch = handled(order.map(|kind| on(kind, "/root/a")).into());
            assert_eq!(batch.names[OsStr::new("a")], Touch::Done);
        }
        let begun = handled(vec![on(create, "/root/a"), on(written, "/root/a")]);
        assert_eq!(begun.names[OsStr::new("a")], Touch::Written);
    }

    #[test]
    fn what_is_waiting_to_be_taken_is_not_silent() {
        let hints = Hints::default();
        hints.add(OsStr::new("a"), Touch::Done);
        assert_eq!(hints.silent_about(vec!["a".into(), "b".into()]), ["b"]);
        hints.change(Batch::lose);
        assert!(hints.silent_about(vec!["a".into(), "b".into()]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_begun_is_waited_for_a_moment_and_what_is_done_is_not() {
        use tokio::time::Instant;
        for (touches, wait) in [
            (&[Touch::Created][..], MOMENT),
            (&[Touch::Created, Touch::Written], MOMENT),
            (&[Touch::Created, Touch::Done], Duration::ZERO),
            (&[Touch::Doubted], Duration::ZERO),
        ] {
            let (hints, before) = (Hints::default(), Instant::now());
            touches.iter().for_each(|touch| hints.add(OsStr::new("a"), *touch));
            hints.wait().await;
            let took = before.elapsed();
            assert!(took >= wait && took < wait + MOMENT, "{touches:?}: {took:?}");
        }
        // Its end comes meanwhile.
        let (hints, before) = (Hints::default(), Instant::now());
        hints.add(OsStr::new("a"), Touch::Created);
        tokio::join!(hints.wait(), async { hints.add(OsStr::new("a"), Touch::Done) });
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_hint_given_before_the_waiting_is_not_missed() {
        let hints = Hints::default();
        hints.add(OsStr::new("a"), Touch::Done);
        hints.wait().await;
        assert_eq!(hints.take().names.len(), 1);
    }
}
