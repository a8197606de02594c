//! `ytv2d`: keeps a dashboard level with the reports and audio files on a NAS.
//!
//! The modules are listed in the order of a file's journey. A room looks down, never up.

#![forbid(unsafe_code)]

// words
pub mod contract;
pub mod id;
pub mod report;

// annexe
pub mod server;
