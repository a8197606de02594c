//! The nightly sample: a few ids, chosen by chance, at a quiet hour.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{NotVerified, Order, Verifier};
use crate::clock;
use crate::config::{Config, VerifyMode};
use crate::outbox::OutboxError;

/// The clock is looked at so often before the hour comes, since it may be set.
const LOOK: Duration = Duration::from_secs(60);
/// So many steps may be told ahead; nobody hears them.
const AHEAD: usize = 64;

/// Verifies a sample every night until told to stop.
///
/// # Errors
/// Only those of the outbox.
pub async fn nightly(
    verifier: Verifier,
    mut settings: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) -> Result<(), OutboxError> {
    let mut looked = clock::now();
    loop {
        let config = settings.borrow_and_update().clone();
        let (verify, zone) = (config.verify, &config.watch.timezone);
        if verify.mode == VerifyMode::Off {
            // Only a reload changes that.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Ok(()) = settings.changed() => {}
            }
            looked = clock::now();
            continue;
        }
        let wait = until(verify.at, zone, clock::now()).map_or(LOOK, |wait| wait.min(LOOK));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Ok(()) = settings.changed() => continue,
            () = sleep(wait) => {}
        }
        let now = clock::now();
        let since = std::mem::replace(&mut looked, now);
        if !is_passed(verify.at, zone, since, now) {
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
    let days = [Some(now.date()), now.date().yesterday().ok()].into_iter().flatten();
    let mut moments = days.filter_map(|day| on(day, at, zone));
    moments.any(|moment| since < moment && moment <= now.timestamp())
}

/// How long it is until a time of the day comes.
fn until(at: Time, zone: &TimeZone, now: Timestamp) -> Option<Duration> {
    let today = now.to_zoned(zone.clone()).date();
    let days = [Some(today), today.tomorrow().ok()].into_iter().flatten();
    let mut moments = days.filter_map(|day| on(day, at, zone));
    let next = moments.find(|moment| now < *moment)?;
    Duration::try_from(next.duration_since(now)).ok()
}

fn on(day: Date, at: Time, zone: &TimeZone) -> Option<Timestamp> {
    day.to_datetime(at).to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
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

    #[test]
    fn the_hour_is_waited_for_today_or_tomorrow() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (time, now, seconds) in [
            ("03:30", "2026-11-22T02:29:50Z", 10),
            ("03:30", "2026-11-22T02:30:00Z", 24 * 3600),
            ("00:00:05", "2026-11-22T22:59:55Z", 10),
            // The night of the change is an hour shorter.
            ("03:30", "2026-03-28T02:30:00Z", 23 * 3600),
        ] {
            let wait = until(time.parse().unwrap(), &zone, now.parse().unwrap());
            assert_eq!(wait, Some(Duration::from_secs(seconds)), "{time} {now}");
        }
    }
}
