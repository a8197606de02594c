//! The disk: report files and audio files that come, change and go, and what a reading of them
//! gives.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use jiff::Timestamp;
use serde_json::Map;

use super::history::{Age, What, variant_name};
use crate::drain::parcel::Unpacked;
use crate::file::{FileRef, Root, Stamp};
use crate::id::{ContentId, Version};
use crate::outbox::{AudioFacts, FileOf, Finding, Found, ReportFacts};
use crate::report::{Extras, Fields, Report, Shape, Variant};

#[derive(Default)]
pub struct Disk {
    pub files: BTreeMap<FileRef, File>,
    /// Nothing of it can be reached.
    pub is_away: bool,
    /// Grows with every change, for what the kernel never gives out twice.
    ticks: i64,
}

#[derive(Clone, Debug)]
pub struct File {
    pub stamp: Stamp,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Report {
        id: u8,
        made_ms: i64,
        fields: u8,
        variants: Vec<(char, u8)>,
    },
    /// With what its name means.
    Audio {
        key: String,
        made_ms: i64,
        bytes: u8,
    },
    Garbage,
}

/// The id with a number. Some have a prefix, which the names of audio files lack.
pub fn content_id(id: u8) -> ContentId {
    if id % 3 == 2 { format!("reddit:x{id}") } else { format!("video{id}") }
        .parse()
        .expect("a sound id")
}

/// The audio file that is named after the stem of a report's file.
pub fn named_audio(stem: &str) -> FileRef {
    FileRef::new(Root::Exports, format!("of{stem}.mp3"))
}

pub fn title(fields: u8) -> String {
    format!("title {fields}")
}

pub fn text(letter: char, text: u8) -> String {
    format!("{letter} {text}")
}

pub fn audio_bytes(bytes: u8) -> Version {
    Version::of(&[bytes])
}

impl Disk {
    /// Does what a step says, and names the files that this concerns.
    pub fn change(&mut self, what: &What, now_ms: i64) -> Vec<FileRef> {
        let report = |file: u8| FileRef::new(Root::Reports, format!("{file}.json"));
        let audio = |file: u8| FileRef::new(Root::Exports, format!("{file}.mp3"));
        match what {
            What::Report { file, id, age, fields, variants } => {
                let (id, fields, variants) = (*id, *fields, variants.clone());
                let content = Content::Report { id, made_ms: made_ms(*age), fields, variants };
                self.write(report(*file), content, age.old, now_ms)
            }
            What::Audio { file, age, bytes } => {
                let key = content_id(file / 2).bare().to_owned();
                let content = Content::Audio { key, made_ms: made_ms(*age), bytes: *bytes };
                self.write(audio(*file), content, age.old, now_ms)
            }
            What::Named { file, age, bytes } => {
                let (name, key) = (named_audio(&file.to_string()), file.to_string());
                let content = Content::Audio { key, made_ms: made_ms(*age), bytes: *bytes };
                self.write(name, content, age.old, now_ms)
            }
            What::Garbage(file) => self.write(report(*file), Content::Garbage, false, now_ms),
            What::Delete(file) => self.delete(report(*file)),
            What::DeleteAudio(file) => self.delete(audio(*file)),
            What::DeleteNamed(file) => self.delete(named_audio(&file.to_string())),
            What::Touch(file) => match self.files.get(&report(*file)) {
                Some(known) => self.write(report(*file), known.content.clone(), false, now_ms),
                None => Vec::new(),
            },
            What::Rights(file) => {
                let (name, ctime_ns) = (report(*file), self.tick(now_ms));
                let Some(file) = self.files.get_mut(&name) else { return Vec::new() };
                file.stamp.ctime_ns = ctime_ns;
                vec![name]
            }
            What::Rename(from, to) => {
                let Some(mut file) = self.files.remove(&report(*from)) else { return Vec::new() };
                file.stamp.ctime_ns = self.tick(now_ms);
                self.files.insert(report(*to), file);
                vec![report(*from), report(*to)]
            }
            _ => Vec::new(),
        }
    }

    /// In place, or as a new file where an old time is claimed. The size stays.
    fn write(&mut self, name: FileRef, content: Content, old: bool, now_ms: i64) -> Vec<FileRef> {
        let ctime_ns = self.tick(now_ms);
        let inode = match self.files.get(&name) {
            Some(file) if !old => file.stamp.inode,
            _ => self.ticks,
        };
        let mtime_ns = if old { 1_000_000_000 } else { ctime_ns };
        let stamp = Stamp { size: 100, mtime_ns, ctime_ns, inode };
        self.files.insert(name.clone(), File { stamp, content });
        vec![name]
    }

    fn delete(&mut self, name: FileRef) -> Vec<FileRef> {
        self.files.remove(&name).map(|_| name).into_iter().collect()
    }

    fn tick(&mut self, now_ms: i64) -> i64 {
        self.ticks += 1;
        now_ms * 1_000_000 + self.ticks
    }

    /// What a look at a file that is there finds, unless it is `known` as it is.
    pub fn look(&self, name: &FileRef, known: Option<Stamp>) -> Option<Finding> {
        let file = self.files.get(name).filter(|file| known != Some(file.stamp))?;
        Some(Finding { file: name.clone(), found: file.found() })
    }

    /// Reads a report file as it was when it was taken in.
    pub fn read(&self, of: &FileOf) -> Result<Report, Unpacked> {
        let changed = || Unpacked::Changed(of.file.clone());
        self.find(of)?.content.report().ok_or_else(changed)
    }

    /// Finds a file as it was when it was taken in.
    pub fn find(&self, of: &FileOf) -> Result<&File, Unpacked> {
        if self.is_away {
            return Err(Unpacked::Io(of.file.clone(), ErrorKind::NotFound.into()));
        }
        let file = self.files.get(&of.file).filter(|file| file.stamp == of.stamp);
        file.ok_or_else(|| Unpacked::Changed(of.file.clone()))
    }
}

fn made_ms(age: Age) -> i64 {
    i64::from(age.made) * 1000
}

impl File {
    fn found(&self) -> Found {
        match &self.content {
            Content::Garbage => Found::Problem(self.stamp, "garbage".to_owned()),
            Content::Audio { key, made_ms, bytes } => Found::Audio(
                self.stamp,
                AudioFacts {
                    keys: vec![key.clone()],
                    made_ms: *made_ms,
                    digest: audio_bytes(*bytes),
                    seconds: Some(i64::from(*bytes)),
                },
            ),
            Content::Report { made_ms, .. } => {
                let report = self.content.report().expect("it is one");
                let variants = report.variants.iter();
                Found::Report(
                    self.stamp,
                    ReportFacts {
                        fields: report.fields.digest(),
                        variants: variants.map(|v| (v.name.clone(), v.digest())).collect(),
                        id: report.id,
                        made_ms: *made_ms,
                        remarks: Vec::new(),
                    },
                )
            }
        }
    }
}

impl Content {
    /// The file as a reading gives it.
    fn report(&self) -> Option<Report> {
        let Content::Report { id, made_ms, fields, variants } = self else { return None };
        let variant = |(letter, number): &(char, u8)| Variant {
            name: variant_name(*letter).to_owned(),
            text: text(*letter, *number),
            html: String::from("<p>"),
            generated_at: None,
        };
        Some(Report {
            shape: Shape::Universal,
            id: content_id(*id),
            made_at: Timestamp::from_millisecond(*made_ms).ok(),
            fields: Fields {
                title: title(*fields),
                channel_name: None,
                canonical_url: None,
                thumbnail_url: None,
                duration_seconds: None,
                indexed_at: None,
                analysis: Map::new(),
                subcategories: None,
                topics: None,
                content_source: None,
                media: None,
            },
            variants: variants.iter().map(variant).collect(),
            extras: Extras::default(),
            remarks: Vec::new(),
        })
    }
}
