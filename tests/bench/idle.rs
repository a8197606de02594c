//! What a daemon costs that has nothing to do.

use std::thread;
use std::time::Duration;

use crate::Bench;
use crate::process::{cpu, memory, sleeps};
use crate::subject::Subject;
use crate::table::Bound::AtMost;

const FILES: usize = 10_000;
/// For what a start leaves to be done, and for its threads to end.
const CALM: Duration = Duration::from_secs(15);
const PERIOD: Duration = Duration::from_secs(40);
/// How often everything is looked through meanwhile, as the configuration has it.
const RESCAN: f64 = 300.0;
/// So many tell what one costs.
const LOOKS: u32 = 20;

pub fn measure(bench: &mut Bench) {
    let delivered = bench.known.of(FILES);
    let daemon = Subject::start(&delivered.config);
    thread::sleep(CALM);
    let before = (cpu(daemon.pid()), sleeps(daemon.pid()));
    thread::sleep(PERIOD);
    let after = (cpu(daemon.pid()), sleeps(daemon.pid()));
    let resident = memory(daemon.pid()) as f64 / 1e6;
    // The look through everything fell into the period or did not: its share is added.
    for _ in 0..LOOKS {
        daemon.order("/rescan");
    }
    let look = (cpu(daemon.pid()) - after.0).as_secs_f64() / f64::from(LOOKS) / RESCAN;
    daemon.stop();
    let period = PERIOD.as_secs_f64();
    let busy = ((after.0 - before.0).as_secs_f64() / period + look) * 100.0;
    let woken = after.1.saturating_sub(before.1) as f64 / period;
    let what = "idle with 10,000 known files";
    bench.figures.add(what, "≤ 15 MB", AtMost(15.0), resident, "MB resident");
    let of = format!("% of a core, {:.3} of them for looking through every 5 min", look * 100.0);
    bench.figures.add(what, "≤ 0.1 % of a core", AtMost(0.1), busy, &of);
    bench.figures.add(what, "< 1 wake-up a second", AtMost(0.99), woken, "a second");
}
