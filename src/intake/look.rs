//! One look at one file: is it ours, is it known, is it ready, and what is in it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::{audio, report};
use crate::clock;
use crate::config::Ignore;
use crate::file::{FileRef, Root, Stamp};
use crate::outbox::{Found, Pairs};
use crate::report::{AudioName, IdPolicy, READING, audio_name, ignored_report_name};
use crate::watch::{A_LINK, Directory, Entry, JustRead, Pulse, Settling};

/// What the configuration says about taking in.
#[derive(Clone, Debug)]
pub struct Rules {
    pub root: Root,
    /// How long a file that cannot prove its end must be quiet.
    pub quiet: Duration,
    /// Bytes.
    pub report_limit: u64,
    pub timezone: TimeZone,
    pub ids: IdPolicy,
    /// What is there counts as delivered.
    pub adopting: bool,
    /// Events tell of every change.
    pub events: bool,
    pub pairs: Pairs,
    pub just_read: JustRead,
}

impl Rules {
    /// What else than its bytes and its name decides on what is read out of a file, in words.
    pub fn reading(&self) -> String {
        match self.root {
            Root::Reports | Root::Rows => reading(self.ids, &self.timezone),
            Root::Exports => format!("{READING}, times of {}", name_of(&self.timezone)),
        }
    }
}

/// The same of reports, wherever they come from.
pub fn reading(ids: IdPolicy, timezone: &TimeZone) -> String {
    format!("{READING}, ids {ids:?}, times of {}", name_of(timezone))
}

fn name_of(timezone: &TimeZone) -> &str {
    timezone.iana_name().unwrap_or("unnamed")
}

/// Why a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The kernel said something of it.
    Event,
    /// It was to be looked at again by now.
    Due,
    /// What is recorded of it cannot be true.
    Doubt,
    /// Everything is looked at.
    Scan,
    /// Somebody has finished writing it, and waits.
    Order,
}

/// A file, what is recorded of it, and what stands there now.
#[derive(Debug)]
pub struct Seen {
    pub file: FileRef,
    pub known: Option<Stamp>,
    pub entry: Option<Entry>,
    /// What is in it, where it was read at once.
    pub read: Option<Outcome>,
}

/// What a look decided.
#[derive(Debug)]
pub enum Looked {
    /// Known as it is, or not ready.
    Nothing,
    /// It was known, and is not there any more.
    Gone,
    /// Clear without reading.
    Found(Found),
    /// To be read.
    Ready,
}

/// What reading came to.
#[derive(Debug)]
pub enum Outcome {
    Found(Found),
    /// Whatever it is, it may not be whole yet.
    Unfinished(Stamp, String),
    /// It changed while it was read.
    Moving,
    Failed(io::Error),
}

/// Whether a name is one that this root delivers (contract A.7, B.1 and B.2).
pub fn is_ours(root: Root, name: &OsStr, ignore: &Ignore, pairs: &Pairs) -> bool {
    let has_ending = std::path::Path::new(name)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case(root.extension()));
    has_ending
        && !ignore.matches(name)
        && match root {
            Root::Reports | Root::Rows => !ignored_report_name(name.as_bytes()),
            Root::Exports => {
                pairs.id_of(name).is_some()
                    || matches!(audio_name(&name.to_string_lossy()), AudioName::Ours { .. })
            }
        }
}

/// Looks at files without opening them; those that could not be looked at come with the reason.
/// Blocking.
pub fn see(
    directory: &Directory,
    files: impl Iterator<Item = (FileRef, Option<Stamp>)>,
    pulse: &Pulse,
) -> (Vec<Seen>, Vec<(FileRef, io::Error)>) {
    let (mut seen, mut unseen) = (Vec::new(), Vec::new());
    for (file, known) in files {
        pulse.beat();
        match directory.look(&file.name) {
            Ok(entry) => seen.push(Seen { file, known, entry, read: None }),
            Err(error) => unseen.push((file, error)),
        }
    }
    (seen, unseen)
}

/// Decides what is to be done with a file that was seen.
pub fn decide(
    seen: &Seen,
    trigger: Trigger,
    rules: &Rules,
    settling: &mut Settling,
    now: Instant,
) -> Looked {
    let name = &seen.file.name;
    let stamp = match seen.entry {
        None => {
            settling.forget(name);
            return if seen.known.is_some() { Looked::Gone } else { Looked::Nothing };
        }
        Some(Entry::File(stamp)) if seen.known == Some(stamp) => {
            // An event so soon after the last change may be that of another with the same stamp.
            let is_news = trigger == Trigger::Doubt
                || (trigger == Trigger::Event && rules.root == Root::Reports && is_young(&stamp));
            settling.forget(name);
            return if is_news { Looked::Ready } else { Looked::Nothing };
        }
        Some(Entry::Other(_, stamp)) if seen.known == Some(stamp) => {
            settling.forget(name);
            return Looked::Nothing;
        }
        Some(Entry::Other(what, stamp)) => {
            settling.forget(name);
            let problem = format!("it is {what}: {}", not_a_file(what));
            return Looked::Found(Found::Problem(stamp, problem));
        }
        Some(Entry::File(stamp)) => stamp,
    };
    if trigger == Trigger::Order {
        return Looked::Ready;
    }
    if rules.adopting && trigger == Trigger::Scan {
        // As it is; should it be in the middle of being written, its end is a change.
        return Looked::Ready;
    }
    match rules.root {
        // A report proves its own end, so it is tried at once. Where no event would tell of it, the
        // moment is let pass in which a rewrite would leave the same stamp.
        Root::Reports if !rules.events && is_young(&stamp) => {
            settling.touch(name, tick(&stamp), now);
            Looked::Nothing
        }
        Root::Reports | Root::Rows => Looked::Ready,
        Root::Exports => {
            // The kernel alone sets the time of change, so a scan may believe a quiet that lies in
            // the past, unless the file is being watched for its quiet already.
            let was_quiet = trigger == Trigger::Scan
                && !settling.has(name)
                && age(&stamp).is_some_and(|age| age > rules.quiet);
            if was_quiet || settling.has_settled(name, stamp, rules.quiet, now) {
                Looked::Ready
            } else {
                Looked::Nothing
            }
        }
    }
}

/// Why something is not delivered, and what to do about it. Not even a link within the directory is
/// followed: what it leads to is delivered by its own name if it is ours, and a link that may be
/// followed is one that somebody else may turn elsewhere.
fn not_a_file(what: &str) -> &'static str {
    match what {
        A_LINK => "links are not followed; put the file itself here, or move it away",
        _ => "only a regular file is delivered; move it away",
    }
}

/// How long ago a file changed; nothing, when that lies in the future, as after a jump of the clock.
fn age(stamp: &Stamp) -> Option<Duration> {
    u64::try_from(clock::now_ms() - stamp.changed_ms()).ok().map(Duration::from_millis)
}

/// Whether another change may still leave the same stamp.
fn is_young(stamp: &Stamp) -> bool {
    age(stamp).is_some_and(|age| age < tick(stamp))
}

/// For how long after a change another one may leave the same stamp. Most kernels set times by
/// their own tick, which is 10 ms at the longest; some file systems keep whole seconds, or every
/// other one.
fn tick(stamp: &Stamp) -> Duration {
    match stamp.ctime_ns % 1_000_000_000 {
        0 => Duration::from_secs(2),
        _ => Duration::from_millis(20),
    }
}

/// Reads a file. Blocking.
pub fn read(directory: &Directory, file: &FileRef, rules: &Rules, pulse: &Pulse) -> Outcome {
    let opened = match directory.open_file(&file.name) {
        Ok(opened) => opened,
        Err(error) => return not_opened(directory, file, error),
    };
    let outcome = match rules.root {
        Root::Reports | Root::Rows => report::read(&opened, file, rules, pulse),
        Root::Exports => audio::read(&opened, file, rules, pulse),
    };
    match opened.is_unchanged() {
        Ok(true) => outcome,
        Ok(false) => Outcome::Moving,
        Err(error) => Outcome::Failed(error),
    }
}

fn not_opened(directory: &Directory, file: &FileRef, error: io::Error) -> Outcome {
    match error.kind() {
        // It went away, or became something else, since it was seen: that is an event of its own.
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => Outcome::Moving,
        // Somebody holds a lease on it, as Samba does for its clients, and is asked to let go.
        io::ErrorKind::WouldBlock => Outcome::Moving,
        io::ErrorKind::PermissionDenied => match directory.look(&file.name) {
            Ok(Some(Entry::File(stamp))) => Outcome::Found(Found::Obstacle(
                stamp,
                "it may not be read: let the user that ytv2d runs as read it".to_owned(),
            )),
            _ => Outcome::Moving,
        },
        _ => Outcome::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(root: Root) -> Rules {
        Rules {
            root,
            quiet: Duration::from_secs(2),
            report_limit: 100,
            timezone: TimeZone::UTC,
            ids: IdPolicy::default(),
            adopting: false,
            events: false,
            pairs: Pairs::default(),
            just_read: JustRead::default(),
        }
    }

    fn stamp(ctime_ms: i64) -> Stamp {
        Stamp { size: 1, mtime_ns: 0, ctime_ns: ctime_ms * 1_000_000 + 1, inode: 1 }
    }

    fn word(looked: &Looked) -> &'static str {
        match looked {
            Looked::Nothing => "nothing",
            Looked::Gone => "gone",
            Looked::Found(_) => "problem",
            Looked::Ready => "ready",
        }
    }

    #[test]
    fn what_a_look_decides() {
        let (long_ago, future) = (stamp(1_000_000), stamp(clock::now_ms() + 1_000_000));
        let (recent, just_now) = (stamp(clock::now_ms() - 500), stamp(clock::now_ms()));
        let this_second = Stamp { ctime_ns: clock::now_ms() / 1000 * 1_000_000_000, ..recent };
        let file = |stamp| Some(Entry::File(stamp));
        let link = Some(Entry::Other("a symbolic link", long_ago));
        use Trigger::{Doubt, Due, Event, Order, Scan};
        for (root, known, entry, trigger, expected) in [
            (Root::Reports, None, file(recent), Event, "ready"),
            (Root::Reports, None, file(future), Event, "ready"),
            (Root::Reports, Some(just_now), file(just_now), Event, "ready"),
            (Root::Reports, Some(just_now), file(just_now), Scan, "nothing"),
            (Root::Reports, None, file(just_now), Scan, "nothing"),
            (Root::Reports, None, file(this_second), Scan, "nothing"),
            (Root::Reports, Some(recent), file(recent), Event, "nothing"),
            (Root::Reports, Some(long_ago), file(recent), Scan, "ready"),
            (Root::Reports, Some(long_ago), None, Event, "gone"),
            (Root::Reports, None, None, Event, "nothing"),
            (Root::Reports, Some(recent), file(recent), Doubt, "ready"),
            (Root::Reports, None, link, Scan, "problem"),
            (Root::Reports, Some(long_ago), link, Scan, "nothing"),
            (Root::Exports, None, file(recent), Event, "nothing"),
            (Root::Exports, None, file(recent), Scan, "nothing"),
            (Root::Exports, None, file(long_ago), Scan, "ready"),
            (Root::Exports, None, file(long_ago), Event, "nothing"),
            (Root::Exports, None, file(future), Scan, "nothing"),
            (Root::Exports, None, file(recent), Due, "nothing"),
            (Root::Exports, None, file(recent), Order, "ready"),
            (Root::Exports, Some(recent), file(recent), Order, "nothing"),
        ] {
            let seen = Seen { file: FileRef::new(root, "x"), known, entry, read: None };
            let mut settling = Settling::default();
            let looked = decide(&seen, trigger, &rules(root), &mut settling, Instant::now());
            assert_eq!(word(&looked), expected, "{seen:?} {trigger:?}");
        }
        let seen = Seen {
            file: FileRef::new(Root::Reports, "x"),
            known: None,
            entry: file(just_now),
            read: None,
        };
        let rules = Rules { events: true, ..rules(Root::Reports) };
        for trigger in [Event, Scan] {
            let looked = decide(&seen, trigger, &rules, &mut Settling::default(), Instant::now());
            assert_eq!(word(&looked), "ready", "where events come, {trigger:?}");
        }
    }

    #[test]
    fn only_flat_names_of_the_right_kind_are_ours() {
        let ignore = Ignore::new(&["secret*".to_owned()]).unwrap();
        for (root, name, ours) in [
            (Root::Reports, "secret.json", false),
            (Root::Reports, "a.json", true),
            (Root::Reports, "a.JSON", true),
            (Root::Reports, "SECRET.JSON", false),
            (Root::Reports, ".a.json", false),
            (Root::Reports, "a.json.tmp", false),
            (Root::Reports, "a.mp3", false),
            (Root::Exports, "audio_aB-3_xY9zQk_20250901_101010.mp3", true),
            (Root::Exports, "listen_aB-3_xY9zQk_20250901_101010.mp3", false),
            (Root::Exports, "audio_20250901_101010.mp3", false),
            (Root::Exports, "audio_20250901_101010.MP3", false),
            (Root::Exports, "audio_aB-3_xY9zQk_20250901_101010.Mp3", true),
            (Root::Exports, "a.json", false),
        ] {
            assert_eq!(is_ours(root, OsStr::new(name), &ignore, &Pairs::default()), ours, "{name}");
        }
    }
}
