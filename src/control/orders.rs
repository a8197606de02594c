//! What an operator orders through the socket.

use serde::Deserialize;
use tokio::sync::oneshot;

use super::refusal::Refusal;
use super::wire::Done;
use super::{Desk, Reloaded};
use crate::clock;
use crate::delivery::ItemState;
use crate::file::FileRef;
use crate::id::ContentId;
use crate::outbox::{Ordered, Retry, Scope};

/// Of whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfTarget {
    target: Option<String>,
}

/// What `POST /retry` may be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    state: Option<ItemState>,
    reason: Option<String>,
    target: Option<String>,
}

/// What `POST /adopt` may be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopting {
    target: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// Tries one id, or one file of which nothing could be delivered, again now.
pub async fn retry_one(desk: &Desk, name: &str, of: OfTarget) -> Result<Done, Refusal> {
    let scope = match scope_of(desk, name, of).await {
        Ok(scope) => scope,
        // It may be a file.
        Err(unknown) => {
            let file = std::path::Path::new(name).file_name().unwrap_or_default();
            let read_again =
                desk.outbox.reread(Some(file.as_encoded_bytes().to_vec()), None).await?;
            if read_again.is_empty() {
                return Err(unknown);
            }
            hint(desk, &read_again);
            return Ok(done(read_again.len(), "read again", Vec::new()));
        }
    };
    let ordered = desk.outbox.retry(scope, Retry::Open, clock::now_ms()).await?;
    if ordered.changed == 0 {
        return Ok(Done {
            changed: 0,
            words: format!(
                "nothing of {name} waits, is parked or was dropped; to send it again though \
                 unchanged: ytv2d resend {name}"
            ),
            ids: Vec::new(),
        });
    }
    Ok(told(ordered, "tried again now"))
}

/// Tries everything of a state, or everything that is open, again now.
pub async fn retry_all(desk: &Desk, which: Which) -> Result<Done, Refusal> {
    if let Some(target) = &which.target {
        desk.check_target(target)?;
    }
    let retry = match which.state {
        None => Retry::Open,
        Some(ItemState::Due | ItemState::Waiting) => Retry::Due,
        Some(ItemState::Parked) => Retry::Parked,
        Some(ItemState::Dropped) => Retry::Dropped,
        Some(ItemState::Invalid) => {
            let files = desk.outbox.reread(None, which.reason).await?;
            hint(desk, &files);
            return Ok(done(files.len(), "read again", Vec::new()));
        }
        Some(state @ (ItemState::Current | ItemState::InFlight | ItemState::Vanished)) => {
            return Err(Refusal::bad(
                format!("what is {} cannot be tried again", state.as_str()),
                "retry takes due, waiting, parked, dropped or invalid; resend sends again what is \
                 current",
            ));
        }
    };
    let scope = Scope { target: which.target, reason: which.reason, ..Scope::default() };
    let ordered = desk.outbox.retry(scope, retry, clock::now_ms()).await?;
    Ok(told(ordered, "tried again now"))
}

/// Sends one id again though unchanged.
pub async fn resend_one(desk: &Desk, name: &str, of: OfTarget) -> Result<Done, Refusal> {
    let scope = scope_of(desk, name, of).await?;
    let ordered = desk.outbox.resend(scope, clock::now_ms()).await?;
    if ordered.changed == 0 {
        return Err(Refusal::conflict(
            format!("the file of {name} is gone"),
            "put it back, and it is delivered",
        ));
    }
    Ok(told(ordered, "sent again"))
}

/// Sends everything again though unchanged.
pub async fn resend_all(desk: &Desk, of: OfTarget) -> Result<Done, Refusal> {
    let scope = Scope { target: checked(desk, of)?, ..Scope::default() };
    Ok(told(desk.outbox.resend(scope, clock::now_ms()).await?, "sent again"))
}

/// Forgets what is to be sent of one id until its file changes.
pub async fn drop_one(desk: &Desk, name: &str, of: OfTarget) -> Result<Done, Refusal> {
    let scope = scope_of(desk, name, of).await?;
    let ordered = desk.outbox.drop_items(scope, clock::now_ms()).await?;
    if ordered.changed == 0 {
        return Ok(Done {
            changed: 0,
            words: format!("nothing of {name} is to be sent, so there is nothing to drop"),
            ids: Vec::new(),
        });
    }
    Ok(told(ordered, "dropped until their file changes"))
}

/// Sends nothing until told to resume, across restarts too.
pub async fn pause(desk: &Desk, of: OfTarget) -> Result<Done, Refusal> {
    let target = checked(desk, of)?;
    let changed = desk.outbox.pause(target, Some(clock::now_ms())).await?;
    let words = match changed {
        0 => "paused already".to_owned(),
        1 => "1 target paused; what is under way is finished; to go on: ytv2d resume".to_owned(),
        many => {
            format!("{many} targets paused; what is under way is finished; to go on: ytv2d resume")
        }
    };
    Ok(Done { changed, words, ids: Vec::new() })
}

/// Goes on.
pub async fn resume(desk: &Desk, of: OfTarget) -> Result<Done, Refusal> {
    let target = checked(desk, of)?;
    let changed = desk.outbox.pause(target, None).await?;
    let words = match changed {
        0 => "nothing was paused".to_owned(),
        1 => "1 target goes on".to_owned(),
        many => format!("{many} targets go on"),
    };
    Ok(Done { changed, words, ids: Vec::new() })
}

/// Takes what was never acknowledged as delivered.
pub async fn adopt(desk: &Desk, adopting: Adopting) -> Result<Done, Refusal> {
    let Adopting { target, dry_run } = adopting;
    let target = checked(desk, OfTarget { target })?;
    let ordered = desk.outbox.adopt(target, dry_run).await?;
    let what =
        if dry_run { "would be taken as delivered" } else { "taken as delivered, and not sent" };
    Ok(told(ordered, what))
}

/// Reads the configuration again.
pub async fn reload(desk: &Desk) -> Result<Done, Refusal> {
    let (reply, answer) = oneshot::channel::<Reloaded>();
    desk.reload.send(reply).await.map_err(|_| Refusal::stopping())?;
    match answer.await.map_err(|_| Refusal::stopping())? {
        Ok(fixed) if fixed.is_empty() => Ok(Done {
            changed: 1,
            words: "the configuration was read again".to_owned(),
            ids: Vec::new(),
        }),
        Ok(fixed) => Ok(Done {
            changed: 1,
            words: format!(
                "the configuration was read again; a restart is needed for {}",
                fixed.join(", ")
            ),
            ids: Vec::new(),
        }),
        Err(faults) => Err(Refusal::conflict(
            faults.join("; "),
            "nothing was changed: mend the configuration, and reload again",
        )),
    }
}

/// An id that something is known of.
async fn scope_of(desk: &Desk, name: &str, of: OfTarget) -> Result<Scope, Refusal> {
    let target = checked(desk, of)?;
    let unknown = || {
        Refusal::not_found(
            format!("nothing is known of {name}"),
            "ytv2d list shows every id; ytv2d why PATH tells about a file",
        )
    };
    let id: ContentId = name.parse().map_err(|_| unknown())?;
    if desk.outbox.record_of(id.clone()).await?.is_empty() {
        return Err(unknown());
    }
    Ok(Scope { id: Some(id), target, ..Scope::default() })
}

fn checked(desk: &Desk, of: OfTarget) -> Result<Option<String>, Refusal> {
    of.target.map(|target| desk.check_target(&target).map(|()| target)).transpose()
}

/// Has the intake read files again.
fn hint(desk: &Desk, files: &[FileRef]) {
    files.iter().for_each(|file| desk.hints.doubt(file));
}

fn told(ordered: Ordered, what: &str) -> Done {
    done(ordered.changed, what, ordered.ids)
}

fn done(changed: usize, what: &str, ids: Vec<String>) -> Done {
    let things = if changed == 1 { "item" } else { "items" };
    Done { changed, words: format!("{changed} {things} {what}"), ids }
}
