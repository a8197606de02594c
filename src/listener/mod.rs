//! Serves HTTP/1.1 on sockets of any kind, within bounds, until it is told to stop.
//!
//! Not `axum::serve`: that one waits for ever for the rest of a header, takes any number of
//! connections, and stops only when the last of them does.

mod patient;
mod shares;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use patient::Patient;
use shares::Shares;

/// The longest request head, in bytes: an id of thousands of bytes in the path still fits.
const HEAD_MAX: usize = 64 << 10;

/// How many connections are being told at a time that there is no room. Those beyond are dropped.
const TURNED_AWAY_MAX: usize = 64;

const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-type: application/json\r\ncontent-length: 63\r\nconnection: close\r\n\r\n\
    {\"error\":\"too many connections\",\"hint\":\"try again in a second\"}";

/// How long clients are waited for, and how many of them there may be.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// For a whole request head, counted from when the server is ready for it; so it is also how
    /// long a kept-alive connection may idle.
    pub head: Duration,
    /// For the client to take any of what is written to it.
    pub write: Duration,
    /// For requests in flight when the server is told to stop.
    pub stop: Duration,
    /// Connections at a time; those beyond are answered 503.
    pub connections: usize,
    /// So many of them from one address. Behind a proxy that is everybody's.
    pub per_host: usize,
}

/// A socket that listens.
pub trait Listener {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Who is at its other end.
    fn peer(_stream: &Self::Stream) -> Peer {
        Peer(None)
    }
}

/// Who sends a request, found among its extensions; nothing where the socket has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn peer(stream: &TcpStream) -> Peer {
        Peer(stream.peer_addr().ok().map(|address| address.ip()))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        UnixListener::accept(self).await.map(|(stream, _)| stream)
    }
}

/// Serves `routes` until `stop` resolves, then lets the requests in flight finish for
/// [`Bounds::stop`] at most, and cuts off the rest.
pub async fn serve<L: Listener>(
    listener: L,
    routes: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let service = TowerToHyperService::new(routes);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(HEAD_MAX)
        // A client may close its half once it has sent everything, as HTTP/1.0 ones do; and a
        // delivery that has begun is not to be dropped because its sender went away.
        .half_close(true);

    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(bounds.connections));
    let shares = Shares::default();
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
                Ok(stream) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: accepting again at once would spin.
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let peer = L::peer(&stream);
        let share = shares.take(peer, bounds.per_host);
        match share.zip(room.clone().try_acquire_owned().ok()) {
            Some(place) => {
                let service = service.clone();
                let io = TokioIo::new(Patient::new(stream, bounds.write));
                let answer = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer);
                    service.call(request)
                });
                let connection = graceful.watch(http.serve_connection(io, answer));
                tasks.spawn(async move {
                    if let Err(error) = connection.await {
                        debug!(%error, "connection ended early");
                    }
                    drop(place);
                });
            }
            None => {
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
    debug!(connections = tasks.len(), "no more connections are accepted");
    if tokio::time::timeout(bounds.stop, graceful.shutdown()).await.is_err() {
        warn!("requests were still in flight at the deadline and are cut off");
    }
    tasks.shutdown().await;
}

async fn turn_away(stream: impl AsyncRead + AsyncWrite + Unpin) {
    warn!("no room for another connection");
    let mut socket = Patient::new(stream, Duration::from_secs(1));
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
