//! How long it takes from the close of a report to its last byte at the server, when nothing else
//! is to be done.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::answering::Answering;
use crate::bare;
use crate::corpus;
use crate::sample::{ms, quantile};
use crate::script::Script;
use crate::subject::{self, Subject};
use crate::table::Bound::AtMost;

/// How often the sides take turns, and how many reports each sends in a turn.
const TURNS: usize = 8;
const REPORTS: usize = 50;
/// The script is slow enough to be told from the others by fewer.
const REPORTS_OF_SCRIPT: usize = 15;
/// Between a report's arrival and the next one.
const PAUSE: Duration = Duration::from_millis(20);

/// One who watches a directory and sends to a server.
struct Side<'a> {
    directory: &'a Path,
    server: &'a Answering,
    times: Vec<f64>,
}

impl Side<'_> {
    /// Sends so many reports, one at a time. The first of a turn is not counted: it may need a new
    /// connection, after so long.
    fn turn(&mut self, reports: usize, next: &mut usize) {
        for counted in 0..=reports {
            let (name, bytes) = corpus::usual(*next);
            *next += 1;
            let so_far = self.server.count();
            let mut file = File::create(self.directory.join(name)).expect("a report");
            file.write_all(&bytes).expect("room for a report");
            let closed = Instant::now();
            drop(file);
            let arrival = self.server.arrival(so_far, Duration::from_secs(30));
            let arrival = arrival.expect("a report arrives");
            if counted > 0 {
                self.times.push(ms(arrival.last_byte - closed));
            }
            thread::sleep(PAUSE);
        }
    }
}

pub fn measure(bench: &mut Bench) {
    let servers = [(); 4].map(|()| Answering::start());
    let config = subject::config(&servers[0].url());
    let daemon = Subject::start(&config);
    let directories = [(); 3].map(|()| tempfile::tempdir().expect("a scratch directory"));
    let [bare, script, road] = directories.each_ref().map(|directory| directory.path());
    let _bare = bare::Watching::start(bare::WATCH, bare, &servers[1].url());
    let _road = bare::Watching::start(bare::ROAD, road, &servers[3].url());
    let reports = config.reports();
    let places = [reports.as_path(), bare, script, road];
    let script = Script::start(script, &servers[2].url());
    let mut sides =
        [0, 1, 2, 3].map(|n| Side { directory: places[n], server: &servers[n], times: Vec::new() });
    let mut next = 0;
    for _ in 0..TURNS {
        sides[0].turn(REPORTS, &mut next);
        sides[1].turn(REPORTS, &mut next);
        sides[3].turn(REPORTS, &mut next);
        if script.is_ok() {
            sides[2].turn(REPORTS_OF_SCRIPT, &mut next);
        }
    }
    daemon.stop();
    for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
        let [ours, bare, road] = [0, 1, 3].map(|side: usize| quantile(&sides[side].times, share));
        let what = format!("close to last byte, idle, {name}");
        bench.figures.add(
            &what,
            "≤ 1.5 × a bare inotify-to-POST loop",
            AtMost(1.5),
            ours / bare,
            &format!("{ours:.2} ms against {bare:.2} ms"),
        );
        let of = format!("{road:.2} ms against {bare:.2} ms");
        bench.figures.tell(&format!("{what}: the same road at its barest"), road / bare, &of);
        match &script {
            Err(why) => bench.figures.skip(&what, why),
            Ok(_) => {
                let script = quantile(&sides[2].times, share);
                bench.figures.add(
                    &what,
                    "≤ 0.1 × the script",
                    AtMost(0.1),
                    ours / script,
                    &format!("{ours:.2} ms against {script:.2} ms"),
                );
            }
        }
    }
}
