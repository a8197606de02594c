//! Audio in an object store.

use std::process::Stdio;

use crate::ingest::{Home, Server, command, until, wait};
use crate::objects::Bucket;
use crate::postgres::Database;
use crate::shared::{ID, action, payload};

/// Larger than a few parts, and not a whole number of them.
const LARGE: usize = (40 << 20) + 12_345;

#[test]
fn a_large_file_goes_through_in_parts_and_comes_back_the_same() {
    let Some(bucket) = Bucket::fresh() else { return };
    let home = bucket.home("sqlite:store.db");
    let server = Server::start(&home);
    server.audio("small", &[1; 1000]).expect(200);
    let before = server.peak_memory();
    let bytes: Vec<u8> = (0..LARGE).map(|n| (n / 7 % 251) as u8).collect();
    assert_eq!(action(&server.audio(ID, &bytes)), "created");
    let url = format!("/exports/audio/{ID}.mp3");
    assert!(server.get(&url).body == bytes);
    let grown = server.peak_memory() - before;
    assert!(grown < 32 << 20, "{grown} bytes more");
    let part = server.send("GET", &url, &[("range", "bytes=8388600-8388620")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &bytes[8_388_600..=8_388_620]));
    assert_eq!(home.media_files(), [format!("{ID}.mp3"), "small.mp3".into()]);
}

#[test]
fn a_player_asks_again_only_for_what_has_changed() {
    let Some(bucket) = Bucket::fresh() else { return };
    let home = bucket.home("sqlite:store.db");
    let server = Server::start(&home);
    server.audio(ID, b"0123456789").expect(200);
    let url = format!("/exports/audio/{ID}.mp3");
    let whole = server.get(&url);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap().to_owned();
    let again = server.send("HEAD", &url, &[("if-none-match", &tag)], b"");
    assert_eq!(again.status, 304);
    let rest = [("range", "bytes=5-"), ("if-range", tag.as_str())];
    assert_eq!(server.send("GET", &url, &rest, b"").body, b"56789");
    server.audio(ID, b"abcdefghij").expect(200);
    assert_eq!(server.send("GET", &url, &rest, b"").body, b"abcdefghij");
}

#[test]
fn two_servers_without_a_state_of_their_own_serve_each_others_files() {
    let (Some(database), Some(bucket)) = (Database::fresh(), Bucket::fresh()) else { return };
    let [one, two] = [(), ()].map(|()| {
        let home = bucket.home(&database.url());
        let server = Server::start(&home);
        (home, server)
    });
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (_, server) = if number % 2 == 0 { &one } else { &two };
            scope.spawn(move || {
                let version = number.to_string();
                let bytes = format!("sound {number}");
                let sent = [("x-ytv2-version", version.as_str())];
                server.audio_with(ID, bytes.as_bytes(), &sent).expect(200);
            });
        }
    });
    one.1.report(&payload(ID, "t")).expect(200);
    for (home, server) in [one, two] {
        assert_eq!(server.get(&format!("/exports/audio/{ID}.mp3")).body, b"sound 15");
        assert_eq!(server.get(&format!("/{ID}.json")).expect(200)["has_audio"], true);
        until("nothing else is left", || home.media_files() == [format!("{ID}.mp3")]);
        drop(server);
        let mut left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.pop().unwrap().unwrap().file_name(), "log");
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn an_object_store_that_refuses_is_told_at_the_start_and_one_that_is_away_is_waited_for() {
    let Some(bucket) = Bucket::fresh() else { return };
    let home = bucket.home_with("sqlite:store.db", "wrong");
    let mut child = command(&home, &[]).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(78), "{}", home.log());
    assert!(home.log().contains("cannot use s3://"), "{}", home.log());

    // Nobody listens on the discard port.
    let home = bucket.home("sqlite:store.db").with_env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let server = Server::start(&home);
    let reply = server.audio(ID, b"sound");
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(action(&server.report(&payload(ID, "t"))), "created");
}

#[test]
fn a_bucket_without_a_name_is_no_bucket() {
    let home = Home::new().with_media("s3://");
    let mut child = command(&home, &[]).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(2), "{}", home.log());
    assert!(home.log().contains("s3://bucket/folder"), "{}", home.log());
}
