//! What a dashboard answers: its verdict, its health, its records.

use std::time::{Duration, SystemTime};

use ytv2d::contract::{ListingAnswer, RecordAnswer};
use ytv2d::delivery::{Answer, Health, Verdict, judge_at, judge_health, retry_after};
use ytv2d::id::{Kind, TargetName};

pub fn fuzz(data: &[u8]) {
    let Some((head, body)) = data.split_at_checked(3) else { return };
    let status = 100 + u16::from_le_bytes([head[0], head[1]]) % 500;
    let text = String::from_utf8_lossy(body).into_owned();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let (value, date) = text.split_once('\n').unwrap_or((&text, ""));
    let after = retry_after(value, Some(date).filter(|date| !date.is_empty()), now);
    let answer = Answer {
        status,
        retry_after: after,
        location: (head[2] & 1 == 1).then(|| text.clone()),
        body: body.to_vec(),
    };
    for target in TargetName::ALL {
        for kind in [Kind::Report, Kind::Audio] {
            shown(judge_at(target, kind, &answer));
        }
    }
    if let Health::Bad(why) = judge_health(status, body) {
        crate::safe::is_safe(&why);
    }
    let _listing = serde_json::from_slice::<ListingAnswer>(body);
    if let Ok(record) = serde_json::from_slice::<RecordAnswer>(body) {
        let _read = (record.video_id(), record.title(), record.names_audio());
        let _texts: usize = record.summaries().map(|(name, text)| name.len() + text.len()).sum();
    }
}

/// Whatever a server says is safe to show.
fn shown(verdict: Verdict) {
    match verdict {
        Verdict::Accepted(_) => {}
        Verdict::Unproven(why)
        | Verdict::Erred(why)
        | Verdict::Later { why, .. }
        | Verdict::Refused(why)
        | Verdict::Denied(why)
        | Verdict::Misdirected(why)
        | Verdict::Retired(why)
        | Verdict::Unreachable(why) => {
            crate::safe::is_safe(&why);
            assert!(why.len() < 4000, "{}", why.len());
        }
    }
}
