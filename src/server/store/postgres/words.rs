//! The index by which a search finds a word without reading every text: the trigrams of the latest
//! summaries up to a moment.
//!
//! To take the trigrams of a text costs more than all else that is done about its report. So that is
//! not done when it comes: the index has the texts up to a moment and no others, and is made anew when
//! many have come since. A search looks up the former and reads the latter, and finds the same.
//!
//! It is none of the numbered steps. It is made while everybody goes on writing, a dashboard on the
//! same tables included, which no transaction can do; and without it, where the table is somebody
//! else's or the database lacks `pg_trgm`, a search is slower and finds the same.

use std::time::Duration;

use deadpool_postgres::Transaction;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::info;

use super::{call, rows, single, sql};

/// How often a server looks whether it is to be made anew.
const AGAIN: Duration = Duration::from_secs(300);

/// So many texts are read by a search without anybody noticing.
const FEW: i64 = 1000;

/// It is made anew when the texts that have come since are more than this part of all: so what that
/// costs a text does not grow with their number.
const PART: i64 = 8;

/// Sees to it, for as long as the process lives. One server at a time does.
pub(super) async fn keep(config: Box<Config>, tls: Option<MakeRustlsConnect>) {
    let mut said = None;
    loop {
        let why = look(config.clone(), tls.clone()).await.err();
        if why.is_some() && why != said {
            without(&why);
        }
        said = why;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Sees to it once.
pub(super) async fn index(config: Box<Config>, tls: Option<MakeRustlsConnect>) {
    without(&look(config, tls).await.err());
}

fn without(why: &Option<String>) {
    if let Some(why) = why {
        info!(why, "the search reads every text, for want of an index of words");
    }
}

/// Fails with the server's words.
async fn look(config: Box<Config>, tls: Option<MakeRustlsConnect>) -> Result<(), String> {
    // Its own, since it may take longer than a statement of the pool's may.
    let looked = async {
        let (client, mut messages) = single::connect(&config, tls).await?;
        let hear = async {
            while messages.try_next().await?.is_some() {}
            Ok(())
        };
        tokio::select! {
            done = with(&client) => done,
            ended = hear => ended,
        }
    };
    looked.await.map_err(|error: Error| call::said(&error))
}

async fn with(client: &Client) -> Result<(), Error> {
    if !client.query_one(sql::ALONE_AT_WORDS, &[]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    let mut names = Vec::new();
    for row in client.query(sql::WORDS, &[]).await? {
        let name: String = row.get("name");
        if row.get("whole") {
            names.push(name);
        } else {
            // Somebody was cut off while making it.
            client.batch_execute(&sql::drop_words(&name)).await?;
        }
    }
    let mut moment = names.iter().find_map(|name| sql::words_moment(name));
    let texts = client.query_one(&sql::count_words(moment), &[]).await?;
    let (since, all): (i64, i64) = (texts.get("since"), texts.get("texts"));
    if since > FEW && since > all / PART {
        client.batch_execute(sql::TRIGRAMS).await?;
        let schema: String = client.query_one(sql::TRIGRAMS_SCHEMA, &[]).await?.get(0);
        let last: Timestamp = texts.get("last");
        client.batch_execute(&sql::make_words(last, &schema)).await?;
        if !names.iter().any(|name| name == sql::WORDS_SINCE) {
            client.batch_execute(sql::MAKE_WORDS_SINCE).await?;
        }
        moment = Some(last);
        info!(texts = all, "the search has an index of words up to now");
    }
    // Of an older moment, or of none, which would take the trigrams of whatever comes.
    let is_old = |name: &&String| *name != sql::WORDS_SINCE && sql::words_moment(name) != moment;
    for name in names.iter().filter(is_old) {
        client.batch_execute(&sql::drop_words(name)).await?;
    }
    Ok(())
}

/// Up to when the index has the texts; none where there is no such index.
pub(super) async fn moment(db: &Transaction<'_>) -> Result<Option<Timestamp>, Error> {
    let rows = rows::query(db, sql::WORDS, &[]).await?;
    let whole = rows.iter().filter(|row| row.get("whole"));
    Ok(whole.map(|row| row.get("name")).find_map(sql::words_moment))
}
