//! Two servers on one PostgreSQL database: the database puts their writers in a row.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::ingest::{Home, Server};
use crate::postgres::Database;
use crate::shared::{action, payload};

const WRITERS: usize = 16;
const EACH: usize = 15;
const IDS: usize = 10;

/// Two servers with one database and one media folder.
fn pair(database: &Database, folder: &tempfile::TempDir) -> [(Home, Server); 2] {
    let media = folder.path().to_str().unwrap();
    [(), ()].map(|()| {
        let home = Home::at(&database.url()).with_media(media);
        let server = Server::start(&home);
        (home, server)
    })
}

/// Has the writers send so many things in turn, each to the next id and the other server; says how
/// many of each id were taken. The number of a thing is greater than that of the one before.
fn write(
    servers: &[(Home, Server); 2],
    send: impl Fn(&Server, &str, &str) -> String + Sync,
) -> BTreeMap<String, usize> {
    let taken = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (taken, send) = (&taken, &send);
            scope.spawn(move || {
                for round in 0..EACH {
                    let number = round * WRITERS + writer;
                    let id = format!("id{}", number % IDS);
                    let (_, server) = &servers[(round + writer) % 2];
                    if send(server, &id, &number.to_string()) != "superseded" {
                        *taken.lock().unwrap().entry(id).or_default() += 1;
                    }
                }
            });
        }
    });
    taken.into_inner().unwrap()
}

/// The greatest number that an id was sent with.
fn newest(id: &str) -> usize {
    (0..WRITERS * EACH).rfind(|number| format!("id{}", number % IDS) == id).unwrap()
}

#[test]
fn sixteen_writers_through_two_servers_leave_one_row_an_id_no_gaps_and_the_last_text() {
    let Some(database) = Database::fresh() else { return };
    let folder = tempfile::tempdir().unwrap();
    let servers = pair(&database, &folder);
    let taken = write(&servers, |server, id, version| {
        let sent = payload(id, &format!("text {version}"));
        action(&server.report_with(&sent, &[("x-ytv2-version", version)]))
    });

    assert_eq!(taken.len(), IDS);
    assert_eq!(database.query("SELECT video_id FROM content").len(), IDS);
    for (id, taken) in taken {
        let rows = database.query(&format!(
            "SELECT revision, is_latest, text FROM content_summaries
              WHERE video_id = '{id}' ORDER BY revision"
        ));
        let revisions: Vec<usize> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(revisions, (1..=taken).collect::<Vec<_>>(), "{id}");
        let latest: Vec<_> = rows.iter().filter(|row| row[1] == "t").collect();
        assert_eq!(latest, [rows.last().unwrap()], "{id}");
        assert_eq!(latest[0][2], format!("text {}", newest(&id)));
    }
}

#[test]
fn writers_without_numbers_lose_no_text_either() {
    let Some(database) = Database::fresh() else { return };
    let folder = tempfile::tempdir().unwrap();
    let servers = pair(&database, &folder);
    let taken = write(&servers, |server, id, number| {
        action(&server.report(&payload(id, &format!("text {number}"))))
    });
    assert_eq!(taken.values().sum::<usize>(), WRITERS * EACH);
    let rows = database.query(
        "SELECT count(*), count(DISTINCT text), max(revision), sum(is_latest::int),
                max(revision) FILTER (WHERE is_latest)
           FROM content_summaries GROUP BY video_id",
    );
    let each = (WRITERS * EACH / IDS).to_string();
    let expected = [each.clone(), each.clone(), each.clone(), "1".into(), each];
    assert_eq!(rows, vec![expected; IDS]);
}

#[test]
fn audio_through_two_servers_ends_with_the_newest_in_its_place() {
    let Some(database) = Database::fresh() else { return };
    let folder = tempfile::tempdir().unwrap();
    let servers = pair(&database, &folder);
    write(&servers, |server, id, version| {
        let bytes = format!("sound {version}");
        action(&server.audio_with(id, bytes.as_bytes(), &[("x-ytv2-version", version)]))
    });
    for number in 0..IDS {
        let id = format!("id{number}");
        for (_, server) in &servers {
            let file = server.get(&format!("/exports/audio/{id}.mp3"));
            assert_eq!(file.body, format!("sound {}", newest(&id)).as_bytes(), "{id}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), IDS);
}

#[test]
fn two_ids_that_want_one_file_name_at_once_get_two() {
    let Some(database) = Database::fresh() else { return };
    let folder = tempfile::tempdir().unwrap();
    let servers = pair(&database, &folder);
    for round in 0..20 {
        let ids = [format!("reddit:a{round}"), format!("reddita{round}")];
        std::thread::scope(|scope| {
            for (id, (_, server)) in ids.iter().zip(&servers) {
                scope.spawn(move || server.audio(id, id.as_bytes()).expect(200));
            }
        });
        for id in &ids {
            let url = servers[0].1.audio(id, id.as_bytes()).expect(200)["public_url"].clone();
            assert_eq!(servers[1].1.get(url.as_str().unwrap()).body, id.as_bytes());
        }
    }
}
