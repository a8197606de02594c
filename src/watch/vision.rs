//! What is known about the watching itself: whether a root is seen, how, and why so.

use std::fmt;

use jiff::Timestamp;

use crate::config::WatchMode;

/// How a root is seen at this moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    /// The kernel says what changes.
    Events,
    /// It is looked through by the clock, and why.
    Scanning(Reason),
    /// It cannot be seen, and why.
    Lost(String),
    /// So many of the known files are gone that a failed mount is more likely than a deletion.
    Suspicious { gone: usize, known: usize },
}

/// Why events are not relied on.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    Configured,
    /// The kernel gives no watch.
    NoWatch(String),
    /// A probe file of our own gave no event.
    CanaryUnseen,
    /// A look found changes that no event had told of: another machine writes here.
    Missed(usize),
}

impl Sighting {
    /// Whether changes are seen, one way or the other.
    pub fn is_seen(&self) -> bool {
        matches!(self, Sighting::Events | Sighting::Scanning(_))
    }

    /// The word of the status.
    pub fn word(&self) -> &'static str {
        match self {
            Sighting::Events => "events",
            Sighting::Scanning(_) => "scanning",
            Sighting::Lost(_) => "lost",
            Sighting::Suspicious { .. } => "suspicious",
        }
    }

    /// Why it is so, where the word does not say it.
    pub fn why(&self) -> Option<String> {
        match self {
            Sighting::Events => None,
            Sighting::Scanning(reason) => Some(reason.to_string()),
            Sighting::Lost(why) => Some(why.clone()),
            Sighting::Suspicious { gone, known } => Some(format!(
                "{gone} of {known} files are gone at once; if they were deleted on purpose, say \
                     so with: ytv2d rescan --accept-removals"
            )),
        }
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            None => f.write_str(self.word()),
            Some(why) => write!(f, "{}: {why}", self.word()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Configured => f.write_str("watch.mode says so"),
            Reason::NoWatch(why) => f.write_str(why),
            Reason::CanaryUnseen => f.write_str("a probe file gave no event"),
            Reason::Missed(files) => write!(f, "{files} changes came without an event"),
        }
    }
}

/// Everything that was found out about the watching of one root.
#[derive(Clone, Debug)]
pub struct Vision {
    mode: WatchMode,
    lost: Option<String>,
    no_watch: Option<String>,
    canary_unseen: bool,
    missed: usize,
    suspicion: Option<(usize, usize)>,
    /// What it came to last, and since when.
    current: Option<(Sighting, Timestamp)>,
}

impl Vision {
    pub fn new(mode: WatchMode) -> Self {
        Self {
            mode,
            lost: None,
            no_watch: None,
            canary_unseen: false,
            missed: 0,
            suspicion: None,
            current: None,
        }
    }

    pub fn set_mode(&mut self, mode: WatchMode) {
        self.mode = mode;
    }

    /// The root is there, and watched, or not. That it can be read as well, a look through it
    /// must [show](Self::looked_through).
    pub fn found(&mut self, no_watch: Option<String>) {
        self.no_watch = no_watch;
    }

    /// A look through the root came to its end.
    pub fn looked_through(&mut self) {
        self.lost = None;
    }

    pub fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Another directory stands at the path, or another watch is placed: what was learnt about the
    /// last one is no matter.
    pub fn replaced(&mut self) {
        self.canary_unseen = false;
        self.missed = 0;
    }

    pub fn lost(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// A canary was seen, or not.
    pub fn canary(&mut self, seen: bool) {
        self.canary_unseen = !seen;
    }

    /// A look found changes that no event had told of.
    pub fn missed(&mut self, files: usize) {
        self.missed += files;
    }

    /// Files are gone, and not believed to be deleted; or nothing is suspicious any more.
    pub fn suspect(&mut self, gone_of_known: Option<(usize, usize)>) {
        self.suspicion = gone_of_known;
    }

    /// How the root is seen.
    pub fn sighting(&self) -> Sighting {
        if let Some(why) = &self.lost {
            return Sighting::Lost(why.clone());
        }
        if let Some((gone, known)) = self.suspicion {
            return Sighting::Suspicious { gone, known };
        }
        self.reason().map_or(Sighting::Events, Sighting::Scanning)
    }

    /// Why the root must be looked through often.
    pub fn reason(&self) -> Option<Reason> {
        if self.mode == WatchMode::Scan {
            return Some(Reason::Configured);
        }
        if let Some(why) = &self.no_watch {
            return Some(Reason::NoWatch(why.clone()));
        }
        if self.mode == WatchMode::Auto {
            if self.canary_unseen {
                return Some(Reason::CanaryUnseen);
            }
            if self.missed > 0 {
                return Some(Reason::Missed(self.missed));
            }
        }
        None
    }

    /// Whether events should tell of everything, and it matters when they do not.
    pub fn owes_events(&self) -> bool {
        self.mode == WatchMode::Auto && self.reason().is_none()
    }

    /// Gives the sighting and when it began, if it is of another kind than the last time.
    pub fn turn(&mut self, now: Timestamp) -> Option<Sighting> {
        let sighting = self.sighting();
        let same_kind = |known: &Sighting| match (known, &sighting) {
            (Sighting::Scanning(a), Sighting::Scanning(b)) => {
                std::mem::discriminant(a) == std::mem::discriminant(b)
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        match &mut self.current {
            Some((known, _)) if same_kind(known) => {
                *known = sighting;
                None
            }
            current => {
                *current = Some((sighting.clone(), now));
                Some(sighting)
            }
        }
    }

    /// Since when the root is seen as it is.
    pub fn since(&self) -> Option<Timestamp> {
        self.current.as_ref().map(|(_, since)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_finding_says_how_a_root_is_seen() {
        type Findings = fn(&mut Vision);
        let none: Findings = |_| {};
        for (mode, findings, sighting) in [
            (WatchMode::Auto, none, Sighting::Events),
            (WatchMode::Events, none, Sighting::Events),
            (WatchMode::Scan, none, Sighting::Scanning(Reason::Configured)),
            (
                WatchMode::Auto,
                |v: &mut Vision| v.canary(false),
                Sighting::Scanning(Reason::CanaryUnseen),
            ),
            (WatchMode::Events, |v: &mut Vision| v.canary(false), Sighting::Events),
            (WatchMode::Auto, |v: &mut Vision| v.missed(3), Sighting::Scanning(Reason::Missed(3))),
            (
                WatchMode::Events,
                |v: &mut Vision| v.found(Some("no watches left".into())),
                Sighting::Scanning(Reason::NoWatch("no watches left".into())),
            ),
            (
                WatchMode::Auto,
                |v: &mut Vision| v.suspect(Some((9, 10))),
                Sighting::Suspicious { gone: 9, known: 10 },
            ),
            (
                WatchMode::Scan,
                |v: &mut Vision| {
                    v.suspect(Some((9, 10)));
                    v.lost("gone".into());
                },
                Sighting::Lost("gone".into()),
            ),
        ] {
            let mut vision = Vision::new(mode);
            findings(&mut vision);
            assert_eq!(vision.sighting(), sighting, "{mode:?}");
        }
    }

    #[test]
    fn only_a_turn_is_told_and_it_is_remembered_since_when() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut vision = Vision::new(WatchMode::Auto);
        assert_eq!(vision.turn(at(1)), Some(Sighting::Events));
        assert_eq!(vision.turn(at(2)), None);
        vision.missed(1);
        assert_eq!(vision.turn(at(3)), Some(Sighting::Scanning(Reason::Missed(1))));
        vision.missed(1);
        assert_eq!(vision.turn(at(4)), None);
        assert_eq!(vision.since(), Some(at(3)));
        vision.canary(false);
        assert_eq!(vision.turn(at(5)), Some(Sighting::Scanning(Reason::CanaryUnseen)));
    }

    #[test]
    fn another_directory_is_judged_afresh() {
        let mut vision = Vision::new(WatchMode::Auto);
        vision.canary(false);
        vision.missed(2);
        vision.replaced();
        assert_eq!(vision.sighting(), Sighting::Events);
    }
}
