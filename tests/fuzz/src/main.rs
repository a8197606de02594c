//! What strangers may send, made up by a fuzzer: one program for all targets, chosen by
//! `YTV2D_FUZZ`, since each would be built for as long.

#![no_main]

mod answer;
mod audio;
mod config;
mod report;
mod routes;
mod safe;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    match std::env::var("YTV2D_FUZZ").as_deref() {
        Ok("report") => report::fuzz,
        Ok("audio") => audio::fuzz,
        Ok("answer") => answer::fuzz,
        Ok("callback") => routes::callback,
        Ok("control") => routes::control,
        Ok("config") => config::fuzz,
        other => panic!("YTV2D_FUZZ is one of report, audio, answer, callback, control, config: {other:?}"),
    }
});

fuzz_target!(|data: &[u8]| TARGET(data));
