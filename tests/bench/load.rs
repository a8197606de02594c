//! Puts load on a server: so many connections that are kept, each with one request at a time. It
//! does as little as can be, since it has the server's own machine for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::ingest::TOKEN;

/// Sends every body once, over so many connections, and says how long that took.
pub fn send(address: SocketAddr, bodies: &Arc<Vec<Vec<u8>>>, connections: usize) -> Duration {
    let requests: Arc<Vec<Vec<u8>>> = Arc::new(bodies.iter().map(|body| request(body)).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let senders: Vec<_> = (0..connections)
        .map(|_| {
            let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).expect("an option");
            thread::spawn(move || {
                let mut answer = [0; 8192];
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    stream.write_all(request).expect("it is taken");
                    read_answer(&mut stream, &mut answer);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.join().expect("every report is taken");
    }
    began.elapsed()
}

fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /ingest/report HTTP/1.1\r\nHost: x\r\nX-Ingest-Token: {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Reads one answer, which states its length.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..]).expect("an answer");
        assert!(read > 0, "cut off after {:?}", String::from_utf8_lossy(&buffer[..length]));
        length += read;
        let Some(end) = buffer[..length].windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end]).expect("a head").to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 20"), "{head}");
        let (_, rest) = head.split_once("content-length: ").expect("a length");
        let body: usize = rest.split("\r\n").next().and_then(|n| n.parse().ok()).expect("a number");
        if length == end + 4 + body {
            return;
        }
    }
}
