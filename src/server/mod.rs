//! The ingest side: takes reports and audio over HTTP, keeps them, and serves them back.
//!
//! A request's way, which is also the order to read in: `listen` accepts a connection, `routes`
//! finds the handler, `door` asks for the token, `body` reads, `wire` and `row` turn a payload into
//! a [`Report`](store::Report) or a refusal, [`store`] keeps it, and `problem` is the one place
//! where anything that went wrong becomes a response.

pub mod cli;

mod audio;
mod body;
mod door;
mod exports;
mod handed;
mod health;
mod limits;
mod listen;
mod media;
mod name;
mod problem;
mod read;
mod record;
mod report;
mod routes;
mod row;
mod socket;
pub mod store;
mod view;
mod wire;

use std::sync::Arc;

pub use door::Guard;
pub use limits::Limits;
pub use listen::run;
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
