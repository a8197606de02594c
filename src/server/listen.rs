//! Accepts connections, within bounds, until it is told to stop.
//!
//! Not `axum::serve`: that one waits for ever for the rest of a header, takes any number of
//! connections, and stops only when the last of them does.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::socket::Socket;
use super::{Ingest, peers, routes};

/// The longest request head, in bytes: an id of thousands of bytes in the path still fits.
const HEAD_MAX: usize = 64 << 10;

/// How many connections are being told at a time that there is no room. Those beyond are dropped.
const TURNED_AWAY_MAX: usize = 64;

const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-type: application/json\r\ncontent-length: 32\r\nconnection: close\r\n\r\n\
    {\"error\":\"too many connections\"}";

/// Serves `listener` until `stop` resolves, then lets the requests in flight finish for
/// [`Limits::stop`](super::Limits::stop) at most, and cuts off the rest.
pub async fn run(listener: TcpListener, mut ingest: Ingest, stop: impl Future<Output = ()>) {
    let limits = ingest.limits.clone();
    let streams = ingest.stop.clone();
    let peers = peers::join(&mut ingest).await;
    let service = TowerToHyperService::new(routes::router(ingest));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_MAX)
        // A client may close its half once it has sent everything, as HTTP/1.0 ones do; and a
        // delivery that has begun is not to be dropped because its sender went away.
        .half_close(true);

    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    let lobby = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            () = &mut stop => break,
            Some(ended) = tasks.join_next() => {
                if let Err(panic) = ended {
                    tracing::error!(%panic, "a connection's task failed");
                }
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: accepting again at once would spin.
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        match room.clone().try_acquire_owned() {
            Ok(place) => {
                let io = TokioIo::new(Socket::new(stream, limits.write));
                let connection = graceful.watch(http.serve_connection(io, service.clone()));
                tasks.spawn(async move {
                    if let Err(error) = connection.await {
                        debug!(%error, "connection ended early");
                    }
                    drop(place);
                });
            }
            Err(_) => {
                if let Ok(place) = lobby.clone().try_acquire_owned() {
                    tasks.spawn(async move {
                        turn_away(stream).await;
                        drop(place);
                    });
                }
            }
        }
    }

    drop(listener);
    // Streams of events have no end of their own.
    streams.cancel();
    info!(connections = tasks.len(), "stopping");
    if tokio::time::timeout(limits.stop, graceful.shutdown()).await.is_err() {
        warn!("requests were still in flight at the deadline and are cut off");
    }
    if let Some(peers) = peers {
        peers.leave().await;
    }
}

async fn turn_away(stream: TcpStream) {
    warn!("no room for another connection");
    let mut socket = Socket::new(stream, Duration::from_secs(1));
    if socket.write_all(NO_ROOM).await.is_ok() {
        let _ = socket.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::NO_ROOM;

    #[test]
    fn the_answer_to_one_too_many_states_its_true_length() {
        let text = std::str::from_utf8(NO_ROOM).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
