//! A content database of the size that a NAS may have.

use jiff::tz::TimeZone;
use rusqlite::Connection;
use ytv2d::content_db::ContentDb;
use ytv2d::report::IdPolicy;

const ROWS: usize = 100_000;

/// The most memory that this process has held so far, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_hundred_thousand_rows_stream_and_memory_stays_flat() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ytv2_content.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF;
             CREATE TABLE content (id TEXT PRIMARY KEY, title TEXT, video_id TEXT, summary TEXT);
             CREATE TABLE content_summaries (content_id TEXT PRIMARY KEY, summary_text TEXT,
                                             summary_type TEXT);
             BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
             INSERT INTO content SELECT printf('yt:ab-3_%06d', i), 'Row ' || i,
                                        printf('aB-3_%06d', i), NULL FROM n;
             INSERT INTO content_summaries SELECT id, hex(zeroblob(1000)), 'audio' FROM content;
             COMMIT;",
        )
        .unwrap();
    drop(connection);

    let db = ContentDb::new(path, TimeZone::UTC, IdPolicy::Prefixed);
    let (mut read, mut after, mut early) = (0, None, 0);
    loop {
        let page = db.page(after.as_deref(), 500).unwrap();
        for row in &page.rows {
            read += 1;
            let report = row.report.as_ref().unwrap();
            assert_eq!(report.id.as_str(), format!("aB-3_{read:06}"));
        }
        if read == ROWS / 10 {
            early = peak();
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, ROWS);
    let grown = peak() - early;
    assert!(grown < 4 << 10, "after {early} KiB it grew by {grown} KiB");
}
