//! A raw HTTP client, which sends exactly what it is told and shows exactly what came back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for a server that should answer at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back until the server closed.
#[derive(Clone, Debug)]
pub struct Reply {
    /// "HTTP/1.0 200 OK"
    pub status_line: String,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends bytes on a new connection and reads until it is closed. An error is a reset, or an end
/// before a whole head.
pub fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Reply> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    converse(stream, request)
}

/// The same through a unix socket.
pub fn exchange_at(socket: &Path, request: &[u8]) -> io::Result<Reply> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    converse(stream, request)
}

fn converse(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Reply> {
    // A server may answer and close before it has read all; its answer is still to be read.
    let written = stream.write_all(request);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    if bytes.is_empty() {
        written?;
        read?;
    }
    parse(&bytes).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A request with a token, a body and its Content-Length, if there is a body.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: dashboard\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// The Content-Type and the body of an audio upload.
pub fn multipart(video_id: &str, audio: &[u8]) -> (&'static str, Vec<u8>) {
    let mut body = format!(
        "--frontier\r\nContent-Disposition: form-data; name=\"video_id\"\r\n\r\n{video_id}\r\n\
         --frontier\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"x.mp3\"\r\n\
         Content-Type: audio/mpeg\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(audio);
    body.extend_from_slice(b"\r\n--frontier--\r\n");
    ("multipart/form-data; boundary=frontier", body)
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?.to_owned();
    let status = status_line.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Reply { status_line, status, headers, body: bytes[split + 4..].to_vec() })
}
