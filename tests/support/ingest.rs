//! The real `ytv2-ingest` on a free port, and a plain HTTP client for it.

#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub const TOKEN: &str = "a-token-for-tests";

/// The older generation's secret.
pub const SECRET: &str = "a-secret-for-tests";

/// Nothing in a test takes this long; whatever does has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server keeps its things; outlives the process, so that another can take over.
pub struct Home {
    dir: tempfile::TempDir,
    store: String,
    media: String,
    media_dir: PathBuf,
    env: Vec<(String, String)>,
}

impl Home {
    /// With a SQLite file and a folder of its own.
    pub fn new() -> Self {
        Self::at("sqlite:store.db")
    }

    /// With this store, and a folder of its own.
    pub fn at(store: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let media_dir = dir.path().join("media");
        Self { dir, store: store.into(), media: "media".into(), media_dir, env: Vec::new() }
    }

    /// The same with its audio elsewhere.
    pub fn with_media(mut self, media: &str) -> Self {
        self.media = media.into();
        self
    }

    /// The same, where this is the folder in which the audio is found.
    pub fn with_media_dir(mut self, dir: PathBuf) -> Self {
        self.media_dir = dir;
        self
    }

    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.path().join("store.db")
    }

    pub fn media(&self) -> PathBuf {
        self.media_dir.clone()
    }

    /// The names in the media folder, sorted.
    pub fn media_files(&self) -> Vec<String> {
        // A bucket has no folder before there is something in it.
        let entries = std::fs::read_dir(self.media()).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What the servers of this home have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

/// The command with this home and a free port, not yet started.
pub fn command(home: &Home, arguments: &[&str]) -> Command {
    let log = std::fs::File::options().create(true).append(true).open(home.path().join("log"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ytv2-ingest"));
    command
        .current_dir(home.path())
        .args(["--listen", "127.0.0.1:0", "--store", &home.store, "--media", &home.media])
        .args(arguments)
        .env_remove("RUST_LOG")
        .env_remove("DATABASE_URL_POSTGRES_NEW")
        .env("INGEST_TOKEN", TOKEN)
        .env("SYNC_SECRET", SECRET)
        .envs(home.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.unwrap());
    command
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(home: &Home) -> Self {
        Self::start_with(home, &[])
    }

    pub fn start_with(home: &Home, arguments: &[&str]) -> Self {
        Self::start_command(command(home, arguments), home)
    }

    /// Starts what [`command`] gave, changed as need be.
    pub fn start_command(mut command: Command, home: &Home) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("it said {line:?} and logged {}", home.log()));
        Self { address: address.parse().unwrap(), child }
    }

    /// One that was started in another way, and listens there.
    pub fn adopt(child: Child, address: SocketAddr) -> Self {
        Self { child, address }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its address as the base of URLs, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends one request with the token and an exact length, on a connection of its own.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "x-ingest-token") {
            head += &format!("x-ingest-token: {TOKEN}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).unwrap();
        // It may have answered already, and take no more.
        let _ = stream.write_all(body);
        Reply::read(&mut stream, method == "HEAD")
    }

    pub fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"")
    }

    pub fn report(&self, payload: &Value) -> Reply {
        self.report_with(payload, &[])
    }

    pub fn report_with(&self, payload: &Value, headers: &[(&str, &str)]) -> Reply {
        self.send("POST", "/ingest/report", headers, payload.to_string().as_bytes())
    }

    pub fn audio(&self, id: &str, bytes: &[u8]) -> Reply {
        self.audio_with(id, bytes, &[])
    }

    pub fn audio_with(&self, id: &str, bytes: &[u8], headers: &[(&str, &str)]) -> Reply {
        self.form(&[("video_id", None, id.as_bytes()), ("audio", Some("x.mp3"), bytes)], headers)
    }

    pub fn form(&self, parts: &[Part<'_>], headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("content-type", FORM_TYPE)];
        all.extend(headers);
        self.send("POST", "/ingest/audio", &all, &form(parts))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The most memory that it has held so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// SIGKILL: what is on the disk now is all that there will be.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
pub fn wait(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Looks until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub version: String,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads one reply, which must state its length unless it has no body.
    pub fn read(stream: &mut impl Read, without_body: bool) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let read = stream.read(&mut byte).unwrap();
            assert!(read == 1, "cut off after {:?}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let mut reply = Self {
            version: first.next().unwrap().into(),
            status: first.next().unwrap().parse().unwrap(),
            headers: lines
                .map(|line| line.split_once(':').unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into()))
                .collect(),
            body: Vec::new(),
        };
        if !without_body {
            let length = reply.header("content-length").expect("a length").parse().unwrap();
            reply.body = vec![0; length];
            stream.read_exact(&mut reply.body).unwrap();
        }
        reply
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as JSON, or null.
    pub fn json_or_null(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Asserts a status and gives the body.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

pub const FORM_TYPE: &str = "multipart/form-data; boundary=XXboundaryXX";

/// A part's name, file name and bytes.
pub type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// A form of [`FORM_TYPE`].
pub fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, bytes) in parts {
        body.extend(
            format!("--XXboundaryXX\r\ncontent-disposition: form-data; name=\"{name}\"").bytes(),
        );
        if let Some(file_name) = file_name {
            body.extend(format!("; filename=\"{file_name}\"\r\ncontent-type: audio/mpeg").bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--XXboundaryXX--\r\n");
    body
}
