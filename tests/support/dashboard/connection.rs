//! The life of one connection: one request, perhaps one fault, one answer, and the close.

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fault::{Fault, Stage};
use super::request::Request;
use super::routes::{self, Body};
use super::state::Shared;
use super::wire::{self, Answer, Head};

/// Serves one request, in the calling thread.
pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream, peer_port: u16) {
    // As large as the buffer of the real server, which decides how much of a rejected body is read.
    let mut reader = BufReader::with_capacity(8192, stream);
    if let Some(seq) = reset_unread(shared, peer_port) {
        end(shared, seq, None);
        return wire::reset(reader);
    }
    let head = match wire::read_head(&mut reader) {
        Ok(Some(head)) => head,
        Ok(None) => return,
        Err(answer) => return wire::send(reader, &answer.bytes().0),
    };
    let seq = shared.lock().begin(log_of(&head, peer_port));
    shared.notify();
    if choose(shared, seq, Stage::Head).is_some() {
        end(shared, seq, None);
        return wire::reset(reader);
    }

    let (keys, drains) = {
        let state = shared.lock();
        let keys = routes::Keys {
            token: state.token.clone(),
            secret: state.secret.clone(),
            old: state.old,
        };
        (keys, state.drains_rejected)
    };
    let rejected = routes::reject(&head, &keys);
    let length = routes::content_length(&head);
    let raw = if rejected.is_none() || drains {
        let mut raw = Vec::new();
        let whole = (&mut reader).take(length).read_to_end(&mut raw);
        shared.lock().request(seq).body_len = raw.len();
        if whole.is_err() || (raw.len() as u64) < length {
            // The client gave up: there is no request to process, nor anyone to answer.
            shared.lock().request(seq).aborted = true;
            return end(shared, seq, None);
        }
        raw
    } else {
        Vec::new()
    };
    let body = match rejected {
        Some(answer) => Body::Rejected(answer),
        None => routes::parse(&head, raw),
    };
    {
        let mut state = shared.lock();
        if let Some(id) = body.video_id() {
            state.name(seq, id);
        }
        state.request(seq).json = body.json().cloned();
        state.request(seq).audio = body.audio_hash();
    }
    shared.notify();
    let fault = choose(shared, seq, Stage::Body);
    act(shared, seq, reader, fault, || {
        let answer = {
            let mut state = shared.lock();
            routes::process(&mut state, seq, &head, &body)
        };
        shared.notify();
        answer
    });
}

/// Lets a fault act, or lets the request be processed and answered in peace.
fn act(
    shared: &Shared,
    seq: usize,
    mut reader: BufReader<TcpStream>,
    fault: Option<Fault>,
    process: impl FnOnce() -> Answer,
) {
    let canned = |status, kind: &str, body: &str| Answer::typed(status, kind, body.into());
    let answer = match fault {
        None => process(),
        Some(Fault::Status(status, headers, body)) => {
            Answer { status, headers, body: body.into_bytes() }
        }
        Some(Fault::Redirect(status, location)) => Answer::html(status).with("Location", location),
        Some(Fault::EmptyBody200) => canned(200, "application/json", ""),
        Some(Fault::Html200) => canned(200, "text/html", "<html>Welcome to the hotel</html>"),
        Some(Fault::GarbageJson200) => canned(200, "application/json", r#"{"hello":["world"]}"#),
        Some(Fault::ResetBeforeRead | Fault::ResetAfterHeaders) => {
            end(shared, seq, None);
            return wire::reset(reader);
        }
        Some(Fault::ResetAfterCommit) => {
            process();
            end(shared, seq, None);
            return wire::reset(reader);
        }
        Some(Fault::CloseAfterCommitWithoutAnswer) => {
            process();
            end(shared, seq, None);
            return wire::send(reader, b"");
        }
        Some(Fault::TruncatedAnswer) => {
            let answer = process();
            let (bytes, body_at) = answer.bytes();
            end(shared, seq, Some(answer.status));
            return wire::send(reader, &bytes[..body_at + answer.body.len() / 2]);
        }
        Some(Fault::ShortAnswer) => {
            let answer = process();
            let length = answer.body.len();
            let answer = answer.with("Content-Length", length.to_string());
            let (bytes, body_at) = answer.bytes();
            end(shared, seq, Some(answer.status));
            return wire::send(reader, &bytes[..body_at + length / 2]);
        }
        Some(Fault::SlowAnswer(pause)) => {
            let answer = process();
            let (bytes, _) = answer.bytes();
            let (last, others) = bytes.split_last().expect("an answer has a head");
            for byte in others {
                if wire::write_all(reader.get_mut(), &[*byte]).is_err() {
                    break;
                }
                shared.pause(pause);
            }
            end(shared, seq, Some(answer.status));
            return wire::send(reader, &[*last]);
        }
        Some(Fault::StallForever) => {
            shared.hold();
            return end(shared, seq, None);
        }
        Some(Fault::HoldThenRelease) => {
            if !shared.hold() {
                return end(shared, seq, None);
            }
            process()
        }
        Some(Fault::DelayMillis(millis)) => {
            shared.pause(Duration::from_millis(millis));
            process()
        }
    };
    end(shared, seq, Some(answer.status));
    wire::send(reader, &answer.bytes().0);
}

/// Asks whether this connection is to be reset before anything is read, and logs it then.
fn reset_unread(shared: &Shared, peer_port: u16) -> Option<usize> {
    let head = Head { method: String::new(), target: String::new(), headers: Vec::new() };
    let mut request = log_of(&head, peer_port);
    let mut state = shared.lock();
    let (name, _) = state.faults.choose(&request, Stage::Accepted, 0)?;
    request.fault = Some(name);
    Some(state.begin(request))
}

fn choose(shared: &Shared, seq: usize, stage: Stage) -> Option<Fault> {
    let mut state = shared.lock();
    let request = state.request(seq).clone();
    let in_flight = state.in_flight();
    let (name, fault) = state.faults.choose(&request, stage, in_flight)?;
    state.request(seq).fault = Some(name);
    drop(state);
    shared.notify();
    Some(fault)
}

fn end(shared: &Shared, seq: usize, status: Option<u16>) {
    shared.lock().finish(seq, status);
    shared.notify();
}

fn log_of(head: &Head, peer_port: u16) -> Request {
    Request {
        seq: 0,
        peer_port,
        method: head.method.clone(),
        path: head.target.clone(),
        headers: head.headers.clone(),
        video_id: None,
        version: head.header("x-ytv2-version").map(str::to_owned),
        json: None,
        audio: None,
        body_len: 0,
        aborted: false,
        fault: None,
        stored: None,
        status: None,
        started: Instant::now(),
        finished: None,
    }
}
