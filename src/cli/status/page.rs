//! The status as a person reads it: the verdict, the roots, the targets, what waits, what is wrong.

use jiff::Timestamp;

use super::bars::{line_of_bars, progress};
use super::verdict::{count, total, verdict};
use crate::cli::amount::{between, bytes, counted, grouped, milliseconds, seconds};
use crate::cli::layout::{ASIDE, BAD, GOOD, HEADING, NOTED, PLAIN, Page, clean, styled};
use crate::control::wire::{Database, Heartbeat, InFlight, Root, Status, Target, Verified};
use crate::delivery::ItemState;

/// Requests under way that are shown one by one.
const FLIGHTS_SHOWN: usize = 8;

/// Files that are not taken in yet, and are shown by name.
const PENDING_SHOWN: usize = 5;

/// The columns of a progress bar.
const BAR: usize = 12;

/// Behind the roots, where one is configured.
const DATABASE: &str = "database";

/// How often a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Once,
    /// Again and again, so that what moves is worth a picture.
    Watched,
}

/// The whole page, for so many columns.
pub fn page(status: &Status, now: Timestamp, width: usize, view: View) -> String {
    let mut page = Page::new(width);
    let (style, word, rest) = verdict(status, now);
    page.headline(style, word, &rest);
    heading(&mut page, "roots");
    let database = status.database.as_ref().map(|_| DATABASE);
    let columns = names(status.roots.iter().map(|root| root.root.as_str()).chain(database));
    for root in &status.roots {
        root_lines(&mut page, root, columns, now);
    }
    if let Some(database) = &status.database {
        database_lines(&mut page, database, columns, now);
    }
    heading(&mut page, "targets");
    let columns = names(status.targets.iter().map(|target| target.name.as_str()));
    for target in &status.targets {
        target_lines(&mut page, target, columns, now, view);
    }
    waiting_lines(&mut page, status);
    heartbeat_lines(&mut page, &status.heartbeat, now);
    if !status.reasons.is_empty() {
        heading(&mut page, "what is wrong");
    }
    for reason in &status.reasons {
        page.text("  ! ", BAD, reason);
    }
    page.finish()
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(&styled(HEADING, text));
}

/// The columns that the longest name takes.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(str::len).max().unwrap_or(0)
}

fn root_lines(page: &mut Page, root: &Root, columns: usize, now: Timestamp) {
    let (style, state) = match root.state.as_str() {
        "events" => (PLAIN, "changes seen at once"),
        "scanning" => (NOTED, "looked through by the clock"),
        "unknown" => (NOTED, "not looked through yet"),
        word if root.seen => (NOTED, word),
        word => (BAD, word),
    };
    let since = root.since.map(|at| format!(" for {}", between(at, now))).unwrap_or_default();
    let why = root.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let first = format!("  {:columns$}  ", root.root);
    let files = counted(root.files, "file", "files");
    page.text(&first, style, &format!("{files}, {state}{since}{why}"));
    let indent = " ".repeat(first.len());
    page.path(&indent, PLAIN, &root.path);
    let event = root.last_event.map(|at| format!("last change {} ago", between(at, now)));
    let scan = root.last_scan.map(|at| {
        let took = root.last_scan_ms.map(|ms| format!(", in {}", milliseconds(ms)));
        format!("looked through {} ago{}", between(at, now), took.unwrap_or_default())
    });
    let past: Vec<String> = [event, scan].into_iter().flatten().collect();
    if !past.is_empty() {
        page.text(&indent, ASIDE, &past.join("; "));
    }
}

fn database_lines(page: &mut Page, database: &Database, columns: usize, now: Timestamp) {
    let first = format!("  {DATABASE:columns$}  ");
    // Why it is not is among what is wrong.
    let (style, state) = match (&database.error, database.last_look) {
        (Some(_), _) => (BAD, ", cannot be read".to_owned()),
        (None, Some(at)) => (PLAIN, format!(", looked through {} ago", between(at, now))),
        (None, None) => (NOTED, ", not looked through yet".to_owned()),
    };
    page.text(&first, style, &format!("{}{state}", counted(database.rows, "row", "rows")));
    page.path(&" ".repeat(first.len()), PLAIN, &database.path);
}

fn target_lines(page: &mut Page, target: &Target, columns: usize, now: Timestamp, view: View) {
    let style = match target.state.as_str() {
        "up" => GOOD,
        "asleep" | "paused" => NOTED,
        _ => BAD,
    };
    let first = format!("  {:columns$}  ", target.name);
    let state = format!("{}{}", first, styled(style, &clean(&target.state)));
    page.path_after(&state, first.len() + target.state.len(), &target.url);
    let indent = " ".repeat(first.len());
    let again = target.until.map(|until| format!("tried again in {}", between(now, until)));
    let why: Vec<String> = [target.why.clone(), again].into_iter().flatten().collect();
    if !why.is_empty() {
        page.text(&indent, style, &why.join("; "));
    }
    page.text(&indent, PLAIN, &counts(target));
    let delivered = target.delivered.day;
    if delivered.count > 0 {
        let text = format!(
            "delivered in the last minute {}, hour {}, day {} ({})",
            grouped(target.delivered.minute.count),
            grouped(target.delivered.hour.count),
            grouped(delivered.count),
            bytes(delivered.bytes),
        );
        page.text(&indent, PLAIN, &text);
    }
    if let Some(latency) = target.latency {
        let text = format!(
            "from file to target: half within {}, 99 % within {}",
            milliseconds(latency.p50_ms),
            milliseconds(latency.p99_ms),
        );
        page.text(&indent, PLAIN, &text);
    }
    if let Some(verified) = &target.verified {
        let style = if verified.left > 0 { NOTED } else { PLAIN };
        page.text(&indent, style, &proof(verified, now));
    }
    // What failed before the last success is history.
    if let (Some(error), Some(at)) = (&target.last_error, target.last_error_at)
        && target.last_success.is_none_or(|success| success <= at)
        && target.why.as_ref() != Some(error)
    {
        let text = format!("last error {} ago: {error}", between(at, now));
        page.text(&indent, NOTED, &text);
    }
    if view == View::Watched {
        activity(page, &indent, &target.delivered.per_minute);
    }
    for flight in target.in_flight.iter().take(FLIGHTS_SHOWN) {
        flight_line(page, &indent, flight, now, view);
    }
    if let Some(more) = target.in_flight.len().checked_sub(FLIGHTS_SHOWN).filter(|n| *n > 0) {
        page.text(&indent, ASIDE, &format!("and {more} more"));
    }
}

fn proof(verified: &Verified, now: Timestamp) -> String {
    let Verified { at, checked, differences, .. } = verified;
    let what = match differences {
        0 => "level".to_owned(),
        _ => counted(*differences, "difference", "differences"),
    };
    format!("verified {} ago: {what} in {}", between(*at, now), counted(*checked, "id", "ids"))
}

fn heartbeat_lines(page: &mut Page, heartbeat: &Heartbeat, now: Timestamp) {
    let Heartbeat { last, state, why } = heartbeat;
    if state.is_empty() || state == "off" {
        return;
    }
    heading(page, "heartbeat");
    let last = last.map(|at| format!(", last heard {} ago", between(at, now))).unwrap_or_default();
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let style = if state == "beating" { GOOD } else { NOTED };
    page.text("  ", style, &format!("{state}{why}{last}"));
}

fn counts(target: &Target) -> String {
    let counts: Vec<String> = ItemState::ALL
        .into_iter()
        .filter(|state| count(target, *state) > 0 || *state == ItemState::Current)
        .map(|state| {
            let word = state.as_str().replace('_', " ");
            format!("{} {word}", grouped(count(target, state)))
        })
        .collect();
    counts.join(", ")
}

fn activity(page: &mut Page, indent: &str, per_minute: &[u64]) {
    if per_minute.is_empty() {
        return;
    }
    let most = per_minute.iter().copied().max().unwrap_or(0);
    let words = format!("  a minute, {} at most", grouped(most));
    let columns = page.width.saturating_sub(indent.len() + words.len());
    let bars = styled(GOOD, &line_of_bars(per_minute, columns));
    page.line(&format!("{indent}{bars}{}", styled(ASIDE, &words)));
}

fn flight_line(page: &mut Page, indent: &str, flight: &InFlight, now: Timestamp, view: View) {
    let InFlight { id, kind, since, done_bytes: done, total_bytes: total } = flight;
    let what = format!("{kind} {}", clean(id));
    let age = between(*since, now);
    let amount = total.map(|total| {
        let share = ((*done).min(total) * 100).checked_div(total).unwrap_or(100);
        (total, format!("{share} % of {}", bytes(total)))
    });
    let text = match (view, amount) {
        (View::Once, None) => format!("sending {what} for {age}"),
        (View::Once, Some((_, amount))) => format!("sending {what} for {age}, {amount}"),
        (View::Watched, None) => format!("{:BAR$}  {:15}  {what}, {age}", "", "sending"),
        (View::Watched, Some((total, amount))) => {
            format!("{}  {amount:15}  {what}, {age}", progress(*done, total, BAR))
        }
    };
    page.path(indent, PLAIN, &text);
}

fn waiting_lines(page: &mut Page, status: &Status) {
    let mut lines = Vec::new();
    let oldest = status.targets.iter().filter_map(|target| target.oldest_due.as_ref());
    let due = total(status, ItemState::Due);
    if due > 0 {
        let oldest = oldest.max_by_key(|oldest| oldest.age_s).map(|oldest| {
            let age = seconds(oldest.age_s);
            format!(", the longest {} {}, for {age}", oldest.kind, clean(&oldest.id))
        });
        lines.push(format!("{} due{}", grouped(due), oldest.unwrap_or_default()));
    }
    let waiting = total(status, ItemState::Waiting);
    if waiting > 0 {
        let text = "for a report or for the next try: ytv2d list --state waiting";
        lines.push(format!("{} waiting, {text}", grouped(waiting)));
    }
    for root in status.roots.iter().filter(|root| root.unsettled > 0) {
        let files = counted(root.unsettled, "file", "files");
        let age = seconds(root.oldest_unsettled_s as i64);
        lines.push(format!("{files} in {} still being written, for {age}", root.root));
    }
    let pending: Vec<_> = status.roots.iter().flat_map(|root| &root.pending).collect();
    if lines.is_empty() && pending.is_empty() {
        return;
    }
    heading(page, "what waits");
    for line in lines {
        page.text("  ", PLAIN, &line);
    }
    for file in pending.iter().take(PENDING_SHOWN) {
        page.path("    ", PLAIN, &file.path);
        page.text("      ", ASIDE, &file.reason);
    }
}

#[cfg(test)]
mod tests;
