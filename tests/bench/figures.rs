//! Figures, each against what there would be without the daemon: `cargo bench`.
//!
//! Every figure is a ratio of two things that were measured in turn on the same machine, so that
//! what else goes on there befalls both. Nothing here is a test: clocks decide nothing.

#[path = "../support/ingest.rs"]
mod ingest;
#[path = "../support/mod.rs"]
mod support;

mod answering;
mod audio;
mod bare;
mod burst;
mod corpus;
mod drain;
mod growth;
mod idle;
mod known;
mod latency;
mod load;
mod machine;
mod options;
mod plot;
mod process;
mod receiving;
mod reconcile;
mod road;
mod sample;
mod script;
mod start;
mod subject;
mod table;
mod today;
mod trace;

use known::Known;
use options::Options;
use table::Figures;

/// A row of the table, and how it is made.
type Row = (&'static str, fn(&mut Bench));

const ROWS: [Row; 9] = [
    ("latency", latency::measure),
    ("drain", drain::measure),
    ("ingest", receiving::measure),
    ("audio", audio::measure),
    ("idle", idle::measure),
    ("reconcile", reconcile::measure),
    ("burst", burst::measure),
    ("start", start::measure),
    ("growth", growth::measure),
];

/// What the rows share.
pub struct Bench {
    options: Options,
    figures: Figures,
    known: Known,
}

fn main() {
    if bare::was_asked_for() {
        return;
    }
    let options = Options::from_command_line(&ROWS.map(|(name, _)| name));
    println!("{}\n", machine::description());
    let mut bench = Bench { options, figures: Figures::default(), known: Known::default() };
    for (name, measure) in ROWS {
        if bench.options.wants(name) {
            eprintln!("-- {name}");
            measure(&mut bench);
        }
    }
    println!("\n{}", bench.figures);
    println!("load average at the end: {}", machine::load());
}
