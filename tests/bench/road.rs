//! The daemon's road at its barest: an event heard by `notify`, a report read and parsed where a disk
//! that hangs holds nothing else up, a row in SQLite that is committed before it is sent. Each is its
//! own thread, as the house has it, and does as little as can be: about the least that this road can
//! take.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecursiveMode, Watcher};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::bare;

/// What is recorded, and where it is said that it was.
type Record = (Vec<u8>, oneshot::Sender<()>);

/// Sends what is written into a directory, until it is killed.
pub fn watch_loop(directory: &Path, url: &str) {
    let (heard, mut events) = mpsc::unbounded_channel();
    let hear = move |event: notify::Result<Event>| {
        let Ok(Event { kind: EventKind::Access(kind), paths, .. }) = event else { return };
        if kind == AccessKind::Close(AccessMode::Write) {
            let _at_the_end = paths.into_iter().try_for_each(|path| heard.send(path));
        }
    };
    let mut watcher = notify::recommended_watcher(hear).expect("inotify");
    watcher.watch(directory, RecursiveMode::NonRecursive).expect("a watch");
    let records = recorder();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (client, url) = (bare::client(), url.to_owned());
    println!("watching");
    std::io::stdout().flush().expect("somebody listens");
    let work = runtime.spawn(async move {
        while let Some(path) = events.recv().await {
            let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default().to_owned();
            let reading = tokio::task::spawn_blocking(move || bare::body(&path));
            let body = reading.await.expect("a report");
            let (recorded, is_recorded) = oneshot::channel();
            records.send((name, recorded)).expect("it records");
            is_recorded.await.expect("it is recorded");
            bare::post(&client, &url, body).await;
        }
    });
    runtime.block_on(work).expect("it goes on");
}

/// The thread that has the connection: one row, one commit, which waits for no disk.
fn recorder() -> std::sync::mpsc::Sender<Record> {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path: PathBuf = directory.path().join("outbox.db");
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE file (name BLOB PRIMARY KEY, state INTEGER NOT NULL) WITHOUT ROWID",
        )
        .expect("a table");
    let (records, queue) = std::sync::mpsc::channel::<Record>();
    std::thread::spawn(move || {
        let _goes_with_it = directory;
        for (name, recorded) in queue {
            connection
                .prepare_cached("INSERT OR REPLACE INTO file VALUES (?1, 1)")
                .and_then(|mut insert| insert.execute([name]))
                .expect("room for a row");
            let _gone = recorded.send(());
        }
    });
    records
}
