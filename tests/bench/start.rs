//! Starting where 100,000 files are known and none has changed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Bench;
use crate::sample::{median, ms};
use crate::subject::Subject;
use crate::table::Bound::AtMost;
use crate::trace;

const FILES: usize = 100_000;
const ROUNDS: usize = 7;

pub fn measure(bench: &mut Bench) {
    let delivered = bench.known.of(FILES);
    let (config, sent) = (&delivered.config, delivered.server.count());
    let reports = config.reports();
    let mut rounds = Vec::new();
    for n in 0..=ROUNDS {
        let listing = find(&reports);
        let daemon = Subject::start(config);
        let start = daemon.start;
        daemon.stop();
        // The first warms the cache for both.
        if n > 0 {
            rounds.push((ms(start), ms(listing)));
        }
    }
    let ratio = median(&rounds.iter().map(|(start, find)| start / find).collect::<Vec<_>>());
    let start = median(&rounds.iter().map(|round| round.0).collect::<Vec<_>>());
    let listing = median(&rounds.iter().map(|round| round.1).collect::<Vec<_>>());
    let what = "start with 100,000 known files";
    bench.figures.add(
        what,
        "≤ 1.5 × `find -printf`",
        AtMost(1.5),
        ratio,
        &format!("{start:.0} ms against {listing:.0} ms"),
    );
    match trace::of_a_start(config) {
        Err(why) => bench.figures.skip(&format!("{what}: what is read again"), &why),
        Ok(trace) => {
            let read = trace.opened(".json");
            let of = "reports opened, by strace";
            bench.figures.add(what, "nothing read again", AtMost(0.0), read as f64, of);
        }
    }
    let more = delivered.server.count() - sent;
    bench.figures.add(what, "nothing sent", AtMost(0.0), more as f64, "deliveries");
}

/// Has the same tree listed with what a stat gives.
pub fn find(directory: &Path) -> Duration {
    let began = Instant::now();
    let status = Command::new("find")
        .arg(directory)
        .args(["-printf", "%s %T@ %C@ %i %p\n"])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("find runs").success());
    began.elapsed()
}
