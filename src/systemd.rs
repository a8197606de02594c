//! What is said to the service manager (sd_notify(3)). Without one, nothing is.

use sd_notify::{NotifyState, notify};
use tracing::debug;

/// The service has started: everything that it promises from the start, it does.
pub fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// How things are, in one line.
pub fn status(status: &str) {
    say(&[NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] ends it.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        say(&[NotifyState::Reloading, now]);
    }
}

/// The service is on its way out.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        debug!(%error, "the service manager could not be told");
    }
}
