//! The ingest side: takes reports and audio over HTTP, keeps them, and serves them back.
//!
//! A request's way, which is also the order to read in: [`listener`](crate::listener) accepts a
//! connection, `routes` finds the handler, `door` asks for the token, `body` reads, `wire` and `row`
//! turn a payload into a [`Report`](store::Report) or a refusal, [`store`] keeps it, and `problem`
//! is the one place where anything that went wrong becomes a response. What was kept is told to the
//! `feed` and to `peers`, shown by `read` and `listing`, and looked at in `page`.

pub mod cli;

mod audio;
mod body;
mod card;
mod content;
mod delete;
mod door;
mod events;
mod exports;
mod failure;
mod feed;
mod flat;
mod handed;
mod health;
mod ids;
mod kept;
mod limits;
mod listing;
mod media;
mod metrics;
mod name;
mod page;
mod peers;
mod problem;
mod read;
mod record;
mod report;
mod routes;
mod row;
pub mod store;
mod upload;
mod view;
mod wire;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock;
use crate::listener;

pub use door::Guard;
pub use limits::Limits;
pub use media::Media;
pub use page::Pictures;

/// Everything a request needs, built once. A clone shares it.
#[derive(Clone)]
pub struct Ingest {
    pub store: Arc<dyn store::Store>,
    pub media: Media,
    /// For the endpoints of the contract's C and D.
    pub guard: Guard,
    /// For those of the older generation, its F and G.
    pub old_guard: Guard,
    pub limits: Limits,
    /// Answer as a dashboard that has left the older generation behind (contract F.2).
    pub postgres_only: bool,
    pub pictures: Pictures,
    budget: body::Budget,
    feed: feed::Feed,
    streams: Arc<Semaphore>,
    metrics: metrics::Metrics,
    peers: Option<store::Teller>,
    stop: CancellationToken,
}

impl Ingest {
    /// A server of this generation; the older one's endpoints are shut where this one's are guarded.
    pub fn new(store: Arc<dyn store::Store>, media: Media, guard: Guard, limits: Limits) -> Self {
        Self {
            store,
            media,
            old_guard: if guard.asks() { Guard::Shut } else { Guard::Open },
            guard,
            postgres_only: false,
            pictures: Pictures::default(),
            budget: body::Budget::new(limits.reports_bytes),
            feed: feed::Feed::new(clock::now()),
            // However few connections there are, half of them are left for the rest.
            streams: Arc::new(Semaphore::new(limits.event_streams.min(limits.connections / 2))),
            metrics: metrics::Metrics::new(),
            peers: None,
            stop: CancellationToken::new(),
            limits,
        }
    }
}

/// Serves `listener` until `stop` resolves.
pub async fn run(listener: TcpListener, mut ingest: Ingest, stop: impl Future<Output = ()>) {
    let bounds = ingest.limits.bounds();
    let streams = ingest.stop.clone();
    let peers = peers::join(&mut ingest).await;
    let stop = async move {
        stop.await;
        // Streams of events have no end of their own.
        streams.cancel();
    };
    listener::serve(listener, routes::router(ingest), bounds, stop).await;
    if let Some(peers) = peers {
        peers.leave().await;
    }
    info!("stopped");
}
