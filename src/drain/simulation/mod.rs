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
const HISTORIES: u64 = 3_000;

/// What a fair exploration must have met.
const TROUBLES: [&str; 29] = [
    "Blind",
    "Busy",
    "Crowded",
    "Denied",
    "Down",
    "Moved",
    "Sick",
    "Silent",
    "crowded out",
    "death",
    "death in flight",
    "empty",
    "gulped",
    "half",
    "handed over",
    "hotel",
    "late",
    "lost",
    "out of sight",
    "parked",
    "prepared",
    "packed ahead",
    "reset",
    "s",
    "set back",
    "superseded",
    "torn audio",
    "undone",
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

/// The one that `YTV2D_SIM_REPLAY` gives; `YTV2D_SIM_TRACE=1` shows every event of it.
#[test]
fn a_history_given_by_hand() {
    if let Ok(text) = std::env::var("YTV2D_SIM_REPLAY") {
        replay(&text);
    }
}

// --- what was found, and mended

#[test]
fn a_text_that_may_have_been_replaced_is_sent_again() {
    replay(
        "seed=779 aware | 53839:p0a2n1 132130:w0i0a1f2c0u1 193825:p0a1n0? 218106:crash \
         227638:w0i0o3f2c2b0u0v2 282439:w0i0a1f1c0b0v2 337777:w0i0a2f1 354431:w0i0a1f1c2u0v0 | \
         fine fine fine fine zombie2 lost",
    );
}

#[test]
fn a_version_that_was_replaced_for_a_moment_is_sent_again() {
    replay("seed=1 | 0:w0i0a1f1c1 5000:w0i0a2f2c2 5500:w0i0a3f1c1 | fine gulped");
    replay("seed=1 | 0:w0i0a1f1c1 1000:p0a1n1 9000:p0a2n2 9500:p0a3n1 | fine fine gulped");
    replay("seed=1 | 0:w0i0a1f1c1 5000:w0i0a2f2c2 5300:crash 5301:w0i0a3f1c1 | fine gulped");
}

#[test]
fn what_is_under_way_does_not_count_as_what_came_after_it() {
    replay("seed=1274 | 104:w0i0a4f2c0v1 155:p0a3n1 591:w0i0a2f1b0u2 732:w0i0a3f2 |");
    replay(
        "seed=342 | 2322182:w1i1a0f2u0 7580080:w1i1o4f2c2v2 7580358:w1i1a1f1 7580512:w1i1a2f2c2u0 |",
    );
}

#[test]
fn poison_does_not_keep_the_probes_of_a_mended_target_to_itself() {
    replay(
        "seed=1462 poison=a1s500 | 1790:restart 4412:w0i0a2f0u0 6047:w3i1a0f2c2b0u0v2 \
         8049:denied? 10301:p2a4n1 | fine s504 gulped",
    );
}

#[test]
fn of_several_new_items_beside_poison_each_is_tried_soon() {
    replay(
        "seed=1627 aware poison=r1s500 poison=r2s500 | 59629:w3i3a4f0b1u0v1 145819:w6i2a1f2c1 \
         295973:w3i1o1f2c0b0v0 296254:p6a0n0? 2533831:w1i1a3f2b2u0 |",
    );
    replay(
        "seed=522607 aware mute poison=r0s500 poison=r2s500 | 22:p2a2n1 78597:w1i1a3f0c1v1 \
         78612:w0i0a1f0u1v1 1361357:w2i2a2f0u0v1 1361369:w3i0o3f2c0b1? 3041248:reconcile? \
         3041272:p2a0n2 3041283:w0i0o3f2u2 3041383:w0i0o1f1u0v1? |",
    );
}

#[test]
fn a_target_that_refused_us_and_then_asks_for_a_pause_gets_it() {
    replay(
        "seed=102899 aware | 34747:w2i2a2f0c2 157887:moved 168307:w3i2o1f0c0b1u0v2 348269:busy \
         366287:p4a0n0 |",
    );
    replay("seed=103146 | 1032:denied 42337:w1i1a2f1c2b1v1 129630:busy? 826182:w0i0a2f0c0b2u0 |");
}

#[test]
fn a_target_that_always_asks_for_a_short_pause_is_left_alone_for_longer() {
    replay("seed=142 | 54755:busy? 100988:w1i1a2f0u1v2 2868664:w0i0a2f2? |");
}

#[test]
fn a_renamed_file_goes_on_standing_for_its_report() {
    replay("seed=201261 mute | 6359:w1i0a3f2b2u2 9122:m1t0 |");
    replay("seed=1 | 0:w1i0a3f2b2u2 9000:m1t0 20000:w0i0a1f1c0 |");
}

#[test]
fn an_older_file_that_is_put_back_is_delivered() {
    replay("seed=1 | 0:w0i0a3f1c1 9000:d0 20000:w0i0a1f2c1 |");
    replay("seed=1 | 0:w0i0a3f1c1 9000:d0 20000:w1i0a1f2c1 |");
    replay("seed=1 | 0:w0i0a3f1c1 9000:d0 9500:w1i0a1f2c1 |");
    replay("seed=1 | 0:w0i0a3f1c1 5000:reconcile 9000:d0? 9500:w1i0a1f2c1? 30000:reconcile |");
    replay("seed=1 | 0:w0i0a3f1c1 1000:p0a3n1 9000:x0 20000:p0a1n2 |");
}

#[test]
fn audio_follows_its_report_when_that_is_about_another_id() {
    replay("seed=1 | 0:w0i0a1f1c1 1000:q0a1n1 9000:w0i1a2f1c1 |");
    replay("seed=1 | 0:q0a1n1 1000:w0i0a1f1c1 9000:w0i2a2f1c1 20000:q0a2n2 |");
}

// --- what must stay so

#[test]
fn what_lay_beside_a_removed_file_does_not_come_in_its_place() {
    replay("seed=1 | 0:w1i0a1f2c2 5000:w0i0a3f1c1 9000:d0 20000:r1 30000:restart |");
    replay("seed=1 | 0:w1i0a2f2c2 5000:w0i0a3f1c1 9000:d0 20000:w2i0a1f0c0 30000:t1 |");
    replay("seed=1 | 0:w1i0a2f2c2 5000:w0i0a3f1c1 9000:w0i0a1f0c1 20000:d0 |");
}

#[test]
fn a_number_that_the_target_is_ahead_of_is_overtaken() {
    replay("seed=1 aware | 0:w0i0a1f1c1 5000:p0a1n1 9000:n0 12000:w0i0a2f2c1 15000:p0a2n2 |");
}

#[test]
fn a_clock_that_was_set_back_before_a_start_keeps_nothing_waiting() {
    replay("seed=1 | 0:w0i0a1f1c1 9:setback |");
}

#[test]
fn what_could_not_be_read_while_its_directory_was_away_is_sent_once_that_is_back() {
    replay("seed=1 | 0:w0i0a1f1c1 50:away 7200000:home |");
    replay("seed=1 | 0:down 1000:w0i0a1f1c1 2000:w1i1a1f1c1 9000:away 60000:up 90000:home |");
    replay("seed=1 | 0:w0i0a1f1c1 50:away 7200000:crash 7200001:home |");
}
