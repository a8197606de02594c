//! How long to wait after a failure.

use std::time::Duration;

use tokio_retry::strategy::ExponentialBackoff;

/// Doubling waits, from `first` to `max`, each shortened by chance down to its half, so that many
/// that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
}

impl Backoff {
    /// The wait after the n-th failure in a row, counted from 1, before chance shortens it.
    pub fn ceiling(&self, failures: u32) -> Duration {
        // The strategy's n-th value is base to the n-th times the factor; with base 2 that is twice
        // what we want at every step, and so is the cap.
        let factor = u64::try_from(self.first.as_millis()).unwrap_or(u64::MAX).max(1);
        let doubled = ExponentialBackoff::from_millis(2)
            .factor(factor)
            .max_delay(self.max.saturating_mul(2))
            .nth(failures.saturating_sub(1).min(64) as usize)
            .unwrap_or(self.max);
        doubled / 2
    }

    /// The wait after the n-th failure in a row. `jitter` shortens a duration by chance, as that of
    /// `tokio_retry::strategy` does; one half is always waited.
    pub fn wait(&self, failures: u32, jitter: impl FnOnce(Duration) -> Duration) -> Duration {
        let half = self.ceiling(failures) / 2;
        half + jitter(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(1), max: Duration::from_secs(300) };

    #[test]
    fn waits_double_from_the_first_to_the_longest() {
        let seconds: Vec<u64> = (1..=11).map(|n| BACKOFF.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(BACKOFF.ceiling(u32::MAX), BACKOFF.max);
        assert_eq!(BACKOFF.ceiling(0), BACKOFF.first);
    }

    #[test]
    fn chance_takes_at_most_half_of_a_wait() {
        for failures in 1..=12 {
            let ceiling = BACKOFF.ceiling(failures);
            for _ in 0..200 {
                let wait = BACKOFF.wait(failures, tokio_retry::strategy::jitter);
                assert!(wait >= ceiling / 2 && wait <= ceiling, "{wait:?} of {ceiling:?}");
            }
        }
    }

    #[test]
    fn odd_settings_still_give_a_wait() {
        let odd = Backoff { first: Duration::from_micros(10), max: Duration::from_secs(1) };
        assert_eq!(odd.ceiling(1), Duration::from_millis(1));
        let flat = Backoff { first: Duration::from_secs(7), max: Duration::from_secs(7) };
        assert_eq!(flat.ceiling(5), Duration::from_secs(7));
    }
}
