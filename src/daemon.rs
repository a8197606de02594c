//! The daemon: builds everything, supervises it, reloads, and stops in order.

mod liveness;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::callback;
use crate::clock;
use crate::config::{Config, Fault, process_environment};
use crate::control;
use crate::drain::{Lanes, Targets, add_target};
use crate::file::Root;
use crate::heartbeat::{Heart, HeartbeatStatus};
use crate::intake::{self, Intake, RootStatus, RowIntake, RowsStatus};
use crate::journal::Journal;
use crate::outbox::{self, Outbox, OutboxError};
use crate::systemd;
use crate::target::{Target, Throttle};
use crate::verify::{self, Verifier};
use crate::watch::{JustRead, Questions, SourceHints};
use liveness::{Liveness, Steps, Watcher};

/// How long the line for the service manager may keep everything else waiting.
const VERDICT: Duration = Duration::from_millis(500);

/// How long after a change the service manager is told of it, with all that changed meanwhile: what
/// has just come is on its way first.
const BREATH: Duration = Duration::from_secs(1);

/// How long the files of the configuration may take to be read again.
const LOADING: Duration = Duration::from_secs(5);

/// What no restart can mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(std::io::Error);

/// Runs until a signal ends it. `passed` is the control socket, where systemd has made it.
///
/// # Errors
/// What kept it from starting, or made it stop on its own.
pub async fn run(
    config: Config,
    config_path: Option<PathBuf>,
    passed: Option<std::os::unix::net::UnixListener>,
) -> anyhow::Result<()> {
    let is_ours = passed.is_none();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("signals")?;
    exit_on_second_signal()?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %config_path.as_deref().unwrap_or(Path::new("built in")).display(),
        outbox = %config.outbox.display(),
        "starting"
    );

    tell_warnings(&config);

    if !config.outbox_allow_network {
        outbox::check_place(&config.outbox)?;
    }
    // On a full disk this may take until somebody makes room.
    let (outbox, mut guard) = tokio::select! {
        opened = open(&config) => opened?,
        () = told_to_stop(&mut signals) => return Ok(()),
    };
    let throttle = Throttle::default();
    throttle.set(&config.upload, &config.watch.timezone);
    let (targets, targeted) = watch::channel(build_targets(&config, &throttle)?);
    let (settings, setting) = watch::channel(Arc::new(config));
    let journal = Journal::new(clock::now_ms());
    let (hints, just_read) = (SourceHints::default(), JustRead::default());
    let questions = Questions::default();
    let stop = CancellationToken::new();
    let mut tasks: JoinSet<Result<(), OutboxError>> = JoinSet::new();

    let mut reconciled = Vec::new();
    let mut roots = Vec::new();
    let mut intakes = Vec::new();
    let mut watchers = Vec::new();
    for root in Root::ALL {
        let hints = hints.of(root);
        let (done, first) = oneshot::channel();
        let (status, seen) =
            watch::channel(RootStatus::new(root, setting.borrow().watch.path(root).to_path_buf()));
        let (handle, requests) = intake::Handle::new(root);
        let tools = intake::Tools {
            outbox: outbox.clone(),
            journal: journal.clone(),
            settings: setting.clone(),
            hints: hints.clone(),
            questions: questions.clone(),
            just_read: just_read.clone(),
        };
        let intake = Intake::new(root, tools, requests, status);
        roots.push(seen);
        intakes.push(handle);
        let steps = Steps::default();
        tasks.spawn(steps.of(intake.run(done, stop.clone())));
        watchers.push(Watcher { name: root.to_string(), steps, hints: hints.clone() });
        reconciled.push(first);
    }
    let (rows_status, rows) = watch::channel(RowsStatus::default());
    let (handle, requests) = intake::Handle::new(Root::Rows);
    intakes.push(handle);
    let tools = intake::Tools {
        outbox: outbox.clone(),
        journal: journal.clone(),
        settings: setting.clone(),
        hints: hints.of(Root::Rows).clone(),
        questions: questions.clone(),
        just_read: just_read.clone(),
    };
    let row_intake = RowIntake::new(tools, requests, rows_status);
    tasks.spawn(row_intake.run(roots.clone(), stop.clone()));
    let (statuses, lanes) = watch::channel(Vec::new());
    let place = setting.borrow().control.clone();
    let listener = match passed {
        Some(listener) => control::adopt(listener).map_err(Misconfigured)?,
        None => control::bind(&place).map_err(Misconfigured)?,
    };
    let verifier = Verifier::new(
        outbox.clone(),
        questions.clone(),
        setting.clone(),
        targeted.clone(),
        hints.clone(),
    );
    tasks.spawn(verify::nightly(verifier.clone(), setting.clone(), stop.clone()));
    let (beats, heartbeat) = watch::channel(HeartbeatStatus::default());
    let heart = Heart {
        outbox: outbox.clone(),
        settings: setting.clone(),
        roots: roots.clone(),
        lanes: lanes.clone(),
        status: beats,
    };
    tasks.spawn(heart.run(stop.clone()));
    let (ask_reload, mut asked_reload) = mpsc::channel(1);
    let desk = control::Desk {
        outbox: outbox.clone(),
        counts: control::Counts::new(outbox.clone()),
        hints: hints.clone(),
        rows,
        reload: ask_reload,
        roots: roots.clone(),
        intakes,
        lanes: lanes.clone(),
        settings: setting.clone(),
        journal: journal.clone(),
        verifier,
        questions: questions.clone(),
        inquiries: Questions::new(control::PATIENCE),
        heartbeat,
        started_ms: clock::now_ms(),
    };
    let answering = control::serve(listener, desk.clone(), stop.clone());
    tasks.spawn(async move {
        answering.await;
        Ok(())
    });
    let deleting = Arc::new(callback::Desk::new(
        outbox.clone(),
        setting.clone(),
        journal.clone(),
        questions.clone(),
        hints.clone(),
    ));
    let callback = setting.borrow().callback.as_ref().map(|callback| callback.listen);
    if let Some(address) = callback {
        let listener = callback::bind(address).await.map_err(|error| match error.kind() {
            // An interface may be on its way up.
            std::io::ErrorKind::AddrNotAvailable => anyhow::Error::from(error),
            _ => Misconfigured(error).into(),
        })?;
        let hearing = callback::serve(listener, Arc::clone(&deleting), stop.clone());
        tasks.spawn(async move {
            hearing.await;
            Ok(())
        });
    }
    tasks.spawn(callback::sweep(deleting, stop.clone()));
    let delivering = Lanes {
        outbox: outbox.clone(),
        only: None,
        targets: targeted,
        journal: journal.clone(),
        settings: setting,
        hints: hints.clone(),
        questions,
        just_read,
        statuses,
    };
    tasks.spawn(delivering.run(stop.clone()));
    // What is left of the outbox is in the tasks' hands, so that its thread ends with them; these two
    // are dropped before.
    let mut liveness = Liveness::new(watchers, lanes, outbox, systemd::watchdog());

    let mut ready = std::pin::pin!(async move {
        for first in reconciled {
            // A task that ended without a word is found below.
            let _ended = first.await;
        }
    });
    let mut is_ready = false;
    let mut told = String::new();
    // When to say how things are; nothing while nothing has changed.
    let mut tell_at: Option<Instant> = None;
    let outcome = loop {
        tokio::select! {
            // First, since it is the reason of what others then have to say.
            biased;
            Ok(fault) = &mut guard.failure => break Err(fault.into()),
            () = &mut ready, if !is_ready => {
                is_ready = true;
                info!("ready");
                told = verdict(&desk).await;
                systemd::ready(&told);
            }
            () = liveness.turn(is_ready) => tell(&desk, &mut told).await,
            () = any_changed(&mut roots), if is_ready && tell_at.is_none() => {
                tell_at = Some(Instant::now() + BREATH);
            }
            () = sleep_until(tell_at.unwrap_or_else(Instant::now)), if tell_at.is_some() => {
                tell_at = None;
                tell(&desk, &mut told).await;
            }
            signal = signals.next() => match signal {
                Some(SIGHUP) => {
                    systemd::reloading();
                    // What came of it is in the log.
                    if reload(&config_path, &settings, &targets, &throttle).await.is_err() {
                        hints.add_everything();
                    }
                    if is_ready {
                        systemd::ready(&told);
                    }
                }
                signal => {
                    info!(signal, "stopping");
                    break Ok(());
                }
            },
            Some(reply) = asked_reload.recv() => {
                systemd::reloading();
                let done = reload(&config_path, &settings, &targets, &throttle).await;
                let _asker_gone = reply.send(done);
                if is_ready {
                    systemd::ready(&told);
                }
            }
            Some(ended) = tasks.join_next() => break match ended {
                Ok(Ok(())) => Err(anyhow::anyhow!("a part of the daemon ended by itself")),
                Ok(Err(fault)) => Err(reason(&mut guard, fault).await.into()),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            },
        }
    };

    systemd::stopping();
    stop.cancel();
    drop((liveness, desk));
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(fault)) if outcome.is_ok() => bail!(fault),
            Ok(Err(_)) => {}
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    // The thread has closed the file when its end is heard of.
    if is_ours {
        let _gone_already = std::fs::remove_file(&place.socket);
    }
    if outcome.is_ok() {
        let _closed_without_a_fault = guard.failure.await;
        info!("stopped");
    }
    outcome
}

/// Opens the outbox, and has its targets there before anything is taken in: what is adopted then is
/// adopted for them.
async fn open(config: &Config) -> Result<(Outbox, outbox::Guard), OutboxError> {
    let (outbox, guard) = Outbox::open(&config.outbox).await?;
    for target in config.targets() {
        add_target(&outbox, target).await?;
    }
    Ok((outbox, guard))
}

/// What ended the outbox's thread, where that is why a task has ended: word of it may be a moment
/// behind.
async fn reason(guard: &mut outbox::Guard, fault: OutboxError) -> OutboxError {
    match tokio::time::timeout(Duration::from_secs(1), &mut guard.failure).await {
        Ok(Ok(reason)) => reason,
        _ => fault,
    }
}

/// The way to every target that is sent to.
pub fn build_targets(config: &Config, throttle: &Throttle) -> anyhow::Result<Targets> {
    config
        .targets()
        .filter_map(|name| Some((name, config.endpoint(name)?)))
        .map(|(name, endpoint)| Target::new(name, endpoint, throttle.clone()))
        .collect()
}

fn tell_warnings(config: &Config) {
    for warning in &config.warnings {
        warn!(%warning, "the configuration is hardly meant like this");
    }
}

/// Returns when the state of a root was published.
async fn any_changed(roots: &mut [watch::Receiver<RootStatus>]) {
    let changes = roots.iter_mut().map(|root| Box::pin(root.changed()));
    // A root whose task has ended is told by that end.
    let _which = futures_util::future::select_all(changes).await;
}

/// How things are in one line; nothing while the outbox does not say.
async fn verdict(desk: &control::Desk) -> String {
    let status = timeout(VERDICT, control::compose(desk, clock::now_ms())).await;
    status.ok().and_then(Result::ok).map(|status| verdict::line(&status)).unwrap_or_default()
}

/// Says how things are, when that is not what was said before.
async fn tell(desk: &control::Desk, told: &mut String) {
    if !systemd::listens() {
        return;
    }
    let now = verdict(desk).await;
    if !now.is_empty() && now != *told {
        systemd::status(&now);
        *told = now;
    }
}

async fn told_to_stop(signals: &mut Signals) {
    while signals.next().await == Some(SIGHUP) {}
}

/// The first of these signals arms the second, which ends the process at once.
fn exit_on_second_signal() -> anyhow::Result<()> {
    let armed = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&armed))?;
        signal_hook::flag::register(signal, Arc::clone(&armed))?;
    }
    Ok(())
}

/// Reads the configuration again, and says whether it is taken over: who goes by it looks at
/// everything then. A faulty one changes nothing.
async fn reload(
    path: &Option<PathBuf>,
    settings: &watch::Sender<Arc<Config>>,
    targets: &watch::Sender<Targets>,
    throttle: &Throttle,
) -> control::Reloaded {
    let from = path.clone();
    let loading = spawn_blocking(move || Config::load(from.as_deref(), &process_environment));
    let loaded = match timeout(LOADING, loading).await {
        Ok(loaded) => loaded.expect("loading does not panic"),
        Err(_) => Err(vec![Fault("the file system under it does not answer".to_owned())]),
    };
    let fresh = loaded.map_err(|faults| {
        for fault in &faults {
            error!(%fault, "the configuration is not taken over");
        }
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    })?;
    let (taken, fixed) = settings.borrow().reloaded(fresh);
    for key in &fixed {
        warn!(key, "this change needs a restart");
    }
    let fresh = build_targets(&taken, throttle).map_err(|error| {
        error!(%error, "the configuration is not taken over");
        vec![error.to_string()]
    })?;
    tell_warnings(&taken);
    throttle.set(&taken.upload, &taken.watch.timezone);
    targets.send_replace(fresh);
    settings.send_replace(Arc::new(taken));
    info!("reloaded");
    Ok(fixed)
}
