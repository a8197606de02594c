//! What is said to the service manager (sd_notify(3)). Without one, nothing is.

use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use sd_notify::{NotifyState, notify};
use tracing::{debug, warn};

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
