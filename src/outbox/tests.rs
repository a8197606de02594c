//! The level and the lane together, on a real SQLite file: what is found, what is due, what is
//! settled.

use rusqlite::Connection;
use tempfile::TempDir;

use super::grave::Burial;
use super::model::*;
use super::orders::{Retry, Scope};
use super::{file, grave, history, known, lane, level, orders};
use crate::contract::Action;
use crate::file::{FileRef, Root, Stamp};
use crate::id::{Kind, Version};

/// An outbox with one target, and a clock that ticks with every use.
pub(super) struct Bench {
    pub connection: Connection,
    pub target: i64,
    pub now: i64,
    _directory: TempDir,
}

fn version(text: &str) -> Version {
    Version::of(text.as_bytes())
}

fn stamp(mtime_s: i64) -> Stamp {
    let ns = mtime_s * 1_000_000_000;
    Stamp { size: 1, mtime_ns: ns, ctime_ns: ns, inode: 1 }
}

/// A report file: its name, its id, when it was made, and its fields and summaries in words.
pub(super) fn report(
    name: &str,
    id: &str,
    made: i64,
    fields: &str,
    variants: &[(&str, &str)],
) -> Finding {
    let variants = variants.iter().map(|(n, text)| ((*n).to_owned(), version(text))).collect();
    let facts = ReportFacts {
        id: id.parse().unwrap(),
        made_ms: made * 1000,
        fields: version(fields),
        variants,
        remarks: Vec::new(),
    };
    Finding { file: FileRef::new(Root::Reports, name), found: Found::Report(stamp(made), facts) }
}

pub(super) fn audio(name: &str, keys: &[&str], made: i64, bytes: &str) -> Finding {
    let facts = AudioFacts {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        made_ms: made * 1000,
        digest: version(bytes),
        seconds: Some(made),
    };
    Finding { file: FileRef::new(Root::Exports, name), found: Found::Audio(stamp(made), facts) }
}

/// What was there until it was looked for.
pub(super) fn gone(root: Root, name: &str) -> Finding {
    Finding { file: FileRef::new(root, name), found: Found::Gone(i64::MAX) }
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let connection = file::open(&directory.path().join("outbox.db")).unwrap();
        let target = lane::add_target(&connection, "dashboard").unwrap();
        Self { connection, target, now: 1_000_000, _directory: directory }
    }

    pub fn record(&mut self, findings: &[Finding]) -> Vec<Vanished> {
        self.take_in(findings).vanished
    }

    fn take_in(&mut self, findings: &[Finding]) -> Recorded {
        self.now += 1;
        level::record(&self.connection, findings, false, self.now).unwrap()
    }

    /// What is due, in words.
    fn due(&self) -> Vec<String> {
        let rows = lane::due(&self.connection, self.target, 100).unwrap();
        rows.iter().map(|due| format!("{} {}", due.kind, due.id)).collect()
    }

    pub fn parcel(&self) -> Parcel {
        let rows = lane::due(&self.connection, self.target, 1).unwrap();
        lane::parcel(&self.connection, self.target, rows[0].item).unwrap().unwrap()
    }

    pub fn settle(&mut self, parcel: &Parcel, outcome: Outcome) -> Settled {
        self.now += 1;
        let settlement = Settlement {
            target: self.target,
            item: parcel.item,
            kind: parcel.kind,
            id: parcel.id.clone(),
            sent_no: parcel.want_no,
            at_ms: self.now,
            status: Some(200),
            outcome,
        };
        lane::settle(&self.connection, &settlement).unwrap()
    }

    /// Delivers a parcel as it is.
    pub fn deliver(&mut self, parcel: &Parcel) -> Settled {
        let report = parcel.kind == Kind::Report;
        let outcome = Outcome::Delivered {
            version: parcel.want,
            fields: report.then_some(parcel.digest),
            taken: parcel.variants.iter().map(|v| (v.name.clone(), v.digest)).collect(),
            public_url: (!report).then(|| format!("/exports/audio/{}.mp3", parcel.id)),
            warning: None,
            action: Some(Action::Created),
        };
        self.settle(parcel, outcome)
    }

    /// Delivers everything that is due, and tells what that was: an item, its file, its summaries.
    pub fn deliver_all(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while !self.due().is_empty() {
            let parcel = self.parcel();
            let mut names: Vec<_> = parcel
                .variants
                .iter()
                .map(|v| format!("{}@{}", v.name, v.from.file.stem()))
                .collect();
            names.sort();
            told.push(format!("{} {} {}", parcel.id, parcel.source.file, names.join(" ")));
            assert_eq!(self.deliver(&parcel), Settled::Level);
        }
        told
    }

    /// Deletes what is recorded of an id, as the dashboard asks for it.
    fn bury(&mut self, id: &str, kinds: &[Kind], files: &[(Root, &str)]) {
        self.now += 1;
        let burial = Burial {
            id: Some(id.parse().unwrap()),
            kinds: kinds.to_vec(),
            files: files.iter().map(|(root, name)| FileRef::new(*root, name)).collect(),
            standing: Vec::new(),
        };
        grave::bury(&self.connection, &[burial], self.now).unwrap();
    }

    fn state(&self, kind: Kind, id: &str) -> String {
        self.connection
            .query_row(
                "SELECT state, item.want = known FROM delivery JOIN item ON item.id = item
                 WHERE kind = ?1 AND content = ?2",
                rusqlite::params![kind, id],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<bool>>(1)?)),
            )
            .map(|(state, level)| {
                let word =
                    ["current", "due", "waits", "parked", "vanished", "dropped"][state as usize];
                assert_eq!(word == "current", level == Some(true), "{word}");
                word.to_owned()
            })
            .unwrap()
    }
}

pub(super) const TEXT: &[(&str, &str)] = &[("comprehensive", "text")];

#[test]
fn a_file_is_due_once_and_a_touch_is_no_change() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/a.json comprehensive@a"]);
    bench.record(&[report("a.json", "a", 2, "f", TEXT)]);
    assert!(bench.due().is_empty());
    assert_eq!(bench.state(Kind::Report, "a"), "current");
}

#[test]
fn only_summaries_whose_text_changed_are_sent_again() {
    let mut bench = Bench::new();
    let two = |one, other| [("audio", one), ("comprehensive", other)];
    bench.record(&[report("a.json", "a", 1, "f", &two("x", "y"))]);
    bench.deliver_all();
    bench.record(&[report("a.json", "a", 2, "f", &two("x", "y2"))]);
    assert_eq!(bench.deliver_all(), ["a reports/a.json comprehensive@a"]);
    bench.record(&[report("a.json", "a", 3, "f2", &two("x", "y2"))]);
    assert_eq!(bench.deliver_all(), ["a reports/a.json "]);
}

#[test]
fn a_summary_that_went_away_is_not_taken_back_and_asks_for_no_delivery() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", &[("audio", "x"), ("comprehensive", "y")])]);
    bench.deliver_all();
    bench.record(&[report("a.json", "a", 2, "f", &[("comprehensive", "y")])]);
    assert!(bench.due().is_empty());
    assert_eq!(bench.state(Kind::Report, "a"), "current");
}

#[test]
fn of_several_files_the_newest_gives_the_fields_whatever_the_order() {
    let old = report("old.json", "a", 1, "old", &[("audio", "x"), ("comprehensive", "old")]);
    let new = report("new.json", "a", 2, "new", &[("comprehensive", "new")]);
    for order in [[old.clone(), new.clone()], [new, old]] {
        let mut bench = Bench::new();
        bench.record(&order);
        assert_eq!(bench.deliver_all(), ["a reports/new.json audio@old comprehensive@new"]);
    }
}

#[test]
fn an_older_file_that_is_found_later_brings_only_what_is_missing() {
    let mut bench = Bench::new();
    bench.record(&[report("new.json", "a", 2, "new", &[("comprehensive", "new")])]);
    bench.deliver_all();
    bench.record(&[report("old.json", "a", 1, "old", &[("audio", "x"), ("comprehensive", "o")])]);
    assert_eq!(bench.deliver_all(), ["a reports/new.json audio@old"]);
}

#[test]
fn a_file_replaced_by_an_older_one_is_delivered() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 5, "new", TEXT)]);
    bench.deliver_all();
    bench.record(&[report("a.json", "a", 3, "restored", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/a.json "]);
}

#[test]
fn removing_a_delivered_file_changes_nothing() {
    let mut bench = Bench::new();
    bench.record(&[
        report("old.json", "a", 1, "old", &[("audio", "x")]),
        report("new.json", "a", 2, "new", TEXT),
    ]);
    bench.deliver_all();
    for name in ["old.json", "new.json"] {
        assert!(bench.record(&[gone(Root::Reports, name)]).is_empty());
        assert!(bench.due().is_empty());
    }
    assert_eq!(bench.state(Kind::Report, "a"), "current");
}

#[test]
fn what_is_removed_before_its_delivery_has_vanished_and_nothing_older_takes_its_place() {
    let mut bench = Bench::new();
    bench.record(&[
        report("old.json", "a", 1, "old", TEXT),
        report("new.json", "a", 2, "new", TEXT),
    ]);
    let vanished = bench.record(&[gone(Root::Reports, "new.json")]);
    assert_eq!(vanished, [Vanished { kind: Kind::Report, id: "a".parse().unwrap() }]);
    assert!(bench.due().is_empty());
    assert_eq!(bench.state(Kind::Report, "a"), "vanished");
    // It comes back as it was, or newer.
    bench.record(&[report("renamed.json", "a", 2, "new", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/renamed.json comprehensive@renamed"]);
}

#[test]
fn an_older_file_that_is_put_back_after_a_removal_is_delivered() {
    for name in ["a.json", "backup.json"] {
        let mut bench = Bench::new();
        bench.record(&[report("a.json", "a", 5, "new", TEXT)]);
        bench.deliver_all();
        bench.record(&[gone(Root::Reports, "a.json")]);
        bench.record(&[report(name, "a", 3, "restored", TEXT)]);
        assert_eq!(bench.state(Kind::Report, "a"), "due");
        assert_eq!(bench.deliver_all(), [format!("a reports/{name} ")]);
    }
}

#[test]
fn what_lay_beside_a_removed_file_does_not_come_in_its_place_until_it_is_put_there_anew() {
    let mut bench = Bench::new();
    let old = report("old.json", "a", 1, "old", TEXT);
    bench.record(&[old.clone(), report("new.json", "a", 5, "new", TEXT)]);
    bench.deliver_all();
    bench.record(&[gone(Root::Reports, "new.json")]);
    // A change of its rights is none of it, nor is another look.
    let rights = |ctime_ns| {
        let Found::Report(stamp, facts) = old.found.clone() else { unreachable!() };
        Finding { found: Found::Report(Stamp { ctime_ns, ..stamp }, facts), ..old.clone() }
    };
    bench.record(&[old.clone(), rights(7)]);
    assert!(bench.due().is_empty());
    // Not even when it cannot be read for a while.
    let unreadable = Found::Obstacle(Stamp { ctime_ns: 8, ..stamp(1) }, "no right".into());
    bench.record(&[Finding { found: unreadable, ..old.clone() }]);
    bench.record(&[rights(9)]);
    assert!(bench.due().is_empty());
    // Another one in its place is, and so is a still older one beside it.
    bench.record(&[report("older.json", "a", 0, "older", &[("audio", "x")])]);
    assert_eq!(bench.deliver_all(), ["a reports/older.json audio@older"]);
    let Found::Report(stamp, facts) = old.found.clone() else { unreachable!() };
    let copied = Found::Report(Stamp { inode: 2, ..stamp }, facts);
    bench.record(&[Finding { found: copied, ..old }]);
    assert_eq!(bench.deliver_all(), ["a reports/old.json "]);
}

#[test]
fn what_is_put_back_before_a_removal_is_believed_came_after_it() {
    let mut bench = Bench::new();
    bench.record(&[
        report("old.json", "a", 1, "old", TEXT),
        report("new.json", "a", 5, "new", TEXT),
    ]);
    bench.deliver_all();
    let removed_ms = bench.now + 1;
    bench.record(&[report("backup.json", "a", 3, "restored", TEXT)]);
    let gone = Found::Gone(removed_ms);
    bench.record(&[Finding { file: FileRef::new(Root::Reports, "new.json"), found: gone }]);
    assert_eq!(bench.deliver_all(), ["a reports/backup.json "]);
}

#[test]
fn a_file_that_becomes_older_than_one_beside_it_still_stands_before_that() {
    let mut bench = Bench::new();
    bench.record(&[
        report("old.json", "a", 3, "old", TEXT),
        report("new.json", "a", 5, "new", TEXT),
    ]);
    bench.deliver_all();
    bench.record(&[report("new.json", "a", 1, "restored", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/new.json "]);
    bench.record(&[report("old.json", "a", 4, "rewritten", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/old.json "]);
}

#[test]
fn what_was_read_by_other_rules_is_to_be_read_again_and_nothing_comes_back_by_that() {
    let mut bench = Bench::new();
    let read_by = |bench: &Bench, rules| known::read_by(&bench.connection, Root::Reports, rules);
    assert_eq!(read_by(&bench, "old"), Ok(0));
    let lay_there = report("old.json", "a", 1, "old", TEXT);
    bench.record(&[lay_there.clone(), report("new.json", "a", 5, "new", TEXT)]);
    bench.record(&[report("b.json", "x", 1, "b", TEXT), audio("x.mp3", &["x"], 1, "bytes")]);
    bench.deliver_all();
    bench.record(&[gone(Root::Reports, "new.json")]);
    assert_eq!(read_by(&bench, "old"), Ok(0));
    assert_eq!(read_by(&bench, "new"), Ok(2));
    assert_eq!(read_by(&bench, "new"), Ok(0));
    for Finding { file, found } in [&lay_there, &report("b.json", "x", 1, "b", TEXT)] {
        let Found::Report(stamp, _) = found else { unreachable!() };
        assert_ne!(known::stamp(&bench.connection, file).unwrap(), Some(*stamp));
    }
    // The one is read as something else, and still not a file that somebody put there.
    bench.record(&[
        report("old.json", "a", 1, "old, read otherwise", TEXT),
        report("b.json", "web:x", 1, "b", TEXT),
    ]);
    assert_eq!(
        bench.deliver_all(),
        ["web:x reports/b.json comprehensive@b", "web:x exports/x.mp3 "]
    );
}

#[test]
fn audio_waits_for_its_report_and_goes_when_that_is_acknowledged() {
    let mut bench = Bench::new();
    bench.record(&[audio("audio_a.mp3", &["a"], 1, "bytes")]);
    assert!(bench.due().is_empty(), "nobody knows yet whose it is");
    bench.record(&[report("r.json", "reddit:a", 1, "f", TEXT)]);
    assert_eq!(bench.due(), ["report reddit:a"]);
    assert_eq!(bench.state(Kind::Audio, "reddit:a"), "waits");
    let parcel = bench.parcel();
    bench.deliver(&parcel);
    assert_eq!(bench.due(), ["audio reddit:a"]);
    assert_eq!(bench.deliver_all(), ["reddit:a exports/audio_a.mp3 "]);
    // From now on the report says so.
    bench.record(&[report("r.json", "reddit:a", 2, "f2", TEXT)]);
    let parcel = bench.parcel();
    assert_eq!(parcel.audio_url.as_deref(), Some("/exports/audio/reddit:a.mp3"));
    assert_eq!(parcel.audio_seconds, Some(1));
}

#[test]
fn audio_is_found_by_id_first_and_then_by_the_name_of_the_report() {
    let mut bench = Bench::new();
    bench.record(&[
        report("a.json", "b", 1, "f", TEXT),
        report("b.json", "a", 1, "f", TEXT),
        report("slug.json", "web:c", 1, "f", TEXT),
    ]);
    bench.deliver_all();
    bench.record(&[
        audio("a.mp3", &["a"], 1, "for a"),
        audio("slug.mp3", &["slug"], 1, "for c"),
        audio("c.mp3", &["c"], 2, "newer for c"),
    ]);
    let mut told = bench.deliver_all();
    told.sort();
    assert_eq!(told, ["a exports/a.mp3 ", "web:c exports/c.mp3 "]);
}

#[test]
fn audio_follows_its_report_when_that_is_about_another_id() {
    let mut bench = Bench::new();
    bench.record(&[
        report("slug.json", "a", 1, "f", TEXT),
        audio("slug.mp3", &["slug"], 1, "bytes"),
        audio("other.mp3", &["other", "slug"], 2, "newer"),
    ]);
    assert_eq!(
        bench.deliver_all(),
        ["a reports/slug.json comprehensive@slug", "a exports/other.mp3 "]
    );
    bench.record(&[report("slug.json", "b", 2, "f", TEXT)]);
    assert_eq!(
        bench.deliver_all(),
        ["b reports/slug.json comprehensive@slug", "b exports/other.mp3 "]
    );
    assert_eq!(bench.state(Kind::Audio, "a"), "current");
    // A likelier report takes one of them.
    bench.record(&[report("c.json", "reddit:other", 3, "f", TEXT)]);
    let mut told = bench.deliver_all();
    told.sort();
    assert_eq!(
        told,
        ["reddit:other exports/other.mp3 ", "reddit:other reports/c.json comprehensive@c"]
    );
}

#[test]
fn audio_of_an_id_without_its_prefix_follows_the_report_that_is_there() {
    let mut bench = Bench::new();
    bench.record(&[report("r.json", "x", 1, "f", TEXT), audio("x.mp3", &["x"], 1, "bytes")]);
    bench.deliver_all();
    bench.record(&[report("r.json", "reddit:x", 1, "f", TEXT)]);
    assert_eq!(
        bench.deliver_all(),
        ["reddit:x reports/r.json comprehensive@r", "reddit:x exports/x.mp3 "]
    );
    // When that goes away, it keeps what it has.
    bench.record(&[gone(Root::Reports, "r.json"), audio("x.mp3", &["x"], 2, "more")]);
    assert_eq!(bench.deliver_all(), ["reddit:x exports/x.mp3 "]);
}

#[test]
fn an_audio_file_that_cannot_be_read_waits_for_no_report() {
    let mut bench = Bench::new();
    let empty = Found::Problem(stamp(2), "empty".into());
    bench.record(&[
        audio("a.mp3", &["a"], 1, "bytes"),
        Finding { file: FileRef::new(Root::Exports, "a.mp3"), found: empty },
        report("r.json", "a", 1, "f", TEXT),
    ]);
    assert_eq!(bench.deliver_all(), ["a reports/r.json comprehensive@r"]);
    bench.record(&[audio("a.mp3", &["a"], 3, "bytes")]);
    assert_eq!(bench.deliver_all(), ["a exports/a.mp3 "]);
}

#[test]
fn the_newest_of_several_audio_files_is_delivered_whatever_the_order() {
    let old = audio("audio_a_1.mp3", &["a"], 1, "old");
    let new = audio("audio_a_2.mp3", &["a"], 2, "new");
    for order in [[old.clone(), new.clone()], [new, old]] {
        let mut bench = Bench::new();
        bench.record(&[report("r.json", "a", 1, "f", TEXT)]);
        bench.deliver_all();
        bench.record(&order);
        assert_eq!(bench.deliver_all(), ["a exports/audio_a_2.mp3 "]);
    }
}

#[test]
fn an_attempt_settles_the_version_that_it_sent() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "one", TEXT)]);
    let first = bench.parcel();
    bench.record(&[report("a.json", "a", 2, "two", TEXT)]);
    assert_eq!(bench.deliver(&first), Settled::Open);
    let second = bench.parcel();
    assert!(second.want_no > first.want_no && second.variants.is_empty());
    assert_eq!(bench.deliver(&second), Settled::Level);
}

#[test]
fn a_version_that_sends_nothing_but_what_was_in_the_last_one_is_not_sent() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", &[("audio", "x"), ("comprehensive", "text")])]);
    let first = bench.parcel();
    bench.record(&[report("a.json", "a", 2, "f", TEXT)]);
    assert_eq!(bench.deliver(&first), Settled::Level);
    assert_eq!(bench.state(Kind::Report, "a"), "current");

    bench.record(&[report("a.json", "a", 3, "g", TEXT)]);
    let second = bench.parcel();
    bench.record(&[gone(Root::Reports, "a.json")]);
    assert_eq!(bench.deliver(&second), Settled::Level, "that is what was wanted last");
}

#[test]
fn the_failure_of_an_old_version_does_not_hold_up_the_new_one() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "one", TEXT)]);
    let first = bench.parcel();
    bench.record(&[report("a.json", "a", 2, "two", TEXT)]);
    for outcome in [
        Outcome::Failed { error: "x".into(), due_ms: i64::MAX, strikes: 7 },
        Outcome::Parked { error: "x".into() },
        Outcome::Changed { due_ms: i64::MAX },
    ] {
        bench.settle(&first, outcome);
        let due = lane::due(&bench.connection, bench.target, 1).unwrap();
        assert!(due[0].due_ms <= bench.now && due[0].strikes == 0, "{due:?}");
    }
}

#[test]
fn a_parked_item_goes_again_when_its_file_changes() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "bad", TEXT)]);
    let parcel = bench.parcel();
    bench.settle(&parcel, Outcome::Parked { error: "422".into() });
    assert_eq!(bench.state(Kind::Report, "a"), "parked");
    assert!(bench.due().is_empty());
    bench.record(&[report("a.json", "a", 2, "mended", TEXT)]);
    assert_eq!(bench.deliver_all().len(), 1);
}

#[test]
fn a_target_is_probed_with_what_was_not_tried_yet_reports_first_and_then_in_turn() {
    let mut bench = Bench::new();
    bench.record(&[report("r.json", "a", 1, "f", TEXT), audio("a.mp3", &["a"], 1, "b")]);
    let parcel = bench.parcel();
    bench.deliver(&parcel);
    for id in ["b", "c"] {
        bench.record(&[report(&format!("{id}.json"), id, 1, "f", TEXT)]);
    }
    let mut probed = Vec::new();
    for due_ms in [9, 8, 7, 6] {
        let due = lane::probe(&bench.connection, bench.target).unwrap().unwrap();
        probed.push(format!("{} {}", due.kind, due.id));
        let parcel = lane::parcel(&bench.connection, bench.target, due.item).unwrap().unwrap();
        let due_ms = bench.now + due_ms;
        bench.settle(&parcel, Outcome::Failed { error: "x".into(), due_ms, strikes: 0 });
    }
    assert_eq!(probed, ["report b", "report c", "audio a", "audio a"]);
}

#[test]
fn a_superseded_version_goes_again_with_a_greater_number() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    let parcel = bench.parcel();
    bench.settle(&parcel, Outcome::Superseded { kept_no: parcel.want_no + 1000 });
    assert_eq!(bench.parcel().want_no, parcel.want_no + 1001);
}

#[test]
fn a_file_with_a_problem_no_longer_stands_for_its_record() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    let problem = Finding {
        file: FileRef::new(Root::Reports, "a.json"),
        found: Found::Problem(stamp(2), "no JSON".into()),
    };
    bench.record(&[problem]);
    assert_eq!(bench.state(Kind::Report, "a"), "vanished");
    bench.record(&[report("a.json", "a", 3, "f", TEXT)]);
    assert_eq!(bench.deliver_all().len(), 1);
}

#[test]
fn what_is_adopted_is_current_and_only_its_next_change_is_sent() {
    let mut bench = Bench::new();
    let findings = [
        audio("audio_a.mp3", &["a"], 1, "bytes"),
        report("one.json", "a", 1, "one", &[("audio", "x")]),
        report("two.json", "a", 2, "two", TEXT),
    ];
    level::record(&bench.connection, &findings, true, bench.now).unwrap();
    assert!(bench.due().is_empty());
    assert_eq!(bench.state(Kind::Report, "a"), "current");
    assert_eq!(bench.state(Kind::Audio, "a"), "current");
    bench.record(&[report("two.json", "a", 3, "three", TEXT)]);
    let parcel = bench.parcel();
    assert!(parcel.variants.is_empty(), "{:?}", parcel.variants);
    assert_eq!(parcel.audio_url.as_deref(), Some("/exports/audio/a.mp3"));
}

#[test]
fn what_is_sent_again_goes_whole_reports_first() {
    let mut bench = Bench::new();
    let findings = [
        report("a.json", "a", 1, "f", TEXT),
        audio("a.mp3", &["a"], 1, "bytes"),
        report("b.json", "b", 1, "f", TEXT),
    ];
    level::record(&bench.connection, &findings, true, bench.now).unwrap();
    let a = Scope { id: "a".parse().ok(), ..Scope::default() };
    let again = orders::resend(&bench.connection, &a, 5).unwrap();
    assert_eq!((again.changed, again.ids), (2, vec!["a".to_owned()]));
    assert_eq!(bench.deliver_all(), ["a reports/a.json comprehensive@a", "a exports/a.mp3 "]);
    let all = Scope { target: Some("dashboard".into()), ..Scope::default() };
    assert_eq!(orders::resend(&bench.connection, &all, 5).unwrap().changed, 3);
    let other = Scope { target: Some("elsewhere".into()), ..Scope::default() };
    assert_eq!(orders::resend(&bench.connection, &other, 5).unwrap().changed, 0);
    assert_eq!(bench.deliver_all().len(), 3);
}

#[test]
fn a_new_target_wants_everything_reports_first() {
    let mut bench = Bench::new();
    bench.record(&[report("r.json", "a", 1, "f", TEXT), audio("a.mp3", &["a"], 1, "b")]);
    bench.deliver_all();
    // What is gone by now is nothing to want, unless it comes back.
    let lost = || report("b.json", "b", 1, "f", TEXT);
    bench.record(&[lost()]);
    bench.deliver_all();
    bench.record(&[gone(Root::Reports, "b.json")]);

    bench.target = lane::add_target(&bench.connection, "other").unwrap();
    let told = bench.deliver_all();
    assert_eq!(told, ["a reports/r.json comprehensive@r", "a exports/a.mp3 "]);
    bench.record(&[lost()]);
    assert_eq!(bench.deliver_all(), ["b reports/b.json comprehensive@b"]);
}

#[test]
fn a_target_that_lacks_an_opinion_of_an_item_is_given_one_when_it_is_added_again() {
    let mut bench = Bench::new();
    let reports = ["a", "b", "c"].map(|id| report(&format!("{id}.json"), id, 1, "f", TEXT));
    bench.record(&reports);
    assert_eq!(bench.deliver_all().len(), 3);
    let id = "(SELECT id FROM item WHERE content = 'b')";
    let lose = format!("DELETE FROM delivery WHERE item = {id}");
    assert_eq!(bench.connection.execute(&lose, []).unwrap(), 1);
    lane::add_target(&bench.connection, "dashboard").unwrap();
    assert_eq!(bench.due(), ["report b"]);
}

#[test]
fn a_target_that_was_left_alone_for_a_while_gets_the_difference_and_nothing_more() {
    let mut bench = Bench::new();
    let dashboard = bench.target;
    let legacy = lane::add_target(&bench.connection, "legacy").unwrap();
    let (a, b) =
        (|made| report("a.json", "a", made, "f", TEXT), report("b.json", "b", 1, "f", TEXT));
    bench.record(&[a(1), b]);
    assert_eq!(bench.deliver_all().len(), 2);
    bench.target = legacy;
    assert_eq!(bench.deliver_all().len(), 2);
    // Meanwhile one changes there and back, one for good, and one is new.
    bench.target = dashboard;
    for fields in ["g", "f"] {
        bench.record(&[report("a.json", "a", 2, fields, TEXT)]);
        assert_eq!(bench.deliver_all().len(), 1);
    }
    bench.record(&[report("b.json", "b", 2, "g", TEXT), report("c.json", "c", 2, "f", TEXT)]);
    assert_eq!(bench.deliver_all().len(), 2);

    bench.target = lane::add_target(&bench.connection, "legacy").unwrap();
    assert_eq!(bench.target, legacy);
    assert_eq!(bench.due(), ["report b", "report c"]);
    bench.deliver_all();
    bench.target = dashboard;
    assert_eq!(bench.due(), [""; 0]);
}

#[test]
fn a_legacy_dashboard_hears_of_audio_by_its_report() {
    for (name, again) in [("dashboard", vec![]), ("legacy", vec!["report a"])] {
        let mut bench = Bench::new();
        bench.target = lane::add_target(&bench.connection, name).unwrap();
        bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
        bench.deliver_all();
        bench.record(&[audio("a.mp3", &["a"], 1, "bytes")]);
        let parcel = bench.parcel();
        bench.deliver(&parcel);
        assert_eq!(bench.due(), again, "{name}");
        if !again.is_empty() {
            let parcel = bench.parcel();
            assert_eq!(parcel.audio_url.as_deref(), Some("/exports/audio/a.mp3"));
            // What it surely has, so that nothing is sent that would change nothing.
            assert_eq!(parcel.holds, Some(version("f")));
            assert_eq!((parcel.variants.len(), parcel.taken.len()), (0, 1));
            // Nobody knows what became of this attempt.
            assert_eq!(bench.parcel().holds, None);
            // A change there and back does not make it forget.
            bench.record(&[report("a.json", "a", 2, "g", TEXT)]);
            bench.record(&[report("a.json", "a", 3, "f", TEXT)]);
            assert_eq!(bench.due(), again);
        }
    }
}

#[test]
fn the_end_of_a_way_is_told_once_with_how_all_targets_stand() {
    use crate::delivery::Stored;
    let mut bench = Bench::new();
    let dashboard = bench.target;
    let legacy = lane::add_target(&bench.connection, "legacy").unwrap();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    let due_ms = bench.now;
    let conclude = |bench: &Bench, outcome: Option<Outcome>| {
        let parcel = bench.parcel();
        let outcome = outcome.unwrap_or(Outcome::Delivered {
            version: parcel.want,
            fields: None,
            taken: Taken::new(),
            public_url: None,
            warning: None,
            action: None,
        });
        let settlement = Settlement {
            target: bench.target,
            item: parcel.item,
            kind: parcel.kind,
            id: parcel.id,
            sent_no: parcel.want_no,
            at_ms: 5,
            status: None,
            outcome,
        };
        lane::conclude(&bench.connection, &settlement).unwrap().1.map(|concluded| {
            assert_eq!((concluded.kind, concluded.id.as_str()), (Kind::Report, "a"));
            concluded.at.into_iter().collect::<std::collections::BTreeMap<_, _>>()
        })
    };
    let at = |dashboard, legacy| {
        Some([("dashboard".to_owned(), dashboard), ("legacy".to_owned(), legacy)].into())
    };
    let failed = Outcome::Failed { error: "500".into(), due_ms: 9, strikes: 1 };
    assert_eq!(conclude(&bench, Some(failed)), None);
    assert_eq!(conclude(&bench, None), at(Stored::Current, Stored::Due { due_ms }));
    bench.target = legacy;
    assert_eq!(conclude(&bench, None), at(Stored::Current, Stored::Current));
    // The same once more is no news.
    let scope = Scope { target: Some("legacy".into()), ..Scope::default() };
    orders::resend(&bench.connection, &scope, 7).unwrap();
    conclude(&bench, None);
    bench.connection.execute("UPDATE delivery SET state = 1 WHERE target = ?1", [legacy]).unwrap();
    assert_eq!(conclude(&bench, None), None);
    bench.record(&[report("a.json", "a", 2, "g", TEXT)]);
    let parked = Outcome::Parked { error: "422".into() };
    let now = bench.now;
    assert_eq!(conclude(&bench, Some(parked)), at(Stored::Due { due_ms: now }, Stored::Parked),);
    bench.target = dashboard;
    assert_eq!(conclude(&bench, None), at(Stored::Current, Stored::Parked));
}

#[test]
fn the_listing_has_a_row_for_everything_the_latest_change_first() {
    use super::listing::{Filter, Standing, page};
    use crate::delivery::{ItemState, Stored};
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    bench.deliver_all();
    let problem = Found::Problem(stamp(4), "no JSON".into());
    bench.record(&[
        report("b.json", "b", 2, "f", TEXT),
        audio("b.mp3", &["b"], 3, "bytes"),
        Finding { file: FileRef::new(Root::Reports, "bad.json"), found: problem },
        audio("whose.mp3", &["whose"], 5, "bytes"),
    ]);
    let parcel = bench.parcel();
    bench.settle(&parcel, Outcome::Parked { error: "422: no".into() });
    let shown = |filter: Filter| -> Vec<String> {
        let page = page(&bench.connection, &filter, 10).unwrap();
        assert_eq!(page.next, None);
        page.rows
            .iter()
            .map(|row| {
                let word = match row.standing {
                    Standing::Item(Stored::Current, _) => "current",
                    Standing::Item(Stored::Parked, _) => "parked",
                    Standing::Item(Stored::WaitsForReport, _) => "waits",
                    Standing::Invalid => "invalid",
                    Standing::Unclaimed => "unclaimed",
                    other => panic!("{other:?}"),
                };
                let file = row.file.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{word} {file} {}", row.reason.as_deref().unwrap_or("-"))
            })
            .collect()
    };
    assert_eq!(
        shown(Filter::default()),
        [
            "unclaimed exports/whose.mp3 waits for a report about whose, or in reports/whose.json",
            "invalid reports/bad.json no JSON",
            "waits exports/b.mp3 waits for its report, which is parked: 422: no",
            "parked reports/b.json 422: no",
            "current reports/a.json -",
        ]
    );
    for (state, words) in [
        (ItemState::Current, "current"),
        (ItemState::Parked, "parked"),
        (ItemState::Invalid, "invalid"),
        (ItemState::Waiting, "unclaimed waits"),
        (ItemState::Vanished, ""),
    ] {
        let rows = shown(Filter { state: Some(state), ..Filter::default() });
        let found: Vec<_> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
        assert_eq!(found.join(" "), words);
    }
    assert_eq!(shown(Filter { text: Some("bad".into()), ..Filter::default() }).len(), 1);
    let elsewhere = Filter { targets: Some(vec!["elsewhere".into()]), ..Filter::default() };
    assert_eq!(shown(elsewhere).len(), 2, "what no target can have concerns all of them");
    assert_eq!(shown(Filter { kind: Some(Kind::Report), ..Filter::default() }).len(), 3);
}

#[test]
fn pages_give_every_row_once_in_the_order_of_the_whole() {
    use super::listing::{Filter, page};
    let mut bench = Bench::new();
    lane::add_target(&bench.connection, "legacy").unwrap();
    for number in 0..40 {
        let (name, id) = (format!("{number}.json"), format!("id{number}"));
        // Several of the same moment.
        bench.record(&[report(&name, &id, number / 4, "f", TEXT)]);
        let bad = Found::Problem(stamp(number / 4), "no JSON".into());
        let file = FileRef::new(Root::Reports, format!("bad{number}.json"));
        bench.record(&[Finding { file, found: bad }]);
    }
    let whole = page(&bench.connection, &Filter::default(), 1000).unwrap();
    assert_eq!((whole.rows.len(), whole.next), (120, None));
    for limit in [1, 3, 7, 119, 120] {
        let (mut rows, mut filter) = (Vec::new(), Filter::default());
        loop {
            let mut found = page(&bench.connection, &filter, limit).unwrap();
            // As the socket does it: a cursor may stand between an item's targets.
            let cut = found.rows.len() > limit;
            found.rows.truncate(limit);
            filter.after = if cut { found.rows.last().map(|row| row.place) } else { found.next };
            rows.append(&mut found.rows);
            let Some(after) = filter.after else { break };
            assert_eq!(after.to_string().parse(), Ok(after));
        }
        assert!(rows == whole.rows, "pages of {limit}");
    }
}

#[test]
fn what_is_dropped_stays_away_until_its_file_changes_or_it_is_retried() {
    let mut bench = Bench::new();
    bench.record(&[report("r.json", "a", 1, "f", TEXT), audio("a.mp3", &["a"], 1, "b")]);
    let a = Scope { id: "a".parse().ok(), ..Scope::default() };
    assert_eq!(orders::drop(&bench.connection, &a, 5).unwrap().changed, 2);
    bench.record(&[report("r.json", "a", 1, "f", TEXT)]);
    assert!(bench.due().is_empty(), "a look at the same file changes nothing");
    assert_eq!(bench.state(Kind::Report, "a"), "dropped");
    bench.record(&[report("r.json", "a", 2, "other", TEXT)]);
    assert_eq!(bench.due(), ["report a"]);
    bench.deliver_all();
    assert_eq!(bench.state(Kind::Audio, "a"), "dropped");
    let again = orders::retry(&bench.connection, &a, Retry::Open, 6).unwrap();
    assert_eq!((again.changed, bench.due()), (1, vec!["audio a".to_owned()]));
}

#[test]
fn a_retry_forgets_failures_and_audio_still_waits_for_its_report() {
    let mut bench = Bench::new();
    bench.record(&[
        report("a.json", "a", 1, "f", TEXT),
        audio("a.mp3", &["a"], 1, "b"),
        report("b.json", "b", 1, "f", TEXT),
    ]);
    let parcel = bench.parcel();
    bench.settle(&parcel, Outcome::Parked { error: "422: no title".into() });
    let reason = |reason: &str| Scope { reason: Some(reason.into()), ..Scope::default() };
    let retry =
        |scope: &Scope, which| orders::retry(&bench.connection, scope, which, 9).unwrap().changed;
    assert_eq!(retry(&reason("no date"), Retry::Parked), 0);
    assert_eq!(retry(&reason("no title"), Retry::Due), 0);
    assert_eq!(retry(&reason("no title"), Retry::Parked), 1);
    let row = &lane::due(&bench.connection, bench.target, 9).unwrap()[0];
    assert_eq!((row.id.as_str(), row.failures, row.due_ms), ("a", 0, 9));
    assert_eq!(retry(&Scope::default(), Retry::Open), 2);
    assert_eq!(bench.state(Kind::Audio, "a"), "waits");
    let attempts = history::of(&bench.connection, bench.target, parcel.item, 9).unwrap();
    assert_eq!(attempts[0].words.as_deref(), Some("422: no title"));
}

#[test]
fn what_is_adopted_is_not_sent_and_a_trial_only_says_so() {
    let mut bench = Bench::new();
    bench.record(&[report("r.json", "a", 1, "f", TEXT), audio("a.mp3", &["a"], 1, "b")]);
    let adopt = |bench: &Bench, trial| orders::adopt(&bench.connection, None, trial).unwrap();
    assert_eq!(adopt(&bench, true).changed, 2);
    assert_eq!(bench.due(), ["report a"]);
    let adopted = adopt(&bench, false);
    assert_eq!((adopted.changed, adopted.ids), (2, vec!["a".to_owned()]));
    assert!(bench.due().is_empty());
    assert_eq!(bench.state(Kind::Audio, "a"), "current");
    assert_eq!(adopt(&bench, false).changed, 0);
    bench.record(&[report("r.json", "a", 2, "f2", TEXT)]);
    assert_eq!(bench.due(), ["report a"], "a change is sent as always");
}

#[test]
fn a_pause_is_kept_and_only_what_changes_counts() {
    let bench = Bench::new();
    lane::add_target(&bench.connection, "legacy").unwrap();
    let pause = |target, since| orders::pause(&bench.connection, target, since).unwrap();
    assert_eq!(pause(Some("legacy"), Some(7)), 1);
    assert_eq!(pause(None, Some(8)), 1, "the other one");
    assert_eq!(orders::paused(&bench.connection).unwrap(), [(1, 8), (2, 7)]);
    assert_eq!(pause(None, None), 2);
    assert_eq!(pause(None, None), 0);
}

#[test]
fn audio_that_waits_says_what_is_the_matter_with_its_report() {
    use super::listing::{Filter, page};
    use super::waiting;
    use crate::delivery::ItemState;
    let mut bench = Bench::new();
    let invalid = |name: &str| Finding {
        file: FileRef::new(Root::Reports, name),
        found: Found::Problem(stamp(9), "no JSON".into()),
    };
    let reason = |bench: &Bench| {
        let state = Some(ItemState::Waiting);
        let filter = Filter { state, text: Some(".mp3".into()), ..Filter::default() };
        let rows = page(&bench.connection, &filter, 10).unwrap().rows;
        assert_eq!(rows.len(), 1);
        rows[0].reason.clone().unwrap()
    };
    bench.record(&[audio("audio_aB3.mp3", &["aB3", "audio_aB3"], 1, "bytes")]);
    let unknown = "waits for a report about aB3, or in reports/audio_aB3.json";
    assert_eq!(reason(&bench), unknown);
    bench.record(&[invalid("slug_aB3.json")]);
    let culprit = "; reports/slug_aB3.json may be it, and cannot be delivered: no JSON";
    assert_eq!(reason(&bench), unknown, "not in a listing");
    let file = FileRef::new(Root::Exports, "audio_aB3.mp3");
    let waits = waiting::for_a_report(&bench.connection, &file).unwrap();
    let in_full = waits.in_full(&bench.connection).unwrap();
    assert_eq!(in_full, format!("{unknown}{culprit}"));

    bench.record(&[report("slug_aB3.json", "aB3", 1, "f", TEXT)]);
    assert_eq!(reason(&bench), "waits for its report, which is not delivered yet");
    let parcel = bench.parcel();
    let due_ms = bench.now;
    bench.settle(&parcel, Outcome::Failed { error: "502".into(), due_ms, strikes: 0 });
    assert_eq!(reason(&bench), "waits for its report, which is not delivered yet: 502");
    bench.settle(&parcel, Outcome::Parked { error: "422: no".into() });
    assert_eq!(reason(&bench), "waits for its report, which is parked: 422: no");
    bench.record(&[invalid("slug_aB3.json")]);
    let gone = "waits for its report, whose file is gone or cannot be delivered";
    assert_eq!(reason(&bench), gone);
    let id = "aB3".parse().unwrap();
    let waits = waiting::for_its_report(&bench.connection, "dashboard", &id).unwrap();
    let in_full = waits.in_full(&bench.connection).unwrap();
    assert_eq!(in_full, format!("{gone}{culprit}"));
}

#[test]
fn a_rare_file_is_found_page_by_page_among_many() {
    use super::listing::{Filter, page};
    let mut bench = Bench::new();
    let problem = |n: i64| Finding {
        file: FileRef::new(Root::Reports, format!("{n}.json")),
        found: Found::Problem(stamp(n), "no JSON".into()),
    };
    bench.record(&(0..4500).map(problem).collect::<Vec<_>>());
    let mut filter = Filter { text: Some("7.json".into()), ..Filter::default() };
    let (mut found, mut pages) = (0, 0);
    loop {
        let page = page(&bench.connection, &filter, 10_000).unwrap();
        (found, pages) = (found + page.rows.len(), pages + 1);
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (450, 3));
}

const BOTH: [Kind; 2] = [Kind::Report, Kind::Audio];
const A_MP3: (Root, &str) = (Root::Exports, "audio_a.mp3");
const A_JSON: (Root, &str) = (Root::Reports, "a.json");

/// A bench that has delivered a report and its audio.
fn delivered() -> (Bench, [Finding; 2]) {
    let mut bench = Bench::new();
    let files = [report("a.json", "a", 1, "f", TEXT), audio("audio_a.mp3", &["a"], 1, "bytes")];
    bench.record(&files);
    bench.deliver_all();
    (bench, files)
}

#[test]
fn what_was_deleted_stays_away_when_its_files_come_back_as_they_were() {
    let (mut bench, files) = delivered();
    bench.bury("a", &BOTH, &[A_JSON, A_MP3]);
    let dropped = |bench: &Bench| {
        assert!(bench.due().is_empty());
        for kind in BOTH {
            assert_eq!(bench.state(kind, "a"), "dropped", "{kind}");
        }
    };
    dropped(&bench);
    bench.record(&files);
    dropped(&bench);
    bench.record(&[report("a.json", "a", 9, "f", TEXT), report("b.json", "a", 10, "f", TEXT)]);
    dropped(&bench);
    let ordered = orders::retry(&bench.connection, &Scope::default(), Retry::Open, 1).unwrap();
    assert_eq!(ordered.changed, 0, "an order for everything is not about what was deleted");
    let ordered = orders::resend(&bench.connection, &Scope::default(), 1).unwrap();
    assert_eq!(ordered.changed, 0);
    dropped(&bench);

    let other = lane::add_target(&bench.connection, "legacy").unwrap();
    assert!(lane::due(&bench.connection, other, 9).unwrap().is_empty(), "nor at a new target");
}

#[test]
fn a_file_with_other_content_opens_the_grave_and_is_sent_whole() {
    let (mut bench, _) = delivered();
    bench.bury("a", &BOTH, &[A_JSON, A_MP3]);
    // Neither the fields nor the summary that was there before are known to be at the target.
    let two = [("audio", "new"), ("comprehensive", "text")];
    bench.record(&[report("a.json", "a", 2, "f", &two)]);
    let parcel = bench.parcel();
    assert!(!parcel.known && parcel.holds.is_none() && parcel.audio_url.is_none(), "{parcel:?}");
    assert_eq!(bench.deliver_all(), ["a reports/a.json audio@a comprehensive@a"]);
    assert_eq!(bench.state(Kind::Audio, "a"), "dropped");
    bench.record(&[audio("audio_a.mp3", &["a"], 1, "bytes")]);
    assert!(bench.due().is_empty(), "the audio itself is as it was");
    bench.record(&[audio("audio_a.mp3", &["a"], 3, "other bytes")]);
    assert_eq!(bench.deliver_all(), ["a exports/audio_a.mp3 "]);
    bench.record(&[report("a.json", "a", 4, "f", TEXT)]);
    assert!(bench.due().is_empty(), "a summary that went away is still no change");
}

#[test]
fn one_of_several_files_that_were_deleted_says_nothing_new_alone() {
    let old = report("old.json", "a", 1, "old", &[("audio", "x"), ("comprehensive", "old")]);
    let new = report("new.json", "a", 2, "new", &[("comprehensive", "new")]);
    for back in [&old, &new] {
        let mut bench = Bench::new();
        bench.record(&[old.clone(), new.clone()]);
        bench.deliver_all();
        bench.bury("a", &BOTH, &[(Root::Reports, "old.json"), (Root::Reports, "new.json")]);
        bench.record(std::slice::from_ref(back));
        assert!(bench.due().is_empty(), "{:?}", back.file);
        bench.record(&[report("new.json", "a", 3, "newer", &[("comprehensive", "new")])]);
        assert_eq!(bench.due(), ["report a"]);
    }
}

#[test]
fn the_audio_of_a_deleted_report_does_not_go_alone() {
    let (mut bench, files) = delivered();
    bench.record(&[audio("audio_a.mp3", &["a"], 2, "other bytes")]);
    assert_eq!(bench.due(), ["audio a"]);
    bench.bury("a", &[Kind::Report], &[A_JSON]);
    assert_eq!(bench.state(Kind::Audio, "a"), "waits");
    bench.record(&[audio("audio_a.mp3", &["a"], 3, "still other bytes")]);
    assert!(bench.due().is_empty());
    bench.record(&files[..1]);
    let scope = Scope { id: Some("a".parse().unwrap()), ..Scope::default() };
    bench.now += 1;
    orders::retry(&bench.connection, &scope, Retry::Open, bench.now).unwrap();
    let all = ["a reports/a.json comprehensive@a", "a exports/audio_a.mp3 "];
    assert_eq!(bench.deliver_all(), all, "what is named is sent");
}

#[test]
fn a_removal_that_the_intake_sees_itself_changes_nothing_about_a_deletion() {
    for before in [true, false] {
        let (mut bench, [_, audio]) = delivered();
        let changed = report("a.json", "a", 2, "changed", TEXT);
        bench.record(std::slice::from_ref(&changed));
        let seen = [gone(A_JSON.0, A_JSON.1), gone(A_MP3.0, A_MP3.1)];
        if before {
            bench.record(&seen);
        }
        bench.bury("a", &BOTH, &[A_JSON, A_MP3]);
        if !before {
            // It was read a moment before it went.
            bench.record(&[changed, audio]);
            assert!(bench.record(&seen).is_empty());
        }
        assert_eq!(bench.state(Kind::Report, "a"), "dropped", "{before}");
        bench.bury("a", &BOTH, &[]);
        assert_eq!(bench.state(Kind::Report, "a"), "dropped");
    }
}

#[test]
fn what_was_under_way_while_it_was_deleted_is_not_taken_for_level() {
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    let parcel = bench.parcel();
    bench.bury("a", &BOTH, &[A_JSON]);
    assert_eq!(bench.deliver(&parcel), Settled::Open);
    assert_eq!(bench.state(Kind::Report, "a"), "dropped");
    let (_, concluded) = lane::conclude(
        &bench.connection,
        &Settlement {
            target: bench.target,
            item: parcel.item,
            kind: parcel.kind,
            id: parcel.id.clone(),
            sent_no: parcel.want_no,
            at_ms: 1,
            status: Some(400),
            outcome: Outcome::Parked { error: "no".to_owned() },
        },
    )
    .unwrap();
    assert_eq!(concluded, None);
    assert_eq!(bench.state(Kind::Report, "a"), "dropped");
}

#[test]
fn what_targets_should_hold_from_now_on_is_told() {
    let mut bench = Bench::new();
    let told = |recorded: Recorded| -> Vec<String> {
        let words = |w: Wanted| format!("{} {} {} {}", w.target, w.kind, w.id, w.waits);
        recorded.wanted.into_iter().map(words).collect()
    };
    let written = [report("a.json", "a", 1, "f", TEXT)];
    assert_eq!(told(bench.take_in(&written)), ["dashboard report a false"]);
    assert_eq!(told(bench.take_in(&written)), Vec::<String>::new());
    let spoken = [audio("audio_a.mp3", &["a"], 1, "bytes")];
    assert_eq!(told(bench.take_in(&spoken)), ["dashboard audio a true"]);
    bench.record(&[gone(Root::Reports, "a.json")]);
    assert_eq!(told(bench.take_in(&written)), ["dashboard report a false"]);
}

#[test]
fn a_lone_report_that_nobody_knew_is_told_before_it_is_recorded_just_as_it_is_then() {
    let mut bench = Bench::new();
    lane::add_target(&bench.connection, "legacy").unwrap();
    let new = |name: &str| report(&format!("{name}.json"), name, 1, "f", TEXT);
    let torn = Finding {
        file: FileRef::new(Root::Reports, "mended.json"),
        found: Found::Problem(stamp(1), "torn".to_owned()),
    };
    for (findings, adopt, expected) in [
        (vec![new("alone")], false, true),
        (vec![new("alone")], false, false),
        (vec![report("alone.json", "alone", 2, "other", TEXT)], false, false),
        (vec![report("beside.json", "alone", 3, "other", TEXT)], false, false),
        (vec![new("one"), new("another")], false, false),
        (vec![new("adopted")], true, false),
        (vec![torn], false, false),
        (vec![new("mended")], false, false),
        (vec![audio("audio_spoken.mp3", &["spoken"], 1, "bytes")], false, false),
        (vec![new("spoken")], false, false),
        (vec![gone(Root::Reports, "alone.json")], false, false),
    ] {
        bench.now += 1;
        let mut heard = None;
        let mut hear = |recorded: Recorded, parcels: Vec<Parcel>| {
            let rows =
                "SELECT count(*) FROM delivery JOIN item ON item.id = item WHERE content = ?1";
            let id = parcels[0].id.clone();
            let rows: i64 = bench.connection.query_row(rows, [id], |row| row.get(0)).unwrap();
            assert_eq!(rows, 0, "before");
            heard = Some((recorded, parcels));
        };
        let recorded =
            level::record_aloud(&bench.connection, &findings, adopt, bench.now, Some(&mut hear));
        let recorded = recorded.unwrap();
        assert_eq!(heard.is_some(), expected, "{findings:?}");
        if let Some((early, parcels)) = heard {
            assert_eq!(early, recorded);
            let first =
                |of: &Parcel| lane::first_parcel(&bench.connection, of.target, of.item).unwrap();
            assert_eq!(parcels.iter().filter_map(first).collect::<Vec<_>>(), parcels);
            assert_eq!(parcels.len(), 2);
        }
    }
}

#[test]
fn what_is_to_be_moved_away_stays_so_while_it_is_only_looked_at() {
    let mut bench = Bench::new();
    let written = report("a.json", "a", 1, "f", TEXT);
    bench.record(std::slice::from_ref(&written));
    bench.deliver_all();
    let Found::Report(stamp, _) = &written.found else { unreachable!() };
    let burial = grave::Burial {
        id: Some("a".parse().unwrap()),
        kinds: vec![Kind::Report],
        files: Vec::new(),
        standing: vec![(written.file.clone(), *stamp)],
    };
    grave::bury(&bench.connection, &[burial], bench.now).unwrap();
    let to_move = |bench: &Bench| known::deleted(&bench.connection, Root::Reports).unwrap().len();
    assert_eq!(to_move(&bench), 1);
    bench.record(&[written]);
    assert_eq!(to_move(&bench), 1);
    bench.record(&[report("a.json", "a", 2, "other", TEXT)]);
    assert_eq!(to_move(&bench), 0, "another file lies there");
}

#[test]
fn what_came_of_an_item_that_is_not_recorded_any_more_is_nothing_to_another() {
    let mut bench = Bench::new();
    bench.connection.execute_batch("SAVEPOINT room").unwrap();
    bench.record(&[report("a.json", "a", 1, "f", TEXT)]);
    let undone = bench.parcel();
    bench.connection.execute_batch("ROLLBACK TO room; RELEASE room").unwrap();
    assert_eq!(bench.deliver(&undone), Settled::Open);
    bench.record(&[report("b.json", "b", 1, "f", TEXT)]);
    assert_eq!(bench.parcel().item, undone.item, "it has the number of the other");
    assert_eq!(bench.deliver(&undone), Settled::Open);
    assert_eq!(bench.state(Kind::Report, "b"), "due");
}

/// A row of the old database, likewise.
fn row(key: &str, id: &str, made: i64, fields: &str) -> Finding {
    let Finding { found, .. } = report("", id, made, fields, TEXT);
    Finding { file: FileRef::new(Root::Rows, key), found }
}

#[test]
fn a_report_file_wins_over_the_row_of_its_id_however_new_that_is() {
    let mut bench = Bench::new();
    bench.record(&[row("yt:a", "a", 9, "row"), report("a.json", "a", 1, "file", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/a.json comprehensive@a"]);
    bench.record(&[row("yt:a", "a", 10, "newer row")]);
    assert!(bench.due().is_empty());
    // A row alone is delivered, until a file comes.
    bench.record(&[row("yt:b", "b", 9, "row")]);
    assert_eq!(bench.deliver_all(), ["b database/yt:b comprehensive@yt:b"]);
    bench.record(&[report("b.json", "b", 1, "file", &[("audio", "text")])]);
    let told = bench.deliver_all();
    assert!(told[0].starts_with("b reports/b.json audio@b"), "{told:?}");
    assert!(!told[0].contains("database"), "{told:?}");
}

#[test]
fn a_row_does_not_come_in_the_place_of_a_removed_file_until_it_changes() {
    for made in [1, 9] {
        let mut bench = Bench::new();
        bench.record(&[report("a.json", "a", 5, "file", TEXT)]);
        bench.deliver_all();
        // Found while the file was on its way out, too.
        bench.record(&[row("yt:a", "a", made, "row")]);
        bench.record(&[Finding {
            file: FileRef::new(Root::Reports, "a.json"),
            found: Found::Gone(bench.now - 1),
        }]);
        assert!(bench.due().is_empty(), "{made}");
        bench.record(&[row("yt:a", "a", made, "row")]);
        assert!(bench.due().is_empty(), "{made}");
        bench.record(&[row("yt:a", "a", 10, "new row")]);
        assert_eq!(bench.deliver_all(), ["a database/yt:a "]);
    }
}

#[test]
fn a_row_of_the_old_database_does_not_bring_back_what_was_deleted() {
    let row = |made, fields| {
        let Finding { found, .. } = report("unused.json", "a", made, fields, TEXT);
        Finding { file: FileRef::new(Root::Rows, "yt:a"), found }
    };
    let mut bench = Bench::new();
    bench.record(&[report("a.json", "a", 2, "f", TEXT), row(1, "as the row has it")]);
    bench.deliver_all();
    let burial = super::grave::Burial {
        id: "a".parse().ok(),
        kinds: vec![Kind::Report, Kind::Audio],
        files: vec![FileRef::new(Root::Reports, "a.json")],
        standing: Vec::new(),
    };
    super::grave::bury(&bench.connection, &[burial], bench.now).unwrap();
    bench.record(&[row(3, "of a restored database")]);
    assert!(bench.due().is_empty());
    assert_eq!(bench.state(Kind::Report, "a"), "dropped");
    bench.record(&[report("a.json", "a", 4, "new", TEXT)]);
    assert_eq!(bench.deliver_all(), ["a reports/a.json comprehensive@a"]);
}
