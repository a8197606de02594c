//! Reads the server-sent events of the daemon (HTML living standard, "Server-sent events").

use std::collections::VecDeque;

use reqwest::Response;

use super::lines::Lines;
use crate::journal::Event;

/// What happens at the daemon, one after the other.
#[derive(Debug)]
pub struct Events {
    response: Response,
    lines: Lines,
    data: String,
    ready: VecDeque<Event>,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        Self { response, lines: Lines::default(), data: String::new(), ready: VecDeque::new() }
    }

    /// The next event; nothing once the daemon has closed the stream or is gone. May be dropped
    /// while it waits, and asked again.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            for line in self.lines.feed(&chunk)? {
                self.ready.extend(take(&mut self.data, &line));
            }
        }
    }
}

/// Takes in a line; an empty one ends an event. The data says everything, its id included, and
/// what is not understood is of a newer daemon and passed over.
fn take(data: &mut String, line: &str) -> Option<Event> {
    if line.is_empty() {
        return serde_json::from_str(&std::mem::take(data)).ok();
    }
    if let Some(text) = line.strip_prefix("data:") {
        data.push_str(text);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Happening, News};

    /// What comes out of a stream that arrives in pieces of this many bytes.
    fn read(text: &str, piece: usize) -> Vec<Event> {
        let (mut lines, mut data, mut events) = (Lines::default(), String::new(), Vec::new());
        for chunk in text.as_bytes().chunks(piece) {
            for line in lines.feed(chunk).unwrap() {
                events.extend(take(&mut data, &line));
            }
        }
        events
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let event = Event {
            id: 7,
            at: jiff::Timestamp::UNIX_EPOCH,
            news: News { words: Some("naïve 文".to_owned()), ..News::new(Happening::Parked) },
        };
        let json = serde_json::to_string(&event).unwrap();
        let text = format!(
            ": alive\n\nid: 7\nevent: parked\ndata: {json}\n\nevent: odd\ndata: {{}}\n\nid: 7\r\n\
             data:{json}\r\n\r\ndata: {json}\n"
        );
        for piece in [1, 2, 3, 5, 1000] {
            assert_eq!(read(&text, piece), [event.clone(), event.clone()], "{piece}");
        }
    }
}
