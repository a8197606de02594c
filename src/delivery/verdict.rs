//! What an answer, or its absence, means for the item and for the target. Nobody else looks at a
//! status code.

use std::time::Duration;

use crate::contract::{
    AUDIO_PUBLIC_PREFIX, Action, AudioAnswer, ContentAnswer, ErrorAnswer, ReportAnswer,
    UploadAnswer,
};
use crate::file::Printable;
use crate::id::{Kind, TargetName};

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The answer says that it is stored.
    Accepted(Receipt),
    /// A success that does not say what was stored: no proof.
    Unproven(String),
    /// The target let us in, and failed at the item: the ingest route asks for the token before
    /// anything else (contract C.4).
    Erred(String),
    /// The target answered that it cannot now; it may have asked for a wait.
    Later { after: Option<Duration>, why: String },
    /// The target will never take this item as it is.
    Refused(String),
    /// The target does not know us: its token is another.
    Denied(String),
    /// The address is not, or no longer, that of an ingest endpoint.
    Misdirected(String),
    /// The target has gone over to another kind of endpoint, and will never take anything here.
    Retired(String),
    /// No whole answer came.
    Unreachable(String),
}

/// What the target said of what it stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    pub status: u16,
    /// Absent from a dashboard that does not say.
    pub action: Option<Action>,
    /// Where it serves the audio file.
    pub public_url: Option<String>,
    /// How many of the summaries it took.
    pub summaries: Option<i64>,
    /// With [`Action::Superseded`]: the number of the version that it kept.
    pub kept_version: Option<i64>,
}

/// An answer that came whole: its status, what its headers say, and as much of its body as is ever
/// looked at.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

/// Why no whole answer came.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Transport {
    #[error("the name cannot be looked up: {0}")]
    Dns(String),
    #[error("the secure connection failed: {0}")]
    Tls(String),
    #[error("the connection was refused")]
    Refused,
    #[error("the connection was reset")]
    Reset,
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no answer in time: {0}")]
    Timeout(String),
    #[error("the answer was cut off: {0}")]
    Truncated(String),
    #[error("{0}")]
    Other(String),
}

impl From<Transport> for Verdict {
    fn from(fault: Transport) -> Self {
        Verdict::Unreachable(fault.to_string())
    }
}

/// Judges what a target answered to the delivery of a `kind`.
pub fn judge_at(target: TargetName, kind: Kind, answer: &Answer) -> Verdict {
    match target {
        TargetName::Dashboard => judge(kind, answer),
        TargetName::Legacy => judge_legacy(kind, answer),
    }
}

/// Judges an answer to the delivery of a `kind`, by the table of contract C.4 and D and, for what a
/// proxy in front may say, RFC 9110.
pub fn judge(kind: Kind, answer: &Answer) -> Verdict {
    by_status(answer, || proof(kind, answer))
}

/// The same for the legacy endpoints (contract F.1 and F.2).
fn judge_legacy(kind: Kind, answer: &Answer) -> Verdict {
    match answer.status {
        410 => Verdict::Retired(format!("this dashboard is PostgreSQL-only ({})", words(answer))),
        // It has no secret of its own, so that ours cannot be the right one.
        500 if String::from_utf8_lossy(&answer.body).contains("Sync not configured") => {
            Verdict::Denied(words(answer))
        }
        _ => by_status(answer, || legacy_proof(kind, answer)),
    }
}

fn by_status(answer: &Answer, proof: impl FnOnce() -> Option<Receipt>) -> Verdict {
    let is_success = (200..=299).contains(&answer.status);
    if let Some(receipt) = is_success.then(proof).flatten() {
        return Verdict::Accepted(receipt);
    }
    let words = words(answer);
    let later = |after| Verdict::Later { after, why: words.clone() };
    match answer.status {
        200..=299 => Verdict::Unproven(words),
        300..=399 => Verdict::Misdirected(match &answer.location {
            Some(place) => format!(
                "{words}: redirected to {}, which is not followed",
                Printable(place.as_bytes())
            ),
            None => words,
        }),
        401 | 403 | 407 => Verdict::Denied(words),
        // The route itself is missing: the dashboard never answers these for an item.
        404 | 410 | 501 | 505 => Verdict::Misdirected(words),
        408 | 421 | 425 | 429 | 503 => later(answer.retry_after),
        400..=499 => Verdict::Refused(words),
        500 => Verdict::Erred(words),
        // A proxy's words, who may not have asked the target.
        _ => later(None),
    }
}

/// A success counts only when its body says what was stored.
fn proof(kind: Kind, answer: &Answer) -> Option<Receipt> {
    let status = answer.status;
    match kind {
        Kind::Report => {
            serde_json::from_slice::<ReportAnswer>(&answer.body).ok().and_then(|body| {
                let taken = body.upserted >= 1 || body.action == Some(Action::Superseded);
                taken.then_some(Receipt {
                    status,
                    action: body.action,
                    public_url: None,
                    summaries: body.summaries_upserted,
                    kept_version: body.version,
                })
            })
        }
        Kind::Audio => serde_json::from_slice::<AudioAnswer>(&answer.body).ok().and_then(|body| {
            let taken = body.saved || body.action == Some(Action::Superseded);
            (taken && !body.public_url.is_empty()).then_some(Receipt {
                status,
                action: body.action,
                public_url: Some(body.public_url),
                summaries: None,
                kept_version: body.version,
            })
        }),
    }
}

/// The same of the legacy endpoints. The older of them say under which name the file lies, and not
/// where they serve it.
fn legacy_proof(kind: Kind, answer: &Answer) -> Option<Receipt> {
    let receipt = Receipt { status: answer.status, ..Receipt::default() };
    match kind {
        Kind::Report => {
            let body: ContentAnswer = serde_json::from_slice(&answer.body).ok()?;
            let taken = body.success && (body.upserted || body.action == Action::Superseded);
            taken.then_some(Receipt {
                action: Some(body.action),
                kept_version: body.version,
                ..receipt
            })
        }
        Kind::Audio => {
            let body: UploadAnswer = serde_json::from_slice(&answer.body).ok()?;
            let public_url = body
                .public_url
                .filter(|url| !url.is_empty())
                .unwrap_or_else(|| format!("{AUDIO_PUBLIC_PREFIX}{}", body.filename));
            let stored = body.success && !body.filename.is_empty();
            stored.then_some(Receipt { public_url: Some(public_url), ..receipt })
        }
    }
}

/// The status and the server's own words, short and safe to show.
fn words(answer: &Answer) -> String {
    const SHOWN: usize = 200;
    let text = match serde_json::from_slice::<ErrorAnswer>(&answer.body) {
        Ok(ErrorAnswer { error, hint: Some(hint) }) => format!("{error} ({hint})"),
        Ok(ErrorAnswer { error, hint: None }) => error,
        Err(_) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    match shown.as_str() {
        "" => format!("{} with an empty answer", answer.status),
        _ => format!("{}: {}", answer.status, Printable(shown.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Accepted(_) => "accepted",
            Verdict::Unproven(_) => "unproven",
            Verdict::Erred(_) => "erred",
            Verdict::Later { .. } => "later",
            Verdict::Refused(_) => "refused",
            Verdict::Denied(_) => "denied",
            Verdict::Misdirected(_) => "misdirected",
            Verdict::Retired(_) => "retired",
            Verdict::Unreachable(_) => "unreachable",
        }
    }

    #[test]
    fn every_status_has_its_verdict() {
        let expected = |status: u16| match status {
            100..=199 => "later",
            200..=299 => "unproven",
            300..=399 | 404 | 410 | 501 | 505 => "misdirected",
            401 | 403 | 407 => "denied",
            408 | 421 | 425 | 429 => "later",
            400..=499 => "refused",
            500 => "erred",
            _ => "later",
        };
        for status in 100..=599 {
            for kind in [Kind::Report, Kind::Audio] {
                for body in ["", "{\"error\":\"no\"}", "<html>", "{\"upserted\":"] {
                    let verdict = judge(kind, &answer(status, body));
                    assert_eq!(word(&verdict), expected(status), "{status} {body:?}");
                }
            }
        }
    }

    #[test]
    fn only_a_body_that_says_what_was_stored_is_a_proof() {
        let report = r#"{"upserted":1,"summaries_upserted":2,"verify_row":null}"#;
        let audio = r#"{"saved":true,"public_url":"/exports/audio/x.mp3"}"#;
        for (kind, body, verdict) in [
            (Kind::Report, report, "accepted"),
            (Kind::Audio, audio, "accepted"),
            (Kind::Report, audio, "unproven"),
            (Kind::Audio, report, "unproven"),
            (Kind::Report, r#"{"upserted":0}"#, "unproven"),
            (Kind::Report, r#"{"upserted":true}"#, "unproven"),
            (Kind::Report, r#"{"upserted":0,"action":"superseded","version":9}"#, "accepted"),
            (Kind::Report, "[]", "unproven"),
            (Kind::Report, "<html>welcome to the hotel's network</html>", "unproven"),
            (Kind::Audio, r#"{"saved":false,"public_url":"/x"}"#, "unproven"),
            (Kind::Audio, r#"{"saved":true,"public_url":""}"#, "unproven"),
            (Kind::Audio, r#"{"saved":true}"#, "unproven"),
            (Kind::Audio, r#"{"saved":true,"public_url":"/exports/au"#, "unproven"),
        ] {
            assert_eq!(word(&judge(kind, &answer(200, body))), verdict, "{kind} {body}");
        }
    }

    #[test]
    fn the_legacy_endpoints_prove_it_in_their_own_words() {
        let row = r#"{"success":true,"message":"m","id":"yt:x","action":"created",
                      "upserted":true,"synced_at":"2025-10-01T00:00:00"}"#;
        let file = r#"{"success":true,"message":"m","filename":"x.mp3","size":3}"#;
        let later = r#"{"success":true,"message":"m","filename":"x.mp3","size":3,
                        "relative_path":"audio/x.mp3","public_url":"/files/x.mp3"}"#;
        let html = "<html>Error code: 400</html>";
        for (kind, status, body, verdict) in [
            (Kind::Report, 200, row, "accepted"),
            (Kind::Audio, 200, file, "accepted"),
            (Kind::Audio, 200, later, "accepted"),
            (Kind::Report, 200, file, "unproven"),
            (Kind::Audio, 200, row, "unproven"),
            (Kind::Report, 200, html, "unproven"),
            (Kind::Report, 200, r#"{"success":true,"id":"yt:x"}"#, "unproven"),
            (
                Kind::Report,
                200,
                r#"{"success":false,"id":"yt:x","action":"updated","upserted":true}"#,
                "unproven",
            ),
            (
                Kind::Report,
                200,
                r#"{"success":true,"id":"yt:x","action":"updated","upserted":false}"#,
                "unproven",
            ),
            (Kind::Report, 200, r#"{"upserted":1}"#, "unproven"),
            (Kind::Audio, 200, r#"{"success":true,"filename":""}"#, "unproven"),
            (Kind::Report, 400, html, "refused"),
            (Kind::Audio, 413, html, "refused"),
            (Kind::Report, 401, html, "denied"),
            (Kind::Report, 404, html, "misdirected"),
            (Kind::Report, 410, html, "retired"),
            (Kind::Report, 410, "", "retired"),
            (Kind::Audio, 500, "<p>Message: Sync not configured.</p>", "denied"),
            (Kind::Audio, 500, html, "erred"),
            (Kind::Report, 503, html, "later"),
        ] {
            let verdict_ = judge_at(TargetName::Legacy, kind, &answer(status, body));
            assert_eq!(word(&verdict_), verdict, "{kind} {status} {body}: {verdict_:?}");
        }
        let receipt = |kind, body| match judge_at(TargetName::Legacy, kind, &answer(200, body)) {
            Verdict::Accepted(receipt) => receipt,
            other => panic!("{other:?}"),
        };
        assert_eq!(receipt(Kind::Report, row).action, Some(Action::Created));
        let newer = r#"{"success":true,"id":"yt:x","action":"superseded","upserted":false,
                        "version":9}"#;
        let kept = receipt(Kind::Report, newer);
        assert_eq!((kept.action, kept.kept_version), (Some(Action::Superseded), Some(9)));
        let url = |body| receipt(Kind::Audio, body).public_url.unwrap();
        assert_eq!([url(file), url(later)], ["/exports/audio/x.mp3", "/files/x.mp3"]);
        let Verdict::Retired(why) = judge_at(TargetName::Legacy, Kind::Report, &answer(410, ""))
        else {
            panic!()
        };
        assert!(why.contains("this dashboard is PostgreSQL-only"), "{why}");
    }

    #[test]
    fn a_receipt_keeps_what_the_answer_said() {
        let body = r#"{"upserted":1,"summaries_upserted":2,"embedding_updated":false,
                       "verify_row":{"video_id":"x","title":"t"},"action":"updated"}"#;
        let Verdict::Accepted(receipt) = judge(Kind::Report, &answer(200, body)) else {
            panic!("not accepted")
        };
        assert_eq!(receipt.action, Some(Action::Updated));
        assert_eq!(receipt.summaries, Some(2));
        assert_eq!(receipt.status, 200);
    }

    #[test]
    fn the_servers_words_are_shown_short_and_harmless() {
        let long = format!("<html>{}\x1b[2J", "x".repeat(1000));
        let Verdict::Refused(why) = judge(Kind::Report, &answer(400, &long)) else { panic!() };
        assert!(why.starts_with("400: <html>xxx") && why.len() < 300, "{why}");
        let Verdict::Refused(why) = judge(Kind::Report, &answer(422, "a\x1b[2J\nb")) else {
            panic!()
        };
        assert_eq!(why, "422: a\\u{1b}[2J\\nb");
        let body = r#"{"error":"title: not text","hint":"mend it"}"#;
        let verdict = judge(Kind::Report, &answer(422, body));
        assert_eq!(verdict, Verdict::Refused("422: title: not text (mend it)".to_owned()));
    }

    #[test]
    fn a_redirect_is_shown_and_a_wait_is_kept() {
        let moved = Answer { location: Some("https://new/\n".into()), ..answer(307, "") };
        let Verdict::Misdirected(why) = judge(Kind::Report, &moved) else { panic!() };
        assert!(why.contains("https://new/\\n"), "{why}");
        let wait = Some(Duration::from_secs(9));
        for status in [408, 425, 429, 503] {
            let busy = Answer { retry_after: wait, ..answer(status, "") };
            let verdict = judge(Kind::Report, &busy);
            assert!(matches!(verdict, Verdict::Later { after, .. } if after == wait), "{status}");
        }
    }
}
