//! `ytv2d events`: what happens, as it happens.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Zoned;
use jiff::tz::TimeZone;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::time::{interval, sleep};

use super::amount::{bytes, clock_time, grouped, milliseconds};
use super::ask::{At, block_on};
use super::failure::Failure;
use super::layout::{ASIDE, BAD, GOOD, NOTED, PLAIN, clean, styled};
use super::output;
use crate::clock;
use crate::control::client::{Client, ClientError, Events};
use crate::control::wire::Event;
use crate::journal::Happening;

/// How often a daemon that is away is looked for, and a reader that has gone.
const TICK: Duration = Duration::from_secs(1);

/// What `events` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Ends with a signal, or when nobody reads any more.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    block_on(async {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let mut tick = interval(TICK);
        let mut following = std::pin::pin!(follow(&client, args.json));
        loop {
            tokio::select! {
                ended = &mut following => return ended,
                _ = signals.next() => return Ok(ExitCode::SUCCESS),
                _ = tick.tick() => if output::is_closed() { return Ok(ExitCode::SUCCESS) },
            }
        }
    })
}

/// Prints event after event. When the daemon goes away, it goes on where it was once the daemon is
/// back.
async fn follow(client: &Client, json: bool) -> Result<ExitCode, Failure> {
    let mut last = None;
    let mut events = client.events(None).await?;
    loop {
        while let Some(event) = events.next().await {
            last = Some(event.id);
            if json {
                output::print_json_line(&event)?;
            } else {
                let now = clock::now().to_zoned(TimeZone::system());
                output::print(&(line(&event, &now) + "\n"))?;
            }
        }
        eprintln!("ytv2d: the daemon has closed the stream; waiting for it to come back");
        events = back(client, last).await?;
    }
}

/// Waits until the daemon is back.
async fn back(client: &Client, last: Option<u64>) -> Result<Events, Failure> {
    loop {
        sleep(TICK).await;
        match client.events(last).await {
            Ok(events) => return Ok(events),
            // On its way down, or on its way up.
            Err(ClientError::NotRunning(_) | ClientError::Broken(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// An event on a line.
fn line(event: &Event, now: &Zoned) -> String {
    let news = &event.news;
    let style = match news.event {
        Happening::Delivered | Happening::TargetUp | Happening::RootFound => GOOD,
        Happening::Failed | Happening::Deleted | Happening::Missed => NOTED,
        Happening::Parked | Happening::TargetDown | Happening::RootLost => BAD,
        Happening::Seen | Happening::Due | Happening::Started => PLAIN,
    };
    let word = news.event.as_str().replace('_', " ");
    let mut parts =
        vec![styled(ASIDE, &clock_time(event.at, now)), styled(style, &format!("{word:<11}"))];
    let mut part = |text: Option<String>| parts.extend(text.map(|text| clean(&text)));
    part(news.root.clone());
    part(news.target.clone());
    part(news.kind.map(|kind| kind.to_string()));
    part(news.content.clone());
    part(news.path.clone());
    part(news.words.clone());
    part(news.bytes.map(bytes));
    part(
        news.since_change_ms
            .map(|ms| format!("{} after the change", milliseconds(u64::try_from(ms).unwrap_or(0)))),
    );
    part(news.missed.map(|missed| format!("{} events are missing here", grouped(missed))));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;
    use crate::journal::News;

    #[test]
    fn an_event_is_a_line_that_says_all_of_it() {
        let now: Zoned = "2026-11-22T14:00:00[UTC]".parse().unwrap();
        let news = News {
            target: Some("dashboard".to_owned()),
            kind: Some(Kind::Audio),
            content: Some("aB-3_xY9zQk".to_owned()),
            words: Some("200\ncreated".to_owned()),
            bytes: Some(12_300),
            since_change_ms: Some(120),
            ..News::new(Happening::Delivered)
        };
        let event = Event { id: 1, at: now.timestamp(), news };
        assert_eq!(
            anstream::adapter::strip_str(&line(&event, &now)).to_string(),
            "14:00:00  delivered    dashboard  audio  aB-3_xY9zQk  200\\ncreated  12 kB  \
             120 ms after the change"
        );
        let news = News { missed: Some(1200), ..News::new(Happening::Missed) };
        let missed = line(&Event { id: 2, at: now.timestamp(), news }, &now);
        assert!(missed.ends_with("1,200 events are missing here"), "{missed}");
    }
}
