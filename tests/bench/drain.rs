//! How fast 10,000 due reports go out, all of it written down in the outbox.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::answering::Answering;
use crate::bare;
use crate::corpus;
use crate::ingest::{Home, Server};
use crate::sample::median;
use crate::subject::{self, Subject};
use crate::support::daemon::Config;
use crate::table::Bound::AtLeast;
use crate::today::Today;

const REPORTS: usize = 10_000;
/// Today's way is so slow that a part tells its rate.
const REPORTS_TODAY: usize = 500;
const ROUNDS: usize = 3;

/// Who takes what is sent, the same for all: fresh for each of them, since whoever comes second
/// would only bring what is there.
enum Receiver {
    Answering(Answering),
    Ingest { server: Server, _home: Home },
}

type Fresh = fn() -> Receiver;

impl Receiver {
    fn answering() -> Self {
        Receiver::Answering(Answering::start())
    }

    fn ingest() -> Self {
        let home = Home::new();
        Receiver::Ingest { server: Server::start(&home), _home: home }
    }

    fn url(&self) -> String {
        match self {
            Receiver::Answering(server) => server.url(),
            Receiver::Ingest { server, .. } => server.url(),
        }
    }
}

pub fn measure(bench: &mut Bench) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let files = corpus::write(directory.path(), 0..REPORTS, corpus::usual);
    let today = Today::prepare();
    let receivers: [(&str, Fresh); 2] =
        [("a bare answering server", Receiver::answering), ("ytv2-ingest", Receiver::ingest)];
    let ways: Vec<(usize, &str, Fresh)> = bench
        .options
        .parallel
        .iter()
        .flat_map(|parallel| receivers.map(|(name, receiver)| (*parallel, name, receiver)))
        .collect();
    for (parallel, name, receiver) in ways {
        let (mut to_bare, mut to_today, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = receiver();
            let bare = rate(REPORTS, bare::drain(directory.path(), &server.url(), parallel));
            drop(server);
            let ours = rate(REPORTS, drain(directory.path().to_owned(), parallel, receiver));
            to_bare.push(ours / bare);
            rates.push((ours, bare));
            if let Ok(today) = &today {
                let server = receiver();
                let took = today.send(&files[..REPORTS_TODAY], &server.url());
                to_today.push(ours / rate(REPORTS_TODAY, took));
            }
        }
        let what = format!("draining {REPORTS} due reports to {name}, {parallel} at once");
        let ours = median(&rates.iter().map(|rates| rates.0).collect::<Vec<_>>());
        let bare = median(&rates.iter().map(|rates| rates.1).collect::<Vec<_>>());
        let of = format!("{ours:.0} against {bare:.0} a second");
        bench.figures.add(&what, "≥ 0.7 × the bare limit", AtLeast(0.7), median(&to_bare), &of);
        match &today {
            Err(why) => bench.figures.skip(&what, why),
            Ok(_) => {
                let ratio = median(&to_today);
                let of = format!("{ours:.0} against {:.0} a second", ours / ratio);
                bench.figures.add(&what, "≥ 8 × `requests`", AtLeast(8.0), ratio, &of);
            }
        }
    }
}

fn rate(reports: usize, time: Duration) -> f64 {
    reports as f64 / time.as_secs_f64()
}

/// The time from the order to go on until the outbox has written down the last acknowledgement.
fn drain(reports: PathBuf, parallel: usize, receiver: Fresh) -> Duration {
    let server = receiver();
    let config = taken_in(reports, parallel, &server.url());
    let daemon = Subject::start(&config);
    daemon.wait_for("due", REPORTS);
    let began = Instant::now();
    daemon.order("/resume");
    if let Receiver::Answering(server) = &server {
        server.arrival(REPORTS - 1, Duration::from_secs(600)).expect("all of them arrive");
    }
    daemon.wait_for("current", REPORTS);
    let took = began.elapsed();
    daemon.stop();
    took
}

/// A daemon that has been told to pause before there was anything to send.
fn taken_in(reports: PathBuf, parallel: usize, url: &str) -> Config {
    let mut config = subject::config(url);
    let daemon = Subject::start(&config);
    daemon.order("/pause");
    daemon.stop();
    config.extra_toml.push_str(&format!("[ingest]\nparallel = {parallel}\n"));
    config.extra_toml.push_str(&format!("[watch]\nreports = {reports:?}\n"));
    config
}
