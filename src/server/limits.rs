//! How long the ingest side waits and how much it takes.

use std::time::Duration;

use crate::listener::Bounds;

/// The bounds of one server. The defaults suit a small machine on a home network.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For a whole request head, counted from when the server is ready for it; so it is also how
    /// long a kept-alive connection may idle.
    pub head: Duration,
    /// For the next piece of a body.
    pub body: Duration,
    /// For the client to take any of what is written to it.
    pub write: Duration,
    /// For requests in flight when the server is told to stop.
    pub stop: Duration,
    /// Connections at a time; those beyond are answered 503.
    pub connections: usize,
    /// Connections at a time that follow the events, and so take up a connection for long.
    pub event_streams: usize,
    /// One report's body, after decompression, in bytes.
    pub report_bytes: usize,
    /// All report bodies in memory at a time, in bytes.
    pub reports_bytes: usize,
    /// One audio request's parts together, in bytes.
    pub audio_bytes: u64,
}

impl Limits {
    /// Those of the connections.
    pub(super) fn bounds(&self) -> Bounds {
        let Self { head, write, stop, connections, .. } = *self;
        // Everybody comes through one proxy, where there is one.
        Bounds { head, write, stop, connections, per_host: connections }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            body: Duration::from_secs(30),
            write: Duration::from_secs(60),
            stop: Duration::from_secs(10),
            connections: 128,
            event_streams: 64,
            report_bytes: 16 << 20,
            reports_bytes: 64 << 20,
            audio_bytes: 4 << 30,
        }
    }
}
