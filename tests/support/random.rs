//! Chance that can be had again: a generator with a seed, which every test that uses it prints.

use std::ops::Range;
use std::time::{Duration, SystemTime};

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// Seeded by `YTV2D_SEED`, or by the time. It says with what.
    pub fn from_environment(test: &str) -> Self {
        let given = std::env::var("YTV2D_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap_or_default().as_nanos() as u64
        });
        println!("{test}: YTV2D_SEED={seed}");
        Self(seed)
    }

    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn in_range(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.in_range(range.start * 1000..range.end * 1000))
    }
}
