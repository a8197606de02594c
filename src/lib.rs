//! `ytv2d` keeps a dashboard level with the reports and audio files on a NAS.
//!
//! The rooms are listed in the order of a file's journey. A room looks down, never up; the hands do
//! not know each other, but that what is sent is a file that [`watch`] has opened.

#![forbid(unsafe_code)]

// Words: pure, known to all.
pub mod clock;
pub mod contract;
pub mod delivery;
pub mod file;
pub mod file_system;
pub mod id;
pub mod journal;
pub mod log_filter;
pub mod proof;
pub mod report;

// The desk.
pub mod config;
pub mod core_dump;
pub mod telemetry;

// Hands: each knows one part of the world.
pub mod content_db;
pub mod listener;
pub mod outbox;
pub mod systemd;
pub mod target;
pub mod watch;

// Work.
pub mod check;
pub mod direct;
pub mod drain;
pub mod heartbeat;
pub mod intake;
pub mod verify;

// The doors, the roof and the porch.
pub mod callback;
pub mod cli;
pub mod control;
pub mod daemon;

// Annexe: the receiving side, which knows the words, and listens as the door does.
pub mod server;
