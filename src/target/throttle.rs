//! Keeps all audio together below a rate that may change with the time of the day. Reports are
//! counted, and never wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::Instant;

use crate::clock;
use crate::config::Timetable;

/// The most that one turn may send, in time: whoever shares the line waits no longer for it.
const TURN: f64 = 0.25;
/// How far reports may get ahead of the rate before audio waits no longer for them.
const AHEAD: Duration = Duration::from_secs(1);

/// A rate that is kept by all who hold a clone.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    timetable: Timetable,
    zone: Option<TimeZone>,
    line: Line,
}

/// When the line is free again, at the rate that is kept.
#[derive(Debug, Default)]
struct Line {
    free_at: Option<Instant>,
}

impl Line {
    /// Takes the line for so many bytes, and says from when on they may go.
    fn take(&mut self, bytes: usize, rate: u64, now: Instant) -> Instant {
        let from = self.free_at.map_or(now, |at| at.max(now));
        self.free_at = Some(from + duration(bytes, rate));
        from
    }

    /// Counts bytes that go at once.
    fn count(&mut self, bytes: usize, rate: u64, now: Instant) {
        self.take(bytes, rate, now);
        self.free_at = self.free_at.map(|at| at.min(now + AHEAD));
    }
}

fn duration(bytes: usize, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64)
}

impl Throttle {
    /// Keeps to another timetable from now on.
    pub fn set(&self, timetable: &Timetable, zone: &TimeZone) {
        let mut shared = self.lock();
        shared.timetable = timetable.clone();
        shared.zone = Some(zone.clone());
        // What waits for a rate of before waits for one turn at the most.
        shared.line = Line::default();
    }

    /// How many of `most` bytes to send in one turn.
    pub fn turn(&self, most: usize) -> usize {
        match self.lock().rate() {
            None => most,
            Some(rate) => most.min((rate as f64 * TURN) as usize).max(1),
        }
    }

    /// Waits until so many bytes may go. `still_waiting` is called every now and then.
    pub async fn wait(&self, bytes: usize, still_waiting: impl Fn()) {
        let from = {
            let mut shared = self.lock();
            let Some(rate) = shared.rate() else { return };
            shared.line.take(bytes, rate, Instant::now())
        };
        while Instant::now() < from {
            let turn = Instant::now() + Duration::from_secs_f64(TURN);
            tokio::time::sleep_until(from.min(turn)).await;
            still_waiting();
        }
    }

    /// Counts bytes of a report, which go at once.
    pub fn count(&self, bytes: usize) {
        let mut shared = self.lock();
        if let Some(rate) = shared.rate() {
            shared.line.count(bytes, rate, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Bytes a second at this time of the day.
    fn rate(&self) -> Option<u64> {
        let zone = self.zone.as_ref()?;
        self.timetable.rate_at(clock::now().to_zoned(zone.clone()).time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(text: &str) -> Throttle {
        let throttle = Throttle::default();
        throttle.set(&text.parse().unwrap(), &TimeZone::UTC);
        throttle
    }

    /// Sends so many bytes, and says how many seconds that took.
    async fn send(throttle: &Throttle, bytes: usize) -> f64 {
        let (mut left, began) = (bytes, Instant::now());
        while left > 0 {
            let turn = throttle.turn(left.min(65_536));
            throttle.wait(turn, || {}).await;
            left -= turn;
        }
        began.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_whoever_shares_it() {
        let throttle = throttle("100kB/s");
        let alone = send(&throttle, 1_000_000).await;
        assert!((9.7..=10.1).contains(&alone), "{alone}");
        let (one, two) = tokio::join!(send(&throttle, 1_000_000), send(&throttle, 1_000_000));
        let slower = one.max(two);
        assert!((19.4..=20.6).contains(&slower), "{one} {two}");
        assert!((one - two).abs() < 1.0, "{one} {two}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        assert_eq!(send(&throttle("off"), 100_000_000).await, 0.0);
        assert_eq!(send(&Throttle::default(), 100_000_000).await, 0.0);
        assert_eq!(throttle("off").turn(65_536), 65_536);
    }

    #[tokio::test(start_paused = true)]
    async fn another_rate_counts_from_the_next_turn_on() {
        let throttle = throttle("1kB/s");
        let sending = {
            let throttle = throttle.clone();
            tokio::spawn(async move { send(&throttle, 1_000_000).await })
        };
        tokio::time::sleep(Duration::from_secs(60)).await;
        throttle.set(&"off".parse().unwrap(), &TimeZone::UTC);
        let took = sending.await.unwrap();
        assert!((60.0..=60.6).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_short_and_who_waits_is_heard_of() {
        use std::cell::Cell;
        let throttle = throttle("1kB/s");
        assert_eq!(throttle.turn(65_536), 250);
        throttle.count(1_000_000);
        let (heard, began) = (Cell::new(0), Instant::now());
        throttle.wait(250, || heard.set(heard.get() + 1)).await;
        // Reports went at once, and what they took is not made up for without end.
        assert_eq!(began.elapsed(), AHEAD);
        assert!(heard.get() >= 4);
    }
}
