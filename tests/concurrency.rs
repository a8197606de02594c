//! A target that has too much is given less, and more again once it bears that.

mod support;

use std::time::Instant;

use serde_json::{Value, json};

use support::dashboard::{Fault, Rule};
use support::fixtures::{self, Shape};
use support::stage::{PATIENCE, Stage};

/// Asks for the status until the target's requests are as they should be.
#[track_caller]
fn wait_for(stage: &Stage, what: &str, is_so: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let status = stage.json(&["status"]);
        let concurrency = &status["targets"][0]["concurrency"];
        if is_so(concurrency) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "in vain, {what}: {concurrency}");
    }
}

#[test]
fn a_target_that_has_too_much_is_given_half_and_then_more_as_it_bears_it() {
    for status in [429, 503] {
        let mut stage = Stage::new();
        stage.config = stage.config.with_toml("[ingest]\nparallel = 4");
        let dashboard = &stage.dashboard;
        // Two are slow, and with them there it takes no third.
        let crowded = Rule::new(Fault::status(status)).reports().above(2).named("crowded");
        let crowded = dashboard.inject(crowded);
        dashboard.inject(Rule::new(Fault::HoldThenRelease).reports().times(2));
        let reports: Vec<_> = (0..60).map(|n| fixtures::report(Shape::IngestReady, n)).collect();
        reports.iter().for_each(|report| stage.put(report));
        let daemon = stage.start();
        let halved = json!({ "now": 2, "limit": 2, "most": 4 });
        wait_for(&stage, "half as many", |concurrency| *concurrency == halved);
        let refused = dashboard.fired("crowded");
        assert!((1..=2).contains(&refused), "{refused} were refused");
        dashboard.remove(crowded);
        dashboard.release();
        reports.iter().for_each(|report| drop(stage.holds(report)));
        wait_for(&stage, "all the room again", |concurrency| concurrency["limit"] == 4);
        assert_eq!(stage.json(&["list", "--state", "parked"]), json!([]));
        assert_eq!(dashboard.max_in_flight_per_id(), 1);
        daemon.stop();
    }
}
