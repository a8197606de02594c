//! `GET /api/reports`: the visible records, page by page (contract E.1).

use axum::Json;
use axum::extract::{self, State};
use serde_json::{Value, json};

use super::problem::Problem;
use super::store::{Page, Query, Sort, visible};
use super::{Ingest, card};

const SIZE: u32 = 20;
const SIZE_MAX: u32 = 50;

/// How much of a search is taken, in bytes, and how many words of it.
const SEARCH_MAX: usize = 256;
const WORDS_MAX: usize = 8;

pub(super) async fn list(
    State(ingest): State<Ingest>,
    extract::Query(pairs): extract::Query<Pairs>,
) -> Result<Json<Value>, Problem> {
    let asked = Asked::read(&pairs)?;
    if asked.latest {
        let page = ingest.store.reports(Query { limit: 1, ..Query::default() }).await?;
        return Ok(Json(json!({ "report": latest(&page) })));
    }
    let page = ingest.store.reports(asked.query.clone()).await?;
    Ok(Json(asked.answer(&page)))
}

/// The parts of a query string, in their order: of a name that comes twice, the last wins.
type Pairs = Vec<(String, String)>;

/// What was asked for. A number that is none, or a word that is not known, counts as not said, as
/// at the dashboard; a page size beyond the limit is the limit.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    page: u32,
    size: u32,
    latest: bool,
    q: Option<String>,
    query: Query,
}

impl Asked {
    fn read(pairs: &Pairs) -> Result<Self, Problem> {
        let mut asked = Self { page: 1, size: SIZE, ..Self::default() };
        for (name, value) in pairs {
            let said = || Some(value.trim().replace('\0', "")).filter(|text| !text.is_empty());
            match name.as_str() {
                "page" => asked.page = value.parse().unwrap_or(1).max(1),
                "size" => asked.size = value.parse().unwrap_or(SIZE).clamp(1, SIZE_MAX),
                "latest" => asked.latest = truth(value) == Some(true),
                "q" => asked.q = said(),
                "source" => asked.query.source = said(),
                "channel" => asked.query.channel = said(),
                "has_audio" => asked.query.has_audio = truth(value),
                "sort" => {
                    let known = Sort::ALL.into_iter().find(|sort| sort.as_str() == value.as_str());
                    asked.query.sort = known.unwrap_or_default();
                }
                _ => {}
            }
        }
        if let Some(q) = &asked.q {
            if q.len() > SEARCH_MAX {
                let why = format!("q is too long: the limit is {SEARCH_MAX} bytes");
                return Err(Problem::BadRequest(why));
            }
            asked.query.words = q.split_whitespace().take(WORDS_MAX).map(str::to_owned).collect();
        }
        asked.query.limit = asked.size;
        asked.query.offset = asked.size.saturating_mul(asked.page - 1);
        Ok(asked)
    }

    fn answer(&self, page: &Page) -> Value {
        let Self { query, size, q, .. } = self;
        let number = i64::from(self.page);
        let pages = page.total.saturating_add(i64::from(*size) - 1) / i64::from(*size);
        json!({
            "reports": page.reports.iter().filter_map(card::of).collect::<Vec<_>>(),
            "pagination": {
                "page": number,
                "size": size,
                "total": page.total,
                "total_count": page.total,
                "pages": pages,
                "total_pages": pages,
                "has_next": number < pages,
                "has_prev": number > 1,
            },
            "sort": query.sort.as_str(),
            "filters": {
                "q": q,
                "source": query.source,
                "channel": query.channel,
                "has_audio": query.has_audio,
            },
            "total_count": page.total,
            "page": number,
            "total_pages": pages,
            "deployment_version": env!("CARGO_PKG_VERSION"),
            "deployment_commit": null,
        })
    }
}

fn latest(page: &Page) -> Option<Value> {
    let held = &page.reports.first()?.held;
    Some(json!({
        "video_id": held.record.video_id,
        "summary_type": visible::shown(&held.summaries)?.variant,
        "indexed_at": held.record.indexed_at.to_string(),
    }))
}

fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, Problem> {
        let uri = format!("/?{query}").parse().unwrap();
        Asked::read(&extract::Query::try_from_uri(&uri).unwrap().0)
    }

    fn asked(query: &str) -> Asked {
        read(query).unwrap()
    }

    #[test]
    fn pages_begin_at_one_and_have_fifty_records_at_the_most() {
        for (query, page, size, offset) in [
            ("", 1, 20, 0),
            ("page=3&size=7", 3, 7, 14),
            ("page=0&size=0", 1, 1, 0),
            ("page=-1&size=-1", 1, 20, 0),
            ("page=x&size=x", 1, 20, 0),
            ("size=51", 1, 50, 0),
            ("page=4294967295&size=999999", u32::MAX, 50, u32::MAX),
        ] {
            let asked = asked(query);
            assert_eq!((asked.page, asked.size), (page, size), "{query}");
            assert_eq!((asked.query.offset, asked.query.limit), (offset, size), "{query}");
        }
    }

    #[test]
    fn a_search_is_taken_apart_into_its_words() {
        let query = asked("q=+two%20words+&channel=A%26B&has_audio=False&sort=title_za").query;
        assert_eq!(query.words, ["two", "words"]);
        assert_eq!(query.channel.as_deref(), Some("A&B"));
        assert_eq!((query.has_audio, query.sort), (Some(false), Sort::TitleDown));
        assert_eq!(asked("q=&channel=&source=+&sort=loudest&has_audio=maybe"), asked(""));
        assert_eq!(asked("q=a%00b").query.words, ["ab"]);
        assert!(read(&format!("q={}", "x".repeat(300))).is_err());
    }

    #[test]
    fn the_last_page_knows_that_it_is_the_last() {
        for (query, total, pages, next, prev) in [
            ("size=20", 0, 0, false, false),
            ("size=20", 20, 1, false, false),
            ("size=20", 21, 2, true, false),
            ("size=20&page=2", 21, 2, false, true),
            ("size=20&page=9", 21, 2, false, true),
        ] {
            let answer = asked(query).answer(&Page { reports: Vec::new(), total });
            let said = &answer["pagination"];
            assert_eq!(said["pages"], pages, "{query} of {total}");
            assert_eq!((&said["has_next"], &said["has_prev"]), (&json!(next), &json!(prev)));
        }
    }
}
