//! A proxy between the daemon and its target: it keeps a log of what passes, and holds whole
//! requests back, breaks them off, stops uploads half-way, or delays answers.
//!
//! Each request gets a connection of its own to the target, so that one which is held outlives the
//! client that gave it up.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpSocket;

/// Bytes of a body that are passed on at a time.
const PIECE: usize = 64 * 1024;

/// A running proxy; dropping it stops it.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// One request, from its head to its answer.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    pub method: String,
    pub path: String,
    pub id: Option<String>,
    /// `X-Ytv2-Version`.
    pub version: Option<String>,
    /// The hash of what it brings: a report's texts, or an audio file.
    pub content: Option<blake3::Hash>,
    /// What [`Proxy::set_epoch`] said when the request came.
    pub epoch: usize,
    /// Whether it was held back once it had arrived.
    pub held: bool,
    /// Whether it arrived whole and has not been answered yet.
    pub under_way: bool,
    /// What the target answered, whether or not anybody was there to hear it.
    pub status: Option<u16>,
    pub answer: Vec<u8>,
}

impl Passage {
    pub fn is_report(&self) -> bool {
        self.method == "POST" && self.path == "/ingest/report"
    }

    pub fn is_audio(&self) -> bool {
        self.method == "POST" && self.path == "/ingest/audio"
    }

    /// The answer's body as JSON, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.answer).unwrap_or_default()
    }
}

/// What is done with a request that has arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Pass,
    /// The target has it at once, the client its answer only after this time.
    AnswerAfter(Duration),
    /// It lies there until [`Proxy::release`].
    Hold,
    /// The client's connection is reset, and the target never hears of it.
    Reset,
}

type Policy = Box<dyn FnMut(&Passage) -> Deed + Send>;

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    passages: Vec<Passage>,
    epoch: usize,
    policy: Policy,
    /// Uploads stop after so many bytes of their bodies.
    gate: Option<usize>,
    at_gate: usize,
    releases: usize,
    closed: bool,
}

impl Proxy {
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State {
            passages: Vec::new(),
            epoch: 0,
            policy: Box::new(|_| Deed::Pass),
            gate: None,
            at_gate: 0,
            releases: 0,
            closed: false,
        };
        let shared =
            Arc::new(Shared { upstream, state: Mutex::new(state), changed: Condvar::new() });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().closed {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&shared);
                // A client that leaves, or a target that is gone, ends the connection and no more.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides, from now on, what is done with each request that has arrived whole.
    pub fn decide(&self, policy: impl FnMut(&Passage) -> Deed + Send + 'static) {
        self.shared.lock().policy = Box::new(policy);
    }

    /// Stops each upload after so many bytes, until [`release`](Self::release). Whether the
    /// deeds of [`decide`](Self::decide) are asked for no longer matters to an upload then.
    pub fn gate(&self, bytes: Option<usize>) {
        self.shared.lock().gate = bytes;
    }

    /// Lets everything go that is held, or stands at the gate, at this moment.
    pub fn release(&self) {
        self.shared.lock().releases += 1;
        self.shared.changed.notify_all();
    }

    /// Marks the requests that come from now on.
    pub fn set_epoch(&self, epoch: usize) {
        self.shared.lock().epoch = epoch;
    }

    pub fn passages(&self) -> Vec<Passage> {
        self.shared.lock().passages.clone()
    }

    /// How many requests have arrived whole and are not answered yet.
    pub fn under_way(&self) -> usize {
        self.shared.lock().passages.iter().filter(|passage| passage.under_way).count()
    }

    /// Waits until an upload stands at the gate, and says whether one came to.
    #[must_use]
    pub fn wait_for_gate(&self, timeout: Duration) -> bool {
        self.wait(timeout, |state| state.at_gate > 0)
    }

    /// Waits until the log of requests looks like that, and says whether it came to.
    #[must_use]
    pub fn wait_until(&self, timeout: Duration, mut holds: impl FnMut(&[Passage]) -> bool) -> bool {
        self.wait(timeout, |state| holds(&state.passages))
    }

    fn wait(&self, timeout: Duration, mut holds: impl FnMut(&State) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        loop {
            if holds(&state) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, seq: usize, change: impl FnOnce(&mut Passage)) {
        change(&mut self.lock().passages[seq]);
        self.changed.notify_all();
    }

    fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client);
        let (head, mut passage, length) = read_head(&mut reader)?;
        let (seq, gate) = {
            let mut state = self.lock();
            passage.epoch = state.epoch;
            let gate = state.gate.filter(|_| passage.is_audio());
            state.passages.push(passage);
            (state.passages.len() - 1, gate)
        };
        match gate {
            Some(gate) => self.pass_through_gate(seq, &head, reader, length, gate),
            None => self.pass_whole(seq, &head, reader, length),
        }
    }

    /// Passes an upload on as it comes, and stops in the middle of it.
    fn pass_through_gate(
        &self,
        seq: usize,
        head: &[u8],
        mut client: BufReader<TcpStream>,
        length: usize,
        gate: usize,
    ) -> io::Result<()> {
        let mut target = TcpStream::connect(self.upstream)?;
        target.write_all(head)?;
        let (mut passed, mut stopped) = (0, false);
        let mut piece = vec![0; PIECE];
        while passed < length {
            if passed >= gate && !stopped {
                stopped = true;
                self.lock().at_gate += 1;
                let _ = self.hold();
                self.lock().at_gate -= 1;
            }
            let most = PIECE.min(length - passed);
            let read = client.read(&mut piece[..most])?;
            if read == 0 {
                // The client broke off; so does the target's side.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            target.write_all(&piece[..read])?;
            passed += read;
        }
        self.change(seq, |passage| passage.under_way = true);
        self.answer(seq, target, client, Duration::ZERO)
    }

    fn pass_whole(
        &self,
        seq: usize,
        head: &[u8],
        mut client: BufReader<TcpStream>,
        length: usize,
    ) -> io::Result<()> {
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        let deed = {
            let mut state = self.lock();
            let state = &mut *state;
            let passage = &mut state.passages[seq];
            if passage.method == "POST" {
                (passage.id, passage.content) = contents(passage, &body).unzip();
            }
            passage.under_way = true;
            let deed = (state.policy)(passage);
            passage.held = deed == Deed::Hold;
            deed
        };
        self.changed.notify_all();
        let mut delay = Duration::ZERO;
        match deed {
            Deed::Pass => {}
            Deed::AnswerAfter(time) => delay = time,
            Deed::Hold => {
                if !self.hold() {
                    return Ok(());
                }
            }
            Deed::Reset => {
                self.change(seq, |passage| passage.under_way = false);
                return TcpSocket::from_std_stream(client.into_inner()).set_zero_linger();
            }
        }
        let mut target = TcpStream::connect(self.upstream)?;
        target.write_all(head)?;
        target.write_all(&body)?;
        self.answer(seq, target, client, delay)
    }

    fn answer(
        &self,
        seq: usize,
        mut target: TcpStream,
        client: BufReader<TcpStream>,
        delay: Duration,
    ) -> io::Result<()> {
        let mut answer = Vec::new();
        target.read_to_end(&mut answer)?;
        self.change(seq, |passage| {
            let text = String::from_utf8_lossy(&answer);
            passage.status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
            let body_at = answer.windows(4).position(|four| four == b"\r\n\r\n");
            passage.answer = body_at.map(|at| answer[at + 4..].to_vec()).unwrap_or_default();
        });
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut client = client.into_inner();
        let written = client.write_all(&answer).and_then(|()| client.shutdown(Shutdown::Write));
        self.change(seq, |passage| passage.under_way = false);
        written
    }

    /// Holds the calling thread until the next release, and says whether the proxy still runs.
    fn hold(&self) -> bool {
        let mut state = self.lock();
        let releases = state.releases;
        self.changed.notify_all();
        while state.releases == releases && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closed
    }
}

/// Reads a head: as it is passed on, what it says, and how long the body is.
fn read_head(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, Passage, usize)> {
    let mut head = Vec::new();
    let mut passage = Passage::default();
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.is_empty() {
            break;
        }
        if passage.method.is_empty() {
            let mut words = text.split(' ').map(str::to_owned);
            passage.method = words.next().unwrap_or_default();
            passage.path = words.next().unwrap_or_default();
        } else if let Some((name, value)) = text.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "x-ytv2-version" => passage.version = Some(value.trim().to_owned()),
                "connection" => continue,
                _ => {}
            }
        }
        head.extend(line);
    }
    // One request a connection, so that the end of the answer is the end of the stream.
    head.extend(b"Connection: close\r\n\r\n");
    Ok((head, passage, length))
}

/// For whom a delivery is, and what it brings.
fn contents(passage: &Passage, body: &[u8]) -> Option<(String, blake3::Hash)> {
    if passage.is_report() {
        let json: Value = serde_json::from_slice(body).ok()?;
        let texts: Vec<&Value> =
            json["summary_variants"].as_array()?.iter().map(|summary| &summary["text"]).collect();
        let brings = serde_json::to_vec(&(&json["indexed_at"], texts)).ok()?;
        return Some((json["video_id"].as_str()?.to_owned(), blake3::hash(&brings)));
    }
    let id = part(body, b"name=\"video_id\"")?;
    let id = String::from_utf8(id.to_vec()).ok()?;
    Some((id, blake3::hash(part(body, b"name=\"audio\"")?)))
}

/// The content of the part of a form whose head says this.
fn part<'a>(body: &'a [u8], says: &[u8]) -> Option<&'a [u8]> {
    let boundary = &body[..find(body, b"\r\n")?];
    let rest = &body[find(body, says)?..];
    let rest = &rest[find(rest, b"\r\n\r\n")? + 4..];
    Some(&rest[..find(rest, &[b"\r\n", boundary].concat())?])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
