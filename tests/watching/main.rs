//! Watching that never goes blind: the real daemon on real file systems that overflow, come and go,
//! give no events, or hold what is no file.
//!
//! What needs root, mounts or namespaces is skipped with a word on standard error where these are
//! not to be had.

#[path = "../support/mod.rs"]
mod support;

mod burst;
mod clock;
mod hangs;
mod limits;
mod machine;
mod names;
mod no_events;
mod quiet;
mod readiness;
mod removal;
mod rescan;
mod roots;
mod says;
