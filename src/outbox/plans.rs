//! Every statement that the drain, the intake and the proof run finds its rows by an index: told by
//! SQLite itself, of the statements that it was seen to run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::model::*;
use super::orders::{Retry, Scope};
use super::tests::{Bench, TEXT, audio, gone, report};
use super::{account, known, lane, level, orders};
use crate::file::{FileRef, Root};
use crate::id::Kind;

/// The statements that something runs.
fn statements(bench: &mut Bench, run: impl FnOnce(&mut Bench)) -> BTreeSet<String> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let into = Arc::clone(&seen);
    let note = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            into.lock().unwrap().insert(sql.to_owned());
        }
    };
    bench.connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
    run(bench);
    bench.connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
    let seen = seen.lock().unwrap();
    seen.iter().filter(|sql| !sql.starts_with("--")).cloned().collect()
}

/// The steps of a statement's plan.
fn plan(bench: &Bench, sql: &str) -> Vec<String> {
    let mut explained = bench.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = explained.raw_query().mapped(|row| row.get(3));
    steps.collect::<Result<_, _>>().unwrap()
}

/// Whether a step goes through all rows, be it by an index.
fn reads_all(step: &str) -> bool {
    // There are as many targets as dashboards.
    let is_harmless = step == "SCAN CONSTANT ROW" || step.starts_with("SCAN target");
    let is_scan = step.starts_with("SCAN") && !is_harmless;
    is_scan || step.ends_with("delivery USING PRIMARY KEY (target=?)")
}

/// Some of everything: thousands of rows, of which a few are due.
fn crowded() -> Bench {
    let mut bench = Bench::new();
    let many: Vec<Finding> = (0..2000)
        .flat_map(|n| {
            let id = format!("id{n}");
            [
                report(&format!("{id}.json"), &id, n, "f", TEXT),
                audio(&format!("{id}.mp3"), &[&id], n, "bytes"),
            ]
        })
        .collect();
    bench.connection.execute_batch("BEGIN").unwrap();
    level::record(&bench.connection, &many, true, bench.now).unwrap();
    bench.connection.execute_batch("COMMIT").unwrap();
    bench.record(&[
        report("two.json", "id7", 3000, "f2", TEXT),
        report("new.json", "new", 1, "f", TEXT),
        audio("new.mp3", &["new"], 1, "bytes"),
        audio("whose.mp3", &["whose"], 1, "bytes"),
    ]);
    bench
}

/// Whatever the drain asks and tells.
fn drain(bench: &mut Bench) {
    let (target, now) = (bench.target, bench.now);
    lane::ahead(&bench.connection, target, 100, now).unwrap();
    lane::probe(&bench.connection, target).unwrap();
    lane::has_fresh(&bench.connection, target, 0, now).unwrap();
    lane::resume(&bench.connection, target, now).unwrap();
    for outcome in [
        Outcome::Superseded { kept_no: 5 },
        Outcome::Failed { error: "x".into(), due_ms: 5, strikes: 1 },
        Outcome::Untouched { error: "x".into(), due_ms: None },
        Outcome::Changed { due_ms: 5 },
    ] {
        let parcel = bench.parcel();
        bench.settle(&parcel, outcome);
    }
    // An older version than the one that is wanted by then, too.
    let parcel = bench.parcel();
    bench.record(&[report("two.json", "id7", 3001, "f3", TEXT)]);
    bench.record(&[report("new.json", "new", 2, "f3", TEXT)]);
    bench.deliver(&parcel);
    bench.deliver_all();
    bench.record(&[report("new.json", "new", 3, "f4", TEXT)]);
    let parcel = bench.parcel();
    bench.settle(&parcel, Outcome::Parked { error: "x".into() });
}

/// Whatever the intake asks and tells.
fn take_in(bench: &mut Bench) {
    for root in Root::ALL {
        known::stamps(&bench.connection, root, Some(b"id5"), 100).unwrap();
        known::is_first_run(&bench.connection, root).unwrap();
        known::end_first_run(&bench.connection, root).unwrap();
        known::lift_obstacles(&bench.connection, root).unwrap();
    }
    let file = FileRef::new(Root::Reports, "bad.json");
    known::stamp(&bench.connection, &file).unwrap();
    known::problem(&bench.connection, &file).unwrap();
    let Found::Report(stamp, _) = report("bad.json", "bad", 1, "f", TEXT).found else {
        unreachable!()
    };
    bench.record(&[
        Finding { file, found: Found::Problem(stamp, "no JSON".into()) },
        report("whose.json", "web:other", 4, "f", TEXT),
        report("whose.json", "web:whose", 5, "f", TEXT),
        report("two.json", "id7", 1, "older", TEXT),
        gone(Root::Reports, "two.json"),
        gone(Root::Reports, "whose.json"),
        gone(Root::Exports, "new.mp3"),
    ]);
    bench.record(&[report("whose.json", "web:whose", 5, "f", TEXT)]);
}

/// Whatever a verification asks and orders. What the heartbeat asks for are the counts, whose plans
/// are looked at in `tally`.
fn prove(bench: &mut Bench) {
    let ids = account::ids(&bench.connection, None, 100).unwrap();
    let ids = account::ids(&bench.connection, ids.last(), 100).unwrap();
    for id in [&ids[0], &"id7".parse().unwrap(), &"none".parse().unwrap()] {
        for record in account::of_id(&bench.connection, id).unwrap() {
            lane::preview(&bench.connection, record.item).unwrap();
        }
        for kind in [None, Some(Kind::Audio)] {
            let target = Some("dashboard".to_owned());
            let scope = Scope { id: Some(id.clone()), kind, target, ..Scope::default() };
            orders::resend(&bench.connection, &scope, bench.now).unwrap();
            orders::retry(&bench.connection, &scope, Retry::Open, bench.now).unwrap();
        }
    }
}

#[test]
fn every_statement_of_the_daemons_own_work_finds_its_rows_by_an_index() {
    let mut bench = crowded();
    for (what, run, least) in [
        ("drain", drain as fn(&mut Bench), 20),
        ("intake", take_in as fn(&mut Bench), 20),
        ("proof", prove as fn(&mut Bench), 15),
    ] {
        let seen = statements(&mut bench, run);
        assert!(seen.len() >= least, "the {what} was seen to run {} statements", seen.len());
        for sql in seen {
            let plan = plan(&bench, &sql);
            let bad = plan.iter().find(|step| reads_all(step));
            assert_eq!(bad, None, "the {what}'s\n{sql}\n{plan:#?}");
        }
    }
}

#[test]
fn a_target_that_knows_every_item_is_not_told_of_each_of_them_again() {
    let mut bench = crowded();
    let told = |bench: &mut Bench, name: &str| {
        let add = |bench: &mut Bench| _ = lane::add_target(&bench.connection, name).unwrap();
        let seen = statements(bench, add);
        seen.iter().any(|sql| sql.contains("INTO delivery"))
    };
    assert!(told(&mut bench, "other"));
    assert!(!told(&mut bench, "other"));
    assert!(!told(&mut bench, "dashboard"));
}

#[test]
fn what_is_due_comes_in_its_order_without_sorting() {
    let mut bench = crowded();
    let target = bench.target;
    let seen = statements(&mut bench, |bench| {
        lane::due(&bench.connection, target, 10).unwrap();
        lane::probe(&bench.connection, target).unwrap();
        known::stamps(&bench.connection, Root::Reports, None, 10).unwrap();
        account::ids(&bench.connection, Some(&"id7".parse().unwrap()), 10).unwrap();
    });
    assert_eq!(seen.len(), 4);
    for sql in seen {
        let plan = plan(&bench, &sql);
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}\n{plan:#?}");
    }
}
