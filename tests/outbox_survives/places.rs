//! Where an outbox cannot be, and what an operator is told of it.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::support::daemon::{Config, Daemon};
use crate::support::dashboard::Dashboard;
use crate::support::fixtures;
use crate::{command, config, holds, put, refusal, skip};

/// A mount that goes when it is dropped.
struct Mounted<'p>(&'p Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = command(&["umount", "-l", &self.0.to_string_lossy()]);
    }
}

fn at(dashboard: &Dashboard, outbox: &Path, more: &str) -> Config {
    crate::config(dashboard)
        .with_toml(&format!("[outbox]\npath = {:?}\n{more}", outbox.to_str().unwrap()))
}

#[test]
fn an_outbox_on_fuse_is_refused_unless_it_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let (behind, place) = (dir.path().join("behind"), dir.path().join("place"));
    fs::create_dir(&behind).unwrap();
    fs::create_dir(&place).unwrap();
    let bound = command(&["bindfs", behind.to_str().unwrap(), place.to_str().unwrap()]);
    let _mounted = Mounted(&place);
    if let Err(why) = bound {
        return skip("an outbox on FUSE", &why);
    }
    let dashboard = Dashboard::start();
    let outbox = place.join("state/outbox.db");
    let (code, error) = refusal(&at(&dashboard, &outbox, ""));
    assert_eq!(code, Some(78), "{error}");
    assert!(error.contains("network file system (FUSE)"), "{error}");
    assert!(error.contains("outbox.path") && error.contains("allow_network"), "{error}");
    assert!(!place.join("state").exists(), "nothing is made there");

    let config = at(&dashboard, &outbox, "allow_network = true");
    let reports = fixtures::mixed_reports(2);
    put(&config, &reports);
    let daemon = Daemon::start_ready(&config);
    holds(&dashboard, &reports);
    daemon.stop();
}

#[test]
fn a_read_only_volume_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let mounted =
        command(&["mount", "-t", "tmpfs", "-o", "ro", "none", dir.path().to_str().unwrap()]);
    if let Err(why) = mounted {
        return skip("a read-only volume", &why);
    }
    let _mounted = Mounted(dir.path());
    let dashboard = Dashboard::start();
    let (code, error) = refusal(&at(&dashboard, &dir.path().join("outbox.db"), ""));
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("Read-only file system") && error.contains("outbox.path"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn what_belongs_to_somebody_else_is_refused_and_left_as_it_is() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    Connection::open(config.outbox()).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = fs::read(config.outbox()).unwrap();
    let (code, error) = refusal(&config);
    assert_eq!(code, Some(78), "{error}");
    assert!(error.contains("is a database of another program"), "{error}");
    assert_eq!(fs::read(config.outbox()).unwrap(), before);

    fs::remove_file(config.outbox()).unwrap();
    fs::create_dir(config.outbox()).unwrap();
    fs::write(config.outbox().join("photo.jpg"), "").unwrap();
    let (code, error) = refusal(&config);
    assert_eq!(code, Some(78), "{error}");
    assert!(config.outbox().join("photo.jpg").exists());
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    Daemon::start_ready(&config).stop();
    Connection::open(config.outbox()).unwrap().pragma_update(None, "user_version", 2000).unwrap();
    let before = fs::read(config.outbox()).unwrap();
    let (code, error) = refusal(&config);
    assert_eq!(code, Some(78), "{error}");
    assert!(error.contains("newer ytv2d") && error.contains("2000"), "{error}");
    assert_eq!(fs::read(config.outbox()).unwrap(), before);
}

#[test]
fn a_second_daemon_is_told_of_the_first_and_a_killed_one_is_no_obstacle() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let first = Daemon::start_ready(&config);
    let (code, error) = refusal(&config);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("process {}", first.pid())), "{error}");
    first.kill9();
    Daemon::start_ready(&config).stop();
}
