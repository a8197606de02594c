//! Real files, and as their owner a real Python, which is what the pipeline is written in.

use std::collections::BTreeMap;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// The tables as the dashboard made them (contract J).
const DASHBOARD: &str = "
    CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, canonical_url TEXT, thumbnail_url TEXT,
        published_at TEXT, indexed_at TEXT, duration_seconds INTEGER, has_audio BOOLEAN,
        video_id TEXT, channel_name TEXT, category TEXT, subcategories_json TEXT,
        content_type TEXT, complexity_level TEXT, language TEXT DEFAULT 'en', key_topics TEXT,
        named_entities TEXT, analysis TEXT, summary TEXT, format_source TEXT,
        created_at TEXT, Secret TEXT);
    CREATE TABLE content_summaries (id INTEGER PRIMARY KEY AUTOINCREMENT,
        content_id TEXT UNIQUE, summary_text TEXT, summary_type TEXT DEFAULT 'comprehensive',
        created_at TEXT);
    CREATE TABLE summary_variants (video_id TEXT, variant_type TEXT, revision INTEGER,
        content TEXT, raw_payload TEXT, metadata TEXT, is_latest BOOLEAN, created_at TEXT,
        UNIQUE (video_id, variant_type, revision));";

/// The same as the NAS's own migration made them.
const MIGRATED: &str = "
    CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, video_id TEXT, indexed_at TEXT,
        category TEXT);
    CREATE TABLE content_summaries (content_id TEXT PRIMARY KEY, summary_text TEXT,
        summary_type TEXT);";

struct Shelf {
    directory: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A database that was written and closed.
    fn with(sql: &str) -> Self {
        let shelf = Self::new();
        Connection::open(shelf.path()).unwrap().execute_batch(sql).unwrap();
        shelf
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ytv2 100%_content?.db")
    }

    fn db(&self) -> ContentDb {
        ContentDb::new(self.path(), TimeZone::UTC, IdPolicy::Prefixed)
    }

    /// The name, bytes and date of everything that is there.
    fn state(&self) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
        fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let modified = entry.metadata().unwrap().modified().unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, (fs::read(entry.path()).unwrap(), modified))
            })
            .collect()
    }

    fn names(&self) -> Vec<String> {
        self.state().into_keys().map(|name| name.replace("ytv2 100%_content?.db", "*")).collect()
    }

    /// All titles, and a proof that they were read without a trace.
    #[track_caller]
    fn titles(&self) -> Vec<String> {
        let before = self.state();
        let titles = titles(&self.db());
        assert!(self.state() == before, "{:?} became {:?}", before.keys(), self.names());
        titles
    }
}

fn titles(db: &ContentDb) -> Vec<String> {
    let page = db.page(None, 1000).unwrap();
    assert_eq!(page.next, None);
    page.rows.into_iter().map(|row| row.report.unwrap().fields.title).collect()
}

/// Another process with the database open.
struct Owner {
    process: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Owner {
    /// Runs Python with a connection `db`; a line is read as a statement.
    fn of(path: &Path) -> Self {
        const SCRIPT: &str = "
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
print('ready', flush=True)
for line in sys.stdin:
    exec(line)
    print('done', flush=True)
";
        let mut process = Command::new("python3")
            .args(["-c", SCRIPT])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need python3");
        let says = BufReader::new(process.stdout.take().unwrap());
        let hears = process.stdin.take().unwrap();
        let mut owner = Self { process, says, hears };
        owner.hear("ready");
        owner
    }

    /// Does a line of Python and waits until it is done.
    fn does(&mut self, line: &str) {
        self.begins(line);
        self.hear("done");
    }

    fn begins(&mut self, line: &str) {
        writeln!(self.hears, "{line}").unwrap();
    }

    #[track_caller]
    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    }

    fn sql(&mut self, sql: &str) {
        self.does(&format!("db.executescript({sql:?})"));
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ADD: &str = "INSERT INTO content (id, title, video_id) VALUES";

#[test]
fn a_row_of_the_dashboards_flavour_is_read_with_its_true_id_and_all_its_summaries() {
    let shelf = Shelf::with(&format!(
        "{DASHBOARD}
         INSERT INTO content VALUES ('yt:ab-3_xy9zqk', 'How tides work', '', '', NULL,
             '2025-09-02T18:44:05', 727.0, 1, 'aB-3_xY9zQk', 'Sea Lab', 'Science, Sea',
             '{{\"categories\":[{{\"category\":\"Science\",\"subcategories\":[]}}]}}', 'Lecture', '',
             'en', '[\"moon\"]', '', '{{\"schema_version\": 2}}', 'not this', 'api', NULL,
             'not for others');
         INSERT INTO content_summaries (content_id, summary_text)
             VALUES ('yt:ab-3_xy9zqk', 'All about tides.');
         INSERT INTO summary_variants VALUES
             ('aB-3_xY9zQk', 'audio', 1, 'Old.', NULL, NULL, 0, '2025-09-01T00:00:00Z'),
             ('aB-3_xY9zQk', 'audio', 2, 'By ear.', '{{\"html\": \"<i>By ear.</i>\"}}', NULL, 1,
              '2025-09-02T00:00:00Z'),
             ('aB-3_xY9zQk', 'key-insights', 1, '', NULL, NULL, 1, NULL);"
    ));
    let row = shelf.db().row(b"yt:ab-3_xy9zqk").unwrap().unwrap();
    let report = row.report.unwrap();
    assert_eq!(report.shape, report::Shape::FlatRow);
    assert_eq!(report.id.as_str(), "aB-3_xY9zQk");
    assert_eq!(report.fields.title, "How tides work");
    assert_eq!(report.fields.channel_name.as_deref(), Some("Sea Lab"));
    assert_eq!(report.fields.duration_seconds, Some(727));
    assert_eq!(report.fields.indexed_at, Some("2025-09-02T18:44:05Z".parse().unwrap()));
    assert_eq!(report.fields.topics, Some(serde_json::json!(["moon"])));
    assert_eq!(report.fields.analysis["schema_version"], 2);
    assert_eq!(report.fields.subcategories.unwrap()["categories"][0]["category"], "Science");
    let variants: Vec<_> =
        report.variants.iter().map(|v| (v.name.as_str(), v.text.as_str())).collect();
    assert_eq!(variants, [("audio", "By ear."), ("comprehensive", "All about tides.")]);
    assert_eq!(report.variants[0].html, "<i>By ear.</i>");
    assert_eq!(shelf.db().count().unwrap(), 1);
}

#[test]
fn a_row_of_the_migrations_flavour_is_read_likewise() {
    let shelf = Shelf::with(&format!(
        "{MIGRATED}
         INSERT INTO content VALUES ('hash:0123456789ab', 'Moss', 'aB-3_xY9zQk', NULL, '[\"A\"]');
         INSERT INTO content_summaries
             VALUES ('hash:0123456789ab', '{{\"summary\": \"It grows.\"}}', 'key_points');
         INSERT INTO content VALUES ('reddit:1n2abcd', 'Knots', NULL, NULL, NULL);"
    ));
    let rows = shelf.db().page(None, 10).unwrap().rows;
    let reports: Vec<_> = rows.into_iter().map(|row| row.report.unwrap()).collect();
    assert_eq!(reports[0].id.as_str(), "aB-3_xY9zQk");
    assert_eq!(reports[0].fields.analysis["category"], serde_json::json!(["A"]));
    assert_eq!(reports[0].variants[0].name, "bullet-points");
    assert_eq!(reports[0].variants[0].text, "It grows.");
    assert_eq!(reports[1].id.as_str(), "reddit:1n2abcd");
    assert_eq!(reports[1].variants, []);
}

#[test]
fn a_summary_that_only_the_content_itself_has_is_taken() {
    let shelf = Shelf::with(
        "CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, summary TEXT);
         INSERT INTO content VALUES ('yt:aB-3_xY9zQk', 'T', 'Plain.');",
    );
    let rows = shelf.db().page(None, 10).unwrap().rows;
    let report = rows[0].report.as_ref().unwrap();
    assert_eq!((&*report.variants[0].name, &*report.variants[0].text), ("comprehensive", "Plain."));
}

#[test]
fn a_row_that_is_no_report_is_told_with_its_problem_and_the_rest_goes_on() {
    let shelf = Shelf::with(&format!(
        "{MIGRATED}
         {ADD} ('../x', 'a', ''), ('yt:unknown-1757000000', 'b', ''), (NULL, 'c', ''), (x'00', 'd', ''),
               ('yt:aB-3_xY9zQk', 'e', '');"
    ));
    let rows = shelf.db().page(None, 10).unwrap().rows;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (String::from_utf8_lossy(&row.key).into_owned(), row.report.is_ok()))
        .collect();
    assert_eq!(
        told,
        [
            ("../x".to_owned(), false),
            ("yt:aB-3_xY9zQk".to_owned(), true),
            ("yt:unknown-1757000000".to_owned(), false)
        ]
    );
}

#[test]
fn pages_join_without_a_gap_and_a_fingerprint_changes_with_its_row_alone() {
    let shelf = Shelf::with(&format!(
        "{MIGRATED}
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 95)
         INSERT INTO content SELECT printf('yt:aB-3_xY%04d', i), 'T' || i, NULL, NULL, NULL FROM n;"
    ));
    let all = |db: &ContentDb| {
        let mut rows = BTreeMap::new();
        let mut after = None;
        loop {
            let page = db.page(after.as_deref(), 10).unwrap();
            assert!(page.rows.len() <= 10);
            rows.extend(page.rows.into_iter().map(|row| (row.key, row.fingerprint)));
            after = page.next;
            if after.is_none() {
                return rows;
            }
        }
    };
    let before = all(&shelf.db());
    assert_eq!(before.len(), 95);
    Connection::open(shelf.path())
        .unwrap()
        .execute_batch("INSERT INTO content_summaries VALUES ('yt:aB-3_xY0007', 'New.', 'audio')")
        .unwrap();
    let after = all(&shelf.db());
    let changed: Vec<_> = after.iter().filter(|(key, print)| before[*key] != **print).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0, b"yt:aB-3_xY0007");
}

#[test]
fn nothing_is_left_beside_a_database_with_a_rollback_journal() {
    let shelf = Shelf::with(&format!("{MIGRATED} {ADD} ('web:a', 'one', '');"));
    assert_eq!(shelf.titles(), ["one"]);
    assert_eq!(shelf.names(), ["*"]);
    let mut owner = Owner::of(&shelf.path());
    owner.sql(&format!("{ADD} ('web:b', 'two', '')"));
    assert_eq!(shelf.titles(), ["one", "two"]);
}

#[test]
fn nothing_is_left_beside_a_database_in_wal_mode_that_nobody_has_open() {
    let shelf =
        Shelf::with(&format!("PRAGMA journal_mode = WAL; {MIGRATED} {ADD} ('web:a', 'one', '');"));
    assert_eq!(shelf.names(), ["*"]);
    assert_eq!(shelf.titles(), ["one"]);
}

#[test]
fn what_stands_in_the_log_of_a_program_that_writes_is_read_and_nothing_is_left_beside_it() {
    let shelf = Shelf::with(&format!("PRAGMA journal_mode = WAL; {MIGRATED}"));
    let mut owner = Owner::of(&shelf.path());
    owner.sql(&format!("{ADD} ('web:a', 'one', '')"));
    assert_eq!(shelf.names(), ["*", "*-shm", "*-wal"]);
    assert_eq!(shelf.titles(), ["one"]);
    // Not committed, and so not there.
    owner.does("db.execute('BEGIN IMMEDIATE')");
    owner.does(&format!("db.execute(\"{ADD} ('web:b', 'two', '')\")"));
    assert_eq!(shelf.titles(), ["one"]);
    owner.does("db.execute('COMMIT')");
    assert_eq!(shelf.titles(), ["one", "two"]);
    assert_eq!(shelf.db().stamp().unwrap(), shelf.db().stamp().unwrap());
    let before = shelf.db().stamp().unwrap();
    owner.sql("UPDATE content SET category = 'seen from outside' WHERE id = 'web:a'");
    assert_ne!(shelf.db().stamp().unwrap(), before);
    // A log that begins anew.
    owner.does("db.execute('PRAGMA wal_checkpoint(RESTART)')");
    owner.sql(&format!("{ADD} ('web:c', 'three', '')"));
    assert_eq!(shelf.titles(), ["one", "two", "three"]);
    owner.does("db.close()");
    assert_eq!(shelf.names(), ["*"]);
    assert_eq!(shelf.titles(), ["one", "two", "three"]);
}

#[test]
fn the_log_that_a_killed_program_left_is_read_with_or_without_its_index() {
    let shelf = Shelf::with(&format!("PRAGMA journal_mode = WAL; {MIGRATED}"));
    let mut owner = Owner::of(&shelf.path());
    owner.sql(&format!("{ADD} ('web:a', 'one', '')"));
    owner.kill();
    assert_eq!(shelf.titles(), ["one"]);
    let mut index = shelf.path().into_os_string();
    index.push("-shm");
    fs::remove_file(index).unwrap();
    assert_eq!(shelf.titles(), ["one"]);
    assert_eq!(shelf.names(), ["*", "*-wal"]);
}

#[test]
fn a_log_of_no_bytes_is_none() {
    let shelf =
        Shelf::with(&format!("PRAGMA journal_mode = WAL; {MIGRATED} {ADD} ('web:a', 'one', '');"));
    let mut log = shelf.path().into_os_string();
    log.push("-wal");
    fs::write(log, "").unwrap();
    assert_eq!(shelf.titles(), ["one"]);
}

#[test]
fn a_database_is_read_as_it_is_at_one_moment_while_another_process_never_stops_writing_to_it() {
    for mode in ["WAL", "DELETE"] {
        // So many pages that the writer is at them while they are read.
        let shelf = Shelf::with(&format!(
            "PRAGMA journal_mode = {mode}; {MIGRATED}
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
             INSERT INTO content SELECT 'web:' || i, '0', '', NULL, hex(zeroblob(500)) FROM n;"
        ));
        let mut owner = Owner::of(&shelf.path());
        // All rows say the same at every moment, and a log begins anew with every change.
        owner.does("import threading, time; stop = False");
        owner.does(
            "exec('''def write():\\n \
             own = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\\n \
             own.execute('PRAGMA wal_autocheckpoint = 1')\\n \
             own.execute('PRAGMA synchronous = OFF')\\n \
             n = 0\\n \
             while not stop:\\n  n += 1\\n  \
             own.execute('UPDATE content SET title = ?', (str(n),))\\n  \
             time.sleep(0.06)\\n''')",
        );
        owner.does("writer = threading.Thread(target=write); writer.start()");
        let mut seen = std::collections::BTreeSet::new();
        let mut looks = 0;
        while seen.len() < 20 {
            looks += 1;
            assert!(looks < 1000, "{mode}: only {seen:?} were seen");
            match shelf.db().page(None, 1000) {
                Ok(page) => {
                    assert_eq!(page.rows.len(), 200, "{mode}");
                    let titles = page.rows.into_iter().map(|row| row.report.unwrap().fields.title);
                    let titles: std::collections::BTreeSet<_> = titles.collect();
                    assert_eq!(titles.len(), 1, "{mode}: {titles:?}");
                    seen.extend(titles);
                }
                Err(error) => assert!(error.is_transient(), "{mode}: {error}"),
            }
        }
        // The writer was never refused, or it would have ended.
        owner.does("assert writer.is_alive(); stop = True; writer.join()");
    }
}

#[test]
fn a_lock_is_waited_for_and_named_when_it_lasts() {
    let shelf = Shelf::with(&format!("{MIGRATED} {ADD} ('web:a', 'one', '');"));
    let mut owner = Owner::of(&shelf.path());
    owner.does("db.execute('BEGIN EXCLUSIVE')");
    let error = shelf.db().count().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("locked"), "{error}");

    let db = shelf.db();
    let waiting = std::thread::spawn(move || db.count());
    owner.does("db.execute('COMMIT')");
    assert_eq!(waiting.join().unwrap().unwrap(), 1);
}

#[test]
fn a_change_that_was_left_half_done_is_named_and_not_undone() {
    let shelf = Shelf::with(&format!(
        "{MIGRATED}
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO content SELECT 'k' || i, 'T', NULL, NULL, hex(zeroblob(200)) FROM n;"
    ));
    let mut owner = Owner::of(&shelf.path());
    owner.does("db.execute('PRAGMA cache_size = 5')");
    owner.does("db.execute('BEGIN')");
    owner.does("db.execute(\"UPDATE content SET title = 'half'\")");
    owner.kill();
    let before = shelf.state();
    assert_eq!(shelf.names(), ["*", "*-journal"]);
    let error = shelf.db().count().unwrap_err();
    assert!(matches!(error, ContentDbError::Unfinished(_)), "{error}");
    assert!(shelf.state() == before);
}

#[test]
fn what_is_no_content_database_is_named() {
    let shelf = Shelf::new();
    let path = shelf.path();
    let told = |shelf: &Shelf| shelf.db().count().unwrap_err().to_string();
    assert!(told(&shelf).contains("no such file"), "{}", told(&shelf));
    for (bytes, words) in [
        (&b""[..], "is no SQLite database"),
        (b"# notes\n", "is no SQLite database"),
        (b"SQLite format 3\0\x10\x00\x01\x03", "newer SQLite"),
    ] {
        fs::write(&path, [bytes, &vec![0; bytes.len().min(1) * 100]].concat()).unwrap();
        assert!(told(&shelf).contains(words), "{}", told(&shelf));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(told(&shelf).contains("directory"), "{}", told(&shelf));

    let shelf = Shelf::with("CREATE TABLE notes (id TEXT)");
    assert!(told(&shelf).contains("no table content"), "{}", told(&shelf));
    let shelf = Shelf::with("CREATE TABLE content (id TEXT PRIMARY KEY, headline TEXT)");
    assert!(told(&shelf).contains("no column title"), "{}", told(&shelf));

    let shelf = Shelf::with(&format!("{MIGRATED} {ADD} ('web:a', 'one', '');"));
    let length = fs::metadata(shelf.path()).unwrap().len();
    fs::write(shelf.path(), &fs::read(shelf.path()).unwrap()[..length as usize - 5000]).unwrap();
    assert!(told(&shelf).contains("is corrupt"), "{}", told(&shelf));
}
