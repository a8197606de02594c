//! Packs a report: the files of its record are read again, and must be what they were when they
//! were taken in.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;

use crate::config::Config;
use crate::file::FileRef;
use crate::outbox::{FileOf, Parcel, Taken};
use crate::report::{self, KnownAudio, Report, Source, Variant, compose};
use crate::target::to_json;
use crate::watch::{Directory, OpenedFile, Pulse};

/// A report that is ready to go.
#[derive(Debug)]
pub struct Packed {
    pub json: Vec<u8>,
    /// The summaries in it.
    pub sent: Taken,
}

/// Why a parcel could not be packed.
#[derive(Debug)]
pub enum Unpacked {
    /// This file is not what it was: the intake must look at it.
    Changed(FileRef),
    Io(FileRef, std::io::Error),
}

/// What a report maps to as it is on the disk: the JSON that would be sent. Blocking.
///
/// # Errors
/// In words: which file is not what it was, or cannot be read.
pub fn payload(parcel: &Parcel, config: &Config) -> Result<Vec<u8>, String> {
    match pack(parcel, 0, |of| read(of, config, &Pulse::start())) {
        Ok(packed) => Ok(packed.json),
        Err(Unpacked::Changed(file)) => Err(format!("{file} is changing at this moment")),
        Err(Unpacked::Io(file, error)) => Err(format!("{file} cannot be read: {error}")),
    }
}

/// Opens a file as it was when it was taken in. Blocking.
pub fn open(root: &Path, of: &FileOf) -> Result<OpenedFile, Unpacked> {
    let changed = || Unpacked::Changed(of.file.clone());
    let opened = Directory::open(root)
        .and_then(|directory| directory.open_file(OsStr::new(&of.file.name)))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidInput => changed(),
            _ => Unpacked::Io(of.file.clone(), error),
        })?;
    if opened.stamp == of.stamp { Ok(opened) } else { Err(changed()) }
}

/// Packs a report from the files that `read` reads. `revision` is what its summaries ask for: 0 for
/// the next (contract C.5).
pub fn pack(
    parcel: &Parcel,
    revision: i64,
    read: impl Fn(&FileOf) -> Result<Report, Unpacked>,
) -> Result<Packed, Unpacked> {
    let changed = |of: &FileOf| Unpacked::Changed(of.file.clone());
    let head = read(&parcel.source)?;
    if head.id != parcel.id || head.fields.digest() != parcel.digest {
        return Err(changed(&parcel.source));
    }
    let mut variants: Vec<(String, Variant)> = Vec::new();
    let mut sent = Taken::new();
    for wanted in &parcel.variants {
        let other;
        let report = if wanted.from == parcel.source {
            &head
        } else {
            other = read(&wanted.from)?;
            &other
        };
        let variant = report
            .variants
            .iter()
            .find(|variant| variant.name == wanted.source_name)
            .filter(|variant| variant.digest() == wanted.digest)
            .ok_or_else(|| changed(&wanted.from))?;
        variants.push((wanted.name.clone(), variant.clone()));
        sent.insert(wanted.name.clone(), wanted.digest);
    }
    let audio =
        KnownAudio { public_url: parcel.audio_url.clone(), duration_seconds: parcel.audio_seconds };
    let indexed_at = head
        .fields
        .indexed_at
        .or_else(|| Timestamp::from_millisecond(parcel.indexed_ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let mut payload = compose(&parcel.id, &head.fields, variants, indexed_at, Some(&audio));
    for variant in &mut payload.summary_variants {
        variant.revision = revision;
    }
    let json =
        to_json(&payload).map_err(|error| Unpacked::Io(parcel.source.file.clone(), error))?;
    Ok(Packed { json, sent })
}

/// Reads a report file as it was when it was taken in. Blocking.
pub fn read(of: &FileOf, config: &Config, pulse: &Pulse) -> Result<Report, Unpacked> {
    let opened = open(config.watch.path(of.file.root), of)?;
    let io = |error| Unpacked::Io(of.file.clone(), error);
    let size = usize::try_from(of.stamp.size).unwrap_or(0);
    let mut bytes = Vec::with_capacity(size);
    pulse.of(&opened.file).take(config.report_limit).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() != size || !opened.is_unchanged().map_err(io)? {
        return Err(Unpacked::Changed(of.file.clone()));
    }
    let stem = of.file.stem();
    let source = Source { file_stem: &stem, zone: &config.watch.timezone, ids: config.ingest.ids };
    report::read(&bytes, &source).map_err(|_| Unpacked::Changed(of.file.clone()))
}
