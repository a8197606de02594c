//! Goes on showing the status: at every event, and at every second, since time passes too.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook_tokio::Signals;
use tokio::sync::Notify;
use tokio::time::{interval, sleep};

use super::page::{View, page};
use crate::cli::failure::{Failure, say};
use crate::cli::output;
use crate::cli::screen::Screen;
use crate::clock;
use crate::control::client::{Client, ClientError};
use crate::control::wire::Status;

const TICK: Duration = Duration::from_secs(1);

/// The shortest time between two looks, however much happens.
const REST: Duration = Duration::from_millis(100);

/// Ends with a signal, or when nobody reads any more.
pub async fn watch(client: &Client, json: bool) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])?;
    let mut seen = Ok(client.get::<Status>(&["status"], &[]).await?);
    let mut screen = if json { None } else { Screen::enter()? };
    let happened = Notify::new();
    let mut listening = std::pin::pin!(listen(client, &happened));
    let mut tick = interval(TICK);
    loop {
        match &mut screen {
            Some(screen) => screen.draw(&shown(&seen))?,
            None => print(&seen, json)?,
        }
        tokio::select! {
            () = &mut listening => {}
            () = happened.notified() => sleep(REST).await,
            _ = tick.tick() => {}
            signal = signals.next() => if signal != Some(SIGWINCH) { break },
        }
        seen = client.get(&["status"], &[]).await;
    }
    if let Some(screen) = screen.take() {
        screen.leave()?;
        output::print(&shown(&seen))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Wakes whoever waits at each event. A daemon that is away is waited for.
async fn listen(client: &Client, happened: &Notify) {
    loop {
        if let Ok(mut events) = client.events(None).await {
            while events.next().await.is_some() {
                happened.notify_one();
            }
        }
        sleep(TICK).await;
    }
}

fn shown(seen: &Result<Status, ClientError>) -> String {
    match seen {
        Ok(status) => page(status, clock::now(), output::size().0, View::Watched),
        Err(error) => format!("{error}\n\nIt is waited for; Ctrl-C ends this.\n"),
    }
}

/// Where nothing can be drawn over: one after the other.
fn print(seen: &Result<Status, ClientError>, json: bool) -> Result<(), Failure> {
    match seen {
        Ok(status) if json => output::print_json_line(status)?,
        Ok(_) => output::print(&(shown(seen) + "\n"))?,
        Err(error) => {
            say(&error);
            if output::is_closed() {
                return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
            }
        }
    }
    Ok(())
}
