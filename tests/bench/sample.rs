//! Order statistics of what was measured several times.

use std::time::Duration;

/// The value that so large a share of the values does not exceed, in `0.0..=1.0`.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = (share * (sorted.len() - 1) as f64).round() as usize;
    sorted[place]
}

/// The one in the middle: one slow round, when another had the machine, does not move it.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
