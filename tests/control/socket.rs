//! Asks the socket of a daemon.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::http::{Reply, exchange_at, request};
use crate::support::stage::{PATIENCE, Stage};

/// Asks a route, and gives the answer.
#[track_caller]
pub fn ask(socket: &Path, target: &str) -> Reply {
    let request = request("GET", target, &[("Connection", "close")], b"");
    exchange_at(socket, &request).expect("an answer")
}

#[track_caller]
pub fn status(stage: &Stage) -> Value {
    let reply = ask(&stage.config.socket(), "/status");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Asks for the status until something holds of it.
#[track_caller]
pub fn status_when(stage: &Stage, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let status = status(stage);
        if holds(&status) {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "in vain: {what}: {status:#}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One who listens to what happens.
pub struct Listener {
    lines: BufReader<UnixStream>,
}

/// An event as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub id: u64,
    pub event: String,
    pub data: Value,
}

impl Listener {
    /// HTTP/1.0, so that nothing but the events themselves comes.
    pub fn new(socket: &Path, target: &str, headers: &str) -> Self {
        let mut stream = UnixStream::connect(socket).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        write!(stream, "GET {target} HTTP/1.0\r\nHost: ytv2d\r\n{headers}\r\n").expect("a request");
        let mut listener = Self { lines: BufReader::new(stream) };
        let head: Vec<String> =
            std::iter::from_fn(|| listener.line().filter(|l| !l.is_empty())).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.contains(&"content-type: text/event-stream".to_owned()), "{head:?}");
        listener
    }

    /// The next event; nothing at the end.
    pub fn next(&mut self) -> Option<Heard> {
        let mut heard = Heard { id: 0, event: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", id)) => heard.id = id.parse().expect("a number"),
                Some(("event", event)) => heard.event = event.to_owned(),
                Some(("data", data)) => heard.data = serde_json::from_str(data).expect("JSON"),
                _ if line.is_empty() && !heard.event.is_empty() => return Some(heard),
                // A comment, which says that the connection lives.
                _ => assert!(line.is_empty() || line.starts_with(':'), "{line:?}"),
            }
        }
    }

    /// Listens until an event of this kind has come.
    #[track_caller]
    pub fn until(&mut self, event: &str) -> Heard {
        loop {
            match self.next() {
                Some(heard) if heard.event == event => return heard,
                Some(_) => {}
                None => panic!("the end came before any {event}"),
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("a line in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }
}
