//! The nightly sample: a few ids, chosen by chance, at a quiet hour.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{NotVerified, Order, Verifier};
use crate::clock;
use crate::config::{Config, VerifyMode};
use crate::outbox::OutboxError;

/// The clock is looked at so often, since it may be set, and so may the hour.
const LOOK: Duration = Duration::from_secs(5);
/// So many steps may be told ahead; nobody hears them.
const AHEAD: usize = 64;

/// Verifies a sample every night until told to stop.
///
/// # Errors
/// Only those of the outbox.
pub async fn nightly(
    verifier: Verifier,
    settings: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) -> Result<(), OutboxError> {
    let mut looked = clock::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(LOOK) => {}
        }
        let (now, config) = (clock::now(), settings.borrow().clone());
        let since = std::mem::replace(&mut looked, now);
        let verify = config.verify;
        if verify.mode == VerifyMode::Off
            || !is_passed(verify.at, &config.watch.timezone, since, now)
        {
            continue;
        }
        let (tell, mut told) = mpsc::channel(AHEAD);
        let order = Order { sample: Some(verify.sample), fix: false };
        let unheard = async { while told.recv().await.is_some() {} };
        let verifying = async { tokio::join!(verifier.verify(order, tell), unheard).0 };
        let verified = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            verified = verifying => verified,
        };
        match verified {
            Ok(_) => {}
            Err(NotVerified::Outbox(error)) => return Err(error),
            Err(why) => warn!(%why, "the nightly verification came to nothing"),
        }
    }
}

/// Whether a time of the day came after one moment, and not after the other. A clock that was set
/// back brings none about.
fn is_passed(at: Time, zone: &TimeZone, since: Timestamp, now: Timestamp) -> bool {
    let now = now.to_zoned(zone.clone());
    let on = |day: &Zoned| day.date().to_datetime(at).to_zoned(zone.clone());
    let yesterday = now.checked_sub(1.day());
    let moments = [Some(now.clone()), yesterday.ok()].into_iter().flatten();
    let mut moments = moments.filter_map(|day| on(&day).ok()).map(|zoned| zoned.timestamp());
    moments.any(|moment| since < moment && moment <= now.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_comes_once_a_day_whatever_the_zone_says() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (time, since, now, passed) in [
            ("03:30", "2026-11-22T02:29:50Z", "2026-11-22T02:30:10Z", true),
            ("03:30", "2026-11-22T02:30:00Z", "2026-11-22T02:30:20Z", false),
            ("03:30", "2026-11-22T02:29:40Z", "2026-11-22T02:29:59Z", false),
            // Over midnight, and after a machine slept through it.
            ("23:59:50", "2026-11-22T22:59:45Z", "2026-11-22T23:00:05Z", true),
            ("03:30", "2026-11-21T20:00:00Z", "2026-11-22T07:00:00Z", true),
            // Set back.
            ("03:30", "2026-11-22T02:31:00Z", "2026-11-22T02:30:30Z", false),
            // An hour that the night of the change leaves out.
            ("02:30", "2026-03-29T00:29:50Z", "2026-03-29T01:30:10Z", true),
        ] {
            let time = time.parse().unwrap();
            assert_eq!(is_passed(time, &zone, at(since), at(now)), passed, "{time} {now}");
        }
    }
}
