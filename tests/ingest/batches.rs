//! Reports that come at the same time share a transaction in PostgreSQL, and nothing else.

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::ingest::{Home, Server};
use crate::postgres::Database;
use crate::shared::{action, payload, summaries};

const WRITERS: usize = 16;
const EACH: usize = 10;

/// Has the writers send a report each in turn, all at the same time.
fn write(server: &Server, send: impl Fn(&Server, &str) + Sync) {
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let send = &send;
            scope.spawn(move || {
                for round in 0..EACH {
                    send(server, &format!("id{writer}-{round}"));
                }
            });
        }
    });
}

#[test]
fn a_report_that_cannot_be_stored_takes_no_other_down_with_it() {
    let Some(database) = Database::fresh() else { return };
    let server = Server::start(&Home::at(&database.url()));
    write(&server, |server, id| {
        let mut report = payload(id, "t");
        if id.ends_with('3') {
            report["summary_variants"][0]["revision"] = i32::MAX.into();
            server.report(&report).expect(200);
            // Beyond its column.
            server.report(&payload(id, "beyond")).expect(422);
        } else {
            assert_eq!(action(&server.report(&report)), "created");
        }
    });
    let kept = "SELECT count(*), count(DISTINCT video_id), min(text) FROM content_summaries";
    let all = (WRITERS * EACH).to_string();
    assert_eq!(database.query(kept), [[all.as_str(), all.as_str(), "t"]]);
}

/// A transaction of somebody else's, which stays open until this ends.
struct Transaction {
    runtime: Runtime,
    client: Client,
}

impl Transaction {
    fn of(database: &Database, sql: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&database.url(), NoTls).await.expect("PostgreSQL");
            tokio::spawn(connection);
            client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
            client
        });
        Self { runtime, client }
    }

    fn commit(self) {
        self.runtime.block_on(self.client.batch_execute("COMMIT")).unwrap();
    }
}

#[test]
fn an_id_that_somebody_else_is_writing_holds_up_no_other() {
    let Some(database) = Database::fresh() else { return };
    let server = Server::start(&Home::at(&database.url()));
    server.report(&payload("theirs", "one")).expect(200);
    for (sql, text) in [
        // Another ytv2-ingest, and a dashboard.
        ("SELECT pg_advisory_xact_lock(hashtextextended('theirs', 1498699337))", "two"),
        ("SELECT FROM content WHERE video_id = 'theirs' FOR UPDATE", "three"),
    ] {
        let transaction = Transaction::of(&database, sql);
        std::thread::scope(|scope| {
            let held_up = scope.spawn(|| server.report(&payload("theirs", text)));
            write(&server, |server, id| drop(server.report(&payload(id, text)).expect(200)));
            assert!(!held_up.is_finished());
            transaction.commit();
            assert_eq!(action(&held_up.join().unwrap()), "updated");
        });
        assert_eq!(summaries(&server, "theirs")[0].1, text);
    }
}
