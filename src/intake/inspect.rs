//! A look at one file for a person who asks about it: what it is, and why it is not taken in.

use std::io::Read;

use jiff::Timestamp;

use super::look::is_ours;
use crate::config::Config;
use crate::content_db::ContentDb;
use crate::file::{FileRef, Root};
use crate::outbox::Pairs;
use crate::report::{self, AudioName, Source, audio_name};
use crate::watch::{Directory, Entry};

/// What stands under a name at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    pub exists: bool,
    /// Bytes.
    pub size: Option<u64>,
    pub modified: Option<Timestamp>,
    /// Of a report.
    pub shape: Option<&'static str>,
    /// Why it is not taken in, or not delivered.
    pub problem: Option<String>,
}

/// Looks at a file, and reads it when it is a report of bearable size. Blocking.
pub fn inspect(file: &FileRef, config: &Config, pairs: &Pairs) -> Inspection {
    if file.root == Root::Rows {
        return inspect_row(file, config);
    }
    let directory = match Directory::open(config.watch.path(file.root)) {
        Ok(directory) => directory,
        Err(error) => return trouble(format!("the directory cannot be opened: {error}")),
    };
    let stamp = match directory.look(&file.name) {
        Ok(None) => return Inspection::default(),
        Ok(Some(Entry::Other(what, _))) => {
            return Inspection {
                exists: true,
                ..trouble(format!("it is {what}: only a regular file is delivered"))
            };
        }
        Ok(Some(Entry::File(stamp))) => stamp,
        Err(error) => return trouble(format!("it cannot be looked at: {error}")),
    };
    let mut inspection = Inspection {
        exists: true,
        size: u64::try_from(stamp.size).ok(),
        modified: Timestamp::from_nanosecond(stamp.mtime_ns.into()).ok(),
        ..Inspection::default()
    };
    if !is_ours(file.root, &file.name, &config.watch.ignore, pairs) {
        inspection.problem = Some(why_not_ours(file));
        return inspection;
    }
    if file.root == Root::Reports && inspection.size.is_some_and(|size| size <= config.report_limit)
    {
        match read(&directory, file, config) {
            Ok(shape) => inspection.shape = Some(shape),
            Err(problem) => inspection.problem = Some(problem),
        }
    }
    inspection
}

fn inspect_row(file: &FileRef, config: &Config) -> Inspection {
    let Some(db) = ContentDb::configured(config) else {
        return trouble("no database is configured any more in content_db.path".to_owned());
    };
    match db.row(file.name_bytes()).map(|row| row.map(|row| row.report)) {
        Ok(None) => Inspection::default(),
        Ok(Some(Ok(report))) => {
            let shape = Some(report.shape.as_str());
            Inspection { exists: true, shape, ..Inspection::default() }
        }
        Ok(Some(Err(problem))) => {
            Inspection { exists: true, ..trouble(format!("{problem}. {}", problem.hint())) }
        }
        Err(error) => trouble(error.to_string()),
    }
}

fn trouble(problem: String) -> Inspection {
    Inspection { problem: Some(problem), ..Inspection::default() }
}

/// Why a name is left alone (contract A.7, B.2).
fn why_not_ours(file: &FileRef) -> String {
    match (file.root, audio_name(&file.name.to_string_lossy())) {
        (Root::Exports, AudioName::Ignored("preview")) => {
            "a one-off preview (listen_*): those are never delivered".to_owned()
        }
        (Root::Exports, AudioName::Ignored("anonymous")) => {
            "its name carries no id, so nobody knows whose audio it is: hand it over with its \
             report: ytv2d upload REPORT AUDIO"
                .to_owned()
        }
        (Root::Exports, AudioName::Ignored("chunk")) => {
            "a piece of audio: the whole is delivered when it is there".to_owned()
        }
        (root, _) => format!(
            "its name is one that is ignored: only *.{} is delivered from here, and nothing that \
             watch.ignore names",
            root.extension()
        ),
    }
}

fn read(directory: &Directory, file: &FileRef, config: &Config) -> Result<&'static str, String> {
    let mut opened =
        directory.open_file(&file.name).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    (&mut opened.file)
        .take(config.report_limit)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let stem = file.stem();
    let source = Source { file_stem: &stem, zone: &config.watch.timezone, ids: config.ids };
    match report::read(bytes, &source) {
        Ok(report) => Ok(report.shape.as_str()),
        Err(problem) => Err(format!("{problem}. {}", problem.hint())),
    }
}
