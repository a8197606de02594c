//! `ytv2d list`: items and files with their states, for people and for scripts.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use jiff::Zoned;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use super::amount::{future, grouped};
use super::ask::{At, block_on};
use super::failure::Failure;
use super::layout::{ASIDE, BAD, GOOD, NOTED, PLAIN, Page, clean, styled};
use super::output;
use crate::clock;
use crate::control::client::Client;
use crate::control::wire::{Item, Items, Status};
use crate::delivery::ItemState;
use crate::id::Kind;

/// Rows that are shown without being asked for.
const LIMIT: usize = 1000;

/// Rows that are asked for at a time.
const PAGE: usize = 500;

/// What `list` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only one state.
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<ItemState>,
    /// Only reports, or only audio.
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<String>,
    /// Only at this target.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only what has this text in its id or its file's name.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    q: Option<String>,
    /// At most so many rows; without it 1,000, and how many more there may be.
    #[arg(long, value_name = "ROWS", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    limit: Option<usize>,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

/// The words for a state, which a shell can complete.
pub fn states() -> impl TypedValueParser<Value = ItemState> {
    let words = PossibleValuesParser::new(ItemState::ALL.map(ItemState::as_str));
    words.try_map(|word| word.parse::<ItemState>())
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new([Kind::Report, Kind::Audio].map(Kind::as_str))
}

/// Prints the rows.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    let (rows, more) = block_on(async {
        let (rows, is_all) = rows(&client, args).await?;
        let more = if is_all || args.limit.is_some() {
            None
        } else {
            let status: Status = client.get(&["status"], &[]).await?;
            Some(more(args, &status, rows.len()))
        };
        Ok((rows, more))
    })?;
    if args.json {
        output::print_json(&rows)?;
        if let Some(more) = more {
            eprintln!("ytv2d: {more}");
        }
    } else {
        let now = clock::now().to_zoned(TimeZone::system());
        output::print(&page(&rows, more.as_deref(), &now, output::size().0))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks page after page, and says whether there is nothing more.
async fn rows(client: &Client, args: &Args) -> Result<(Vec<Item>, bool), Failure> {
    let limit = args.limit.unwrap_or(LIMIT);
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    let mut is_all = false;
    while rows.len() < limit && !is_all {
        let items = ask(client, args, after.as_deref(), (limit - rows.len()).min(PAGE)).await?;
        rows.extend(items.items);
        after = items.next;
        is_all = after.is_none();
    }
    // The files that are not taken in yet come beside what was asked for.
    if is_all || rows.len() > limit {
        let is_all = is_all && rows.len() <= limit;
        rows.truncate(limit);
        return Ok((rows, is_all));
    }
    // A full page has a next one, which may be empty.
    let rest = ask(client, args, after.as_deref(), 1).await?;
    Ok((rows, rest.items.is_empty()))
}

async fn ask(
    client: &Client,
    args: &Args,
    after: Option<&str>,
    rows: usize,
) -> Result<Items, Failure> {
    let rows = rows.to_string();
    let query = [
        ("state", args.state.map(ItemState::as_str)),
        ("kind", args.kind.as_deref()),
        ("target", args.target.as_deref()),
        ("q", args.q.as_deref()),
        ("after", after),
        ("limit", Some(rows.as_str())),
    ];
    Ok(client.get(&["items"], &query).await?)
}

/// How many more there may be: at most as many as the status counts of this state, whatever else
/// was asked for.
fn more(args: &Args, status: &Status, shown: usize) -> String {
    let targets = status
        .targets
        .iter()
        .filter(|target| args.target.as_ref().is_none_or(|name| *name == target.name));
    let most: usize = targets
        .flat_map(|target| &target.counts)
        .filter(|(state, _)| args.state.is_none_or(|asked| asked.as_str() == state.as_str()))
        .map(|(_, count)| count)
        .sum();
    let limit = most.max(shown + 1);
    let mut command = "ytv2d list".to_owned();
    let state = args.state.map(ItemState::as_str);
    let narrowed = [
        ("state", state),
        ("kind", args.kind.as_deref()),
        ("target", args.target.as_deref()),
        ("q", args.q.as_deref()),
    ];
    for (option, value) in narrowed {
        if let Some(value) = value {
            command.push_str(&format!(" --{option} {value}"));
        }
    }
    format!(
        "{} rows are shown, and there may be {} more; to see them: {command} --limit {limit}",
        grouped(shown),
        grouped(limit - shown),
    )
}

/// The rows as a person reads them.
fn page(rows: &[Item], more: Option<&str>, now: &Zoned, width: usize) -> String {
    let mut page = Page::new(width);
    if rows.is_empty() {
        page.line("nothing to list");
    }
    let mut targets: Vec<_> = rows.iter().filter_map(|row| row.target.as_deref()).collect();
    targets.sort_unstable();
    targets.dedup();
    for row in rows {
        row_lines(&mut page, row, targets.len() > 1, now);
    }
    if let Some(more) = more {
        page.text("", NOTED, more);
    }
    page.finish()
}

fn row_lines(page: &mut Page, row: &Item, with_target: bool, now: &Zoned) {
    let style = match row.state {
        ItemState::Current => GOOD,
        ItemState::Due | ItemState::InFlight => PLAIN,
        ItemState::Waiting | ItemState::Vanished | ItemState::Dropped => NOTED,
        ItemState::Parked | ItemState::Invalid => BAD,
    };
    let state = styled(style, &format!("{:<9}", row.state.as_str()));
    let mut words = format!("{:<6}", row.kind.as_str());
    if with_target {
        words.push_str("  ");
        words.push_str(&clean(row.target.as_deref().unwrap_or("-")));
    }
    if let Some(id) = &row.id {
        words.push_str("  ");
        words.push_str(&clean(id));
    }
    let used = 9 + 2 + words.width();
    let before = format!("{state}  {words}");
    match row.path.as_deref() {
        // A path is what tells files without an id apart, so it gets a line where it needs one.
        Some(path) if used + 2 + clean(path).width() > page.width && row.id.is_some() => {
            page.line(&before);
            page.path("           ", PLAIN, path);
        }
        Some(path) => page.path_after(&before, used, path),
        None => page.line(&before),
    }
    for note in [&row.reason, &row.warning].into_iter().flatten() {
        page.text("           ", style, note);
    }
    if let (ItemState::Waiting, Some(due)) = (row.state, row.due_at) {
        let tries = match row.attempts {
            0 => String::new(),
            1 => "after one failure ".to_owned(),
            n => format!("after {n} failures "),
        };
        page.text("           ", ASIDE, &format!("{tries}again at {}", future(due, now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn item(overlay: Value) -> Item {
        let mut row = json!({
            "id": "aB-3_xY9zQk", "kind": "report", "target": "dashboard", "state": "current",
            "path": "reports/kettle.json", "reason": null, "attempts": 0, "due_at": null,
            "changed_at": null, "acknowledged_at": null, "parked_since": null, "warning": null
        });
        row.as_object_mut().unwrap().extend(overlay.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    fn now() -> Zoned {
        "2026-11-22T14:00:00[UTC]".parse().unwrap()
    }

    #[test]
    fn a_row_says_what_it_is_about_within_the_columns() {
        let long = "reports/".to_owned() + &"very_long_title_".repeat(6) + ".json";
        let rows = [
            item(json!({})),
            item(json!({"state": "parked", "reason": "400: video_id required", "attempts": 1})),
            item(json!({
                "state": "waiting", "reason": "500: oops", "attempts": 3,
                "due_at": "2026-11-22T14:00:40Z", "path": long
            })),
            item(json!({
                "id": null, "target": null, "state": "invalid", "path": long,
                "reason": "no report: \u{1b}[2J"
            })),
        ];
        let text = anstream::adapter::strip_str(&page(&rows, Some("more"), &now(), 80)).to_string();
        assert_eq!(
            text,
            "current    report  aB-3_xY9zQk  reports/kettle.json\n\
             parked     report  aB-3_xY9zQk  reports/kettle.json\n           \
             400: video_id required\n\
             waiting    report  aB-3_xY9zQk\n           \
             reports/very_long_title_very_long_…y_long_title_very_long_title_.json\n           \
             500: oops\n           \
             after 3 failures again at 14:00:40 (in 40 s)\n\
             invalid    report  reports/very_long_title_very_l…ng_title_very_long_title_.json\n           \
             no report: \\u{1b}[2J\n\
             more\n"
        );
    }

    #[test]
    fn the_target_is_named_where_there_are_several() {
        let rows = [item(json!({})), item(json!({ "target": "legacy" }))];
        let page = page(&rows, None, &now(), 80);
        assert!(page.contains("report  legacy  aB-3"), "{page}");
        assert_eq!(super::page(&[], None, &now(), 80), "nothing to list\n");
    }
}
