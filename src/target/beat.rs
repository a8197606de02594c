//! Tells a watcher elsewhere that all is well.

use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::fault::{chain, transport};

/// How long a watcher may take to hear of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks an address, and says whether it answered with a success. The address, which may be a secret,
/// is in no error.
///
/// # Errors
/// In words: what came instead.
pub async fn beat(url: &Url) -> Result<(), String> {
    let mut builder = Client::builder();
    if url.scheme() == "http" {
        builder = builder.tls_certs_only([]);
    }
    let client = builder
        .user_agent(concat!("ytv2d/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .build()
        .map_err(|error| chain(&error))?;
    match client.get(url.clone()).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.status().as_u16())),
        Err(error) => Err(transport(&error.without_url()).to_string()),
    }
}
