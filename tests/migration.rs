//! A migration as an operator walks through it: from the legacy target over both to PostgreSQL only,
//! back, and forth again, with changes and a deletion at every stage.

mod support;

use std::collections::BTreeSet;

use support::daemon::Daemon;
use support::ends::{Ends, told};
use support::fixtures::{self, Report, Shape};
use support::mp3::mp3;

/// Which targets a stage sends to.
#[derive(Clone, Copy, PartialEq)]
struct Stage {
    name: &'static str,
    new: bool,
    old: bool,
}

const STAGES: [Stage; 6] = [
    Stage { name: "legacy alone", new: false, old: true },
    Stage { name: "both", new: true, old: true },
    Stage { name: "PostgreSQL only", new: true, old: false },
    Stage { name: "rolled back", new: false, old: true },
    Stage { name: "returned", new: true, old: false },
    Stage { name: "both at the end", new: true, old: true },
];

/// What an end has to be sent once it is sent to again.
#[derive(Default)]
struct Missed {
    reports: BTreeSet<String>,
    audios: BTreeSet<String>,
}

impl Missed {
    fn of_new(&mut self) -> BTreeSet<String> {
        let told = self.told("report", "audio");
        *self = Self::default();
        told
    }

    /// The old end hears of audio by the row of its report, which goes once more.
    fn of_old(&mut self) -> BTreeSet<String> {
        self.reports.extend(self.audios.iter().cloned());
        let told = self.told("content", "upload-audio");
        *self = Self::default();
        // A file's name has the id without its prefix.
        let name = |words: String| match words.split_once(' ') {
            Some(("upload-audio", id)) => {
                format!("upload-audio {}", id.rsplit(':').next().unwrap_or(id))
            }
            _ => words,
        };
        told.into_iter().map(name).collect()
    }

    /// What was deleted is not missed any more.
    fn forget(&mut self, id: &str) {
        self.reports.remove(id);
        self.audios.remove(id);
    }

    fn told(&self, report: &str, audio: &str) -> BTreeSet<String> {
        let reports = self.reports.iter().map(|id| format!("{report} {id}"));
        reports.chain(self.audios.iter().map(|id| format!("{audio} {id}"))).collect()
    }
}

/// Changes the disk: three new reports, a rewritten one, new audio and other audio.
fn change(ends: &mut Ends, stage: usize) -> (Vec<String>, Vec<String>) {
    let shapes = [Shape::UniversalYoutube, Shape::UniversalReddit, Shape::LegacyNested];
    let report = |stage: usize, which: usize, revision| -> Report {
        fixtures::report_revised(shapes[which], 10 * stage + which, revision)
    };
    let mut reports: Vec<Report> = (0..3).map(|which| report(stage, which, 0)).collect();
    let mut audio = vec![reports[0].clone(), reports[1].clone()];
    if stage > 0 {
        reports.push(report(stage - 1, 0, 1));
        audio.push(report(stage - 1, 0, 1));
    }
    for report in &reports {
        ends.put(report);
    }
    for (n, report) in audio.iter().enumerate() {
        ends.put_audio(report, stage, mp3(1, (100 * stage + n) as u64));
    }
    let ids = |reports: Vec<Report>| reports.into_iter().map(|r| r.expected.id).collect();
    (ids(reports), ids(audio))
}

/// Walks through it all; `switch` gets the daemon, if there is one, to the targets of a stage.
fn migrate(switch: impl Fn(&mut Ends, Option<Daemon>, Stage) -> Daemon) {
    let mut ends = Ends::new();
    let (mut new_misses, mut old_misses) = (Missed::default(), Missed::default());
    let mut daemon = None;
    for (number, stage) in STAGES.into_iter().enumerate() {
        let (new_mark, old_mark) = (ends.new.requests().len(), ends.old.requests().len());
        let running = switch(&mut ends, daemon.take(), stage);
        // First what was missed, if anything, so that it is not mixed with what changes now.
        let level = |ends: &Ends| {
            if stage.new {
                ends.new_is_level();
            }
            if stage.old {
                ends.old_is_level();
            }
            ends.settle();
        };
        level(&ends);
        let sent = |ends: &Ends| {
            let new = told(&ends.new.requests()[new_mark..]);
            (new, told(&ends.old.requests()[old_mark..]))
        };
        let nothing = BTreeSet::new;
        let missed = (
            if stage.new { new_misses.of_new() } else { nothing() },
            if stage.old { old_misses.of_old() } else { nothing() },
        );
        assert_eq!(sent(&ends), missed, "{}: what was missed, and no more", stage.name);

        let (reports, audios) = change(&mut ends, number);
        for misses in [&mut new_misses, &mut old_misses] {
            misses.reports.extend(reports.iter().cloned());
            misses.audios.extend(audios.iter().cloned());
        }
        level(&ends);
        let (new, old) = sent(&ends);
        for (is_on, sent) in [(stage.new, new), (stage.old, old)] {
            assert!(is_on || sent.is_empty(), "{}: {sent:?}", stage.name);
        }
        if stage.new {
            new_misses = Missed::default();
        }
        if stage.old {
            old_misses = Missed::default();
        }

        // One that this stage brought, report and audio, is deleted; one that an earlier stage has
        // deleted comes back from a backup, and lies there through the stages that follow.
        let marks = (ends.new.requests().len(), ends.old.requests().len());
        let restored = ends.deleted.keys().next().cloned();
        let id = &reports[1];
        assert_eq!(ends.delete(&running, id), 2, "{}: {id}", stage.name);
        new_misses.forget(id);
        old_misses.forget(id);
        if let Some(restored) = &restored {
            ends.restore(restored);
        }
        assert!(ends.ask(&["rescan"]).status.success(), "{}", stage.name);
        level(&ends);
        let told = (told(&ends.new.requests()[marks.0..]), told(&ends.old.requests()[marks.1..]));
        assert_eq!(told, Default::default(), "{}: a deletion sends nothing", stage.name);
        ends.deleted_stays_away();
        daemon = Some(running);
    }
    ends.new_is_level();
    ends.old_is_level();
    ends.deleted_stays_away();
    assert_eq!(ends.deleted.len(), STAGES.len());
    assert_eq!(ends.new.records().len(), ends.reports.len());
    assert_eq!(ends.old.flats().len(), ends.reports.len());
    daemon.expect("a daemon").stop();
}

#[test]
fn a_migration_by_the_configuration_and_reloads() {
    migrate(|ends, daemon, stage| {
        ends.configure(stage.new, stage.old, "[callback]\nlisten = '127.0.0.1:0'");
        match daemon {
            None => Daemon::start_ready(&ends.config),
            Some(daemon) => {
                ends.reload(&daemon);
                daemon
            }
        }
    });
}

#[test]
fn a_migration_by_the_flags_of_the_old_sync_and_restarts() {
    migrate(|ends, daemon, stage| {
        if let Some(daemon) = daemon {
            daemon.stop();
        }
        // The file says neither what is on nor where the old end is.
        ends.config.extra_toml = "[retry]\nfirst = '50ms'\nmax = '200ms'\n\
                                   [callback]\nlisten = '127.0.0.1:0'"
            .to_owned();
        let (postgres_only, sqlite, dual) = match (stage.new, stage.old) {
            (false, _) => ("false", "true", "false"),
            (true, true) => ("false", "true", "True"),
            (true, false) => ("true", "false", "false"),
        };
        let pairs = [
            ("POSTGRES_ONLY", postgres_only),
            ("SQLITE_SYNC_ENABLED", sqlite),
            ("DUAL_SYNC", dual),
            ("PG_INGEST_ENABLED", "true"),
            ("POSTGRES_DASHBOARD_URL", &ends.new.url()),
            ("RENDER_API_URL", &ends.old.url()),
            ("SYNC_SECRET", &ends.old.secret()),
        ];
        ends.config.env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Daemon::start_ready(&ends.config)
    });
}
