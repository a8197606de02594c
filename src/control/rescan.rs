//! `POST /rescan`: has roots looked through, and answers when that is done.

use serde::Deserialize;

use super::Desk;
use super::refusal::Refusal;
use super::wire::{Rescan, Rescanned};
use crate::file::Root;
use crate::intake::{self, NotLooked};

/// What may be asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// `reports`, `exports` or `database`; all without it.
    root: Option<String>,
    /// Whether all that is missing was deleted on purpose, and is to be believed.
    accept_removals: bool,
}

/// Answers.
pub async fn answer(desk: &Desk, asked: Asked) -> Result<Rescan, Refusal> {
    let has_database = desk.settings.borrow().content_db.is_some();
    let is_there = |root: Root| root != Root::Rows || has_database;
    let is_known =
        |name: &str| Root::SOURCES.into_iter().any(|root| root.as_str() == name && is_there(root));
    if let Some(name) = asked.root.as_deref().filter(|name| !is_known(name)) {
        let error = format!("there is no root {name:?}");
        let hint =
            "the roots are reports and exports, and database where content_db.path names one";
        return Err(Refusal::bad(error, hint));
    }
    let is_asked = |root: &Root| asked.root.as_deref().is_none_or(|name| name == root.as_str());
    let roots: Vec<Root> =
        Root::SOURCES.into_iter().filter(|root| is_there(*root) && is_asked(root)).collect();
    Ok(Rescan { roots: through(desk, &roots, asked.accept_removals).await? })
}

/// Has these looked through, one after the other.
pub async fn through(
    desk: &Desk,
    roots: &[Root],
    accept_removals: bool,
) -> Result<Vec<Rescanned>, Refusal> {
    let mut found = Vec::new();
    for intake in desk.intakes.iter().filter(|intake| roots.contains(&intake.root)) {
        let looked = intake.rescan(accept_removals).await;
        if looked == Err(NotLooked::Stopping) {
            return Err(Refusal::stopping());
        }
        found.push(told(intake.root, looked));
    }
    Ok(found)
}

pub fn told(root: Root, looked: Result<intake::Rescanned, NotLooked>) -> Rescanned {
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
