//! How many reports of 7 KB the ingest side takes in a second, over 16 connections.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::Bench;
use crate::corpus;
use crate::ingest::{Home, Server};
use crate::load;
use crate::sample::median;
use crate::table::Bound::AtLeast;

const CONNECTIONS: usize = 16;
const REPORTS: usize = 8000;
const ROUNDS: usize = 3;
/// Seconds that pgbench takes for a round.
const PGBENCH: &str = "4";

pub fn measure(bench: &mut Bench) {
    let bodies = Arc::new((0..REPORTS).map(|n| corpus::usual(n).1).collect::<Vec<_>>());
    let rates: Vec<f64> = (0..ROUNDS).map(|_| rate(&Home::new(), &bodies)).collect();
    let of = format!("{CONNECTIONS} connections");
    let what = "ytv2-ingest on SQLite, 7 KB reports a second";
    bench.figures.add(what, "≥ 3,000", AtLeast(3000.0), median(&rates), &of);
    for durable in [true, false] {
        let what = match durable {
            true => "ytv2-ingest on PostgreSQL",
            false => "ytv2-ingest on PostgreSQL with fsync = off",
        };
        let server = match PostgreSql::start(durable) {
            Ok(server) => server,
            Err(why) => {
                bench.figures.skip(what, &why);
                continue;
            }
        };
        let mut rounds = Vec::new();
        for n in 0..ROUNDS {
            let transactions = server.pgbench();
            let store = server.database(&format!("round{n}"));
            rounds.push((rate(&Home::at(&store), &bodies), transactions));
        }
        let ratios: Vec<f64> = rounds.iter().map(|(ours, pgbench)| ours / pgbench).collect();
        let ours = median(&rounds.iter().map(|round| round.0).collect::<Vec<_>>());
        let pgbench = median(&rounds.iter().map(|round| round.1).collect::<Vec<_>>());
        bench.figures.add(
            what,
            "≥ 0.5 × `pgbench -N`",
            AtLeast(0.5),
            median(&ratios),
            &format!("{ours:.0} reports against {pgbench:.0} transactions a second"),
        );
    }
}

/// Reports a second that a server takes with this home.
fn rate(home: &Home, bodies: &Arc<Vec<Vec<u8>>>) -> f64 {
    let server = Server::start(home);
    let took = load::send(server.address, bodies, CONNECTIONS);
    assert!(server.stop().success(), "{}", home.log());
    bodies.len() as f64 / took.as_secs_f64()
}

/// A PostgreSQL of our own, with pgbench's tables in it.
struct PostgreSql {
    home: tempfile::TempDir,
    url: String,
}

impl PostgreSql {
    /// # Errors
    /// Why this machine has none.
    fn start(durable: bool) -> Result<Self, String> {
        let home = tempfile::tempdir().expect("a scratch directory");
        let url = said(Command::new(script()).arg("start").arg(home.path()))
            .map_err(|why| format!("no PostgreSQL here (.ci/postgres install): {why}"))?;
        let server = Self { home, url };
        if durable {
            server.query("ALTER SYSTEM SET fsync = on")?;
            server.query("SELECT pg_reload_conf()")?;
        }
        said(Command::new("pgbench").args(["-i", "-q", "-s", "10", &server.url]))
            .map_err(|why| format!("pgbench: {why}"))?;
        Ok(server)
    }

    fn query(&self, sql: &str) -> Result<String, String> {
        said(Command::new("psql").args(["-q", "-c", sql, &self.url]))
    }

    /// An empty database's address.
    fn database(&self, name: &str) -> String {
        self.query(&format!("CREATE DATABASE {name}")).expect("a database");
        let (server, _) = self.url.rsplit_once('/').expect("a database in the address");
        format!("{server}/{name}")
    }

    /// Transactions a second of its simple update, over as many connections as ours.
    fn pgbench(&self) -> f64 {
        let connections = CONNECTIONS.to_string();
        let words = ["-N", "-n", "-c", &connections, "-j", "2", "-T", PGBENCH, &self.url];
        let text = said(Command::new("pgbench").args(words)).expect("pgbench runs");
        let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).expect("its rate");
        line.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        let _ended = Command::new(script()).arg("stop").arg(self.home.path()).output();
    }
}

fn script() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/postgres"))
}

/// What a command prints.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}
