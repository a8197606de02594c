//! A look through everything that finds nothing.

use crate::Bench;
use crate::subject::Subject;
use crate::table::Bound::AtMost;
use crate::trace;

const FILES: usize = 10_000;

pub fn measure(bench: &mut Bench) {
    let delivered = bench.known.of(FILES);
    let daemon = Subject::start(&delivered.config);
    // What follows a start is over when the first of two is.
    daemon.order("/rescan");
    let mut found = 0;
    let traced = trace::meanwhile(&daemon, &delivered.config, || {
        let answer = daemon.order("/rescan");
        found = answer["roots"][0]["files"].as_u64().unwrap_or_default();
    });
    daemon.stop();
    let what = "a reconcile that finds nothing";
    match traced {
        Err(why) => bench.figures.skip(what, &why),
        Ok(trace) => {
            let of = format!("by strace, {found} files");
            let writes = trace.wrote_to("outbox.db") as f64;
            bench.figures.add(what, "no SQLite write", AtMost(0.0), writes, &of);
            bench.figures.add(what, "no fsync", AtMost(0.0), trace.synced() as f64, &of);
        }
    }
}
