//! Sends a request and reads the answer, as far as it is worth reading.

use std::time::SystemTime;

use reqwest::header::{DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};

use super::fault::transport;
use crate::delivery::{Answer, Transport, retry_after};

/// Answers are a few hundred bytes. What comes beyond is not read, and proves nothing.
pub const BODY_MAX: usize = 1024 * 1024;

pub async fn fetch(request: RequestBuilder) -> Result<Answer, Transport> {
    fetch_up_to(request, BODY_MAX).await
}

/// The same with so many bytes of the body at the most.
pub async fn fetch_up_to(request: RequestBuilder, limit: usize) -> Result<Answer, Transport> {
    let response = request.send().await.map_err(|error| transport(&error))?;
    let mut answer = head(&response);
    answer.body = body(response, limit).await?;
    Ok(answer)
}

fn head(response: &Response) -> Answer {
    let text = |headers: &HeaderMap, name| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = response.headers();
    let wait =
        |value: String| retry_after(&value, text(headers, DATE).as_deref(), SystemTime::now());
    Answer {
        status: response.status().as_u16(),
        retry_after: text(headers, RETRY_AFTER).and_then(wait),
        location: text(headers, LOCATION),
        body: Vec::new(),
    }
}

pub async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, Transport> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = limit - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == limit {
                    return Ok(body);
                }
            }
            Ok(None) => return Ok(body),
            Err(error) => return Err(Transport::Truncated(super::fault::chain(&error))),
        }
    }
}
