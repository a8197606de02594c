//! `POST /rescan`: has roots looked through, and answers when that is done.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};

use super::{Desk, refuse};
use crate::file::Root;
use crate::intake::{self, NotLooked};

/// What may be asked, as JSON in the body or as a query.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// `reports` or `exports`; both without it.
    pub root: Option<String>,
    /// Whether all that is missing was deleted on purpose, and is to be believed.
    pub accept_removals: bool,
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rescan {
    pub roots: Vec<Rescanned>,
}

/// What came of one root.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rescanned {
    pub root: String,
    /// Why it could not be looked through; the rest is nothing then.
    pub error: Option<String>,
    /// Files that are recorded now.
    pub files: usize,
    pub new: usize,
    pub changed: usize,
    /// Files that are believed to be deleted.
    pub gone: usize,
    /// Files that are missing and not believed to be deleted, and why.
    pub held_back: usize,
    pub why_held_back: Option<String>,
    pub ms: u64,
}

/// Answers.
pub async fn answer(
    State(desk): State<Arc<Desk>>,
    query: Result<Query<Asked>, QueryRejection>,
    body: Bytes,
) -> Response {
    let wrong = |error: &str| {
        refuse(StatusCode::BAD_REQUEST, error, "what may be asked is root and accept_removals")
    };
    let asked = match query {
        Err(error) => return wrong(&error.body_text()),
        Ok(Query(asked)) if body.is_empty() => asked,
        Ok(_) => match serde_json::from_slice(&body) {
            Ok(asked) => asked,
            Err(error) => return wrong(&error.to_string()),
        },
    };
    let is_known = |name: &str| Root::ALL.iter().any(|root| root.as_str() == name);
    if let Some(name) = asked.root.as_deref().filter(|name| !is_known(name)) {
        let error = format!("there is no root {name:?}");
        return refuse(StatusCode::BAD_REQUEST, &error, "the roots are reports and exports");
    }
    let mut roots = Vec::new();
    for intake in &desk.intakes {
        if asked.root.as_deref().is_none_or(|name| name == intake.root.as_str()) {
            let looked = intake.rescan(asked.accept_removals).await;
            if looked == Err(NotLooked::Stopping) {
                let hint = "ask again when it runs";
                return refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &NotLooked::Stopping.to_string(),
                    hint,
                );
            }
            roots.push(told(intake.root, looked));
        }
    }
    Json(Rescan { roots }).into_response()
}

fn told(root: Root, looked: Result<intake::Rescanned, NotLooked>) -> Rescanned {
    let root = root.to_string();
    match looked {
        Err(why) => Rescanned { root, error: Some(why.to_string()), ..Rescanned::default() },
        Ok(found) => Rescanned {
            root,
            error: None,
            files: found.files,
            new: found.new,
            changed: found.changed,
            gone: found.gone,
            held_back: found.held_back,
            why_held_back: found.why_held_back,
            ms: found.took.as_millis() as u64,
        },
    }
}
