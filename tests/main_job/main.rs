//! The main job, end to end: the real daemon, real files, real sockets, and at the other end a model
//! of the dashboard with its HTTP/1.0, its missing lengths and its closed connections.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/ingest.rs"]
mod ingest;

mod audio;
mod level;
mod memory;
mod payload;
mod reports;
mod samples;
mod three_hundred;
mod wire;
