//! An audio file of a gigabyte: how fast it goes over, and what it takes to hold it meanwhile.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Bench;
use crate::answering::{Answering, Arrival};
use crate::corpus;
use crate::ingest::TOKEN;
use crate::process::{forget_peak, memory, peak_memory};
use crate::sample::median;
use crate::subject::{self, Subject};
use crate::support::fixtures::{Shape, audio_name, report};
use crate::support::mp3::mp3;
use crate::table::Bound::{AtLeast, AtMost};

const SIZE: usize = 1 << 30;
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(600);

pub fn measure(bench: &mut Bench) {
    let server = Answering::start();
    let config = subject::config(&server.url());
    let large = config.path().join("large.mp3");
    make(&large);
    let daemon = Subject::start(&config);
    let numbers = 0..ROUNDS + 1;
    corpus::write(&config.reports(), numbers.clone(), corpus::small);
    daemon.wait_for("current", numbers.len());
    let (mut ratios, mut more, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for n in numbers {
        let by_curl = match curl(&large, &server) {
            Ok(arrival) => rate(arrival),
            Err(why) => {
                bench.figures.skip("a 1 GB audio file, rate", &why);
                break;
            }
        };
        forget_peak(daemon.pid());
        let (before, so_far) = (memory(daemon.pid()), server.count());
        let id = report(Shape::IngestReady, n).expected.id;
        let name = config.export(&audio_name(&id, n));
        fs::hard_link(&large, &name).expect("another name for it");
        // A new name alone says nothing of a file's end: its close does.
        drop(File::options().append(true).open(&name));
        let ours = rate(arrival(&server, so_far));
        daemon.wait_for("current", ROUNDS + 1 + n + 1);
        more.push(peak_memory(daemon.pid()).saturating_sub(before) as f64 / 1e6);
        // The first is for the page cache.
        if n > 0 {
            ratios.push(ours / by_curl);
            rates.push((ours, by_curl));
        }
    }
    daemon.stop();
    if ratios.is_empty() {
        return;
    }
    let ours = median(&rates.iter().map(|rates| rates.0).collect::<Vec<_>>());
    let by_curl = median(&rates.iter().map(|rates| rates.1).collect::<Vec<_>>());
    let of = format!("{ours:.0} against {by_curl:.0} MB a second");
    let what = "a 1 GB audio file";
    bench.figures.add(what, "≥ 0.9 × curl's rate", AtLeast(0.9), median(&ratios), &of);
    let most = more.into_iter().fold(0.0, f64::max);
    bench.figures.add(what, "≤ 8 MB more memory", AtMost(8.0), most, "MB more, at the most");
}

/// Megabytes a second between the first byte and the last.
fn rate(arrival: Arrival) -> f64 {
    arrival.bytes as f64 / 1e6 / (arrival.last_byte - arrival.first_byte).as_secs_f64()
}

/// The first large one after so many deliveries: its report may follow it once more.
fn arrival(server: &Answering, so_far: usize) -> Arrival {
    let arrivals = (so_far..).map(|n| server.arrival(n, PATIENCE).expect("it arrives"));
    arrivals.into_iter().find(|arrival| arrival.bytes >= SIZE as u64).expect("there is no end")
}

/// Silence of so many bytes.
fn make(path: &Path) {
    let minute = mp3(60, 1);
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    for _ in 0..SIZE / minute.len() + 1 {
        file.write_all(&minute).expect("room for a gigabyte");
    }
    file.flush().expect("room for a gigabyte");
}

fn curl(file: &Path, server: &Answering) -> Result<Arrival, String> {
    let so_far = server.count();
    let status = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-H", &format!("X-INGEST-TOKEN: {TOKEN}")])
        .args(["-F", "video_id=x", "-F", &format!("audio=@{};type=audio/mpeg", file.display())])
        .arg(format!("{}/ingest/audio", server.url()))
        .status()
        .map_err(|_| "no curl here: apt install curl".to_owned())?;
    assert!(status.success(), "curl ended with {status}");
    Ok(arrival(server, so_far))
}
