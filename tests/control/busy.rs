//! The status answers whatever else goes on.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::socket::status;
use crate::support::daemon::{Daemon, READY};
use crate::support::dashboard::{Fault, Rule};
use crate::support::stage::Stage;

/// How many files are taken in; `YTV2D_STATUS_FILES` says otherwise.
const FILES: usize = 5_000;

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
    took.sort();
    let of = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("{} answers: p50 {:?}, p99 {:?}, worst {:?}", took.len(), of(50), of(99), of(100));
    daemon.kill9();
}
