//! `GET /items`: the listing, in pages.

use super::refusal::Refusal;
use super::wire::{self, Item, Items};
use super::{Desk, status};
use crate::clock;
use crate::delivery::ItemState;
use crate::id::Kind;
use crate::outbox::{Filter, Place};

/// The most rows that one answer carries, beside the files that are not taken in yet.
pub const ROWS_MAX: usize = 10_000;
const ROWS: usize = 1000;

/// What may be asked.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    state: Option<ItemState>,
    kind: Option<Kind>,
    target: Option<String>,
    q: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// The files that are not taken in yet come before everything else, whatever the limit: a hundred of
/// each root at the most.
fn pending(desk: &Desk, filter: &Filter) -> Vec<Item> {
    let text = filter.text.as_deref().unwrap_or_default();
    status::pending(desk)
        .into_iter()
        .filter(|pending| filter.kind.is_none_or(|kind| pending.kind == kind))
        .filter(|pending| pending.path.contains(text))
        .map(wire::Pending::into_item)
        .filter(|item| filter.state.is_none_or(|state| item.state == state))
        .collect()
}

/// The rows, the latest change first.
pub async fn list(desk: &Desk, asked: Asked) -> Result<Items, Refusal> {
    let limit = asked.limit.unwrap_or(ROWS);
    if !(1..=ROWS_MAX).contains(&limit) {
        return Err(Refusal::bad(
            format!("limit {limit} is not between 1 and {ROWS_MAX}"),
            "ask for fewer rows, and for the next ones with `after`",
        ));
    }
    if let Some(target) = &asked.target {
        desk.check_target(target)?;
    }
    let after = asked.after.as_deref().map(str::parse::<Place>).transpose();
    let mut filter = Filter {
        state: asked.state,
        kind: asked.kind,
        targets: Some(asked.target.map_or_else(|| desk.target_names(), |target| vec![target])),
        text: asked.q,
        after: after.map_err(|hint| Refusal::bad("`after` is no cursor", hint))?,
    };
    // They come beside the rows of the first page, since no place of the listing is theirs.
    let mut items = match filter.after {
        None => pending(desk, &filter),
        Some(_) => Vec::new(),
    };
    let limit = items.len() + limit;
    loop {
        let page = desk.outbox.page(filter.clone(), limit - items.len()).await?;
        let (lanes, now_ms) = (desk.lane_statuses(), clock::now_ms());
        for row in page.rows {
            let place = row.place;
            let item = Item::new(row, &lanes, now_ms);
            // States that only this moment tells apart are sorted out after the rows were read.
            if asked.state.is_some_and(|state| item.state != state) {
                continue;
            }
            items.push(item);
            if items.len() == limit {
                return Ok(Items { items, next: Some(place.to_string()) });
            }
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return Ok(Items { items, next: None }),
        }
    }
}
