//! What a daemon costs that has nothing to do.

use std::thread;
use std::time::Duration;

use crate::Bench;
use crate::process::{memory, work};
use crate::subject::Subject;
use crate::table::Bound::AtMost;

const FILES: usize = 10_000;
/// For what a start leaves to be done.
const CALM: Duration = Duration::from_secs(5);
const PERIOD: Duration = Duration::from_secs(30);
/// How often everything is looked through meanwhile, as the configuration has it.
const RESCAN: f64 = 300.0;

pub fn measure(bench: &mut Bench) {
    let delivered = bench.known.of(FILES);
    let daemon = Subject::start(&delivered.config);
    thread::sleep(CALM);
    let before = work(daemon.pid());
    thread::sleep(PERIOD);
    let after = work(daemon.pid());
    let resident = memory(daemon.pid()) as f64 / 1e6;
    // The look through everything fell into the period or did not: its share is added.
    daemon.order("/rescan");
    let look = (work(daemon.pid()).cpu - after.cpu).as_secs_f64() / RESCAN;
    daemon.stop();
    let period = PERIOD.as_secs_f64();
    let busy = ((after.cpu - before.cpu).as_secs_f64() / period + look) * 100.0;
    let woken = (after.sleeps - before.sleeps) as f64 / period;
    let what = "idle with 10,000 known files";
    bench.figures.add(what, "≤ 15 MB", AtMost(15.0), resident, "MB resident");
    let of = format!("% of a core, {:.3} of them for looking through every 5 min", look * 100.0);
    bench.figures.add(what, "≤ 0.1 % of a core", AtMost(0.1), busy, &of);
    bench.figures.add(what, "< 1 wake-up a second", AtMost(0.99), woken, "a second");
}
