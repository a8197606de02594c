//! Takes in files that may have changed: what is ready is read and recorded, what is not is waited
//! for, and what cannot be read is named.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::Intake;
use super::announce;
use super::look::{self, Looked, Rules, Seen, Trigger};
use crate::clock;
use crate::file::{FileRef, Root};
use crate::outbox::{Finding, Found, OutboxError, Recorded};
use crate::watch::{Directory, Entry, Pulse};

/// How many files are looked at between two commits.
const GROUP: usize = 64;
/// When a file is tried again that ought to be readable, and was not.
const UNREADABLE: Duration = Duration::from_secs(60);

impl Intake {
    /// Looks at files, and takes in those that are ready.
    pub(super) async fn look_at(
        &mut self,
        names: Vec<OsString>,
        trigger: Trigger,
    ) -> Result<(), OutboxError> {
        let mut names = names.into_iter();
        loop {
            let group: Vec<OsString> = names.by_ref().take(GROUP).collect();
            // A dead mount would let nobody go who asks it something.
            if group.is_empty() || !self.eye.is_open() {
                return Ok(());
            }
            let files: Vec<_> =
                group.into_iter().map(|name| FileRef::new(self.root, name)).collect();
            let (path, looked_at) = (self.path.clone(), files.clone());
            // One that was just written is read in the same go: its way to the target is that much
            // shorter.
            let alone = match &files[..] {
                [file] if trigger == Trigger::Event && self.root == Root::Reports => {
                    Some(file.clone())
                }
                _ => None,
            };
            let rules = alone.as_ref().map(|_| self.rules());
            let name = alone.as_ref().map(|file| file.name.as_os_str());
            let look = self.questions.ask(self.root, name, move |pulse| {
                let directory = Directory::open(&path)?;
                let with_nothing = looked_at.into_iter().map(|file| (file, None));
                let (mut seen, unseen) = look::see(&directory, with_nothing, pulse);
                if let Some(rules) = rules {
                    let files =
                        seen.iter_mut().filter(|seen| matches!(seen.entry, Some(Entry::File(_))));
                    files.for_each(|seen| {
                        seen.read = Some(look::read(&directory, &seen.file, &rules, pulse));
                    });
                }
                Ok((Arc::new(directory), (seen, unseen)))
            });
            let (known, look) = if alone.is_some() {
                let look = look.await;
                // What is news needs nobody's leave: the outbox sees for itself what it knew.
                let is_news = match &look {
                    Ok((_, (seen, _))) => self.is_news(seen),
                    Err(_) => false,
                };
                let known =
                    if is_news { Ok(Vec::new()) } else { self.outbox.stamps_of(files).await };
                (known, look)
            } else {
                // Asked side by side: what others change meanwhile, as the trash and an operator do,
                // costs one more look.
                tokio::join!(self.outbox.stamps_of(files), look)
            };
            let mut known: HashMap<_, _> = known?.into_iter().collect();
            let (directory, (mut seen, unseen)) = match look {
                Ok(looked) => looked,
                Err(error) if error.kind() == io::ErrorKind::TimedOut && alone.is_some() => {
                    // The root may be at fault: it is looked at.
                    self.check_root().await;
                    alone.iter().for_each(|file| self.trouble(file, &error));
                    return Ok(());
                }
                Err(error) => {
                    self.lose_sight(&error);
                    return Ok(());
                }
            };
            unseen.iter().for_each(|(file, error)| self.trouble(file, error));
            for seen in &mut seen {
                seen.known = known.remove(&seen.file).flatten();
            }
            self.files += self.take(directory, seen, trigger).await?;
        }
    }

    /// Whether all of these were read, and are reports that were not there a moment ago.
    fn is_news(&self, seen: &[Seen]) -> bool {
        seen.iter().all(|seen| match &seen.read {
            Some(look::Outcome::Found(found @ Found::Report(..))) => {
                self.recent.would_be_news(&seen.file.name, found, Instant::now())
            }
            _ => false,
        })
    }

    /// Decides about files that were seen, reads those that are ready, and records them in one go.
    /// Says how many were not recorded before.
    pub(super) async fn take(
        &mut self,
        directory: Arc<Directory>,
        seen: Vec<Seen>,
        trigger: Trigger,
    ) -> Result<usize, OutboxError> {
        let rules = Arc::new(self.rules());
        let mut findings = Vec::new();
        let (mut ready, mut read) = (Vec::new(), Vec::new());
        let mut again = HashSet::new();
        for seen in seen {
            if matches!(seen.entry, Some(Entry::File(stamp)) if seen.known == Some(stamp)) {
                again.insert(seen.file.clone());
            }
            match look::decide(&seen, trigger, &rules, &mut self.settling, Instant::now()) {
                Looked::Nothing => {}
                Looked::Gone => {
                    let now = Instant::now();
                    self.deletions.heard_of(seen.file.name, now, now);
                }
                Looked::Found(found) => findings.push(Finding { file: seen.file, found }),
                Looked::Ready => match seen.read {
                    Some(outcome) => read.push((seen.file, outcome)),
                    None => ready.push(seen.file),
                },
            }
        }
        read.extend(self.read(&directory, ready, &rules).await);
        for (file, outcome) in read {
            let Some(found) = self.weigh(&file, outcome) else { continue };
            let is_news = self.recent.is_news(&file.name, &found, Instant::now());
            // What is in doubt is what was recorded, not what was found.
            if is_news || trigger == Trigger::Doubt || !again.contains(&file) {
                findings.push(Finding { file, found });
            }
        }
        self.record(findings, trigger).await
    }

    /// Reads files. When that does not come to an end, the root may be at fault: it is looked at, and
    /// where it is gone the others are left alone.
    async fn read(
        &mut self,
        directory: &Arc<Directory>,
        files: Vec<FileRef>,
        rules: &Arc<Rules>,
    ) -> Vec<(FileRef, look::Outcome)> {
        let mut read = Vec::with_capacity(files.len());
        let mut left: Arc<[FileRef]> = files.into();
        while !left.is_empty() && self.eye.is_open() {
            let (directory, rules) = (Arc::clone(directory), Arc::clone(rules));
            let reading =
                move |file: &FileRef, pulse: &Pulse| look::read(&directory, file, &rules, pulse);
            let (outcomes, silence) = self.questions.ask_each(&left, reading).await;
            let mut files = left.iter().cloned();
            // In this order, since what is asked for the next takes it.
            read.extend(
                outcomes.into_iter().zip(files.by_ref()).map(|(outcome, file)| (file, outcome)),
            );
            if let Err(error) = silence
                && let Some(held) = files.next()
            {
                self.check_root().await;
                read.push((held, look::Outcome::Failed(error)));
            }
            left = files.collect();
        }
        read
    }

    /// Records findings, and says what there is to say of them. Says how many were of files that were
    /// not recorded before.
    pub(super) async fn record(
        &mut self,
        findings: Vec<Finding>,
        trigger: Trigger,
    ) -> Result<usize, OutboxError> {
        if findings.is_empty() {
            return Ok(0);
        }
        // An obstacle is met again at every start, and told once.
        let mut told = HashSet::new();
        for finding in &findings {
            if let Found::Obstacle(_, problem) = &finding.found
                && self.outbox.problem(finding.file.clone()).await?.as_ref() == Some(problem)
            {
                told.insert(finding.file.clone());
            }
        }
        let adopt = self.adopting && trigger == Trigger::Scan;
        let journal = self.journal.clone();
        let tell = move |findings: &[Finding], recorded: &Recorded| {
            if recorded.known < findings.len() {
                let news = findings.iter().filter(|finding| !told.contains(&finding.file));
                announce::findings(&journal, news);
            }
            announce::recorded(&journal, recorded);
        };
        let recorded = self.outbox.record_telling(findings, adopt, clock::now_ms(), tell).await?;
        Ok(recorded.new_files)
    }

    /// What a reading means now: a file that is not whole yet is waited for.
    fn weigh(&mut self, file: &FileRef, outcome: look::Outcome) -> Option<Found> {
        let now = Instant::now();
        if !matches!(outcome, look::Outcome::Failed(_)) {
            self.troubles.remove(&file.name);
        }
        match outcome {
            look::Outcome::Found(found) => {
                self.settling.forget(&file.name);
                Some(found)
            }
            look::Outcome::Unfinished(stamp, problem) => {
                let quiet = self.rules().quiet;
                let settled = self.settling.has_settled(&file.name, stamp, quiet, now);
                settled.then_some(Found::Problem(stamp, problem))
            }
            look::Outcome::Moving => {
                self.settling.touch(&file.name, self.rules().quiet, now);
                None
            }
            look::Outcome::Failed(error) => {
                self.trouble(file, &error);
                None
            }
        }
    }

    /// Leaves a file for a while that could not be looked at, or read, and says so once.
    pub(super) fn trouble(&mut self, file: &FileRef, error: &io::Error) {
        let (now, why) = (Instant::now(), error.to_string());
        self.settling.touch(&file.name, UNREADABLE, now);
        let known = self.troubles.get(&file.name);
        if known.is_none_or(|(_, known)| *known != why) {
            warn!(%file, %error, "a file cannot be read; it is tried again in a minute");
        }
        let since = known.map_or(now, |(since, _)| *since);
        self.troubles.insert(file.name.clone(), (since, why));
    }
}
