//! Lines of the log as entries of systemd's journal, with the fields of an event as fields of the
//! entry: `journalctl YTV2D_ID=aB-3_xY9zQk`.
//!
//! Not `tracing-journald`: its message is the constant text alone, so that `journalctl -f` would
//! show "delivered" and not what.

use std::fmt::{Debug, Write};
use std::io;
use std::os::unix::net::UnixDatagram;

use rustix::fs::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Where the journal takes entries (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const SOCKET: &str = "/run/systemd/journal/socket";
/// Before the names of our fields, so that they are nobody else's.
const PREFIX: &str = "YTV2D_";

/// The way to the journal.
pub struct Journald(UnixDatagram);

impl Journald {
    /// The journal, if it is what standard error leads to: `stream` is `$JOURNAL_STREAM`, the number
    /// of a device and of an inode (systemd.exec(5)).
    pub fn behind_stderr(stream: &str) -> Option<Self> {
        let stderr = fstat(io::stderr()).ok()?;
        if !leads_to(stream, stderr.st_dev, stderr.st_ino) {
            return None;
        }
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(SOCKET).ok()?;
        Some(Self(socket))
    }

    fn send(&self, entry: &Entry, level: Level) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(256);
        put(&mut bytes, "PRIORITY", priority(level));
        put(&mut bytes, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        put(&mut bytes, "MESSAGE", &entry.line);
        for (name, value) in &entry.fields {
            put(&mut bytes, name, value);
        }
        self.0.send(&bytes).map(drop)
    }
}

impl<S: Subscriber> Layer<S> for Journald {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        if self.send(&entry, *event.metadata().level()).is_err() {
            // Too long for a datagram, or the journal is being restarted: the stream takes it.
            eprintln!("{}", entry.line);
        }
    }
}

/// Whether a stream of the journal is this file.
fn leads_to(stream: &str, device: u64, inode: u64) -> bool {
    let numbers = stream.split_once(':').map(|(one, other)| (one.parse(), other.parse()));
    numbers == Some((Ok(device), Ok(inode)))
}

/// As syslog counts.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// Adds a field: its length goes before a value that may have several lines.
fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend(name.as_bytes());
    bytes.push(b'\n');
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value.as_bytes());
    bytes.push(b'\n');
}

/// What an event says: for a person in one line, and field by field.
#[derive(Default)]
struct Entry {
    line: String,
    fields: Vec<(String, String)>,
}

impl Entry {
    fn add(&mut self, field: &Field, value: String) {
        // Nothing that a file's name or a server's answer holds may end the line, or move a cursor.
        let plain: String = value
            .chars()
            .flat_map(|c| {
                let escaped = c.is_control().then(|| c.escape_default());
                let as_is = escaped.is_none().then_some(c);
                escaped.into_iter().flatten().chain(as_is)
            })
            .collect();
        if field.name() == "message" {
            self.line.insert_str(0, &plain);
            return;
        }
        let _infallible = write!(self.line, " {}={plain}", field.name());
        let name: String = field
            .name()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        self.fields.push((format!("{PREFIX}{name}"), value));
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_stream_is_known_by_its_device_and_inode() {
        for (stream, leads) in
            [("5:7", true), ("5:8", false), ("4:7", false), ("5", false), ("", false), (":", false)]
        {
            assert_eq!(leads_to(stream, 5, 7), leads, "{stream}");
        }
        assert!(Journald::behind_stderr("0:0").is_none());
    }

    /// The fields of an entry, as the journal reads them.
    fn parse(mut bytes: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let name = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let (length, rest) = bytes[end + 1..].split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            fields.push((name, String::from_utf8(rest[..length].to_vec()).unwrap()));
            assert_eq!(rest[length], b'\n');
            bytes = &rest[length + 1..];
        }
        fields
    }

    #[test]
    fn an_event_is_a_line_for_people_and_fields_for_programs() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let subscriber = tracing_subscriber::registry().with(Journald(ours));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(id = "aB-3_xY9zQk", file = %"a\nMESSAGE=b\u{1b}[2J", bytes = 7, "delivered");
        });
        let mut buffer = [0; 4096];
        let read = theirs.recv(&mut buffer).unwrap();
        let expected = [
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "ytv2d"),
            ("MESSAGE", "delivered id=aB-3_xY9zQk file=a\\nMESSAGE=b\\u{1b}[2J bytes=7"),
            ("YTV2D_ID", "aB-3_xY9zQk"),
            ("YTV2D_FILE", "a\nMESSAGE=b\u{1b}[2J"),
            ("YTV2D_BYTES", "7"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(&buffer[..read]), expected);
    }
}
