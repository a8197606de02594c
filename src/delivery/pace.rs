//! How much is delivered: the amounts of the last minute, hour and day, and how that went from
//! minute to minute.

use serde::{Deserialize, Serialize};

/// Seconds that are told apart.
const SECONDS: usize = 60;
/// Minutes that are told apart.
const MINUTES: usize = 24 * 60;

/// How many deliveries, and how many bytes were in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub count: u64,
    pub bytes: u64,
}

impl Amount {
    /// Adds a delivery.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What was delivered of late. Times are milliseconds since 1970, and may jump.
#[derive(Clone, Debug)]
pub struct Pace {
    seconds: Ring,
    minutes: Ring,
}

impl Default for Pace {
    fn default() -> Self {
        Self { seconds: Ring::new(1000, SECONDS), minutes: Ring::new(60_000, MINUTES) }
    }
}

impl Pace {
    pub fn add(&mut self, bytes: u64, now_ms: i64) {
        self.seconds.add(bytes, now_ms);
        self.minutes.add(bytes, now_ms);
    }

    pub fn minute(&self, now_ms: i64) -> Amount {
        self.seconds.last(SECONDS, now_ms)
    }

    /// To a minute.
    pub fn hour(&self, now_ms: i64) -> Amount {
        self.minutes.last(60, now_ms)
    }

    /// To a minute.
    pub fn day(&self, now_ms: i64) -> Amount {
        self.minutes.last(MINUTES, now_ms)
    }

    /// How many deliveries in each of the last minutes, the present one last.
    pub fn per_minute(&self, minutes: usize, now_ms: i64) -> Vec<u64> {
        let tick = self.minutes.tick(now_ms);
        (0..minutes as i64).rev().map(|ago| self.minutes.at(tick - ago).count).collect()
    }
}

/// The amounts of the last so many units of time, each in a slot that says which unit it is of.
#[derive(Clone, Debug)]
struct Ring {
    unit_ms: i64,
    slots: Vec<(i64, Amount)>,
    latest: i64,
}

impl Ring {
    fn new(unit_ms: i64, slots: usize) -> Self {
        Self { unit_ms, slots: vec![(i64::MIN, Amount::default()); slots], latest: i64::MIN }
    }

    fn tick(&self, now_ms: i64) -> i64 {
        now_ms.div_euclid(self.unit_ms)
    }

    fn slot(&self, tick: i64) -> usize {
        tick.rem_euclid(self.slots.len() as i64) as usize
    }

    fn add(&mut self, bytes: u64, now_ms: i64) {
        let tick = self.tick(now_ms);
        if tick < self.latest {
            // The clock was set back. What it said before is not to count once it says so again.
            self.slots.iter_mut().filter(|slot| slot.0 > tick).for_each(|slot| slot.0 = i64::MIN);
        }
        self.latest = tick;
        let slot = self.slot(tick);
        if self.slots[slot].0 != tick {
            self.slots[slot] = (tick, Amount::default());
        }
        self.slots[slot].1.add(bytes);
    }

    fn at(&self, tick: i64) -> Amount {
        let (of, amount) = self.slots[self.slot(tick)];
        if of == tick { amount } else { Amount::default() }
    }

    fn last(&self, units: usize, now_ms: i64) -> Amount {
        let tick = self.tick(now_ms);
        (0..units as i64).map(|ago| self.at(tick - ago)).fold(Amount::default(), |sum, amount| {
            Amount { count: sum.count + amount.count, bytes: sum.bytes + amount.bytes }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1000;
    const M: i64 = 60 * S;
    const H: i64 = 60 * M;

    /// The deliveries of a minute, an hour and a day at a moment, of some at others.
    fn at(now: i64, deliveries: &[i64]) -> [u64; 3] {
        let mut pace = Pace::default();
        for at in deliveries {
            pace.add(10, *at);
        }
        [pace.minute(now), pace.hour(now), pace.day(now)].map(|amount| {
            assert_eq!(amount.bytes, amount.count * 10);
            amount.count
        })
    }

    #[test]
    fn amounts_leave_the_minute_the_hour_and_the_day_as_time_passes() {
        for (now, deliveries, amounts) in [
            (0, [].as_slice(), [0, 0, 0]),
            (S, &[0, 1, S], [3, 3, 3]),
            (59 * S + 999, &[0], [1, 1, 1]),
            (60 * S, &[0], [0, 1, 1]),
            (H - 1, &[0], [0, 1, 1]),
            (H, &[0], [0, 0, 1]),
            (24 * H - 1, &[0], [0, 0, 1]),
            (24 * H, &[0], [0, 0, 0]),
            // The rings have gone round.
            (48 * H, &[0, 24 * H, 48 * H - 2 * M, 48 * H], [1, 2, 2]),
            // The clock was set back by an hour: what it will say again is forgotten.
            (H, &[2 * H, H], [1, 1, 1]),
            (2 * H, &[2 * H, H], [0, 0, 1]),
            // The same, and nothing was delivered since: the future is no past.
            (H, &[2 * H], [0, 0, 0]),
            (-5 * S, &[-6 * S], [1, 1, 1]),
        ] {
            assert_eq!(at(now, deliveries), amounts, "{deliveries:?} at {now}");
        }
    }

    #[test]
    fn each_minute_has_its_own_count() {
        let mut pace = Pace::default();
        for at in [0, 30 * S, M, 3 * M, 3 * M + 1, 3 * M + 2] {
            pace.add(1, at);
        }
        assert_eq!(pace.per_minute(5, 3 * M), [0, 2, 1, 0, 3]);
        assert_eq!(pace.per_minute(2, 4 * M), [3, 0]);
    }
}
