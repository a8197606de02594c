//! What a delivery needs on this machine: the content database, the two directories, the daemon,
//! and its outbox.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use crate::check::Line;
use crate::config::Config;
use crate::content_db::ContentDb;
use crate::control::client::ClientError;
use crate::control::wire::Status;
use crate::file::{Printable, Root};
use crate::outbox::{self, Inspected, OutboxError};

/// How long a file system may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many files of a directory are opened; one that cannot be is seldom alone.
const OPENED: usize = 200;

pub async fn check(config: &Config, daemon: Result<Status, ClientError>) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(db) = ContentDb::configured(config) {
        lines.push(blocking("content database", move || database(&db)).await);
    }
    for root in Root::ALL {
        let path = config.watch.path(root).to_owned();
        let check = match root {
            Root::Reports => "reports",
            Root::Exports => "exports",
            Root::Rows => continue,
        };
        lines.push(blocking(check, move || directory(check, root, &path)).await);
    }
    let (line, status) = self::daemon(daemon);
    lines.push(line);
    // A person's shell does not know where systemd has put it; the daemon does.
    let path = status.map_or(config.outbox.clone(), |status| status.outbox.path.into());
    let allow_network = config.outbox_allow_network;
    lines.push(blocking("outbox", move || outbox(&path, allow_network)).await);
    lines
}

async fn blocking(check: &'static str, look: impl FnOnce() -> Line + Send + 'static) -> Line {
    match timeout(PATIENCE, tokio::task::spawn_blocking(look)).await {
        Ok(Ok(line)) => line,
        Ok(Err(panic)) => Line::failed(check, panic.to_string(), "report this as a fault"),
        Err(_) => Line::failed(
            check,
            format!("the file system does not answer within {PATIENCE:?}"),
            "see whether its mount is alive",
        ),
    }
}

fn database(db: &ContentDb) -> Line {
    const CHECK: &str = "content database";
    match db.count() {
        Ok(rows) => {
            let word = if rows == 1 { "row" } else { "rows" };
            Line::ok(CHECK, format!("{}: {rows} {word}", db.path().display()))
        }
        Err(error) if error.is_transient() => {
            Line::warning(CHECK, error.to_string(), "check again when the pipeline is quiet")
        }
        Err(error) => Line::failed(CHECK, error.to_string(), "see content_db.path"),
    }
}

fn directory(check: &'static str, root: Root, path: &Path) -> Line {
    let shown = path.display();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            let advice = format!("mount or make it, let ytv2d read it, or mend watch.{root}");
            return Line::failed(check, format!("{shown}: {error}"), advice);
        }
    };
    let (mut files, mut refused) = (0, Vec::new());
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let advice = "see whether its disk or its mount is sound";
                return Line::failed(check, format!("{shown}: {error}"), advice);
            }
        };
        let path = entry.path();
        let is_ours =
            path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(root.extension()));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        files += 1;
        if files <= OPENED && File::open(&path).is_err() {
            refused.push(entry.file_name());
        }
    }
    let words = format!("{shown}: {files} .{} files", root.extension());
    match refused.first() {
        None => Line::ok(check, words),
        Some(name) => Line::failed(
            check,
            format!(
                "{words}, of which at least {} cannot be read, {} for one",
                refused.len(),
                Printable(name.as_encoded_bytes())
            ),
            "let ytv2d read them: chmod o+r, or the group of ytv2d",
        ),
    }
}

/// What the daemon says of itself, if it runs.
fn daemon(status: Result<Status, ClientError>) -> (Line, Option<Status>) {
    const CHECK: &str = "daemon";
    let status = match status {
        Ok(status) => status,
        Err(ClientError::NotRunning(at)) => {
            let advice = "start it: ytv2d run, or: systemctl start ytv2d";
            return (Line::warning(CHECK, format!("nobody listens at {at}"), advice), None);
        }
        Err(error) => {
            return (Line::failed(CHECK, error.to_string(), "see control.socket"), None);
        }
    };
    let version = &status.version;
    let line = if status.healthy {
        Line::ok(CHECK, format!("ytv2d {version} runs, and is healthy"))
    } else {
        let reasons = status.reasons.join("; ");
        let words = format!("ytv2d {version} runs, and complains: {reasons}");
        Line::warning(CHECK, words, "ytv2d status tells more")
    };
    (line, Some(status))
}

fn outbox(path: &Path, allow_network: bool) -> Line {
    const CHECK: &str = "outbox";
    let shown = path.display();
    let found = match allow_network {
        true => Ok(()),
        false => outbox::check_place(path),
    }
    .and_then(|()| outbox::inspect(path));
    match found {
        Ok(Inspected::Absent) => {
            Line::ok(CHECK, format!("{shown}: not there yet; the first start makes it"))
        }
        Ok(Inspected::InUse { holder }) => {
            Line::ok(CHECK, format!("{shown}: in use by the daemon (process {holder})"))
        }
        Ok(Inspected::Sound { bytes }) => Line::ok(CHECK, format!("{shown}: sound, {bytes} bytes")),
        Err(OutboxError::NotOurs { source, .. }) => Line::warning(
            CHECK,
            format!("{shown}: {source}"),
            "check as root, or as the user that ytv2d runs as",
        ),
        Err(error) => Line::failed(CHECK, error.to_string(), "see outbox.path"),
    }
}
