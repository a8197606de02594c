//! `GET /<id>.json` (contract E.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use super::{Ingest, ids, view};

/// The id that a path asks for: `/reddit:1n2abcd.json` and `/reddit%3A1n2abcd.json` alike.
pub(super) fn id_of(path: &str) -> Option<String> {
    let path = percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
    path.strip_suffix(".json").filter(|id| !id.is_empty()).map(str::to_owned)
}

/// The record of `id`; not found when it is absent or invisible (contract C.6).
pub(super) async fn record(ingest: &Ingest, id: String) -> Result<Response, Problem> {
    for id in ids::readings(&id) {
        if let Some(held) = ingest.store.report(id.to_owned()).await? {
            return Ok(Json(view::of(&held).ok_or(Problem::NotFound)?).into_response());
        }
    }
    Err(Problem::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_a_path_with_or_without_escapes() {
        for (path, id) in [
            ("/aB-3_xY9zQk.json", Some("aB-3_xY9zQk")),
            ("/reddit:1n2.json", Some("reddit:1n2")),
            ("/reddit%3A1n2.json", Some("reddit:1n2")),
            ("/%252e.json", Some("%2e")),
            ("/a/b.json", Some("a/b")),
            ("/.json", None),
            ("/x", None),
            ("/%ff.json", None),
        ] {
            assert_eq!(id_of(path).as_deref(), id, "{path}");
        }
    }
}
