//! What the ingest side lets be read: listings, records, audio, events, numbers.
//!
//! A behaviour knows its server by its address alone, so that any store can be behind it.

#[path = "support/ingest.rs"]
mod ingest;
#[path = "support/objects.rs"]
mod objects;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/stores.rs"]
#[macro_use]
mod stores;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::postgres::{Cluster, Database};
use ingest::{Home, PATIENCE, Reply, SECRET, Server, until};
use serde_json::{Value, json};

on_each_store! {
    a_listing_has_the_visible_records_newest_first,
    latest_of_nothing_is_null,
    pages_cover_every_record_once_and_have_fifty_at_the_most,
    a_card_has_what_the_contract_names,
    a_search_finds_every_word_anywhere_and_takes_none_for_a_wildcard,
    filters_take_the_whole_channel_the_source_and_whether_there_is_audio,
    the_older_generations_prefix_leads_to_the_same_record,
    audio_by_id_is_that_of_this_very_id,
    nothing_that_is_served_is_left_to_guessing,
    events_tell_what_was_added_and_deleted_and_nothing_of_what_stayed,
    whoever_comes_back_gets_what_there_was_meanwhile,
    after_a_restart_a_reader_is_told_that_events_may_be_missing,
    a_reader_that_does_not_read_loses_events_and_delays_nobody,
    readers_of_events_leave_room_for_writers_and_do_not_delay_the_end,
    the_numbers_count_what_was_done_and_what_is_held,
    no_stranger_can_make_the_numbers_many,
    the_numbers_come_as_openmetrics,
}

tests! {
    on_postgres_and_an_object_store, at_a_bucket,
    audio_by_id_is_that_of_this_very_id,
    nothing_that_is_served_is_left_to_guessing,
    events_tell_what_was_added_and_deleted_and_nothing_of_what_stayed,
}

fn payload(id: &str) -> Value {
    json!({
        "video_id": id,
        "title": format!("About {id}"),
        "channel_name": "Sea Lab",
        "indexed_at": "2025-10-20T09:15:00Z",
        "duration_seconds": 727,
        "analysis_json": {"language": "en"},
        "summary_variants": [{"variant": "comprehensive", "text": "t", "html": "<p>t</p>"}],
    })
}

fn with(mut payload: Value, more: Value) -> Value {
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

fn put(server: &Server, payload: &Value) {
    server.report(payload).expect(200);
}

fn list(server: &Server, query: &str) -> Value {
    server.get(&format!("/api/reports?{query}")).expect(200)
}

fn ids(listing: &Value) -> Vec<&str> {
    let reports = listing["reports"].as_array().unwrap();
    reports.iter().map(|report| report["video_id"].as_str().unwrap()).collect()
}

// --- the listing

fn a_listing_has_the_visible_records_newest_first(home: &Home) {
    let server = Server::start(home);
    assert_eq!(list(&server, "")["reports"], json!([]));
    for (id, time) in [("b", "2025-10-02"), ("a", "2025-10-01"), ("c", "2025-10-03")] {
        put(&server, &with(payload(id), json!({"indexed_at": format!("{time}T00:00:00Z")})));
    }
    let hidden = json!([{"variant": "adaptive", "text": "t", "html": "h"}]);
    put(&server, &with(payload("hidden"), json!({"summary_variants": hidden})));
    put(&server, &with(payload("bare"), json!({"summary_variants": null})));

    let listing = list(&server, "");
    assert_eq!(ids(&listing), ["c", "b", "a"]);
    assert_eq!(listing["total_count"], 3);
    assert_eq!(ids(&list(&server, "sort=oldest")), ["a", "b", "c"]);
    assert_eq!(ids(&list(&server, "sort=title_za")), ["c", "b", "a"]);
    assert_eq!(ids(&list(&server, "sort=title_az")), ["a", "b", "c"]);
    assert_eq!(
        server.get("/api/reports?latest=true").expect(200),
        json!({"report": {
            "video_id": "c", "summary_type": "comprehensive", "indexed_at": "2025-10-03T00:00:00Z",
        }})
    );
    // A text that becomes invisible takes its record with it.
    put(&server, &with(payload("c"), json!({"summary_variants": null})));
    assert_eq!(list(&server, "")["total_count"], 3);
    let hides = json!([{"variant": "comprehensive", "text": "t", "html": null}]);
    put(&server, &with(payload("c"), json!({"summary_variants": hides})));
    assert_eq!(ids(&list(&server, "")), ["b", "a"]);
    assert_eq!(server.get("/c.json").status, 404);
}

fn latest_of_nothing_is_null(home: &Home) {
    let server = Server::start(home);
    assert_eq!(list(&server, "latest=true"), json!({"report": null}));
}

fn pages_cover_every_record_once_and_have_fifty_at_the_most(home: &Home) {
    let server = Server::start(home);
    for n in 0..53 {
        // All of one time: the order has to hold by itself.
        put(&server, &payload(&format!("id{n:02}")));
    }
    let listing = list(&server, "size=1000");
    assert_eq!((ids(&listing).len(), &listing["pagination"]["size"]), (50, &json!(50)));
    assert_eq!(ids(&list(&server, "")).len(), 20);

    let mut seen = BTreeSet::new();
    for page in 1.. {
        let listing = list(&server, &format!("size=10&page={page}"));
        let said = &listing["pagination"];
        assert_eq!((&said["total"], &said["pages"]), (&json!(53), &json!(6)));
        assert_eq!(said["has_prev"], page > 1);
        for id in ids(&listing) {
            assert!(seen.insert(id.to_owned()), "{id} twice");
        }
        if said["has_next"] == false {
            assert_eq!(page, 6);
            break;
        }
    }
    assert_eq!(seen.len(), 53);
    let beyond = list(&server, "page=4000000000");
    assert_eq!((ids(&beyond).len(), &beyond["total_count"]), (0, &json!(53)));
}

fn a_card_has_what_the_contract_names(home: &Home) {
    let server = Server::start(home);
    let id = "reddit:1n2abcd";
    put(
        &server,
        &with(
            payload(id),
            json!({
                "canonical_url": "https://www.reddit.com/r/tides/comments/1n2abcd",
                "thumbnail_url": "https://i.example.org/x.jpg",
                "analysis_json": {"language": "en", "audio_duration_seconds": 61},
                "summary_variants": [
                    {"variant": "audio", "text": "spoken", "html": "<p>spoken</p>"},
                    {"variant": "adaptive", "text": "other", "html": ""},
                    {"variant": "executive", "text": "short", "html": "<p>short</p>"},
                ],
            }),
        ),
    );
    server.audio(id, b"sound").expect(200);
    let listing = list(&server, "");
    let card = &listing["reports"][0];
    for (pointer, value) in [
        ("/video_id", json!(id)),
        ("/id", json!(id)),
        ("/file_stem", json!(id)),
        ("/channel", json!("Sea Lab")),
        ("/content_source", json!("reddit")),
        ("/source_label", json!("Reddit")),
        ("/thumbnail_url", json!("https://i.example.org/x.jpg")),
        ("/duration_seconds", json!(727)),
        ("/indexed_at", json!("2025-10-20T09:15:00Z")),
        ("/media", json!({"has_audio": true, "audio_url": "/exports/audio/reddit1n2abcd.mp3"})),
        ("/media_metadata/mp3_duration_seconds", json!(61)),
        ("/analysis/language", json!("en")),
        ("/summary_type", json!("executive")),
        ("/summary_text", json!("short")),
        ("/summary_html", json!("<p>short</p>")),
        ("/summary_variants/0/variant", json!("adaptive")),
        ("/summary_variants/2/kind", json!("text")),
    ] {
        assert_eq!(card.pointer(pointer), Some(&value), "{pointer} in {card}");
    }
}

fn a_search_finds_every_word_anywhere_and_takes_none_for_a_wildcard(home: &Home) {
    let server = Server::start(home);
    let texts = |text: &str| json!([{"variant": "audio", "text": text, "html": "h"}]);
    for (id, title, channel, text) in [
        ("one", "The Tides", "Sea Lab", "The moon pulls."),
        ("two", "100% Moon", "Sky_Lab", "It has no sea."),
        ("three", "Bread", "O'Brien \\ Sons", "Flour; DROP TABLE content"),
    ] {
        let more =
            json!({"title": title, "channel_name": channel, "summary_variants": texts(text)});
        put(&server, &with(payload(id), more));
    }
    for (q, found) in [
        ("tides", &["one"][..]),
        ("TIDES", &["one"]),
        ("moon", &["one", "two"]),
        ("moon+sea", &["one", "two"]),
        ("moon+pulls", &["one"]),
        ("moon+flour", &[]),
        ("lab", &["one", "two"]),
        ("three", &["three"]),
        ("%25", &["two"]),
        ("_", &["two"]),
        ("%5C", &["three"]),
        ("o%27brien", &["three"]),
        ("%27+OR+1=1+--", &[]),
        ("ebr", &[]),
        ("+", &["one", "three", "two"]),
    ] {
        let listing = list(&server, &format!("q={q}"));
        let mut ids = ids(&listing);
        ids.sort_unstable();
        assert_eq!(ids, found, "{q}");
        assert_eq!(listing["total_count"], found.len(), "{q}");
    }
    // A text that was replaced is not searched any more.
    put(&server, &with(payload("one"), json!({"summary_variants": texts("It is gone.")})));
    assert_eq!(ids(&list(&server, "q=pulls")), [""; 0]);
    assert_eq!(server.get(&format!("/api/reports?q={}", "x".repeat(300))).status, 400);
}

fn filters_take_the_whole_channel_the_source_and_whether_there_is_audio(home: &Home) {
    let server = Server::start(home);
    for (id, url, channel) in [
        ("aB-3_xY9zQk", "https://youtu.be/aB-3_xY9zQk", "Sea Lab"),
        ("bC-3_xY9zQk", "", "Sea"),
        ("reddit:1n2abcd", "", "r/tides"),
        ("web:0f0f", "https://example.org/a", "Sea & Sand"),
        ("w", "https://EN.wikipedia.org/wiki/Tide", "Wikipedia"),
        ("l", "https://www.churchofjesuschrist.org/study", "Church"),
        ("x", "", "Nowhere"),
    ] {
        let url = if url.is_empty() { json!(null) } else { json!(url) };
        put(&server, &with(payload(id), json!({"canonical_url": url, "channel_name": channel})));
    }
    server.audio("reddit:1n2abcd", b"sound").expect(200);
    for (query, found) in [
        ("source=youtube", &["aB-3_xY9zQk", "bC-3_xY9zQk"][..]),
        ("source=reddit", &["reddit:1n2abcd"]),
        ("source=web", &["web:0f0f"]),
        ("source=wikipedia", &["w"]),
        ("source=lds", &["l"]),
        ("source=other", &["x"]),
        ("source=nonsense", &[]),
        ("channel=Sea", &["bC-3_xY9zQk"]),
        ("channel=Sea+%26+Sand", &["web:0f0f"]),
        ("has_audio=true", &["reddit:1n2abcd"]),
        ("has_audio=false&q=sea", &["aB-3_xY9zQk", "bC-3_xY9zQk", "web:0f0f"]),
        ("has_audio=1&source=web", &[]),
    ] {
        let listing = list(&server, query);
        let mut ids = ids(&listing);
        ids.sort_unstable();
        assert_eq!(ids, found, "{query}");
    }
}

// --- records and audio

fn the_older_generations_prefix_leads_to_the_same_record(home: &Home) {
    let server = Server::start(home);
    put(&server, &payload("abc"));
    server.audio("abc", b"sound").expect(200);
    assert_eq!(server.get("/yt:abc.json").expect(200)["video_id"], "abc");
    assert_eq!(server.get("/exports/by_video/yt:abc.mp3").body, b"sound");
    assert_eq!(server.get("/%00.json").status, 404);
    put(&server, &payload("yt:abc"));
    assert_eq!(server.get("/yt:abc.json").expect(200)["video_id"], "yt:abc");
}

fn audio_by_id_is_that_of_this_very_id(home: &Home) {
    let server = Server::start(home);
    server.audio("abc", b"the one of abc").expect(200);
    server.audio("xabcx", b"another's").expect(200);
    server.audio("reddit:1n2", b"of a thread").expect(200);
    let awkward = "a/b ä";
    server.audio(awkward, b"of an odd id").expect(200);
    for (path, body) in [
        ("abc.mp3", &b"the one of abc"[..]),
        ("abc.mp3?v=7", b"the one of abc"),
        ("reddit:1n2.mp3", b"of a thread"),
        ("reddit%3A1n2.mp3", b"of a thread"),
        ("a%2Fb%20%C3%A4.mp3", b"of an odd id"),
    ] {
        let reply = server.get(&format!("/exports/by_video/{path}"));
        assert_eq!((reply.status, reply.body.as_slice()), (200, body), "{path}");
        assert_eq!(reply.header("content-type"), Some("audio/mpeg"));
    }
    for path in ["ab.mp3", "bcx.mp3", "abc", "ABC.mp3", "reddit1n2.mp3", "..%2Fabc.mp3", "%00.mp3"]
    {
        assert_eq!(server.get(&format!("/exports/by_video/{path}")).status, 404, "{path}");
    }
    // The listing leads to it where a record says only that there is some.
    put(&server, &with(payload(awkward), json!({"media": {"has_audio": true}})));
    put(&server, &with(payload("told"), json!({"media": {"has_audio": true}})));
    let listing = list(&server, "q=told");
    assert_eq!(listing["reports"][0]["media"]["audio_url"], "/exports/by_video/told.mp3");

    let head = server.send("HEAD", "/exports/by_video/abc.mp3", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("14")));
    let part = server.send("GET", "/exports/by_video/abc.mp3", &[("range", "bytes=4-6")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"one"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 4-6/14"));
}

fn nothing_that_is_served_is_left_to_guessing(home: &Home) {
    let server = Server::start(home);
    server.audio("abc", b"<script>alert(1)</script>").expect(200);
    for path in ["/", "/page/page.js", "/exports/audio/abc.mp3", "/api/reports", "/x", "/metrics"] {
        let reply = server.get(path);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    assert_eq!(server.get("/exports/audio/abc.mp3").header("content-type"), Some("audio/mpeg"));
}

// --- events

/// A reader of the events.
struct Events {
    lines: BufReader<TcpStream>,
}

/// An event's name, id and data.
type Event = (String, u64, Value);

impl Events {
    fn open(server: &Server, last: Option<&str>) -> Self {
        let mut stream = server.connect();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        write!(stream, "GET /api/report-events HTTP/1.1\r\nhost: x\r\n{last}\r\n").unwrap();
        let mut events = Self { lines: BufReader::new(stream) };
        assert_eq!(events.line(), "HTTP/1.1 200 OK");
        while events.line() != ": connected" {}
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream ended");
        line.trim_end().to_owned()
    }

    fn next(&mut self) -> Event {
        let (mut name, mut id, mut data) = (String::new(), 0, Value::Null);
        // Silence does not end a read: the stream says now and then that it is alive.
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no event came");
            let line = self.line();
            match line.split_once(": ") {
                Some(("event", value)) => name = value.into(),
                Some(("id", value)) => id = value.parse().unwrap(),
                Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
                // The end of an event, not of a comment or of a chunk.
                _ if line.is_empty() && !name.is_empty() => return (name, id, data),
                _ => {}
            }
        }
    }

    /// Whose report was added next. What a server was just telling when its connection was lost it
    /// does not know to have arrived, so of a gap there may be news more than once.
    fn next_added(&mut self) -> String {
        let (name, _, data) = self.next();
        match name.as_str() {
            "events-missed" => self.next_added(),
            "report-added" => data["video_id"].as_str().unwrap().to_owned(),
            other => panic!("{other}: {data}"),
        }
    }

    /// Whether the server has ended the stream.
    fn ends(&mut self) -> bool {
        loop {
            match self.lines.read_line(&mut String::new()) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}

fn delete(server: &Server, id: &str) -> Reply {
    let bearer = format!("Bearer {SECRET}");
    server.send("DELETE", &format!("/api/delete/{id}"), &[("authorization", &bearer)], b"")
}

fn events_tell_what_was_added_and_deleted_and_nothing_of_what_stayed(home: &Home) {
    let server = Server::start(home);
    let mut events = Events::open(&server, None);
    put(&server, &payload("a"));
    put(&server, &payload("a"));
    server.audio("a", b"sound").expect(200);
    server.audio("a", b"sound").expect(200);
    delete(&server, "a").expect(200);
    delete(&server, "a").expect(404);
    put(&server, &payload("b"));

    let (name, first, data) = events.next();
    assert_eq!(name, "report-added");
    assert_eq!(
        data,
        json!({"video_id": "a", "summary_types": ["comprehensive"], "timestamp": "2025-10-20T09:15:00Z"})
    );
    let (name, second, data) = events.next();
    assert_eq!(
        (name.as_str(), &data["audio_url"]),
        ("audio-added", &json!("/exports/audio/a.mp3"))
    );
    let (name, third, data) = events.next();
    assert_eq!((name.as_str(), &data["video_id"]), ("report-deleted", &json!("a")));
    let (name, fourth, data) = events.next();
    assert_eq!((name.as_str(), &data["video_id"]), ("report-added", &json!("b")));
    assert!(first < second && second < third && third < fourth);
}

fn whoever_comes_back_gets_what_there_was_meanwhile(home: &Home) {
    let server = Server::start(home);
    let mut events = Events::open(&server, None);
    put(&server, &payload("a"));
    let (_, seen, _) = events.next();
    drop(events);
    put(&server, &payload("b"));
    put(&server, &payload("c"));
    let mut events = Events::open(&server, Some(&seen.to_string()));
    for id in ["b", "c"] {
        let (name, _, data) = events.next();
        assert_eq!((name.as_str(), &data["video_id"]), ("report-added", &json!(id)));
    }
    // And then goes on.
    put(&server, &payload("d"));
    assert_eq!(events.next().2["video_id"], "d");
}

fn after_a_restart_a_reader_is_told_that_events_may_be_missing(home: &Home) {
    let server = Server::start(home);
    let mut events = Events::open(&server, None);
    put(&server, &payload("a"));
    let (_, seen, _) = events.next();
    put(&server, &payload("b"));
    server.stop();
    let server = Server::start(home);
    let mut events = Events::open(&server, Some(&seen.to_string()));
    let (name, id, _) = events.next();
    assert!(name == "events-missed" && id > seen, "{name} {id}");
    // It need not be told twice.
    let mut events = Events::open(&server, Some(&id.to_string()));
    put(&server, &payload("c"));
    assert_eq!(events.next().2["video_id"], "c");
    for odd in ["", "x", "-1", "18446744073709551615", "99999999999999999999"] {
        assert_eq!(Events::open(&server, Some(odd)).next().0, "events-missed", "{odd:?}");
    }
}

fn a_reader_that_does_not_read_loses_events_and_delays_nobody(home: &Home) {
    let server = Server::start(home);
    let mut stalled = Events::open(&server, None);
    let mut reader = Events::open(&server, None);
    // Far more than the kernel keeps for a connection and the server for everybody, each as large
    // as can be: 2,600 events of 4 kB.
    let names: Vec<Value> = (0..32)
        .map(|n| json!({"variant": format!("{n:0>120}"), "text": "t", "html": "h"}))
        .collect();
    let mut writers: Vec<KeepAlive> = (0..20).map(|_| KeepAlive(server.connect())).collect();
    for round in 0..130 {
        for (n, writer) in writers.iter_mut().enumerate() {
            let more = json!({"title": round.to_string(), "summary_variants": names});
            writer.send(&with(payload(&format!("id{n}")), more));
        }
        for writer in &mut writers {
            writer.answered();
        }
        // Whoever reads misses nothing.
        for _ in &writers {
            assert_eq!(reader.next().0, "report-added");
        }
    }
    put(&server, &payload("last"));
    assert_eq!(reader.next().2["video_id"], "last");

    let mut names = BTreeSet::new();
    loop {
        let (name, _, data) = stalled.next();
        names.insert(name);
        if data["video_id"] == "last" {
            break;
        }
    }
    assert!(names.contains("events-missed"), "{names:?}");
    assert_eq!(metric(&server, "ytv2_ingest_events_missed_total"), 1.0);
}

/// One connection for many requests.
struct KeepAlive(TcpStream);

impl KeepAlive {
    fn send(&mut self, payload: &Value) {
        let body = payload.to_string();
        let head = format!(
            "POST /ingest/report HTTP/1.1\r\nhost: x\r\nx-ingest-token: {}\r\ncontent-length: {}\r\n\r\n",
            ingest::TOKEN,
            body.len()
        );
        self.0.write_all((head + &body).as_bytes()).unwrap();
    }

    fn answered(&mut self) {
        Reply::read(&mut self.0, false).expect(200);
    }
}

fn readers_of_events_leave_room_for_writers_and_do_not_delay_the_end(home: &Home) {
    let mut server = Server::start(home);
    let mut readers: Vec<Events> = (0..64).map(|_| Events::open(&server, None)).collect();
    let turned_away = server.get("/api/report-events");
    assert_eq!((turned_away.status, turned_away.header("retry-after")), (503, Some("1")));
    put(&server, &payload("a"));
    assert_eq!(metric(&server, "ytv2_ingest_event_streams"), 64.0);
    readers.pop();
    // It is noticed when there is something to say.
    let mut n = 0;
    until("a place is free again", || {
        n += 1;
        put(&server, &with(payload("a"), json!({"title": n.to_string()})));
        metric(&server, "ytv2_ingest_event_streams") == 63.0
    });
    readers.push(Events::open(&server, None));

    server.signal(rustix::process::Signal::TERM);
    assert!(readers.iter_mut().all(Events::ends));
    assert_eq!(server.wait().code(), Some(0));
}

// --- several servers

/// Two servers with one database, and what a reader at the first hears.
fn pair(database: &Database) -> ([Home; 2], [Server; 2], Events) {
    let homes = [(), ()].map(|()| Home::at(&database.url()));
    let servers = [Server::start(&homes[0]), Server::start(&homes[1])];
    let events = Events::open(&servers[0], None);
    (homes, servers, events)
}

#[test]
fn a_reader_at_one_server_hears_once_of_everything_that_comes_through_another() {
    let Some(database) = Database::fresh() else { return };
    let (_homes, [here, there], mut events) = pair(&database);
    let mut events_there = Events::open(&there, None);
    put(&there, &payload("a"));
    let (name, _, data) = events.next();
    assert_eq!(
        (name.as_str(), data),
        (
            "report-added",
            json!({"video_id": "a", "summary_types": ["comprehensive"], "timestamp": "2025-10-20T09:15:00Z"})
        )
    );
    assert_eq!(ids(&list(&here, "")), ["a"]);

    put(&here, &payload("b"));
    assert_eq!(events_there.next().2["video_id"], "a");
    assert_eq!(events_there.next().2["video_id"], "b");
    there.audio("a", b"sound").expect(200);
    delete(&there, "a").expect(200);
    // Twice the same words.
    for title in ["one", "two"] {
        put(&there, &with(payload("c"), json!({"title": title})));
    }
    // It ends without keeping what it has to tell to itself.
    assert!(there.stop().success());

    for (name, id) in [
        ("report-added", "b"),
        ("audio-added", "a"),
        ("report-deleted", "a"),
        ("report-added", "c"),
        ("report-added", "c"),
    ] {
        let (said, _, data) = events.next();
        assert_eq!((said.as_str(), &data["video_id"]), (name, &json!(id)));
    }
    put(&here, &payload("last"));
    assert_eq!(events.next().2["video_id"], "last");
}

#[test]
fn whoever_changes_servers_is_told_that_events_may_be_missing() {
    let Some(database) = Database::fresh() else { return };
    let (_homes, [_here, there], mut events) = pair(&database);
    put(&there, &payload("a"));
    let (_, seen, _) = events.next();
    let mut events = Events::open(&there, Some(&seen.to_string()));
    assert_eq!(events.next().0, "events-missed");
}

#[test]
fn an_event_too_large_for_the_database_to_carry_counts_as_missed() {
    let Some(database) = Database::fresh() else { return };
    let (_homes, [_here, there], mut events) = pair(&database);
    let names: Vec<Value> = (0..32)
        .map(|n| json!({"variant": format!("{n:\">128}"), "text": "t", "html": "h"}))
        .collect();
    put(&there, &with(payload("a"), json!({"summary_variants": names})));
    assert_eq!(events.next().0, "events-missed");
    put(&there, &payload("b"));
    assert_eq!(events.next().2["video_id"], "b");
}

#[test]
fn after_a_lost_connection_servers_hear_each_other_again_and_readers_are_told_of_the_gap() {
    let Some(database) = Database::fresh() else { return };
    let (_homes, [here, there], mut events) = pair(&database);
    let mut events_there = Events::open(&there, None);
    let listening = "FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()
                       AND (query LIKE 'LISTEN %' OR query LIKE '%pg_notify(%')";
    let idle = format!("SELECT count(*) {listening} AND state = 'idle'");
    let both = || database.query(&idle) == [["2"]];
    for round in 0..3 {
        let ended = database.query(&format!("SELECT pg_terminate_backend(pid) {listening}"));
        assert_eq!(ended, [["t"], ["t"]]);
        for events in [&mut events, &mut events_there] {
            assert_eq!(events.next().0, "events-missed");
        }
        until("both are back", both);
        for (server, name) in [(&there, "a"), (&here, "b")] {
            let id = format!("{name}{round}");
            put(server, &payload(&id));
            for events in [&mut events, &mut events_there] {
                assert_eq!(events.next_added(), id);
            }
        }
    }
}

#[test]
fn servers_that_were_there_before_their_database_hear_each_other_once_it_is_there() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.stop();
    let homes = [(), ()].map(|()| Home::at(&cluster.url));
    let [here, there] = [0, 1].map(|n| Server::start(&homes[n]));
    let mut events = Events::open(&here, None);
    cluster.start_again();
    // Which also makes the tables.
    put(&there, &payload("a"));
    // Each joins in its own time, so whether that is heard of nobody knows.
    while events.next().0 != "events-missed" {}
    put(&there, &payload("b"));
    while events.next_added() != "b" {}
    assert_eq!(ids(&list(&here, "")).len(), 2);
}

// --- numbers

fn metric(server: &Server, name: &str) -> f64 {
    let reply = server.get("/metrics");
    let text = String::from_utf8(reply.body).unwrap();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn the_numbers_count_what_was_done_and_what_is_held(home: &Home) {
    let server = Server::start(home);
    put(&server, &payload("a"));
    put(&server, &payload("a"));
    put(&server, &with(payload("b"), json!({"summary_variants": null})));
    server.audio("a", b"sound").expect(200);
    server.get("/a.json");
    server.get("/b.json");
    server.send("POST", "/ingest/report", &[("x-ingest-token", "wrong")], b"{}");
    for (name, value) in [
        (r#"ytv2_ingest_taken_total{kind="report",action="created"}"#, 2.0),
        (r#"ytv2_ingest_taken_total{kind="report",action="unchanged"}"#, 1.0),
        (r#"ytv2_ingest_taken_total{kind="audio",action="created"}"#, 1.0),
        (r#"ytv2_ingest_received_bytes_total{kind="audio"}"#, 5.0),
        (r#"ytv2_ingest_requests_total{route="/ingest/report",status="200"}"#, 3.0),
        (r#"ytv2_ingest_requests_total{route="/ingest/report",status="401"}"#, 1.0),
        (r#"ytv2_ingest_requests_total{route="/{id}.json",status="404"}"#, 1.0),
        (r#"ytv2_ingest_request_duration_seconds_count{route="/ingest/report"}"#, 4.0),
        ("ytv2_ingest_store_up", 1.0),
        ("ytv2_ingest_records", 2.0),
        ("ytv2_ingest_records_visible", 1.0),
        ("ytv2_ingest_audio_files", 1.0),
        ("ytv2_ingest_audio_bytes", 5.0),
    ] {
        assert_eq!(metric(&server, name), value, "{name}");
    }
}

fn no_stranger_can_make_the_numbers_many(home: &Home) {
    let server = Server::start(home);
    let lines = || String::from_utf8(server.get("/metrics").body).unwrap().lines().count();
    for path in ["/x.json", "/exports/audio/x.mp3", "/x", "/api/delete/x", "/exports/by_video/x"] {
        server.get(path);
    }
    lines();
    let before = lines();
    for n in 0..50 {
        for path in ["/{}.json", "/exports/audio/{}.mp3", "/{}", "/api/delete/{}"] {
            server.get(&path.replace("{}", &n.to_string()));
        }
        server.get(&format!("/exports/by_video/{n}"));
    }
    assert_eq!(lines(), before);
}

fn the_numbers_come_as_openmetrics(home: &Home) {
    let server = Server::start(home);
    let reply = server.get("/metrics");
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.contains("# UNIT ytv2_ingest_audio_bytes bytes\n"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}
