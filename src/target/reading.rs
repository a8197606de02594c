//! Asks a target what it holds. Nothing here changes anything there: GET and HEAD only.

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, RANGE};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;

use super::fault::transport;
use super::{Target, answer};
use crate::contract::REPORTS_PATH;
use crate::contract::reading::PAGE_SIZE_MAX;
use crate::contract::{ListingAnswer, RecordAnswer, audio_public_url};
use crate::delivery::{Answer, Transport};
use crate::id::ContentId;

/// The most that is read of a record, in bytes.
const RECORD_MAX: usize = 16 << 20;
/// The same of a page of them.
const PAGE_MAX: usize = 16 << 20;

/// Why a target did not say what it holds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unread {
    /// There is no such thing.
    #[error("404")]
    Absent,
    /// It said something else, or nothing, which proves neither that it is there nor that it is not.
    #[error("{0}")]
    Unsaid(String),
}

impl From<Transport> for Unread {
    fn from(fault: Transport) -> Self {
        Unread::Unsaid(fault.to_string())
    }
}

impl Target {
    /// A page of what is visible there, the oldest first: what arrives meanwhile comes at the end,
    /// and shifts no page. They count from 1.
    pub async fn listing(&self, page: usize) -> Result<ListingAnswer, Unread> {
        let query = format!("?page={page}&size={PAGE_SIZE_MAX}&sort=oldest");
        self.json(&format!("{REPORTS_PATH}{query}"), PAGE_MAX).await
    }

    /// A record, if it is visible. An id goes into the path as it is, since the dashboard decodes
    /// nothing (contract E.2): it has only characters that may stand there.
    pub async fn record(&self, id: &ContentId) -> Result<Option<RecordAnswer>, Unread> {
        match self.json(&format!("/{id}.json"), RECORD_MAX).await {
            Ok(record) => Ok(Some(record)),
            Err(Unread::Absent) => Ok(None),
            Err(unsaid) => Err(unsaid),
        }
    }

    /// How many bytes the audio of an id has, if it is there. A dashboard from before November 2025
    /// knows no HEAD for it, and is asked for the first byte (contract E).
    pub async fn audio_size(&self, id: &ContentId) -> Result<Option<u64>, Unread> {
        let path = audio_public_url(id.as_str());
        let (status, headers) = self.head(self.reading(Method::HEAD, &path)).await?;
        match (status, number(&headers, CONTENT_LENGTH)) {
            (200, Some(size)) => return Ok(Some(size)),
            (200 | 404 | 405 | 501, _) => {}
            (status, _) => return Err(Unread::Unsaid(format!("{status} to HEAD {path}"))),
        }
        let first_byte = self.reading(Method::GET, &path).header(RANGE, "bytes=0-0");
        let (status, headers) = self.head(first_byte).await?;
        let of_all = || headers.get(CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.parse().ok();
        match status {
            404 => Ok(None),
            206 if of_all().is_some() => Ok(of_all()),
            // Of nothing there is no first byte.
            416 if of_all() == Some(0) => Ok(Some(0)),
            // It gives all of it, which is not taken.
            200 if number(&headers, CONTENT_LENGTH).is_some() => {
                Ok(number(&headers, CONTENT_LENGTH))
            }
            200 | 206 => Err(Unread::Unsaid(format!("{path} comes without its size"))),
            status => Err(Unread::Unsaid(format!("{status} to GET {path}"))),
        }
    }

    fn reading(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.address.at(path))
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<T, Unread> {
        let request = self.reading(Method::GET, path);
        let fetched = answer::fetch_up_to(request, limit);
        let answer = self.in_time(fetched).await?;
        let Answer { status, body, .. } = answer;
        match status {
            404 => Err(Unread::Absent),
            200 if body.len() >= limit => {
                Err(Unread::Unsaid(format!("the answer to {path} has more than {limit} bytes")))
            }
            200 => serde_json::from_slice(&body).map_err(|error| {
                Unread::Unsaid(format!("the answer to {path} cannot be understood: {error}"))
            }),
            status => Err(Unread::Unsaid(format!("{status} to {path}"))),
        }
    }

    /// The head of an answer; its body is left where it is.
    async fn head(&self, request: RequestBuilder) -> Result<(u16, HeaderMap), Unread> {
        let response =
            self.in_time(async { request.send().await.map_err(|error| transport(&error)) }).await?;
        Ok((response.status().as_u16(), response.headers().clone()))
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, Transport>>,
    ) -> Result<T, Transport> {
        let late = || Transport::Timeout(format!("{:?}", self.report_timeout));
        tokio::time::timeout(self.report_timeout, asked).await.unwrap_or_else(|_| Err(late()))
    }
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
