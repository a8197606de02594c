//! The ingest side: takes reports and audio over HTTP, keeps them, and serves them back.
//!
//! A request's way, which is also the order to read in: [`listener`](crate::listener) accepts a
//! connection, `routes` finds the handler, `door` asks for the token, `body` reads, `wire` and `row`
//! turn a payload into a [`Report`](store::Report) or a refusal, [`store`] keeps it, and `problem`
//! is the one place where anything that went wrong becomes a response.

pub mod cli;

mod audio;
mod body;
mod door;
mod exports;
mod health;
mod limits;
mod media;
mod name;
mod problem;
mod read;
mod record;
mod report;
mod routes;
mod row;
pub mod store;
mod view;
mod wire;

use std::sync::Arc;

use tokio::net::TcpListener;
use tracing::info;

use crate::listener;

pub use door::Guard;
pub use limits::Limits;
pub use media::Media;

/// Everything a request needs, built once. A clone shares it.
#[derive(Clone)]
pub struct Ingest {
    pub store: Arc<dyn store::Store>,
    pub media: Media,
    pub guard: Guard,
    pub limits: Limits,
    budget: body::Budget,
}

impl Ingest {
    pub fn new(store: Arc<dyn store::Store>, media: Media, guard: Guard, limits: Limits) -> Self {
        let budget = body::Budget::new(limits.reports_bytes);
        Self { store, media, guard, limits, budget }
    }
}

/// Serves `listener` until `stop` resolves.
pub async fn run(listener: TcpListener, ingest: Ingest, stop: impl Future<Output = ()>) {
    let bounds = ingest.limits.bounds();
    let routes = routes::router(ingest);
    listener::serve(listener, routes, bounds, stop).await;
    info!("stopped");
}
