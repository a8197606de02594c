//! What is said to the service manager (sd_notify(3)), and what it hands over. Without one, nothing
//! is.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use tracing::{debug, warn};

/// As much of a status as fits on a line of `systemctl status`, in characters.
const STATUS_MAX: usize = 400;

/// The unix socket that systemd has opened for us (sd_listen_fds(3)); nothing when it did not.
pub fn passed_socket() -> Option<UnixListener> {
    let mut passed = ListenFd::from_env();
    match passed.take_unix_listener(0) {
        Ok(socket) => socket,
        Err(error) => {
            warn!(%error, "systemd passed something else than a listening unix socket");
            None
        }
    }
}

/// Whether a service manager listens to what is said.
pub fn listens() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The service has started: everything that it promises from the start, it does.
pub fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// How things are.
pub fn status(status: &str) {
    say(&[NotifyState::Status(&one_line(status))]);
}

/// The start takes longer, by as much from now on.
pub fn starting(longer: Duration) {
    say(&[NotifyState::ExtendTimeoutUsec(u32::try_from(longer.as_micros()).unwrap_or(u32::MAX))]);
}

/// The configuration is being read again; [`ready`] ends it. The time tells two reloads apart, and
/// counts only beside the word (systemd 253).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the service manager could not be told"),
    }
}

/// The service is on its way out.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// How long the service manager waits for [`alive`] before it starts the service anew; nothing when
/// it does not.
pub fn watchdog() -> Option<Duration> {
    watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// The service does what it is there for.
pub fn alive() {
    say(&[NotifyState::Watchdog]);
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        debug!(%error, "the service manager could not be told");
    }
}

/// A line of a datagram is a message of its own: what a status quotes must not become one.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(STATUS_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line_whatever_it_quotes() {
        assert_eq!(
            one_line("down: said\nWATCHDOG=trigger\r\u{1b}[2J"),
            "down: said WATCHDOG=trigger  [2J"
        );
        assert_eq!(one_line(&"ü".repeat(1000)).chars().count(), STATUS_MAX);
    }
}
