//! More events than the kernel keeps.

use std::fs;
use std::time::Duration;

use crate::machine::peak_memory;
use crate::support::fixtures::{Shape, report};
use crate::support::stage::{PATIENCE, Stage};

/// Each file makes at least four events, and the kernel keeps 16,384.
const FILES: usize = 10_000;
/// Set this to run the burst at its full size, 50,000.
const FILES_VARIABLE: &str = "YTV2D_TEST_BURST";
const MEMORY: u64 = 60 << 20;

#[test]
fn a_burst_that_the_kernel_cannot_keep_is_delivered_to_the_last_file_in_flat_memory() {
    let files = std::env::var(FILES_VARIABLE).map_or(FILES, |n| n.parse().expect(FILES_VARIABLE));
    let mut stage = Stage::new();
    stage.config.log_filter = "info,ytv2d::drain=warn".to_owned();
    stage.config = stage.config.with_toml("[ingest]\nparallel = 32");
    let daemon = stage.start();
    daemon.freeze();
    for n in 0..files {
        let report = report(Shape::Raw, n);
        fs::write(stage.config.report(&report.file_name), report.bytes()).unwrap();
    }
    daemon.thaw();
    // No timer leads to a look so soon.
    let mark = daemon.mark();
    daemon.wait_for_line(PATIENCE, |line| {
        line["message"].as_str().unwrap().contains("events were lost")
    });
    daemon.wait_for_line_after(mark, PATIENCE, |line| {
        line["message"] == "looked through" && line["root"] == "reports"
    });
    let status = stage.json(&["status"]);
    assert!(status["roots"][0]["overflows"].as_u64() >= Some(1), "{status}");
    let patience = PATIENCE + Duration::from_millis(10) * u32::try_from(files).unwrap();
    let all = stage.dashboard.wait_until(patience, |state| state.records().count() == files);
    let there = stage.dashboard.records().len();
    assert!(all, "{there} of {files}");
    let line = daemon.wait_for_line(PATIENCE, |line| {
        line["message"] == "looked through" && line["new"].as_u64() > Some(0)
    });
    assert_eq!(line["root"], "reports");
    let peak = peak_memory(daemon.pid());
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    daemon.stop();
}
