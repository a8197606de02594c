//! A large file is streamed: what the daemon holds does not grow with it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::ingest::{Home, Server, TOKEN};
use crate::support::daemon::{Config, Daemon};
use crate::support::fixtures::{self, Shape, audio_name};
use crate::support::memory::peak;
use crate::support::mp3::mp3;
use crate::support::stage::PATIENCE;

const LARGE: usize = 200 << 20;
const GROWTH: u64 = 16 << 20;

/// Writes a sound MP3 of that size: frames repeated, so that its length is read to the end as well.
fn write_large(path: &Path) -> u64 {
    let piece = mp3(300, 1);
    let frames = piece.windows(2).position(|pair| pair == [0xFF, 0xFB]).unwrap();
    let mut file = File::create(path).unwrap();
    let mut size = 0;
    while size < LARGE {
        file.write_all(&piece[frames..]).unwrap();
        size += piece.len() - frames;
    }
    size as u64
}

#[test]
fn memory_does_not_grow_with_the_audio_file() {
    let home = Home::new();
    let server = Server::start(&home);
    let config = Config::new(&server.url(), TOKEN);
    let [small, large] = [1, 2].map(|n| fixtures::report(Shape::FlatRow, n));
    for report in [&small, &large] {
        fs::write(config.report(&report.file_name), report.bytes()).unwrap();
    }
    fs::write(config.export(&audio_name(small.bare_id(), 1)), mp3(1, 1)).unwrap();
    let daemon = Daemon::start_ready(&config);
    let uploaded = |id: &str| {
        daemon.wait_for_line(PATIENCE, |line| {
            line["message"] == "delivered" && line["kind"] == "audio" && line["id"] == id
        })
    };
    uploaded(&small.expected.id);
    let before = peak(daemon.pid());
    let size = write_large(&config.export(&audio_name(large.bare_id(), 2)));
    let line = uploaded(&large.expected.id);
    assert_eq!(line["bytes"], size);
    let grown = peak(daemon.pid()) - before;
    assert!(grown < GROWTH, "{} MiB more than the {} MiB before", grown >> 20, before >> 20);
    let stored = server.send("HEAD", &format!("/exports/audio/{}.mp3", large.bare_id()), &[], b"");
    assert_eq!(stored.header("content-length"), Some(size.to_string().as_str()));
    daemon.stop();
}
