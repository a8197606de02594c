//! Somebody who turns a directory, or a file, into a link to elsewhere and back, as fast as it goes.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Flips until it is stopped.
pub struct Flipper {
    place: PathBuf,
    other: PathBuf,
    flips: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flipper {
    /// What stands at `place` changes places with a link to `outside`. Each state is held for a while
    /// that grows and shrinks, so that the flips fall between any two steps of whoever looks.
    pub fn start(place: &Path, outside: &Path) -> Self {
        let other = place.with_extension("other");
        symlink(outside, &other).expect("a link");
        let (flips, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (Arc::clone(&flips), Arc::clone(&stop));
        let (one, two) = (place.to_owned(), other.clone());
        let thread = thread::spawn(move || {
            for turn in 0_u64.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                exchange(&one, &two);
                counted.fetch_add(1, Ordering::Relaxed);
                for _ in 0..turn % 97 {
                    std::hint::spin_loop();
                }
                if turn % 512 < 2 {
                    // Long enough for whole looks, in either state.
                    thread::yield_now();
                }
            }
        });
        Self { place: place.to_owned(), other, flips, stop, thread: Some(thread) }
    }

    pub fn flips(&self) -> usize {
        self.flips.load(Ordering::Relaxed)
    }

    /// Stops, and leaves everything as it was.
    pub fn stop(mut self) -> usize {
        self.end();
        if self.place.is_symlink() {
            exchange(&self.place, &self.other);
        }
        std::fs::remove_file(&self.other).expect("the link");
        self.flips()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the flips");
        }
    }
}

impl Drop for Flipper {
    fn drop(&mut self) {
        self.end();
    }
}

fn exchange(one: &Path, two: &Path) {
    renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE).expect("an exchange");
}
