//! Who may write: the exact path, with the right token.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Ingest;
use super::problem::Problem;
use crate::contract::{TOKEN_HEADER, VERSION_HEADER};

/// What a writer has to show.
#[derive(Clone)]
pub enum Guard {
    /// The digest of the token. Digests have one length, so comparing them tells nothing about
    /// the token's, and the token itself need not stay in memory.
    Token(blake3::Hash),
    /// Nothing: for a loopback address only, which whoever opens the listener must see to.
    Open,
}

impl Guard {
    /// Guards with `token`, byte for byte.
    pub fn token(token: &SecretString) -> Self {
        Self::Token(blake3::hash(token.expose_secret().as_bytes()))
    }

    /// Whether a token is asked for.
    pub fn asks(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Self::Token(expected) = self else { return true };
        let shown = headers.get(TOKEN_HEADER).map_or(&[][..], |value| value.as_bytes());
        blake3::hash(shown).as_bytes().ct_eq(expected.as_bytes()).into()
    }
}

/// A writer who was let in, before any of the body was read.
pub(super) struct Admitted {
    /// `X-Ytv2-Version`: only grows for one id and kind.
    pub(super) version: Option<i64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Admitted
where
    Ingest: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // The dashboard compares the raw request target (contract C.1, "Path match").
        if parts.uri.query().is_some() {
            return Err(Problem::NotFound);
        }
        if !Ingest::from_ref(state).guard.admits(&parts.headers) {
            return Err(Problem::Unauthorized);
        }
        let version = match parts.headers.get(VERSION_HEADER) {
            None => None,
            Some(value) => {
                Some(value.to_str().ok().and_then(|text| text.trim().parse().ok()).ok_or_else(
                    || Problem::BadRequest(format!("{VERSION_HEADER} is not a whole number")),
                )?)
            }
        };
        Ok(Self { version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_opens_the_door() {
        let guard = Guard::token(&"s3cret".into());
        for (shown, opens) in
            [(Some("s3cret"), true), (Some("s3creT"), false), (Some(""), false), (None, false)]
        {
            let mut headers = HeaderMap::new();
            if let Some(shown) = shown {
                headers.insert(TOKEN_HEADER, shown.parse().unwrap());
            }
            assert_eq!(guard.admits(&headers), opens, "{shown:?}");
            assert!(Guard::Open.admits(&headers));
        }
    }
}
