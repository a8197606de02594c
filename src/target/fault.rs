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
    let io = links().filter_map(|link| link.downcast_ref::<io::Error>()).last().map(innermost);
    // The first link only says which address was asked.
    let text = error.source().map_or_else(|| error.to_string(), chain);
    let says = |word: &str| links().any(|link| link.to_string().contains(word));
    if says("dns error") || says("failed to lookup address") {
        return Transport::Dns(text);
    }
    if let Some(words) = io.and_then(certificate_fault) {
        return Transport::Tls(words);
    }
    // What rustls finds wrong comes as invalid data: a certificate, an alert, or no TLS at all.
    let invalid = io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData);
    if error.is_connect() && (invalid || says("handshake")) {
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

/// What is wrong with a certificate, where that is it, and what to do about it.
fn certificate_fault(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(fault) = error else { return None };
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let advice = match fault {
        UnknownIssuer => {
            "nobody who is believed here has signed the dashboard's certificate: if the authority \
             is your own, name the file of its certificate in ca_file"
        }
        Expired | ExpiredContext { .. } => {
            "the dashboard's certificate has expired: renew it there, or set this machine's clock"
        }
        NotValidYet | NotValidYetContext { .. } => {
            "the dashboard's certificate is not valid yet: set this machine's clock, or wait"
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "the dashboard's certificate is for another name: write that name into the url, or have \
             a certificate made for this one"
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the dashboard shows the certificate of an authority as its own: have one made with \
             basicConstraints=CA:FALSE"
        }
        _ => return Some(error.to_string()),
    };
    Some(format!("{advice} ({error})"))
}

/// What an I/O error was wrapped around, which its `source` passes over.
fn innermost(error: &io::Error) -> &io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
        Some(inner) => innermost(inner),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn the_error_within_the_error_counts() {
        let error = io::Error::other(io::Error::other(io::Error::from(io::ErrorKind::TimedOut)));
        assert_eq!(innermost(&error).kind(), io::ErrorKind::TimedOut);
        assert_eq!(innermost(&io::Error::other("plain")).kind(), io::ErrorKind::Other);
    }

    /// What a request comes to when its server answers like this, and closes.
    async fn fault_of(scheme: &str, answer: &'static [u8]) -> Transport {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _the_hello_or_the_head = stream.read(&mut [0; 4096]);
            stream.write_all(answer).unwrap();
        });
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let fault = transport(&client.get(url).send().await.unwrap_err());
        server.join().unwrap();
        fault
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_a_fault_of_the_secure_connection() {
        let plain = fault_of("https", b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
        assert!(matches!(plain, Transport::Tls(_)), "{plain:?}");
        let silent = fault_of("https", b"").await;
        assert!(matches!(silent, Transport::Tls(_)), "{silent:?}");
    }

    #[tokio::test]
    async fn a_close_without_an_answer_is_a_truncated_one() {
        let fault = fault_of("http", b"").await;
        assert!(matches!(fault, Transport::Truncated(_) | Transport::Reset), "{fault:?}");
    }
}
