//! How long deliveries take, from the change of a file to its acknowledgement.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// So many of the latest deliveries are looked at.
const KEPT: usize = 1000;

/// Quantiles, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    pub p50_ms: u64,
    pub p90_ms: u64,
    pub p99_ms: u64,
    /// How many deliveries they are of.
    pub of: usize,
}

/// The latest deliveries.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    ms: VecDeque<u64>,
}

impl Latencies {
    pub fn add(&mut self, ms: u64) {
        if self.ms.len() == KEPT {
            self.ms.pop_front();
        }
        self.ms.push_back(ms);
    }

    /// By the nearest rank; nothing before the first delivery.
    pub fn quantiles(&self) -> Option<Latency> {
        let mut sorted: Vec<u64> = self.ms.iter().copied().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| (sorted.len() * percent).div_ceil(100).checked_sub(1);
        let at = |percent| Some(sorted[rank(percent)?]);
        Some(Latency { p50_ms: at(50)?, p90_ms: at(90)?, p99_ms: at(99)?, of: sorted.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_latest_deliveries() {
        for (deliveries, expected) in [
            (0..0, None),
            (7..8, Some([7, 7, 7, 1])),
            (1..3, Some([1, 2, 2, 2])),
            (1..101, Some([50, 90, 99, 100])),
            (0..1000, Some([499, 899, 989, 1000])),
            // The first thousand is forgotten.
            (0..2000, Some([1499, 1899, 1989, 1000])),
        ] {
            let mut latencies = Latencies::default();
            deliveries.clone().for_each(|ms| latencies.add(ms));
            let found = latencies.quantiles().map(|l| [l.p50_ms, l.p90_ms, l.p99_ms, l.of as u64]);
            assert_eq!(found, expected, "{deliveries:?}");
        }
    }
}
