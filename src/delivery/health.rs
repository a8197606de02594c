//! What a target's health endpoints say (contract E).

use serde::Deserialize;

use crate::file::Printable;

/// Whether a target would take anything at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Health {
    Fine,
    /// It has no such endpoint, which says nothing.
    Unknown,
    Bad(String),
}

/// The keys that matter. Whatever is not such JSON, a hotel's log-in page for one, is not health.
#[derive(Deserialize)]
struct Body {
    status: String,
    token_set: Option<bool>,
    pg_dsn_set: Option<bool>,
}

/// Judges the answer of a health endpoint.
pub fn judge_health(status: u16, body: &[u8]) -> Health {
    match status {
        404 | 405 | 410 | 501 => return Health::Unknown,
        200..=299 => {}
        _ => return Health::Bad(format!("the health check answers {status}")),
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return Health::Bad("the health check answers with something else than health".to_owned());
    };
    if body.token_set == Some(false) {
        return Health::Bad("the dashboard has no INGEST_TOKEN set".to_owned());
    }
    if body.pg_dsn_set == Some(false) {
        return Health::Bad("the dashboard has no database set".to_owned());
    }
    match body.status.as_str() {
        "ok" | "healthy" => Health::Fine,
        other => Health::Bad(format!("the health check says {}", Printable(other.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_health_is_health() {
        let fine = r#"{"status":"ok","auth_required":true,"token_set":true,"pg_dsn_set":true}"#;
        for (status, body, fine) in [
            (200, fine, Some(true)),
            (200, r#"{"status":"healthy","timestamp":"x","service":"y"}"#, Some(true)),
            (200, r#"{"status":"ok","token_set":false}"#, Some(false)),
            (200, r#"{"status":"ok","pg_dsn_set":false}"#, Some(false)),
            (200, r#"{"status":"degraded"}"#, Some(false)),
            (200, "<html>log in</html>", Some(false)),
            (200, "", Some(false)),
            (302, "", Some(false)),
            (401, "", Some(false)),
            (500, "", Some(false)),
            (503, fine, Some(false)),
            (404, "<html>", None),
            (501, "", None),
        ] {
            let health = judge_health(status, body.as_bytes());
            let expected = match health {
                Health::Fine => Some(true),
                Health::Bad(_) => Some(false),
                Health::Unknown => None,
            };
            assert_eq!(expected, fine, "{status} {body}: {health:?}");
        }
    }
}
