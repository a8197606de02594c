//! What only the legacy endpoint takes of a report (contract F.2). None of it makes a version: a
//! view count that has grown is no reason to send a record again.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::shape::Shape;
use super::{pick, table};

/// Fields beyond those of [`super::Fields`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// A time in UTC, or a bare day.
    pub published_at: Option<String>,
    pub channel_id: Option<String>,
    /// Words of the source, not of the summary.
    pub word_count: Option<i64>,
    pub has_transcript: bool,
    pub transcript_chars: Option<i64>,
    pub view_count: Option<i64>,
    pub like_count: Option<i64>,
    pub comment_count: Option<i64>,
}

// Where each stands in the shapes of contract A. What one shape has there no other has for
// something else.
const PUBLISHED_AT: [table::Path; 5] = [
    "published_at",
    "source_metadata.youtube.published_at",
    "source_metadata.web.published_at",
    "video.upload_date",
    "metadata.upload_date",
];
const CHANNEL_ID: [table::Path; 3] = ["channel_id", "video.channel_id", "metadata.channel_id"];
const WORD_COUNT: [table::Path; 2] = ["word_count", "media_info.word_count"];
const HAS_TRANSCRIPT: [table::Path; 3] =
    ["has_transcript", "media.has_transcript", "media_info.has_transcript"];
const TRANSCRIPT_CHARS: [table::Path; 3] =
    ["transcript_chars", "media.transcript_chars", "media_info.transcript_chars"];
const VIEW_COUNT: [table::Path; 4] =
    ["view_count", "source_metadata.youtube.view_count", "video.view_count", "metadata.view_count"];
const LIKE_COUNT: [table::Path; 4] =
    ["like_count", "source_metadata.youtube.like_count", "video.like_count", "metadata.like_count"];
const COMMENT_COUNT: [table::Path; 4] = [
    "comment_count",
    "source_metadata.youtube.comment_count",
    "source_metadata.reddit.num_comments",
    "metadata.comment_count",
];

pub(super) fn extras(root: &Map<String, Value>, shape: Shape, zone: &TimeZone) -> Extras {
    let count = |places: &[table::Path]| places.iter().find_map(|at| count(pick::at(root, at)?));
    // The tool that emptied a file wrote the time of its own run there (contract A.3).
    let published: &[table::Path] =
        if shape == Shape::EmptiedUniversal { &[] } else { &PUBLISHED_AT };
    let transcript_chars = count(&TRANSCRIPT_CHARS);
    let says_so = |at: &table::Path| pick::at(root, at).is_some_and(crate::contract::truthy);
    Extras {
        published_at: published.iter().find_map(|at| day_or_time(pick::at(root, at)?, zone)),
        channel_id: pick::first_text(root, &CHANNEL_ID).map(str::to_owned),
        word_count: count(&WORD_COUNT),
        has_transcript: transcript_chars.is_some() || HAS_TRANSCRIPT.iter().any(says_so),
        transcript_chars,
        view_count: count(&VIEW_COUNT),
        like_count: count(&LIKE_COUNT),
        comment_count: count(&COMMENT_COUNT),
    }
}

/// A positive whole number, or the text of one.
fn count(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (number > 0).then_some(number)
}

fn day_or_time(value: &Value, zone: &TimeZone) -> Option<String> {
    let text = value.as_str()?.trim();
    let day = || Date::strptime("%Y%m%d", text).or_else(|_| text.parse::<Date>());
    pick::instant(value, zone)
        .map(|time| time.to_string())
        .or_else(|| day().ok().map(|day| day.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(shape: Shape, root: Value) -> Extras {
        extras(root.as_object().unwrap(), shape, &TimeZone::fixed(jiff::tz::offset(2)))
    }

    #[test]
    fn each_shape_has_them_in_its_own_place() {
        let all = Extras {
            published_at: Some("2025-08-31".to_owned()),
            channel_id: Some("UC1".to_owned()),
            word_count: None,
            has_transcript: false,
            transcript_chars: None,
            view_count: Some(3_000_000_000),
            like_count: Some(7),
            comment_count: None,
        };
        let legacy = json!({"video": {
            "upload_date": "20250831", "channel_id": "UC1", "view_count": 3_000_000_000_i64,
            "like_count": "7",
        }});
        assert_eq!(of(Shape::LegacyNested, legacy), all);
        let universal = json!({
            "published_at": "2025-09-06T00:00:00Z", "word_count": 900,
            "media": {"has_transcript": true, "transcript_chars": 5000},
            "metadata": {"channel_id": "UC1", "upload_date": "20200101"},
            "source_metadata": {"youtube": {
                "view_count": 3_000_000_000_i64, "like_count": 7, "comment_count": 4,
            }},
        });
        let expected = Extras {
            published_at: Some("2025-09-06T00:00:00Z".to_owned()),
            word_count: Some(900),
            has_transcript: true,
            transcript_chars: Some(5000),
            comment_count: Some(4),
            ..all
        };
        assert_eq!(of(Shape::Universal, universal.clone()), expected);
        let emptied = of(Shape::EmptiedUniversal, universal);
        assert_eq!(emptied, Extras { published_at: None, ..expected });
    }

    #[test]
    fn what_is_no_number_and_no_date_is_nothing() {
        for (date, expected) in [
            (json!("2025-09-06T02:00:00"), Some("2025-09-06T00:00:00Z")),
            (json!("2025-09-06"), Some("2025-09-06")),
            (json!("20259999"), None),
            (json!("soon"), None),
            (json!(20_250_831), None),
        ] {
            let found = of(Shape::Universal, json!({"published_at": date, "view_count": [1]}));
            assert_eq!(found.published_at.as_deref(), expected, "{date}");
            assert_eq!(found.view_count, None);
        }
        for nothing in [json!(0), json!(-1), json!("many"), json!(1.5), json!(null)] {
            let found = of(Shape::Universal, json!({"view_count": nothing}));
            assert_eq!(found, Extras::default());
        }
    }
}
