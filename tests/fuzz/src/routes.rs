//! Requests to a daemon that runs in this very process, at both of its doors.
//!
//! An input is a line with method and target, and the body after it. One that begins with `!` is
//! what goes over the wire, as it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ytv2d::config::Config;

const SECRET: &str = "a-word-between-us";
/// These answer when the world has moved, or not at all.
const LASTING: [&str; 4] = ["events", "verify", "sync", "reload"];

struct Daemon {
    socket: PathBuf,
    callback: SocketAddr,
    _directory: tempfile::TempDir,
}

static DAEMON: LazyLock<Daemon> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for root in ["reports", "exports"] {
        std::fs::create_dir(at(root)).expect("a root");
    }
    // Nobody else is given the port between the two lines, or almost nobody.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let callback = free.expect("a port");
    let text = format!(
        "[watch]\nreports = {:?}\nexports = {:?}\n[outbox]\npath = {:?}\n[control]\nsocket = {:?}\n\
         [ingest]\nurl = 'http://127.0.0.1:9'\n[callback]\nlisten = '{callback}'\n",
        at("reports"),
        at("exports"),
        at("outbox.db"),
        at("ytv2d.sock"),
    );
    let (path, socket) = (at("ytv2d.toml"), at("ytv2d.sock"));
    std::fs::write(&path, text).expect("a file");
    let environment = |name: &str| match name {
        "INGEST_TOKEN" | "SYNC_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    let config = Config::load(Some(&path), &environment).expect("sound");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let ended = runtime.block_on(ytv2d::daemon::run(config, Some(path), None));
        panic!("the daemon has ended: {ended:?}");
    });
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() || TcpStream::connect(callback).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    Daemon { socket, callback, _directory: directory }
});

pub fn callback(data: &[u8]) {
    if let Some(request) = request(data) {
        let stream = TcpStream::connect(DAEMON.callback).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(9))).expect("a socket");
        answered(stream, &request);
    }
}

pub fn control(data: &[u8]) {
    if let Some(request) = request(data) {
        let stream = UnixStream::connect(&DAEMON.socket).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(9))).expect("a socket");
        answered(stream, &request);
    }
}

/// What goes over the wire; nothing where an answer might never come.
fn request(data: &[u8]) -> Option<Vec<u8>> {
    let has = |word: &str| data.windows(word.len()).any(|window| window == word.as_bytes());
    if data.is_empty() || LASTING.iter().any(|word| has(word)) || has("wait") {
        return None;
    }
    if let Some(raw) = data.strip_prefix(b"!") {
        return Some(raw.to_vec());
    }
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let head = format!(
        " HTTP/1.1\r\nHost: x\r\nX-Sync-Secret: {SECRET}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Some([line, head.as_bytes(), body].concat())
}

/// Whatever was asked, an answer comes, or the connection is closed; and none of them is a 500.
fn answered(mut stream: impl Read + Write + Shut, request: &[u8]) {
    if stream.write_all(request).is_err() {
        return;
    }
    stream.shut();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer in time"),
        _ => {}
    }
    assert!(!answer.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&answer));
}

/// Says that nothing more is to come.
trait Shut {
    fn shut(&self);
}

impl Shut for TcpStream {
    fn shut(&self) {
        let _closed = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Shut for UnixStream {
    fn shut(&self) {
        let _closed = self.shutdown(std::net::Shutdown::Write);
    }
}
