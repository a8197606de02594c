//! What is particular to PostgreSQL: its tables, its address, its absence.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::ingest::{Home, PATIENCE, Server, command};
use crate::postgres::{Cluster, Database, server, skipped};
use crate::shared::{ID, action, payload, record, summaries};

/// What a run with these arguments says before it ends, and its exit status.
fn said(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = command(home, arguments).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// As the dashboard makes them: other types, columns of its own, triggers that number revisions
/// (contract C.5).
const DASHBOARD: &str = "
    CREATE TABLE content (
        id varchar(64), video_id varchar(64) NOT NULL, title varchar(500), channel_name varchar(200),
        published_at timestamptz, indexed_at timestamptz, duration_seconds bigint,
        thumbnail_url text, canonical_url text, subcategories_json jsonb, analysis_json jsonb,
        topics_json jsonb, has_audio boolean, views integer DEFAULT 7
    );
    CREATE UNIQUE INDEX content_video_id ON content (video_id);
    CREATE TABLE content_summaries (
        id serial PRIMARY KEY,
        video_id varchar(64) NOT NULL REFERENCES content (video_id) ON DELETE CASCADE,
        variant varchar(64) NOT NULL, revision integer NOT NULL, is_latest boolean DEFAULT true,
        text text, html text, created_at timestamptz,
        UNIQUE (video_id, variant, revision)
    );
    CREATE FUNCTION number_revision() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.revision IS NULL OR NEW.revision <= 0 THEN
            SELECT coalesce(max(revision), 0) + 1 INTO NEW.revision FROM content_summaries
             WHERE video_id = NEW.video_id AND variant = NEW.variant;
        END IF;
        UPDATE content_summaries SET is_latest = false
         WHERE video_id = NEW.video_id AND variant = NEW.variant AND is_latest;
        RETURN NEW;
    END $$;
    CREATE TRIGGER number_revision BEFORE INSERT ON content_summaries
        FOR EACH ROW EXECUTE FUNCTION number_revision();
    INSERT INTO content (id, video_id, title, indexed_at, analysis_json)
         VALUES ('7', 'theirs', 'Theirs', '2025-01-01', '{\"language\": \"en\", \"rank\": 1.0}');
    INSERT INTO content_summaries (video_id, variant, revision, text, html)
         VALUES ('theirs', 'comprehensive', 0, 'one', '<p>one</p>')";

#[test]
fn beside_a_dashboard_its_tables_are_used_as_they_are() {
    let Some(database) = Database::fresh() else { return };
    database.query(DASHBOARD);
    let tables = "SELECT table_name, column_name, data_type FROM information_schema.columns
                   WHERE table_name LIKE 'content%' ORDER BY 1, 2";
    let before = database.query(tables);
    let home = Home::at(&database.url());
    let server = Server::start(&home);
    assert_eq!(database.query(tables), before);

    assert_eq!(record(&server, "theirs")["summary"]["text"], "one");
    assert_eq!(action(&server.audio("theirs", b"sound")), "created");
    let shown = record(&server, "theirs");
    assert_eq!(shown["analysis"]["audio_url"], "/exports/audio/theirs.mp3");
    assert_eq!(shown["analysis"]["rank"], 1.0);
    assert_eq!(action(&server.report(&payload("theirs", "two"))), "updated");
    assert_eq!(action(&server.report(&payload("theirs", "two"))), "unchanged");
    assert_eq!(summaries(&server, "theirs"), [("comprehensive".into(), "two".into(), 2)]);
    let kept = database.query("SELECT id, title, has_audio, views FROM content");
    assert_eq!(kept, [["7", "How tides work", "t", "7"]]);

    // The dashboard writes on, and is seen; and it deletes, and what was is over.
    database.query(
        "INSERT INTO content_summaries (video_id, variant, revision, text, html, created_at)
              VALUES ('theirs', 'comprehensive', 0, 'three', '<p>', now())",
    );
    assert_eq!(summaries(&server, "theirs"), [("comprehensive".into(), "three".into(), 3)]);
    server.report_with(&payload("theirs", "four"), &[("x-ytv2-version", "9")]).expect(200);
    database.query("DELETE FROM content WHERE video_id = 'theirs'");
    assert_eq!(server.get("/theirs.json").status, 404);
    let again = server.report_with(&payload("theirs", "four"), &[("x-ytv2-version", "3")]);
    assert_eq!(action(&again), "created");
    assert_eq!(summaries(&server, "theirs"), [("comprehensive".into(), "four".into(), 1)]);
}

#[test]
fn what_is_deleted_leaves_no_row_even_where_references_do_not_cascade() {
    let Some(database) = Database::fresh() else { return };
    database.query(&DASHBOARD.replace("ON DELETE CASCADE", ""));
    let home = Home::at(&database.url());
    let server = Server::start(&home);
    for text in ["one", "two"] {
        server.report_with(&payload(ID, text), &[("x-ytv2-version", "9")]).expect(200);
    }
    server.audio(ID, b"sound").expect(200);
    for id in ["theirs", ID] {
        server.send("DELETE", &format!("/api/delete/{id}"), &[], b"").expect(200);
    }
    for table in ["content", "content_summaries", "ytv2_ingest_reports", "ytv2_ingest_audio"] {
        assert_eq!(database.query(&format!("SELECT count(*) FROM {table}")), [["0"]], "{table}");
    }
}

/// Waits until a statement gives this.
#[track_caller]
fn until_it_gives(database: &Database, sql: &str, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    while database.query(sql) != [[expected]] {
        assert!(Instant::now() < deadline, "in vain: {sql}: {:?}", database.query(sql));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the index of words is whole.
const WORDS: &str = "SELECT coalesce(bool_and(indisvalid)::text, 'absent')
                       FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                      WHERE relname LIKE 'ytv2_ingest_words%' AND relname NOT LIKE '%_since'";

/// Adds so many records with the word `needle`, each with a number, whose texts came just now.
fn add_needles(database: &Database, numbers: std::ops::RangeInclusive<u32>) {
    database.query(&format!(
        "INSERT INTO content (video_id, title, indexed_at)
         SELECT 'id' || n, 'Title ' || n, now() FROM generate_series({0}, {1}) AS n;
         INSERT INTO content_summaries (video_id, variant, revision, text, html, created_at)
         SELECT 'id' || n, 'audio', 0, repeat(md5(n::text), 20) || ' needle' || n, 'h', now()
           FROM generate_series({0}, {1}) AS n",
        numbers.start(),
        numbers.end(),
    ));
    // As autovacuum does by and by.
    database.query("VACUUM ANALYZE");
}

#[track_caller]
fn finds_needle(server: &Server, n: u32) {
    let found = server.get(&format!("/api/reports?q=NEEDLE{n}+title")).expect(200);
    assert_eq!(found["total_count"], 1, "{found}");
    assert_eq!(found["reports"][0]["video_id"], format!("id{n}"));
}

#[test]
fn a_search_looks_words_up_in_an_index_and_reads_few_texts() {
    let Some(database) = Database::fresh() else { return };
    database.query(DASHBOARD);
    add_needles(&database, 1..=3000);
    let home = Home::at(&database.url());
    let server = Server::start(&home);
    until_it_gives(&database, WORDS, "true");
    // A server that was cut off while making it leaves it broken, and the next one mends it.
    drop(server);
    database.query(
        "UPDATE pg_index SET indisvalid = false FROM pg_class
          WHERE pg_class.oid = indexrelid AND relname LIKE 'ytv2_ingest_words%'",
    );
    assert_eq!(database.query(WORDS), [["false"]]);
    let server = Server::start(&home);
    until_it_gives(&database, WORDS, "true");

    let read = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes
                 WHERE indexrelname LIKE 'ytv2_ingest_words%' AND indexrelname NOT LIKE '%_since'";
    let before: u64 = database.query(read)[0][0].parse().unwrap();
    // More often than any plan is made for the very words that are looked for.
    for n in 2000..2020 {
        finds_needle(&server, n);
    }
    // One for the count, and one for the page.
    until_it_gives(&database, &format!("SELECT ({read}) >= {}", before + 40), "t");
    let read = database.query(&format!("SELECT ({read}) < {}", before + 400));
    assert_eq!(read, [["t"]], "it reads few of 3,000 texts");
}

#[test]
fn texts_that_come_after_the_index_was_made_are_found_too_and_when_many_get_another() {
    let Some(database) = Database::fresh() else { return };
    database.query(DASHBOARD);
    // As it was made once, for whatever comes.
    database.query(
        "CREATE EXTENSION pg_trgm;
         CREATE INDEX ytv2_ingest_words ON content_summaries
          USING gin (text gin_trgm_ops) WHERE is_latest",
    );
    add_needles(&database, 1..=1100);
    let names = "SELECT string_agg(indexrelname, ' ') FROM pg_stat_user_indexes
                  WHERE indexrelname LIKE 'ytv2_ingest_words%' AND indexrelname NOT LIKE '%_since'";
    let of_a_moment = format!("SELECT ({names}) ~ '^ytv2_ingest_words_[0-9]+$'");
    let home = Home::at(&database.url());
    let server = Server::start(&home);
    until_it_gives(&database, &of_a_moment, "t");

    let first = database.query(names)[0][0].clone();
    let late = |text: &str| {
        let mut report = payload("id5000", text);
        report["title"] = "Title".into();
        server.report(&report).expect(200);
    };
    late("one text with needle5000");
    finds_needle(&server, 5000);
    finds_needle(&server, 777);
    late("another");
    assert_eq!(server.get("/api/reports?q=needle5000").expect(200)["total_count"], 0);
    assert_eq!(database.query(names), [[first.as_str()]]);

    add_needles(&database, 1101..=2200);
    finds_needle(&server, 2200);
    drop(server);
    let server = Server::start(&home);
    until_it_gives(&database, &format!("{of_a_moment} AND ({names}) <> '{first}'"), "t");
    finds_needle(&server, 777);
    finds_needle(&server, 2200);
}

#[test]
fn a_search_finds_the_same_where_no_index_can_be_made() {
    let Some(database) = Database::fresh() else { return };
    database.query(DASHBOARD);
    add_needles(&database, 1..=1100);
    // The tables are somebody else's.
    database.query(&format!(
        "CREATE ROLE \"{role}\" LOGIN;
         GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\";
         GRANT ALL ON ALL TABLES IN SCHEMA public TO \"{role}\";
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO \"{role}\"",
        role = database.name()
    ));
    let plain = database.url().replace("ytv2@", &format!("{}@", database.name()));
    let home = Home::at(&plain);
    let (code, told) = said(&home, &["--migrate-only"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("for want of an index of words"), "{told}");
    let server = Server::start(&home);
    finds_needle(&server, 1001);
    assert_eq!(database.query(WORDS), [["absent"]]);
    drop(server);
    database.query(&format!("DROP OWNED BY \"{0}\"; DROP ROLE \"{0}\"", database.name()));
}

#[test]
fn a_table_that_is_not_the_dashboards_is_left_alone() {
    let Some(database) = Database::fresh() else { return };
    database.query("CREATE TABLE content (video_id text, body text)");
    let (code, said) = said(&Home::at(&database.url()), &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("title, channel_name"), "{said}");
    let tables = database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables, [["content"]]);
}

#[test]
fn tables_are_made_once_by_whoever_comes_first_or_not_at_all() {
    let Some(database) = Database::fresh() else { return };
    let home = Home::at(&database.url());
    let (code, told) = said(&home, &["--no-migrate"]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("ytv2-ingest --migrate-only"), "{told}");
    assert!(database.query("SELECT FROM pg_tables WHERE schemaname = 'public'").is_empty());

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(said(&home, &["--migrate-only"]).0, Some(0)));
        }
    });
    assert_eq!(database.query("SELECT step FROM ytv2_ingest_schema"), [["1"]]);

    // From then on without the right to make any.
    database.query(&format!(
        "CREATE ROLE \"{role}\" LOGIN;
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO \"{role}\";
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO \"{role}\"",
        role = database.name()
    ));
    let plain = database.url().replace("ytv2@", &format!("{}@", database.name()));
    let home = Home::at(&plain);
    let server = Server::start_with(&home, &["--no-migrate"]);
    assert_eq!(action(&server.report(&payload(ID, "t"))), "created");
    assert_eq!(action(&server.audio(ID, b"sound")), "created");
    drop(server);
    database.query(&format!("DROP OWNED BY \"{0}\"; DROP ROLE \"{0}\"", database.name()));

    database.query("INSERT INTO ytv2_ingest_schema (step) VALUES (99)");
    let (code, told) = said(&Home::at(&database.url()), &[]);
    assert!(code == Some(78) && told.contains("newer ytv2-ingest"), "{told}");
}

#[test]
fn the_dashboards_variable_names_the_store_and_the_command_line_wins() {
    let Some(database) = Database::fresh() else { return };
    let home = Home::new();
    let mut argumentless = std::process::Command::new(env!("CARGO_BIN_EXE_ytv2-ingest"));
    argumentless
        .arg("--migrate-only")
        .current_dir(home.path())
        .env("DATABASE_URL_POSTGRES_NEW", database.url());
    assert!(argumentless.stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(database.query("SELECT count(*) FROM content"), [["0"]]);

    argumentless.args(["--store", "sqlite:here.db"]);
    assert!(argumentless.status().unwrap().success());
    assert!(home.path().join("here.db").exists());
}

#[test]
fn what_the_database_refuses_or_never_takes_is_said_without_the_password() {
    let Some(server) = server() else { return };
    for (address, words) in [
        (server.replace("/postgres", "/absent").replace("ytv2@", "ytv2:s3cret@"), "absent"),
        ("postgres://u:s3cret@127.0.0.1/d?sslmode=maybe".into(), "sslmode=maybe"),
        ("postgres://u:s3cret@127.0.0.1:x/d".into(), "cannot be read"),
    ] {
        let (code, said) = said(&Home::at(&address), &[]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(words) && !said.contains("s3cret"), "{said}");
    }

    let database = Database::on(&server);
    let home = Home::at(&database.url());
    let server = Server::start(&home);
    // Too large for its column, and for an index: no number of attempts would help.
    let mut sent = payload(ID, "t");
    sent["summary_variants"][0]["revision"] = serde_json::json!(i32::MAX);
    server.report(&sent).expect(200);
    server.report(&payload(ID, "beyond")).expect(422);
    // Noise, which does not compress.
    let noise: String =
        (0..200_u32).map(|n| blake3::hash(&n.to_le_bytes()).to_hex().to_string()).collect();
    let answer = server.report(&payload(&noise, "t")).expect(422);
    assert!(answer["hint"].as_str().unwrap().contains("54000"), "{answer}");
}

#[test]
fn a_database_that_is_away_is_waited_for() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.stop();
    let home = Home::at(&cluster.url);
    let server = Server::start(&home);
    for _ in 0..2 {
        let reply = server.report(&payload(ID, "one"));
        assert_eq!(reply.status, 503);
        assert!(reply.header("retry-after").is_some());
        assert_eq!(server.get(&format!("/{ID}.json")).status, 503);
        assert_eq!(server.get("/health/ingest").expect(503)["status"], "error");
        assert_eq!(server.get("/health").status, 200);

        cluster.start_again();
        server.report(&payload(ID, "one")).expect(200);
        assert_eq!(server.get("/health/ingest").status, 200);
        cluster.stop();
    }
}

#[test]
fn an_encrypted_connection_checks_the_certificate() {
    let Some(database) = Database::fresh() else { return };
    let Ok(authorities) = std::env::var("YTV2_TEST_POSTGRES_CA") else {
        skipped("YTV2_TEST_POSTGRES_CA is not set: .ci/postgres needs openssl for that");
        return;
    };
    let address = format!("{}?sslmode=require", database.url());
    let (_, refused) = said(&Home::at(&address), &["--migrate-only"]);
    assert!(refused.to_lowercase().contains("certificate"), "{refused}");
    assert!(database.query("SELECT FROM pg_tables WHERE schemaname = 'public'").is_empty());

    let home = Home::at(&format!("{address}&sslrootcert={authorities}"));
    let server = Server::start(&home);
    assert_eq!(action(&server.report(&payload(ID, "t"))), "created");
    let encrypted = database.query(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
          WHERE application_name = 'ytv2-ingest'
            AND datname = current_database()",
    );
    assert_eq!(encrypted, [["t"]]);
}
