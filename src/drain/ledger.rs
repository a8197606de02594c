//! What a lane has done since the start: attempts by how they ended, and deliveries by how many,
//! how large and how fast.

use std::collections::BTreeMap;

use crate::delivery::{Amount, Latencies, Pace};
use crate::outbox::Ended;

/// The bounds of the latency's histogram, in seconds: from at once to a dashboard that was down for
/// a day.
pub const LATENCY_BOUNDS_S: [u64; 12] =
    [1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 43_200, 86_400];

/// See the module.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub attempts: BTreeMap<Ended, u64>,
    /// Everything that was acknowledged.
    pub delivered: Amount,
    /// How many of these were new to the target.
    pub created: u64,
    pub pace: Pace,
    pub latencies: Latencies,
    /// How many deliveries took as long as each of the bounds, and no longer; the last, longer than
    /// all of them.
    pub by_latency: [u64; LATENCY_BOUNDS_S.len() + 1],
    /// How long all deliveries together took, in milliseconds.
    pub latency_sum_ms: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            attempts: Ended::ALL.map(|ended| (ended, 0)).into(),
            delivered: Amount::default(),
            created: 0,
            pace: Pace::default(),
            latencies: Latencies::default(),
            by_latency: [0; LATENCY_BOUNDS_S.len() + 1],
            latency_sum_ms: 0,
        }
    }
}

impl Ledger {
    /// An attempt came to its end.
    pub fn ended(&mut self, ended: Ended) {
        *self.attempts.entry(ended).or_default() += 1;
    }

    /// What was acknowledged was new to the target.
    pub fn created(&mut self) {
        self.created += 1;
    }

    /// So many bytes were acknowledged, so long after their file had changed, where that is known.
    pub fn delivered(&mut self, bytes: u64, since_change_ms: Option<i64>, now_ms: i64) {
        self.delivered.add(bytes);
        self.pace.add(bytes, now_ms);
        let Some(took_ms) = since_change_ms else { return };
        // A file's time may lie in the future.
        let took_ms = u64::try_from(took_ms).unwrap_or(0);
        self.latencies.add(took_ms);
        let within = LATENCY_BOUNDS_S.iter().position(|bound| took_ms <= bound * 1000);
        self.by_latency[within.unwrap_or(LATENCY_BOUNDS_S.len())] += 1;
        self.latency_sum_ms += took_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_entered_under_the_time_that_it_took() {
        let mut ledger = Ledger::default();
        for (took_ms, place) in
            [(30_000, 4), (0, 0), (1000, 0), (1001, 1), (100_030_000, 12), (-1000, 0)]
        {
            let before = ledger.by_latency[place];
            ledger.delivered(7, Some(took_ms), 30_000);
            assert_eq!(ledger.by_latency[place], before + 1, "{took_ms}");
        }
        // What does not tell when it changed is counted all the same.
        ledger.delivered(7, None, 30_000);
        assert_eq!(ledger.delivered, Amount { count: 7, bytes: 49 });
        assert_eq!(ledger.latencies.quantiles().map(|l| (l.p50_ms, l.of)), Some((1000, 6)));
        assert_eq!(ledger.latency_sum_ms, 30_000 + 1000 + 1001 + 100_030_000);
    }
}
