//! Who may write: the exact path, with the right token.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Ingest;
use super::problem::Problem;
use crate::contract::{SECRET_HEADER, TOKEN_HEADER, VERSION_HEADER};

/// What a writer has to show.
#[derive(Clone)]
pub enum Guard {
    /// The digest of the token. Digests have one length, so comparing them tells nothing about
    /// the token's, and the token itself need not stay in memory.
    Token(blake3::Hash),
    /// Nothing: for a loopback address only, which whoever opens the listener must see to.
    Open,
    /// What nobody has: there is no secret to show.
    Shut,
}

impl Guard {
    /// Guards with `token`, byte for byte.
    pub fn token(token: &SecretString) -> Self {
        Self::Token(blake3::hash(token.expose_secret().as_bytes()))
    }

    /// Whether a token is asked for.
    pub fn asks(&self) -> bool {
        !matches!(self, Self::Open)
    }

    fn admits(&self, shown: Option<&[u8]>) -> bool {
        match self {
            Self::Open => true,
            Self::Shut => false,
            Self::Token(expected) => {
                let shown = blake3::hash(shown.unwrap_or_default());
                shown.as_bytes().ct_eq(expected.as_bytes()).into()
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes())
}

/// The scheme's name is written in any case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, secret) = header(headers, "authorization")?.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| secret.trim_ascii())
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
        if !Ingest::from_ref(state).guard.admits(header(&parts.headers, TOKEN_HEADER)) {
            return Err(Problem::Unauthorized);
        }
        Ok(Self { version: version(&parts.headers)? })
    }
}

/// A writer of the older generation, who showed the secret as a bearer (contract F.2).
pub(super) struct OldAdmitted {
    /// As in [`Admitted`].
    pub(super) version: Option<i64>,
}

impl<S: Send + Sync> FromRequestParts<S> for OldAdmitted
where
    Ingest: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !Ingest::from_ref(state).old_guard.admits(bearer(&parts.headers)) {
            return Err(Problem::Unauthorized);
        }
        Ok(Self { version: version(&parts.headers)? })
    }
}

/// A writer of either generation: the secret as a bearer or in its own header, or the token
/// (contract F.1, G.1; the dashboard lets anybody delete, which is no example).
pub(super) struct EitherAdmitted;

impl<S: Send + Sync> FromRequestParts<S> for EitherAdmitted
where
    Ingest: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ingest { guard, old_guard, .. } = Ingest::from_ref(state);
        let headers = &parts.headers;
        let old = bearer(headers).or_else(|| header(headers, SECRET_HEADER));
        if old_guard.admits(old) || guard.admits(header(headers, TOKEN_HEADER)) {
            return Ok(Self);
        }
        Err(Problem::Unauthorized)
    }
}

fn version(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(VERSION_HEADER) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || Problem::BadRequest(format!("{VERSION_HEADER} is not a whole number"));
    number.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use axum::http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn only_the_very_token_opens_the_door() {
        let guard = Guard::token(&"s3cret".into());
        for (shown, opens) in
            [(Some("s3cret"), true), (Some("s3creT"), false), (Some(""), false), (None, false)]
        {
            let shown = shown.map(str::as_bytes);
            assert_eq!(guard.admits(shown), opens, "{shown:?}");
            assert!(Guard::Open.admits(shown) && !Guard::Shut.admits(shown));
        }
    }

    #[test]
    fn a_bearer_is_read_from_authorization_alone() {
        for (value, secret) in [
            ("Bearer s3cret", Some("s3cret")),
            ("bearer  s3cret ", Some("s3cret")),
            ("Bearer ", Some("")),
            ("Basic s3cret", None),
            ("s3cret", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers), secret.map(str::as_bytes), "{value:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
