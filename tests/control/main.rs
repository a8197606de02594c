//! What the socket tells of the daemon: how things are, what happens, and the figures; and that
//! nobody who asks slowly, or listens badly, disturbs anybody else.

#[path = "../support/mod.rs"]
mod support;

mod busy;
mod events;
mod metrics;
mod slow;
mod socket;
mod status;
