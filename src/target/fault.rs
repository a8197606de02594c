//! What kind of fault kept an answer from coming.

use std::error::Error;
use std::io;

use crate::delivery::Transport;

/// The whole chain of an error in one line, without the address, which may be long and is known.
pub fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let line = error.to_string();
        // Each link of reqwest's chain often repeats the next.
        if !text.contains(&line) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&line);
        }
        next = error.source();
    }
    text
}

/// Names a fault of `reqwest`.
pub fn transport(error: &reqwest::Error) -> Transport {
    let links = || std::iter::successors(Some(error as &dyn Error), |link| (*link).source());
    let io = links().filter_map(|link| link.downcast_ref::<io::Error>()).last();
    // The first link only says which address was asked.
    let text = error.source().map_or_else(|| error.to_string(), chain);
    let says = |word: &str| links().any(|link| link.to_string().contains(word));
    if says("dns error") || says("failed to lookup address") {
        return Transport::Dns(text);
    }
    if says("certificate") || says("invalid peer") || says("TLS") || says("CorruptMessage") {
        return Transport::Tls(text);
    }
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => Transport::Refused,
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Transport::Reset,
        Some(io::ErrorKind::UnexpectedEof) => Transport::Truncated(text),
        Some(io::ErrorKind::TimedOut) => Transport::Timeout(text),
        _ if error.is_timeout() => Transport::Timeout(text),
        _ if error.is_connect() => Transport::Connect(text),
        _ if says("connection closed before message completed") => Transport::Truncated(text),
        _ => Transport::Other(text),
    }
}
