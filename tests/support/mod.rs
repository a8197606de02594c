//! Test equipment: a model of the real dashboard, makers of files, and a driver of the daemon.
//!
//! It is the judge of the other tests, so it takes nothing from the crate that it judges: rules
//! that both need are written here a second time, from the contract.

// Each test binary compiles the whole and uses a part.
#![allow(dead_code, unused_imports)]

pub mod command;
pub mod daemon;
pub mod dashboard;
pub mod ends;
pub mod fixtures;
pub mod flipper;
pub mod http;
pub mod memory;
pub mod mp3;
pub mod proxy;
pub mod random;
pub mod stage;
pub mod tls;
