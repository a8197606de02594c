//! A server that only answers: it takes a body to its end, forgets it, and says that it is stored.
//! What a client needs besides is then the client's own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const REPORT: &str = r#"{"upserted": 1}"#;
const AUDIO: &str = r#"{"saved": true, "public_url": "/exports/audio/x.mp3"}"#;

/// A body that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub first_byte: Instant,
    pub last_byte: Instant,
    pub bytes: u64,
}

#[derive(Default)]
struct Log {
    arrivals: Mutex<Vec<Arrival>>,
    more: Condvar,
}

/// The server, on a thread of its own until it is dropped.
pub struct Answering {
    log: Arc<Log>,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Answering {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Log::default());
        runtime.spawn(listen(listener, Arc::clone(&log)));
        Self { log, address, _runtime: runtime }
    }

    /// Its address as the base of URLs, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many deliveries have arrived.
    pub fn count(&self) -> usize {
        self.log.lock().len()
    }

    /// Waits for the delivery after so many, and gives it; nothing when it does not come in time.
    pub fn arrival(&self, after: usize, patience: Duration) -> Option<Arrival> {
        let waiting = |arrivals: &mut Vec<Arrival>| arrivals.len() <= after;
        let arrivals = self.log.lock();
        let waited = self.log.more.wait_timeout_while(arrivals, patience, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.get(after).copied()
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(listener: TcpListener, log: Arc<Log>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _as_it_is = stream.set_nodelay(true);
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&log)));
            let connection = hyper::server::conn::http1::Builder::new();
            let _gone = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    log: Arc<Log>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        let mut nothing = Response::new(Full::default());
        *nothing.status_mut() = StatusCode::NOT_FOUND;
        return Ok(nothing);
    }
    let text = if request.uri().path() == "/ingest/audio" { AUDIO } else { REPORT };
    let first_byte = Instant::now();
    let mut body = request.into_body();
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    log.lock().push(Arrival { first_byte, last_byte: Instant::now(), bytes });
    log.more.notify_all();
    Ok(Response::new(Full::from(text)))
}
