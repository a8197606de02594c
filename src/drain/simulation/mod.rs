//! The simulation: seeded histories of writing, deleting, crashing and failing, played with the
//! real outbox, the real decisions and a model of the target, in a time that costs nothing.
//!
//! What holds in each of them is said by the [judge](judge). A history that ever broke it stays
//! below, in its written form, as a test of its own. `YTV2D_SIM_HISTORIES=100000 cargo test --lib
//! simulation` explores further, `YTV2D_SIM_SEED=n` begins elsewhere.

mod chance;
mod dashboard;
mod disk;
mod history;
mod judge;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use history::{Fate, History};
use world::{Tally, play};

/// How many histories a run of the tests explores.
const HISTORIES: u64 = 2_000;

/// What a fair exploration must have met.
const TROUBLES: [&str; 21] = [
    "Blind",
    "Busy",
    "Denied",
    "Down",
    "Moved",
    "Sick",
    "Silent",
    "death",
    "death in flight",
    "empty",
    "gulped",
    "half",
    "hotel",
    "late",
    "lost",
    "parked",
    "reset",
    "s",
    "superseded",
    "torn audio",
    "zombie",
];

/// Plays a history in its written form.
#[track_caller]
fn replay(text: &str) {
    let history: History = text.parse().unwrap_or_else(|error| panic!("{error:?} in {text:?}"));
    assert_eq!(history.to_string(), text.split_whitespace().collect::<Vec<_>>().join(" "));
    if let Err(error) = play(&history) {
        panic!("{error}\n{history}");
    }
}

/// Plays a history; a panic is a failure like any other.
fn outcome(history: &History) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(|| play(history))).unwrap_or_else(|_| Err("a panic".to_owned()))
}

fn fails(history: &History) -> bool {
    outcome(history).is_err()
}

/// Leaves out of a history whatever its failure does not need.
fn shrink(mut history: History) -> History {
    let mut smaller = true;
    while std::mem::take(&mut smaller) {
        for length in [8, 4, 2, 1] {
            let mut at = history.steps.len();
            while at > 0 {
                at = at.saturating_sub(1);
                let mut less = history.clone();
                let end = (at + length).min(less.steps.len());
                less.steps.drain(at..end);
                if fails(&less) {
                    history = less;
                    smaller = true;
                }
                at = at.min(history.steps.len());
            }
        }
        for at in (0..history.fates.len()).rev() {
            for change in [None, Some(Fate::Fine)] {
                let mut less = history.clone();
                match change {
                    None => drop(less.fates.remove(at)),
                    Some(fate) => less.fates[at] = fate,
                }
                if less != history && fails(&less) {
                    history = less;
                    smaller = true;
                    break;
                }
            }
        }
        for at in (0..history.poison.len()).rev() {
            let mut less = history.clone();
            less.poison.remove(at);
            if fails(&less) {
                history = less;
                smaller = true;
            }
        }
    }
    history
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_happens_the_target_ends_level_with_the_disk() {
    let first = number("YTV2D_SIM_SEED").unwrap_or(0);
    let last = first + number("YTV2D_SIM_HISTORIES").unwrap_or(HISTORIES);
    let (next, total) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    let failures = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = failures.lock().unwrap().len() > 4;
                    if seed >= last || enough {
                        return;
                    }
                    let history = History::random(seed);
                    match outcome(&history) {
                        Ok(tally) => total.lock().unwrap().add(tally),
                        Err(_) => failures.lock().unwrap().push(history),
                    }
                }
            });
        }
    });
    let rate = (last - first) as f64 / begun.elapsed().as_secs_f64();
    let seen = total.into_inner().unwrap().seen;
    println!("{rate:.0} histories a second, with {seen:?}");
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|history| history.seed);
    for history in &failures {
        let small = shrink(history.clone());
        println!("{}\n    replay(\"{small}\");", outcome(&small).unwrap_err());
        assert_eq!(small.to_string().parse(), Ok(small), "the written form loses something");
    }
    assert!(failures.is_empty(), "see above: each stays as a test once it is mended");
    // An exploration that never met some trouble proves nothing about it.
    if last - first >= HISTORIES {
        for trouble in TROUBLES {
            assert!(seen.contains_key(trouble), "no history had any {trouble}: {seen:?}");
        }
    }
}

#[test]
fn a_history_given_by_hand() {
    if let Ok(text) = std::env::var("YTV2D_SIM_REPLAY") {
        replay(&text);
    }
}
