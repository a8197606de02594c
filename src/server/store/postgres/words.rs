//! The index by which a search finds a word without reading every text: the trigrams of the latest
//! summaries.
//!
//! It is none of the numbered steps. It is made while everybody goes on writing, a dashboard on the
//! same tables included, which no transaction can do; and without it, where the table is somebody
//! else's or the database lacks `pg_trgm`, a search is slower and finds the same.

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::info;

use super::{call, single, sql};

/// Makes it if it is not there. One server at a time does.
pub(super) async fn index(config: Box<Config>, tls: Option<MakeRustlsConnect>) {
    match make(&config, tls).await {
        Ok(false) => {}
        Ok(true) => info!("the search has an index of words from now on"),
        Err(error) => {
            let why = call::said(&error);
            info!(why, "the search reads every text, for want of an index of words");
        }
    }
}

async fn make(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<bool, Error> {
    // Its own, since it may take longer than a statement of the pool's may.
    let (client, mut messages) = single::connect(config, tls).await?;
    let hear = async {
        while messages.try_next().await?.is_some() {}
        Ok(false)
    };
    tokio::select! {
        made = with(&client) => made,
        ended = hear => ended,
    }
}

async fn with(client: &Client) -> Result<bool, Error> {
    if !client.query_one(sql::ALONE_AT_WORDS, &[]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    match client.query_opt(sql::WORDS_STATE, &[]).await?.map(|row| row.get(0)) {
        Some(true) => return Ok(false),
        // Somebody was cut off while making it.
        Some(false) => client.batch_execute(sql::DROP_WORDS).await?,
        None => {}
    }
    client.batch_execute(sql::TRIGRAMS).await?;
    let schema: String = client.query_one(sql::TRIGRAMS_SCHEMA, &[]).await?.get(0);
    client.batch_execute(&sql::make_words(&schema)).await?;
    Ok(true)
}
