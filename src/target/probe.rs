//! Questions that store nothing at a target, for whoever checks the way to it.

use std::time::SystemTime;

use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_LENGTH, DATE};

use super::answer::{BODY_MAX, body};
use super::fault::transport;
use super::{Target, wire};
use crate::contract::DELETE_PATH;
use crate::delivery::Transport;
use crate::id::{ContentId, Kind};

/// An answer, without a judgement.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    /// When it was written, by the target's clock.
    pub date: Option<SystemTime>,
    pub body: Vec<u8>,
}

impl Target {
    /// Gets a path.
    ///
    /// # Errors
    /// Why no whole answer came.
    pub async fn ask(&self, path: &str) -> Result<Answered, Transport> {
        self.fetch(self.client.get(self.address.at(path))).await
    }

    /// Sends a report of no bytes. Whoever may send is told that there is no data, whoever may not
    /// that he may not: who it is is looked at first (contract C.4, "Check order").
    ///
    /// # Errors
    /// Why no whole answer came.
    pub async fn knock(&self) -> Result<Answered, Transport> {
        let request = self.client.post(self.address.of(Kind::Report).clone());
        self.fetch(request.header(CONTENT_LENGTH, 0).body("")).await
    }

    /// Where the parts of its health are asked for.
    pub fn health_paths(&self) -> &'static [&'static str] {
        wire::health_paths(self.name)
    }

    /// Deletes what the target holds of an id (contract G.1).
    ///
    /// # Errors
    /// Why no whole answer came.
    pub async fn delete(&self, id: &ContentId) -> Result<Answered, Transport> {
        self.fetch(self.client.delete(self.address.at(&format!("{DELETE_PATH}/{id}")))).await
    }

    async fn fetch(&self, request: RequestBuilder) -> Result<Answered, Transport> {
        let answered = async {
            let response = request.send().await.map_err(|error| transport(&error))?;
            let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
            Ok(Answered {
                status: response.status().as_u16(),
                date: date.and_then(|date| httpdate::parse_http_date(date).ok()),
                body: body(response, BODY_MAX).await?,
            })
        };
        tokio::time::timeout(self.report_timeout, answered)
            .await
            .unwrap_or_else(|_| Err(Transport::Timeout(format!("{:?}", self.report_timeout))))
    }
}
