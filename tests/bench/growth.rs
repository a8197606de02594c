//! What a file costs, and whether it costs the same however many there are.

use std::fs;
use std::path::Path;

use crate::Bench;
use crate::plot::{self, Point};
use crate::process::peak_memory;
use crate::sample::{median, ms};
use crate::start::find;
use crate::subject::Subject;
use crate::support::daemon::Config;
use crate::table::Bound::AtMost;

const SIZES: [usize; 3] = [1000, 10_000, 100_000];
const FULL: [usize; 4] = [1000, 10_000, 100_000, 1_000_000];
const ROUNDS: usize = 5;

pub fn measure(bench: &mut Bench) {
    let sizes = if bench.options.full { &FULL[..] } else { &SIZES };
    let points: Vec<Point> = sizes.iter().map(|files| point(bench, *files)).collect();
    for pair in points.windows(2) {
        let (less, more) = (pair[0], pair[1]);
        let step = format!("from {} to {} files", less.files, more.files);
        type Part = fn(&Point) -> f64;
        let times: [(&str, Part); 2] = [("start", |p| p.start_ms), ("reconcile", |p| p.look_ms)];
        for (what, part) in times {
            bench.figures.add(
                &format!("{what}, {step}"),
                "≤ 11 × the time",
                AtMost(11.0),
                part(&more) / part(&less),
                &format!("{:.1} ms and {:.1} ms", part(&less), part(&more)),
            );
        }
        let files = (more.files - less.files) as f64;
        let a_file = |part: Part| (part(&more) - part(&less)) / files;
        let memory = a_file(|p| p.memory);
        let of = format!("bytes; {:.1} MB and {:.1} MB", less.memory / 1e6, more.memory / 1e6);
        let what = format!("memory a file, {step}");
        bench.figures.add(&what, "≤ 400 bytes", AtMost(400.0), memory, &of);
        let outbox = a_file(|p| p.outbox);
        let of = format!("bytes; {:.1} MB and {:.1} MB", less.outbox / 1e6, more.outbox / 1e6);
        let what = format!("outbox a file, {step}");
        bench.figures.add(&what, "≤ 500 bytes", AtMost(500.0), outbox, &of);
    }
    let drawing = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/growth.svg");
    fs::write(&drawing, plot::svg(&points)).expect("room for a drawing");
    eprintln!("   drawn: {}", drawing.display());
}

fn point(bench: &mut Bench, files: usize) -> Point {
    let config = &bench.known.of(files).config;
    let (mut starts, mut looks, mut finds, mut memory) = (vec![], vec![], vec![], 0.0_f64);
    for _ in 0..ROUNDS {
        finds.push(ms(find(&config.reports())));
        let daemon = Subject::start(config);
        starts.push(ms(daemon.start));
        let began = std::time::Instant::now();
        daemon.order("/rescan?root=reports");
        looks.push(ms(began.elapsed()));
        memory = memory.max(peak_memory(daemon.pid()) as f64);
        daemon.stop();
    }
    let point = Point {
        files,
        start_ms: median(&starts),
        look_ms: median(&looks),
        find_ms: median(&finds),
        memory,
        outbox: outbox(config),
    };
    eprintln!("   {point:?}");
    point
}

/// The bytes of the outbox, with all that lies beside it.
fn outbox(config: &Config) -> f64 {
    let entries = fs::read_dir(config.path()).expect("a directory").flatten();
    let of_outbox =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("outbox.db"));
    of_outbox.map(|entry| entry.metadata().map_or(0, |data| data.len()) as f64).sum()
}
