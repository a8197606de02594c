//! One delivery without a daemon: the daemon's own outbox and lanes, for one pair and no watching.
//!
//! What is delivered is written down in the outbox, so that the daemon's next start does not send it
//! again, and what is not stays due in it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::Config;
use crate::control::wire::{PairOutcome, ThingOutcome, Uploaded};
use crate::daemon::build_targets;
use crate::delivery::{ItemState, state_of};
use crate::drain::{LaneStatus, LaneStatuses, Lanes, add_target};
use crate::file::{FileRef, Root};
use crate::id::{ContentId, Kind};
use crate::intake::read_once;
use crate::journal::Journal;
use crate::outbox::{self, ItemRecord, Outbox, OutboxError, Retry, Scope};
use crate::target::Throttle;
use crate::watch::{JustRead, Questions, SourceHints};

/// A look at the lanes is due this often, since not all that they do is a change of the outbox.
const TICK: Duration = Duration::from_millis(200);

/// Delivers a report, and then its audio, to every enabled target, for so long at the most.
///
/// # Errors
/// When there is nothing to deliver, or a daemon runs, which is the one to do it then.
pub async fn upload(
    config: Config,
    report: &Path,
    audio: Option<&Path>,
    patience: Duration,
) -> anyhow::Result<Uploaded> {
    let config = Arc::new(config);
    if !config.outbox_allow_network {
        outbox::check_place(&config.outbox)?;
    }
    let report = locate(report, Root::Reports, &config)?;
    let audio = audio.map(|path| locate(path, Root::Exports, &config)).transpose()?;
    let (outbox, guard) = Outbox::open(&config.outbox).await.map_err(|error| match error {
        OutboxError::Locked { .. } => {
            anyhow!("{error}; leave out --direct: the daemon delivers it")
        }
        error => error.into(),
    })?;
    let uploaded = deliver(&outbox, &config, &report, audio.as_ref(), patience).await;
    drop(outbox);
    let _closed = guard.failure.await;
    uploaded
}

async fn deliver(
    outbox: &Outbox,
    config: &Arc<Config>,
    report: &FileRef,
    audio: Option<&FileRef>,
    patience: Duration,
) -> anyhow::Result<Uploaded> {
    for target in config.targets() {
        add_target(outbox, target).await?;
    }
    let id = take_in(outbox, config, report)
        .await?
        .with_context(|| format!("{report}: nothing can be delivered of it"))?;
    if let Some(audio) = audio
        && take_in_audio(outbox, config, audio, &id).await? != Some(id.clone())
    {
        bail!("{audio}: it cannot be delivered as the audio of {id}");
    }
    let scope = Scope { id: Some(id.clone()), ..Scope::default() };
    outbox.retry(scope, Retry::Open, clock::now_ms()).await?;

    let throttle = Throttle::default();
    throttle.set(&config.upload, &config.watch.timezone);
    let (_targets, targets) = watch::channel(build_targets(config, &throttle)?);
    let (_settings, settings) = watch::channel(Arc::clone(config));
    let (statuses, mut lanes) = watch::channel(LaneStatuses::new());
    let stop = CancellationToken::new();
    let running = Lanes {
        outbox: outbox.clone(),
        only: Some(id.clone()),
        targets,
        journal: Journal::new(clock::now_ms()),
        settings,
        hints: SourceHints::default(),
        questions: Questions::default(),
        just_read: JustRead::default(),
        statuses,
    };
    let running = tokio::spawn(running.run(stop.clone()));
    let uploaded = look_on(outbox, config, &id, audio.is_some(), &mut lanes, patience).await;
    stop.cancel();
    running.await??;
    uploaded
}

/// Waits until nothing more is to come of it, and says how it stands.
async fn look_on(
    outbox: &Outbox,
    config: &Config,
    id: &ContentId,
    with_audio: bool,
    lanes: &mut watch::Receiver<LaneStatuses>,
    patience: Duration,
) -> anyhow::Result<Uploaded> {
    let deadline = Instant::now() + patience;
    let mut changes = outbox.changes();
    loop {
        changes.mark_unchanged();
        let shut: HashMap<&str, String> = lanes
            .borrow()
            .iter()
            .filter_map(|lane| Some((lane.borrow().name, shut(&lane.borrow())?)))
            .collect();
        let records = outbox.record_of(id.clone()).await?;
        let mut targets = BTreeMap::new();
        let mut is_over = true;
        for target in config.targets().map(|target| target.as_str()) {
            let of = |kind| thing(&records, kind, target, shut.get(target));
            let Some(report) = of(Kind::Report) else { continue };
            let audio = if with_audio { of(Kind::Audio) } else { None };
            let states = || [Some(&report), audio.as_ref()].into_iter().flatten();
            let done = states().all(|thing| thing.state == ItemState::Current);
            is_over &= done
                || shut.contains_key(target)
                || states().any(|thing| {
                    use ItemState::{Dropped, Parked, Vanished};
                    matches!(thing.state, Dropped | Parked | Vanished)
                });
            targets.insert(target.to_owned(), PairOutcome { done, report, audio });
        }
        if is_over || Instant::now() >= deadline {
            let done = !targets.is_empty() && targets.values().all(|pair| pair.done);
            return Ok(Uploaded { id: id.to_string(), done, targets });
        }
        let soon = deadline.min(Instant::now() + TICK);
        let _looked_at_anew = timeout_at(soon, changes.changed()).await;
    }
}

/// Why nothing is sent before a person acts, and what that is.
fn shut(lane: &LaneStatus) -> Option<String> {
    if lane.paused_ms.is_some() {
        return Some("paused by order; ytv2d resume, while the daemon runs".to_owned());
    }
    let shut = lane.shut.as_ref().filter(|shut| shut.is_stopped)?;
    Some(format!("{}; {}", shut.why, shut.remedy))
}

fn thing(
    records: &[ItemRecord],
    kind: Kind,
    target: &str,
    shut: Option<&String>,
) -> Option<ThingOutcome> {
    let record = records.iter().find(|record| record.kind == kind)?;
    let delivery = record.deliveries.iter().find(|delivery| delivery.target == target)?;
    let state = state_of(delivery.stored, false, clock::now_ms());
    let why = || shut.or(delivery.error.as_ref()).or(delivery.waits.as_ref()).cloned();
    Some(ThingOutcome {
        state,
        reason: if state == ItemState::Current { None } else { why() },
        public_url: delivery.public_url.clone(),
    })
}

/// Takes a file in, and gives the id that it belongs to.
async fn take_in(
    outbox: &Outbox,
    config: &Arc<Config>,
    file: &FileRef,
) -> anyhow::Result<Option<ContentId>> {
    let (of, pairs, config) = (file.clone(), outbox.pairs().clone(), Arc::clone(config));
    let reading = tokio::task::spawn_blocking(move || read_once(&of, &config, &pairs));
    let finding = reading.await?.map_err(|why| anyhow!(why))?;
    outbox.record(vec![finding], false, clock::now_ms()).await?;
    let record = outbox.file_record(file.clone()).await?;
    Ok(record.and_then(|record| record.item).map(|(_, id)| id))
}

/// The same of audio, which is that of the id whatever its name says.
async fn take_in_audio(
    outbox: &Outbox,
    config: &Arc<Config>,
    file: &FileRef,
    id: &ContentId,
) -> anyhow::Result<Option<ContentId>> {
    if let Ok(Some(owner)) = take_in(outbox, config, file).await
        && owner == *id
    {
        return Ok(Some(owner));
    }
    outbox.pair(file.clone(), id.clone()).await?;
    take_in(outbox, config, file).await
}

/// A file right below a root, named by its path or by its bare name.
fn locate(path: &Path, root: Root, config: &Config) -> anyhow::Result<FileRef> {
    let directory = config.watch.path(root);
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if parent.is_some_and(|parent| real(parent) != real(directory)) {
        bail!("{} is not in {}, where {root} are taken from", path.display(), directory.display());
    }
    Ok(FileRef::new(root, name))
}
