//! The answer to "my report is not on the dashboard", for whoever knows nothing of how this works.

use anstyle::Style;
use jiff::Zoned;

use crate::cli::amount::{bytes, future, past};
use crate::cli::layout::{ASIDE, BAD, GOOD, HEADING, NOTED, PLAIN, Page, clean, styled};
use crate::control::wire::{Account, AttemptAccount, DeliveryAccount, FileAccount, Thing};
use crate::delivery::ItemState;

/// Digits of a version that tell it from any other of the same file.
const VERSION_SHOWN: usize = 8;

/// The whole story, for so many columns; times are those of `now`'s zone.
pub fn page(account: &Account, now: &Zoned, width: usize) -> String {
    let mut page = Page::new(width);
    page.text("", HEADING, &account.verdict);
    if let Some(id) = account.id.as_ref().filter(|id| **id != account.asked) {
        page.text("Its id is ", PLAIN, id);
    }
    if !account.files.is_empty() {
        heading(&mut page, "the files");
    }
    for file in &account.files {
        file_lines(&mut page, file, now);
    }
    for thing in &account.things {
        heading(&mut page, &format!("the {}", thing.kind));
        let mut wanted = match thing.wanted.at {
            Some(at) => format!("its file as of {}", past(at, now)),
            None => "its file as it is".to_owned(),
        };
        wanted.push_str(&version(&thing.wanted.version));
        page.text("  wanted       ", PLAIN, &wanted);
        for delivery in &thing.deliveries {
            delivery_lines(&mut page, thing, delivery, now);
        }
    }
    heading(&mut page, "what to do now");
    for remedy in remedies(account) {
        page.text("  ", PLAIN, &remedy);
    }
    if let Some(payload) = &account.payload {
        heading(&mut page, "what the report becomes");
        let json = serde_json::to_string_pretty(payload).unwrap_or_default();
        json.lines().for_each(|line| page.line(&clean(line)));
    }
    page.finish()
}

/// What is said of something that nothing is known of.
pub fn unknown(error: &str, hint: &str, width: usize) -> String {
    let mut page = Page::new(width);
    page.text("", HEADING, error);
    heading(&mut page, "what to do now");
    page.text("  ", PLAIN, hint);
    page.finish()
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(&styled(HEADING, text));
}

fn version(version: &str) -> String {
    format!(", version {}", version.chars().take(VERSION_SHOWN).collect::<String>())
}

fn file_lines(page: &mut Page, file: &FileAccount, now: &Zoned) {
    page.path("  ", PLAIN, &file.path);
    let mut facts = Vec::new();
    if !file.exists {
        facts.push("not there any more".to_owned());
    }
    facts.extend(file.size_bytes.map(bytes));
    facts.extend(file.modified_at.map(|at| format!("written {}", past(at, now))));
    facts.extend(file.shape.as_ref().map(|shape| format!("recognised as {shape}")));
    if !facts.is_empty() {
        page.text("    ", ASIDE, &facts.join(", "));
    }
    page.text("    its part   ", PLAIN, &file.part);
    if let Some(problem) = &file.problem {
        page.text("    problem    ", BAD, problem);
    }
}

fn delivery_lines(page: &mut Page, thing: &Thing, delivery: &DeliveryAccount, now: &Zoned) {
    let (style, state) = state(delivery);
    let first = format!("  at {}: ", clean(&delivery.target));
    page.text(&first, style, state);
    page.text("    holds      ", PLAIN, &holds(thing, delivery, now));
    if !delivery.summaries.is_empty() {
        page.text("    summaries  ", PLAIN, &delivery.summaries.join(", "));
    }
    if let Some(url) = &delivery.public_url {
        page.text("    served at  ", PLAIN, url);
    }
    if let Some(warning) = &delivery.warning {
        page.text("    beware     ", NOTED, warning);
    }
    let until = delivery.until.map(|until| match until > now.timestamp() {
        true => format!("until {}", future(until, now)),
        false => format!("since {}", past(until, now)),
    });
    let waits: Vec<String> = [delivery.waits_for.clone(), until].into_iter().flatten().collect();
    if !waits.is_empty() {
        let label = match delivery.state {
            ItemState::Parked | ItemState::Invalid | ItemState::Vanished | ItemState::Dropped => {
                "    because    "
            }
            _ => "    waits for  ",
        };
        page.text(label, style, &waits.join(", "));
    }
    for (at, attempt) in delivery.attempts.iter().enumerate() {
        let label = if at == 0 { "    attempts   " } else { "               " };
        page.text(label, PLAIN, &attempt_words(attempt, now));
    }
}

fn state(delivery: &DeliveryAccount) -> (Style, &'static str) {
    match delivery.state {
        ItemState::Current => (GOOD, "delivered"),
        ItemState::Due => (PLAIN, "goes out as soon as there is room"),
        ItemState::Waiting => (NOTED, "waits"),
        ItemState::InFlight => (PLAIN, "is being sent at this moment"),
        ItemState::Parked => (BAD, "parked; it is not tried again by itself"),
        ItemState::Invalid => (BAD, "cannot be delivered"),
        ItemState::Vanished => (NOTED, "its file was gone before it was delivered"),
        ItemState::Dropped => (NOTED, "not sent, by order, until its file changes"),
    }
}

fn holds(thing: &Thing, delivery: &DeliveryAccount, now: &Zoned) -> String {
    let Some(known) = &delivery.known else {
        return "nothing of it, as far as is known".to_owned();
    };
    let how = delivery.action.map(|action| format!(" as {}", action.as_str())).unwrap_or_default();
    let when =
        known.at.map(|at| format!(", acknowledged{how} {}", past(at, now))).unwrap_or_default();
    if known.version == thing.wanted.version {
        format!("just that{when}")
    } else {
        format!("an older one{}{when}", version(&known.version))
    }
}

fn attempt_words(attempt: &AttemptAccount, now: &Zoned) -> String {
    let answer = match (attempt.status, &attempt.words) {
        // The words may begin with the status already.
        (Some(status), Some(words)) if !words.starts_with(&status.to_string()) => {
            format!(", {status}: {words}")
        }
        (_, Some(words)) => format!(", {words}"),
        (Some(status), None) => format!(", {status}"),
        (None, None) => String::new(),
    };
    format!("{}: {}{answer}", past(attempt.at, now), attempt.outcome)
}

/// What would change things, each once; where there is nothing of that kind, why not.
fn remedies(account: &Account) -> Vec<String> {
    let deliveries: Vec<_> = account.things.iter().flat_map(|thing| &thing.deliveries).collect();
    let mut remedies: Vec<String> = Vec::new();
    for remedy in deliveries.iter().filter_map(|delivery| delivery.remedy.as_ref()) {
        if !remedies.contains(remedy) {
            remedies.push(remedy.clone());
        }
    }
    if account.files.iter().any(|file| file.problem.is_some()) {
        let text = "mend the file as its problem above says; it is looked at again by itself";
        remedies.push(text.to_owned());
    }
    if remedies.is_empty() {
        let all_are = |state| deliveries.iter().all(|delivery| delivery.state == state);
        remedies.push(match deliveries.is_empty() {
            false if all_are(ItemState::Current) => "nothing: all of it is delivered".to_owned(),
            false => "nothing: it goes on by itself".to_owned(),
            true => "nothing for now: its file is looked at again by itself".to_owned(),
        });
    }
    remedies
}

#[cfg(test)]
mod tests;
