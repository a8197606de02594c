//! Directories of so many small reports that a daemon has delivered all of, for the rows about what
//! is known. They are made by a burst, which is a row of its own.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::answering::Answering;
use crate::corpus;
use crate::process::peak_memory;
use crate::subject::{self, Subject};
use crate::support::daemon::Config;

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a burst left behind.
pub struct Delivered {
    pub config: Config,
    pub server: Answering,
    /// From the first file to the last acknowledgement.
    pub took: Duration,
    /// The most memory that the daemon held meanwhile, in bytes.
    pub peak: u64,
}

/// Those that were made so far, by the number of their files.
#[derive(Default)]
pub struct Known(BTreeMap<usize, Delivered>);

impl Known {
    pub fn of(&mut self, files: usize) -> &mut Delivered {
        self.0.entry(files).or_insert_with(|| burst(files))
    }
}

/// Has a daemon that runs find so many files in its directory, as fast as they can be moved there.
fn burst(files: usize) -> Delivered {
    let server = Answering::start();
    let config = subject::config(&server.url());
    let aside = config.path().join("aside");
    fs::create_dir(&aside).expect("a directory");
    let paths = corpus::write(&aside, 0..files, corpus::small);
    let daemon = Subject::start(&config);
    let began = Instant::now();
    for path in paths {
        let name = path.file_name().expect("a file has a name");
        fs::rename(&path, config.reports().join(name)).expect("it can be moved");
    }
    server.arrival(files - 1, PATIENCE).expect("all of them arrive");
    daemon.wait_for("current", files);
    let (took, peak) = (began.elapsed(), peak_memory(daemon.pid()));
    daemon.stop();
    assert_eq!(server.count(), files, "each of them arrives once");
    Delivered { config, server, took, peak }
}
