//! HTTP as Python's standard server speaks it: heads in, HTTP/1.0 answers out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::Value;
use tokio::net::TcpSocket;

/// The longest request line or header line (contract C.1, "Limits").
const LINE_MAX: u64 = 65_536;
const HEADERS_MAX: usize = 100;

/// The first part of a request.
pub(super) struct Head {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a head. `None` when the client left first, an answer when there is nothing to go on with.
pub(super) fn read_head(reader: &mut impl BufRead) -> Result<Option<Head>, Answer> {
    let Some(line) = read_line(reader, 414)? else { return Ok(None) };
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, protocol] = words[..] else { return Err(Answer::html(400)) };
    if !protocol.starts_with("HTTP/1.") {
        return Err(Answer::html(400));
    }
    let mut headers = Vec::new();
    loop {
        let Some(line) = read_line(reader, 431)? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        if headers.len() == HEADERS_MAX {
            return Err(Answer::html(431));
        }
        let Some((name, value)) = line.split_once(':') else { return Err(Answer::html(400)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some(Head { method: method.to_owned(), target: target.to_owned(), headers }))
}

fn read_line(reader: &mut impl BufRead, too_long: u16) -> Result<Option<String>, Answer> {
    let mut line = Vec::new();
    match reader.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => return Ok(None),
        Ok(_) if line.len() as u64 > LINE_MAX => return Err(Answer::html(too_long)),
        Ok(_) if line.last() != Some(&b'\n') => return Ok(None),
        Ok(_) => {}
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    // Latin-1, as the contract says of headers.
    Ok(Some(line.into_iter().map(char::from).collect()))
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// JSON without a Content-Length (contract 0.7).
    pub fn json(status: u16, body: &Value) -> Self {
        Self::typed(status, "application/json", body.to_string().into_bytes())
    }

    pub fn error(status: u16, error: impl Into<String>) -> Self {
        Self::json(status, &serde_json::json!({ "error": error.into() }))
    }

    pub fn html(status: u16) -> Self {
        let body = format!("<!DOCTYPE HTML><html><p>Error code: {status}</p></html>\n");
        Self::typed(status, "text/html;charset=utf-8", body.into_bytes())
    }

    pub fn typed(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The bytes of the answer, and where its body begins.
    pub fn bytes(&self) -> (Vec<u8>, usize) {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
        let mut head = format!(
            "HTTP/1.0 {} {}\r\nServer: BaseHTTP/0.6 Python/3.11.9\r\nDate: {}\r\n",
            self.status,
            reason(self.status),
            date.expect("a date of our time"),
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        let body_at = bytes.len();
        bytes.extend_from_slice(&self.body);
        (bytes, body_at)
    }
}

/// Sends bytes and closes as Python does: an end of stream first, then the socket. Bytes of the
/// request that nobody has read turn that close into a reset, there as here.
pub(super) fn send(reader: BufReader<TcpStream>, bytes: &[u8]) {
    let mut stream = reader.into_inner();
    // A client that has left is no concern of the server's.
    let _ = write_all(&mut stream, bytes);
    let _ = stream.shutdown(Shutdown::Write);
}

/// Writes and leaves the connection open.
pub(super) fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(bytes)
}

/// Ends a connection with RST. The standard library cannot set SO_LINGER; tokio's socket can, and
/// needs no runtime for it.
pub(super) fn reset(reader: BufReader<TcpStream>) {
    let socket = TcpSocket::from_std_stream(reader.into_inner());
    socket.set_zero_linger().expect("SO_LINGER");
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        414 => "Request-URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
