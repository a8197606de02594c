//! Packs a report: the files of its record are read again, and must be what they were when they
//! were taken in.

use std::io::{ErrorKind, Read};
use std::sync::OnceLock;

use jiff::Timestamp;

use crate::config::{Config, RootPath};
use crate::content_db::ContentDb;
use crate::contract::ReportPayload;
use crate::contract::legacy::FlatRow;
use crate::file::{FileRef, Root};
use crate::id::Version;
use crate::outbox::{FileOf, Parcel, SendVariant, Taken};
use crate::proof::Texts;
use crate::report::{self, Dates, KnownAudio, Report, Source, Variant, compose, flat_row};
use crate::target::to_json;
use crate::watch::{Directory, OpenedFile, Pulse};

/// A report that is ready to go.
#[derive(Debug)]
pub struct Packed {
    pub json: Vec<u8>,
    /// The summaries in it.
    pub sent: Taken,
    /// What can be read of it once it has arrived, where that is looked at.
    pub texts: Option<Texts>,
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
    let shelf = Shelf::default();
    match pack(parcel, 0, false, |of| shelf.read(of, config, &Pulse::start())) {
        Ok(packed) => Ok(packed.json),
        Err(Unpacked::Changed(file)) => Err(format!("{file} is changing at this moment")),
        Err(Unpacked::Io(file, error)) => Err(format!("{file} cannot be read: {error}")),
    }
}

/// What a report maps to as it was when it was taken in. Blocking.
///
/// # Errors
/// In words: which file is not what it was, or cannot be read.
pub fn promised(parcel: &Parcel, config: &Config, pulse: &Pulse) -> Result<ReportPayload, String> {
    let shelf = Shelf::default();
    compose_report(parcel, &|of: &FileOf| shelf.read(of, config, pulse))
        .map_err(|unpacked| told(&unpacked))
}

/// Whether a file is there as it was when it was taken in. Blocking.
///
/// # Errors
/// In words: that it is not, or cannot be read.
pub fn is_there(root: &RootPath, of: &FileOf) -> Result<(), String> {
    open(root, of).map(drop).map_err(|unpacked| told(&unpacked))
}

fn told(unpacked: &Unpacked) -> String {
    match unpacked {
        Unpacked::Changed(file) => format!("{file} is not, or not any more, as it was recorded"),
        Unpacked::Io(file, error) => format!("{file} cannot be read: {error}"),
    }
}

/// Opens a file as it was when it was taken in. Blocking.
pub fn open(root: &RootPath, of: &FileOf) -> Result<OpenedFile, Unpacked> {
    // A root that is away says nothing of the files in it.
    let directory = Directory::open(root).map_err(|error| Unpacked::Io(of.file.clone(), error))?;
    open_in(&directory, of)
}

fn open_in(directory: &Directory, of: &FileOf) -> Result<OpenedFile, Unpacked> {
    let changed = || Unpacked::Changed(of.file.clone());
    let io = |error| Unpacked::Io(of.file.clone(), error);
    let opened = directory.open_file(&of.file.name).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidInput => changed(),
        _ => io(error),
    })?;
    if opened.stamp == of.stamp { Ok(opened) } else { Err(changed()) }
}

/// Packs a report for the ingest endpoint, from the files that `read` reads. `revision` is what its
/// summaries ask for: 0 for the next (contract C.5). `with_texts`: it is looked at after its arrival.
pub fn pack(
    parcel: &Parcel,
    revision: i64,
    with_texts: bool,
    read: impl Fn(&FileOf) -> Result<Report, Unpacked>,
) -> Result<Packed, Unpacked> {
    let sent = parcel.variants.iter().map(|v| (v.name.clone(), v.digest)).collect();
    let mut payload = compose_report(parcel, &read)?;
    for variant in &mut payload.summary_variants {
        variant.revision = revision;
    }
    let json = to_json(&payload, room(&payload))
        .map_err(|error| Unpacked::Io(parcel.source.file.clone(), error))?;
    Ok(Packed { json, sent, texts: with_texts.then(|| Texts::from(&payload)) })
}

/// How many bytes the JSON of a report has, or a few more: the texts, which lines and quotation marks
/// make longer, and the fields.
fn room(payload: &ReportPayload) -> usize {
    let texts =
        payload.summary_variants.iter().map(|summary| summary.text.len() + summary.html.len());
    let bytes: usize = texts.sum();
    bytes + bytes / 8 + 1024
}

fn compose_report(
    parcel: &Parcel,
    read: &impl Fn(&FileOf) -> Result<Report, Unpacked>,
) -> Result<ReportPayload, Unpacked> {
    let head = head(parcel, read)?;
    let variants = summaries(&parcel.variants, &head, parcel, read)?;
    let indexed_at = indexed_at(parcel, &head);
    let audio = known_audio(parcel);
    Ok(compose(&parcel.id, &head.fields, variants, indexed_at, Some(&audio)))
}

/// Packs a report as the row of the legacy endpoint, which has one summary, the same as before where
/// only others have changed. Gives the digest of the row with it.
pub fn pack_row(
    parcel: &Parcel,
    read: impl Fn(&FileOf) -> Result<Report, Unpacked>,
) -> Result<(Vec<u8>, Version), Unpacked> {
    let head = head(parcel, &read)?;
    let mut variants = summaries(&parcel.variants, &head, parcel, &read)?;
    variants.extend(summaries(&parcel.taken, &head, parcel, &read)?);
    let dates = Dates {
        indexed_at: indexed_at(parcel, &head),
        updated_at: Timestamp::from_millisecond(parcel.changed_ms).unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let audio = known_audio(parcel);
    let row = flat_row(&parcel.id, &head.fields, &head.extras, &variants, dates, &audio);
    let packed = || {
        // The time of a change that is not in the row is no change of the row.
        let timeless = FlatRow { updated_at: String::new(), ..row.clone() };
        Ok((to_json(&row, 0)?, Version::of(&to_json(&timeless, 0)?)))
    };
    packed().map_err(|error| Unpacked::Io(parcel.source.file.clone(), error))
}

/// The report of the file that gives the fields.
fn head(
    parcel: &Parcel,
    read: impl Fn(&FileOf) -> Result<Report, Unpacked>,
) -> Result<Report, Unpacked> {
    let head = read(&parcel.source)?;
    if head.id != parcel.id || head.fields.digest() != parcel.digest {
        return Err(Unpacked::Changed(parcel.source.file.clone()));
    }
    Ok(head)
}

/// The summaries that are wanted, under the names to send them by.
fn summaries(
    wanted: &[SendVariant],
    head: &Report,
    parcel: &Parcel,
    read: impl Fn(&FileOf) -> Result<Report, Unpacked>,
) -> Result<Vec<(String, Variant)>, Unpacked> {
    let mut variants = Vec::new();
    for wanted in wanted {
        let other;
        let report = if wanted.from == parcel.source {
            head
        } else {
            other = read(&wanted.from)?;
            &other
        };
        let variant = report
            .variants
            .iter()
            .find(|variant| variant.name == wanted.source_name)
            .filter(|variant| variant.digest() == wanted.digest)
            .ok_or_else(|| Unpacked::Changed(wanted.from.file.clone()))?;
        variants.push((wanted.name.clone(), variant.clone()));
    }
    Ok(variants)
}

fn known_audio(parcel: &Parcel) -> KnownAudio {
    KnownAudio { public_url: parcel.audio_url.clone(), duration_seconds: parcel.audio_seconds }
}

fn indexed_at(parcel: &Parcel, head: &Report) -> Timestamp {
    head.fields
        .indexed_at
        .or_else(|| Timestamp::from_millisecond(parcel.indexed_ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Where reports lie, opened once for all that are read there.
#[derive(Debug, Default)]
pub struct Shelf {
    reports: OnceLock<Directory>,
}

impl Shelf {
    /// Reads a report as it was when it was taken in. Blocking.
    pub fn read(&self, of: &FileOf, config: &Config, pulse: &Pulse) -> Result<Report, Unpacked> {
        if of.file.root == Root::Rows {
            return read_row(of, config);
        }
        self.read_opened(&self.open(of, config)?, of, config, pulse)
    }

    /// Opens the file of a report as it was when it was taken in. Blocking.
    pub fn open(&self, of: &FileOf, config: &Config) -> Result<OpenedFile, Unpacked> {
        if let Some(reports) = self.reports.get() {
            return open_in(reports, of);
        }
        let reports = Directory::open(&config.watch.reports)
            .map_err(|error| Unpacked::Io(of.file.clone(), error))?;
        open_in(self.reports.get_or_init(|| reports), of)
    }

    /// Reads a report whose file was opened. Blocking.
    pub fn read_opened(
        &self,
        opened: &OpenedFile,
        of: &FileOf,
        config: &Config,
        pulse: &Pulse,
    ) -> Result<Report, Unpacked> {
        let io = |error| Unpacked::Io(of.file.clone(), error);
        let size = usize::try_from(of.stamp.size).unwrap_or(0);
        let mut bytes = Vec::with_capacity(size);
        pulse.of(&opened.file).take(config.report_limit).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() != size || !opened.is_unchanged().map_err(io)? {
            return Err(Unpacked::Changed(of.file.clone()));
        }
        let stem = of.file.stem();
        let source = Source { file_stem: &stem, zone: &config.watch.timezone, ids: config.ids };
        report::read(bytes, &source).map_err(|_| Unpacked::Changed(of.file.clone()))
    }
}

fn read_row(of: &FileOf, config: &Config) -> Result<Report, Unpacked> {
    let changed = || Unpacked::Changed(of.file.clone());
    let db = ContentDb::configured(config).ok_or_else(changed)?;
    let row = db
        .row(of.file.name_bytes())
        .map_err(|error| Unpacked::Io(of.file.clone(), std::io::Error::other(error)))?
        .filter(|row| row.is_print_of(&of.stamp))
        .ok_or_else(changed)?;
    row.report.map_err(|_| changed())
}
