//! The page at `/`: what has arrived, for a person to look at.
//!
//! Reports come from the network, and so does everything on their cards; the page trusts none of
//! it. Its script writes text as text, a summary's html is not used at all, and links lead to web
//! addresses alone. Should that ever have a hole, the policy below lets the browser run no script
//! but the page's own files, and load nothing from another place.
//!
//! That includes thumbnails: loading them would tell YouTube and others who looks at what, and when.
//! So a card has a drawn picture instead, unless the operator allows [`Pictures::Outside`].

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::Ingest;
use super::problem::Problem;

const HTML: &str = include_str!("page/page.html");
const CSS: &str = include_str!("page/page.css");
const CARD: &str = include_str!("page/card.js");
const SCRIPT: &str = include_str!("page/page.js");
const ICON: &str = include_str!("page/icon.svg");

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Where pictures on the page may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// From this server; for the others the page draws something.
    #[default]
    Own,
    /// From wherever a report says, by HTTPS, without telling that place where its reader is.
    Outside,
}

impl Pictures {
    /// The page's policy, and the word by which its script knows it.
    fn policy(self) -> (&'static str, &'static str) {
        match self {
            Self::Own => (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                 media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'; require-trusted-types-for 'script'",
                "own",
            ),
            Self::Outside => (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; \
                 media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'; require-trusted-types-for 'script'",
                "outside",
            ),
        }
    }
}

pub(super) fn routes() -> Router<Ingest> {
    Router::new()
        // A POST here has gone astray, and is told so as on any path that takes none (contract C.1).
        .route("/", get(page).post(|| async { Problem::NotFound }))
        .route("/page/page.css", get(|| async { file("text/css; charset=utf-8", CSS) }))
        .route("/page/card.js", get(|| async { file(JAVASCRIPT, CARD) }))
        .route("/page/page.js", get(|| async { file(JAVASCRIPT, SCRIPT) }))
        .route("/page/icon.svg", get(|| async { file("image/svg+xml", ICON) }))
}

async fn page(State(ingest): State<Ingest>) -> Response {
    let (policy, word) = ingest.pictures.policy();
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(HTML.replace("{pictures}", word))).into_response()
}

fn file(kind: &'static str, text: &'static str) -> Response {
    // They change with the program, and are small.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// Forbids browsers to guess what an answer is: an upload is never a page, whatever is in it.
pub(super) async fn unguessed(request: Request, next: Next) -> Response {
    const HEADER: (HeaderName, HeaderValue) =
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER.0, HEADER.1);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_no_outside_address_and_has_no_script_of_its_own_within() {
        for text in [HTML, CSS, CARD, SCRIPT] {
            assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
        }
        assert!(!HTML.contains("//") && !CSS.contains("//"));
        assert!(!HTML.contains("<script>") && !HTML.contains("style=") && !HTML.contains(" on"));
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(sink) && !CARD.contains(sink), "{sink}");
        }
        assert!(HTML.contains("data-pictures=\"{pictures}\""));
    }

    #[test]
    fn only_pictures_may_come_from_outside_and_only_when_allowed() {
        let (own, _) = Pictures::Own.policy();
        assert!(!own.contains("https:"));
        let (outside, _) = Pictures::Outside.policy();
        assert_eq!(outside.replace("img-src 'self' https:;", "img-src 'self';"), own);
    }
}
