//! The status answers whatever else goes on.

use std::io::Write;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::socket::{status, status_when};
use crate::support::daemon::{Daemon, READY};
use crate::support::dashboard::{Fault, Rule};
use crate::support::stage::Stage;

/// How many files are taken in; `YTV2D_STATUS_FILES` says otherwise.
const FILES: usize = 20_000;

fn files() -> usize {
    std::env::var("YTV2D_STATUS_FILES").map_or(FILES, |text| text.parse().expect("a number"))
}

/// The smallest report that there is.
fn tiny(n: usize) -> Value {
    json!({
        "video_id": format!("{n:011}"),
        "title": "t",
        "summary": "s",
        "summary_type": "comprehensive",
        "summary_text": "s",
    })
}

#[test]
fn the_status_answers_while_files_are_looked_through_and_an_upload_hangs() {
    let (stage, count) = (Stage::new(), files());
    for n in 0..count {
        std::fs::write(stage.config.report(&format!("{n}.json")), tiny(n).to_string()).unwrap();
    }
    stage.dashboard.inject(Rule::new(Fault::HoldThenRelease).reports());
    let daemon = Daemon::start(&stage.config);
    daemon.wait_for_line(READY, |_| stage.config.socket().exists());
    let (mut took, mut early, mut before) = (Vec::new(), 0, Timestamp::UNIX_EPOCH);
    let last = loop {
        let asked = std::time::Instant::now();
        let status = status(&stage);
        took.push(asked.elapsed());
        let counted_at: Timestamp =
            status["outbox"]["counted_at"].as_str().unwrap().parse().unwrap();
        assert!(counted_at >= before, "{counted_at} after {before}");
        before = counted_at;
        if status["ready"] == true {
            break status;
        }
        early += usize::from(status["roots"][0]["files"].as_u64() < Some(count as u64));
    };
    assert!(early > 0, "the look through was over before anybody asked");
    let counts = &last["targets"][0]["counts"];
    assert_eq!(last["roots"][0]["files"], count);
    assert_eq!(
        counts["due"].as_u64().unwrap() + counts["in_flight"].as_u64().unwrap(),
        count as u64
    );
    assert_eq!(counts["in_flight"], last["targets"][0]["in_flight"].as_array().unwrap().len());
    // For whoever wants to know; how long an answer takes is the machine's affair too.
    took.sort();
    let of = |permille: usize| took[(took.len() - 1) * permille / 1000];
    println!(
        "{} answers: p50 {:?}, p99 {:?}, p99.9 {:?}, worst {:?}",
        took.len(),
        of(500),
        of(990),
        of(999),
        of(1000)
    );
    daemon.kill9();
}

#[test]
fn while_the_outbox_hangs_on_a_slow_disk_the_last_counts_are_told() {
    let mut stage = Stage::new();
    let trace = stage.config.path().join("trace").to_str().unwrap().to_owned();
    let words =
        "strace -f -qq -e trace=fsync,fdatasync -e inject=fsync,fdatasync:delay_exit=500000 -o";
    let mut wrapper: Vec<String> = words.split(' ').map(str::to_owned).collect();
    wrapper.push(trace);
    let can = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        // Past the harness, which keeps what passing tests print to itself.
        let _ = writeln!(std::io::stderr(), "skipped: a slow disk: there is no strace");
        return;
    }
    stage.config.wrapper = wrapper;
    let _daemon = stage.start();
    let counted = |status: &Value| status["outbox"]["counted_at"].clone();
    let mut reports = 0;
    let stale = loop {
        stage.put_json(&format!("{reports}.json"), &tiny(reports));
        reports += 1;
        assert!(reports < 1000, "the disk is not slow");
        let (before, after) = (status(&stage), status(&stage));
        if counted(&before) == counted(&after) {
            break after;
        }
    };
    assert!(stale["roots"][0]["files"].as_u64() <= Some(reports as u64));
    let caught_up = status_when(&stage, "newer counts", |status| {
        counted(status) != counted(&stale) && status["roots"][0]["files"] == reports
    });
    assert_eq!(caught_up["roots"][0]["seen"], true);
}
