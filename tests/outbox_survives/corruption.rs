//! Random corruptions of an outbox, hundreds of them: each ends in an outbox that is sound or in a
//! new one, after a few starts at the most.
//!
//! `OUTBOX_CORRUPTIONS=2000 OUTBOX_SEED=7 cargo test --test outbox_survives corruption` runs more,
//! and others.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tokio::runtime::Runtime;
use ytv2d::file::{FileRef, Root, Stamp};
use ytv2d::id::{Kind, Version};
use ytv2d::outbox::{
    AudioFacts, Finding, Found, Outbox, OutboxError, Outcome, Parcel, ReportFacts, Settlement,
    Taken,
};

use crate::dice::Dice;

const PAGE: usize = 4096;
/// Bytes of the header that say which schema the file has.
const USER_VERSION: std::ops::Range<usize> = 60..64;

fn from_env(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// An outbox's two files, as bytes.
#[derive(Clone)]
struct Pair {
    db: Vec<u8>,
    log: Vec<u8>,
}

impl Pair {
    fn read(path: &Path) -> Self {
        let read = |path| fs::read(path).unwrap_or_default();
        Self { db: read(path.to_owned()), log: read(log_of(path)) }
    }

    fn write(&self, path: &Path) {
        fs::write(path, &self.db).unwrap();
        fs::write(log_of(path), &self.log).unwrap();
    }
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

/// In memory where that can be had: this is about what is in the files, not about getting it there.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What lies on the disk: 40 reports, 20 of which have audio.
fn findings(world: u64, revision: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for n in 0..40 {
        let id = format!("id{world}-{n:06}A");
        let stamp = |kind: i64| Stamp {
            size: 1000 + n,
            mtime_ns: 1_700_000_000_000_000_000 + revision as i64,
            ctime_ns: 1_700_000_000_000_000_000 + revision as i64,
            inode: 1000 * kind + n,
        };
        let digest = |what: &str| Version::of(format!("{world} {n} {what} {revision}").as_bytes());
        let report = ReportFacts {
            id: id.parse().unwrap(),
            made_ms: 1_700_000_000_000,
            fields: digest("fields"),
            variants: Taken::from([("comprehensive".to_owned(), digest("text"))]),
            remarks: Vec::new(),
        };
        let file = FileRef::new(Root::Reports, format!("report {n} {id}.json"));
        findings.push(Finding { file, found: Found::Report(stamp(1), report) });
        if n % 2 == 0 {
            let audio = AudioFacts {
                keys: vec![id.clone()],
                made_ms: 1_700_000_000_000,
                digest: digest("sound"),
                seconds: Some(60),
            };
            let file = FileRef::new(Root::Exports, format!("audio_{id}.mp3"));
            findings.push(Finding { file, found: Found::Audio(stamp(2), audio) });
        }
    }
    findings
}

fn delivered(parcel: &Parcel) -> Settlement {
    let taken = parcel.variants.iter().map(|sent| (sent.name.clone(), sent.digest)).collect();
    let outcome = Outcome::Delivered {
        version: parcel.want,
        fields: (parcel.kind == Kind::Report).then_some(parcel.digest),
        taken,
        public_url: (parcel.kind == Kind::Audio).then(|| "/a.mp3".to_owned()),
        warning: None,
        action: None,
    };
    Settlement {
        target: parcel.target,
        item: parcel.item,
        kind: parcel.kind,
        id: parcel.id.clone(),
        sent_no: parcel.want_no,
        at_ms: 1_700_000_100_000,
        status: None,
        outcome,
    }
}

/// Takes in what differs from what is recorded, as a reconcile does, and delivers at most so many.
async fn live(path: &Path, found: &[Finding], at_most: usize) -> Result<(), OutboxError> {
    let (outbox, guard) = Outbox::open(path).await?;
    let lived = async {
        let target = outbox.add_target("dashboard").await?;
        let mut known = Vec::new();
        for root in Root::ALL {
            known.extend(outbox.stamps(root, None, 10_000).await?);
        }
        let mut news: Vec<Finding> = found
            .iter()
            .filter(|finding| {
                let (Found::Report(stamp, _) | Found::Audio(stamp, _)) = &finding.found else {
                    return true;
                };
                !known.iter().any(|(file, known)| *file == finding.file && known == stamp)
            })
            .cloned()
            .collect();
        for (file, _) in known {
            if !found.iter().any(|finding| finding.file == file) {
                news.push(Finding { file, found: Found::Gone(i64::MAX) });
            }
        }
        for group in news.chunks(16) {
            outbox.record(group.to_vec(), false, 1_700_000_000_000).await?;
        }
        let mut left = at_most;
        while left > 0 {
            let due = outbox.due(target, left.min(10)).await?;
            if due.is_empty() {
                break;
            }
            left -= due.len();
            for due in due {
                if let Some(parcel) = outbox.parcel(target, due.item).await? {
                    outbox.settle([delivered(&parcel)].into()).await?;
                }
            }
        }
        assert!(left > 0 || at_most < 500, "what is due never ends");
        Ok(())
    }
    .await;
    drop(outbox);
    // Ends with the thread, which tells more of a fault than whoever was hit by it.
    match guard.failure.await {
        Ok(fault) => Err(fault),
        Err(_) => lived,
    }
}

/// Outboxes in three conditions: with all in the log, with the log folded in and left, and with no
/// log at all.
fn conditions(runtime: &Runtime, world: u64) -> Vec<Pair> {
    let dir = scratch();
    let path = dir.path().join("outbox.db");
    runtime.block_on(live(&path, &findings(world, 0), 30)).unwrap();
    runtime.block_on(live(&path, &findings(world, 1), 20)).unwrap();
    let folded = Pair::read(&path);
    // A copy of the files of a living outbox is what a kill leaves.
    let killed = runtime.block_on(async {
        let (outbox, _guard) = Outbox::open(&path).await.unwrap();
        let found = findings(world, 2);
        outbox.record(found[..20].to_vec(), false, 1_700_000_000_000).await.unwrap();
        Pair::read(&path)
    });
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    let bare = Pair::read(&path);
    assert!(!killed.log.is_empty() && !folded.log.is_empty() && bare.log.is_empty());
    vec![killed, folded, bare]
}

/// Does something bad to an outbox, and says what.
fn harm(dice: &mut Dice, path: &Path, pair: &Pair, foreign: &Pair) -> String {
    let mut harmed = pair.clone();
    let in_log = !pair.log.is_empty() && dice.below(3) == 0;
    let part = if in_log { &mut harmed.log } else { &mut harmed.db };
    let (len, what) = (part.len(), if in_log { "log" } else { "file" });
    let at = dice.below(len);
    let page = at / PAGE * PAGE;
    let done = match dice.below(14) {
        0..=3 => {
            let flips = 1 + dice.below(8);
            let places: Vec<usize> = (0..flips).map(|_| dice.below(len)).collect();
            for place in &places {
                part[*place] ^= 1 << dice.below(8);
            }
            format!("bits flipped at {places:?}")
        }
        // Where a flip does the most.
        4 => {
            let place = dice.below(100);
            part[place] ^= 1 << dice.below(8);
            format!("a bit flipped at {place}")
        }
        5 => {
            part[page..(page + PAGE).min(len)].fill(0);
            format!("zeros from {page}")
        }
        6 => {
            let noise = dice.bytes(PAGE.min(len - page));
            part[page..page + noise.len()].copy_from_slice(&noise);
            format!("noise from {page}")
        }
        7 => {
            part.truncate(at);
            format!("cut off at {at}")
        }
        8 => {
            part.clear();
            "emptied".to_owned()
        }
        9 => {
            let from = dice.below(len / PAGE) * PAGE;
            part.copy_within(from..(from + PAGE).min(len), page.min(len - PAGE.min(len - from)));
            format!("the page at {from} over that at {page}")
        }
        10 => {
            let noise = dice.bytes(100.min(len));
            part[..noise.len()].copy_from_slice(&noise);
            "a garbage header".to_owned()
        }
        11 => {
            *part = dice.bytes(len);
            "garbage".to_owned()
        }
        12 => {
            harmed.log.clone_from(&foreign.log);
            "a foreign log".to_owned()
        }
        _ => {
            harmed.write(path);
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
            return "a directory in its place".to_owned();
        }
    };
    harmed.write(path);
    format!("{what}: {done}")
}

#[test]
fn every_corruption_ends_in_a_sound_outbox_or_a_new_one() {
    let (count, seed) = (from_env("OUTBOX_CORRUPTIONS", 300), from_env("OUTBOX_SEED", 1));
    let runtime = Runtime::new().unwrap();
    let (ours, foreign) = (conditions(&runtime, 1), conditions(&runtime, 2));
    let (mut rebuilt, mut refused, mut found_in_use) = (0, 0, 0);
    for n in seed..seed + count {
        let mut dice = Dice::new(n);
        let (dir, condition) = (scratch(), dice.below(ours.len()));
        let path = dir.path().join("outbox.db");
        let done = harm(&mut dice, &path, &ours[condition], &foreign[n as usize % 2]);
        let what = format!("seed {n}, condition {condition}, {done}");
        let mut starts = 0;
        loop {
            starts += 1;
            assert!(starts <= 3, "{what}: a crash loop");
            match runtime.block_on(live(&path, &findings(1, 3), 1000)) {
                Ok(()) => break,
                Err(OutboxError::Corrupt { .. }) => found_in_use += 1,
                // The one thing that cannot be told from damage is a file of a later version.
                Err(OutboxError::Newer { .. }) => {
                    let db = fs::read(&path).unwrap();
                    assert_ne!(db[USER_VERSION], ours[condition].db[USER_VERSION], "{what}");
                    refused += 1;
                    break;
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
        let aside = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
        rebuilt +=
            aside.filter(|e| e.file_name().as_encoded_bytes().starts_with(b"corrupt-")).count();
    }
    println!(
        "seeds {seed} to {}: {rebuilt} rebuilt, {refused} refused as newer, {found_in_use} \
              found in use",
        seed + count - 1
    );
    assert!(rebuilt > count as usize / 8 && rebuilt < count as usize, "{rebuilt} of {count}");
}
