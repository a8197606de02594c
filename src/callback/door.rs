//! Who may delete: whoever shows the secret, and has not shown too many others.

use std::sync::{Arc, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use subtle::{Choice, ConstantTimeEq};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Desk;
use super::refusal::Refusal;
use crate::listener::Peer;

/// The older of the two headers that carry the secret (contract G.1).
const SECRET_HEADER: &str = "x-sync-secret";

/// Somebody who was let in, before any of the body was read.
pub struct Admitted;

impl FromRequestParts<Arc<Desk>> for Admitted {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Refusal> {
        let peer = parts.extensions.get::<Peer>().and_then(|peer| peer.0);
        let mut limiter = desk.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(wait) = limiter.waits(peer, now) {
            debug!(peer = peer.map(|peer| peer.to_string()), "too many failures: not listened to");
            return Err(Refusal::TooMany(wait));
        }
        let secret = desk.settings.borrow().callback.as_ref().map(|c| c.secret.clone());
        if secret.is_some_and(|secret| shows(&parts.headers, secret.expose())) {
            return Ok(Self);
        }
        limiter.failed(peer, now);
        let path = crate::file::Printable(parts.uri.path().as_bytes()).to_string();
        warn!(
            peer = peer.map(|peer| peer.to_string()),
            path, "authentication failed: whoever asks for a deletion has not shown SYNC_SECRET"
        );
        Err(Refusal::Unauthorized)
    }
}

/// Whether the secret is shown in one of the two ways. Digests have one length, so comparing them
/// tells nothing of the secret's, nor of how much of it was right.
fn shows(headers: &HeaderMap, secret: &str) -> bool {
    let expected = blake3::hash(secret.as_bytes());
    let is = |shown: &[u8]| blake3::hash(shown).as_bytes().ct_eq(expected.as_bytes());
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, shown) = value.as_bytes().split_at_checked(b"Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(shown)
    });
    let plain = headers.get_all(SECRET_HEADER).iter().map(|value| value.as_bytes());
    bearer
        .chain(plain)
        .map(|shown| is(shown.trim_ascii()))
        .fold(Choice::from(0), |a, b| a | b)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_very_secret_opens_the_door_in_either_header() {
        for (shown, opens) in [
            (&[("authorization", "Bearer s3cret")][..], true),
            (&[("authorization", "bearer  s3cret")], true),
            (&[("x-sync-secret", "s3cret")], true),
            (&[("authorization", "Bearer other"), ("x-sync-secret", "s3cret")], true),
            (&[("authorization", "Basic s3cret")], false),
            (&[("authorization", "s3cret")], false),
            (&[("authorization", "Bearer ")], false),
            (&[("authorization", "Bearer s3cret2")], false),
            (&[("authorization", "Bearer s3cre")], false),
            (&[("x-sync-secret", "S3CRET")], false),
            (&[("x-sync-secret", "")], false),
            (&[("x-ingest-token", "s3cret")], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in shown {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(shows(&headers, "s3cret"), opens, "{shown:?}");
        }
    }
}
