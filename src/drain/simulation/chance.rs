//! Chance that can be had again: a seed gives the same numbers every time (SplitMix64).

use std::cell::Cell;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

thread_local! {
    static JITTER: Cell<u64> = const { Cell::new(0) };
}

/// Begins the sequence of jitters of this thread anew.
pub fn seed_jitter(seed: u64) {
    JITTER.set(seed);
}

/// What shortens waits, as `tokio_retry::strategy::jitter` does, but the same every time.
pub fn jitter(wait: Duration) -> Duration {
    let mut chance = Chance(JITTER.get());
    let permille = chance.below(1001) as u32;
    JITTER.set(chance.0);
    wait * permille / 1000
}
