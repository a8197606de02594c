//! PostgreSQL for tests: a fresh database each, on the server that `YTV2_TEST_POSTGRES` names
//! (`.ci/postgres run` sets it), or a server of a test's own.

#![allow(dead_code)]

use std::io::{Write, stderr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Says that a test is skipped, past the test harness's ear for passing tests.
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(stderr(), "SKIPPED {test}: {why}");
}

/// The server for tests; none, said aloud, without one.
pub fn server() -> Option<String> {
    let url = std::env::var("YTV2_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        skipped("YTV2_TEST_POSTGRES is not set: see .ci/postgres");
    }
    url
}

/// An empty database, which ends with its test.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub fn fresh() -> Option<Self> {
        server().map(|server| Self::on(&server))
    }

    pub fn on(server: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ytv2_test_{}_{number}", std::process::id());
        query(server, &format!("CREATE DATABASE {name}"));
        Self { server: server.to_owned(), name }
    }

    /// `postgres://…`, to which `?parameters` may be added.
    pub fn url(&self) -> String {
        let (host, _) = self.server.rsplit_once('/').expect("a database in the URL");
        format!("{host}/{}", self.name)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        query(&self.url(), sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            query(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// The rows that a statement gives, as text; an absent value is "null".
pub fn query(url: &str, sql: &str) -> Vec<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("PostgreSQL");
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        drop(client);
        let _ = connection.await;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |value: Option<&str>| value.unwrap_or("null").to_owned();
        rows.map(|row| (0..row.len()).map(|i| text(row.get(i))).collect()).collect()
    })
}

/// A server of one test's own, to be stopped and started.
pub struct Cluster {
    dir: tempfile::TempDir,
    pub url: String,
}

impl Cluster {
    /// None, said aloud, where the other tests have no PostgreSQL either.
    pub fn start() -> Option<Self> {
        server()?;
        let dir = tempfile::tempdir().unwrap();
        let url = script("start", dir.path());
        Some(Self { dir, url })
    }

    pub fn stop(&self) {
        script("stop", self.dir.path());
    }

    pub fn start_again(&self) {
        assert_eq!(script("start", self.dir.path()), self.url);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = command("stop", self.dir.path()).output();
    }
}

fn script(what: &str, dir: &Path) -> String {
    let output = command(what, dir).output().unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn command(what: &str, dir: &Path) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/postgres"));
    command.arg(what).arg(dir);
    command
}
