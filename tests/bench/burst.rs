//! 100,000 files at once, which is more events than the kernel keeps.

use crate::Bench;
use crate::table::Bound::{AtLeast, AtMost};

const FILES: usize = 100_000;

pub fn measure(bench: &mut Bench) {
    let delivered = bench.known.of(FILES);
    let (took, peak) = (delivered.took.as_secs_f64(), delivered.peak as f64 / 1e6);
    let arrived = delivered.server.count() as f64;
    bench.figures.add(
        "a burst of 100,000 files",
        "all delivered",
        AtLeast(FILES as f64),
        arrived,
        &format!("in {took:.0} s, {:.0} a second", arrived / took),
    );
    bench.figures.add(
        "a burst of 100,000 files, memory",
        "≤ 60 MB",
        AtMost(60.0),
        peak,
        "MB resident at the most",
    );
}
