//! What may stand in the configuration file, with the built-in defaults.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, days};
use crate::report::IdPolicy;

/// The file, key for key as `ytv2d.toml` at the top of the repository explains it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    pub watch: Watch,
    pub outbox: Outbox,
    pub ingest: Ingest,
    pub legacy: Legacy,
    pub retry: Retry,
    pub breaker: Breaker,
    pub limits: Limits,
    pub content_db: ContentDb,
    pub heartbeat: Heartbeat,
    pub control: Control,
    pub callback: Callback,
    pub log: Log,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    pub reports: PathBuf,
    pub exports: PathBuf,
    #[serde(with = "duration")]
    pub report_quiet: Duration,
    #[serde(with = "duration")]
    pub audio_quiet: Duration,
    #[serde(with = "duration")]
    pub rescan: Duration,
    pub mode: WatchMode,
    #[serde(with = "duration")]
    pub scan: Duration,
    pub mass_delete: Percent,
    pub ignore: Vec<String>,
    pub timezone: String,
    pub first_run: FirstRun,
}

/// Names that the pipeline, editors, copying programs and NAS systems leave in a directory.
const IGNORED: [&str; 16] = [
    ".*",
    "~*",
    "*~",
    "*.tmp",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.bak",
    "*.swp",
    "@eaDir",
    "@tmp",
    "#recycle",
    "#snapshot",
    "desktop.ini",
    "Thumbs.db",
    "video_ids_to_fix.json",
];

/// How changes are found out about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// By the kernel's events where they come through, by looking otherwise.
    #[default]
    Auto,
    /// By events, and the rescan alone.
    Events,
    /// By looking.
    Scan,
}

impl WatchMode {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            WatchMode::Auto => "auto",
            WatchMode::Events => "events",
            WatchMode::Scan => "scan",
        }
    }
}

/// A share of a hundred, written `"50%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(pub u8);

impl TryFrom<String> for Percent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .filter(|number| (1..=100).contains(number))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a share such as \"50%\", of 1 to 100"))
    }
}

impl From<Percent> for String {
    fn from(share: Percent) -> Self {
        format!("{}%", share.0)
    }
}

/// What becomes of the files that are there before the first run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstRun {
    /// They are delivered.
    #[default]
    Deliver,
    /// The dashboard has them already.
    Adopt,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            reports: "data/reports".into(),
            exports: "exports".into(),
            report_quiet: Duration::from_secs(5),
            audio_quiet: Duration::from_secs(2),
            rescan: Duration::from_secs(5 * 60),
            mode: WatchMode::Auto,
            scan: Duration::from_secs(30),
            mass_delete: Percent(50),
            ignore: IGNORED.map(str::to_owned).to_vec(),
            timezone: "UTC".into(),
            first_run: FirstRun::Deliver,
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    pub path: PathBuf,
    pub allow_network: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { path: "outbox.db".into(), allow_network: false }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    pub enabled: bool,
    pub url: String,
    pub token_file: PathBuf,
    pub allow_insecure: bool,
    pub ca_file: PathBuf,
    pub proxy: String,
    pub parallel: usize,
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    #[serde(with = "duration")]
    pub report_timeout: Duration,
    #[serde(with = "duration")]
    pub audio_timeout: Duration,
    pub ids: IdPolicy,
    pub verify: VerifyMode,
    pub verify_at: String,
    pub verify_sample: usize,
}

/// Which deliveries are looked at again where they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyMode {
    /// None: an acknowledgement is believed.
    #[default]
    Off,
    /// One in a hundred, and some every night.
    Sample,
    /// Each, and some every night.
    Always,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            enabled: true,
            url: String::new(),
            token_file: PathBuf::new(),
            allow_insecure: false,
            ca_file: PathBuf::new(),
            proxy: String::new(),
            parallel: 4,
            connect_timeout: Duration::from_secs(5),
            report_timeout: Duration::from_secs(30),
            audio_timeout: Duration::from_secs(60),
            ids: IdPolicy::default(),
            verify: VerifyMode::default(),
            verify_at: "03:30".into(),
            verify_sample: 200,
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Legacy {
    pub enabled: bool,
    pub url: String,
    pub secret_file: PathBuf,
    pub allow_insecure: bool,
    pub ca_file: PathBuf,
    pub proxy: String,
    pub parallel: usize,
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    #[serde(with = "duration")]
    pub report_timeout: Duration,
    #[serde(with = "duration")]
    pub audio_timeout: Duration,
}

impl Default for Legacy {
    fn default() -> Self {
        Self {
            enabled: false,
            url: String::new(),
            secret_file: PathBuf::new(),
            allow_insecure: false,
            ca_file: PathBuf::new(),
            proxy: String::new(),
            parallel: 2,
            connect_timeout: Duration::from_secs(5),
            report_timeout: Duration::from_secs(30),
            audio_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    #[serde(with = "duration")]
    pub first: Duration,
    #[serde(with = "duration")]
    pub max: Duration,
    pub park_after: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(5 * 60), park_after: 8 }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    pub failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5 }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[serde(serialize_with = "exactly")]
    pub report: ByteSize,
    pub upload: String,
}

/// As it would be written by hand; the type's own words are rounded.
fn exactly<S: serde::Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
    match size.as_u64() {
        bytes if bytes.is_multiple_of(1_000_000) => {
            serializer.collect_str(&format_args!("{}MB", bytes / 1_000_000))
        }
        bytes => serializer.collect_str(&format_args!("{bytes}B")),
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { report: ByteSize::mb(16), upload: "off".into() }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentDb {
    pub path: PathBuf,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    pub url: String,
    #[serde(with = "duration")]
    pub every: Duration,
    #[serde(with = "duration")]
    pub overdue: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            url: String::new(),
            every: Duration::from_secs(5 * 60),
            overdue: Duration::from_secs(60 * 60),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    pub socket: PathBuf,
    pub mode: String,
    pub group: String,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: "ytv2d.sock".into(), mode: "0660".into(), group: String::new() }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callback {
    pub listen: String,
    #[serde(with = "days")]
    pub keep: Duration,
}

impl Default for Callback {
    fn default() -> Self {
        Self { listen: String::new(), keep: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Auto }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

impl ConfigFile {
    /// Reads the text of a file. Each key is tried on its own first, so that every fault is told
    /// in one go, with its line.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let (document, syntax) = DeTable::parse_recoverable(text);
        let mut faults: Vec<Fault> = syntax.iter().map(|error| fault(text, "", 0, error)).collect();
        if faults.is_empty() {
            for (section, value) in document.get_ref() {
                faults.extend(section_faults(text, section, value));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        toml::from_str(text).map_err(|error| vec![fault(text, "", 0, &error)])
    }
}

type Key<'i> = Spanned<toml::de::DeString<'i>>;

fn section_faults<'i>(text: &str, section: &Key<'i>, value: &Spanned<DeValue<'i>>) -> Vec<Fault> {
    let name = section.get_ref().to_string();
    let DeValue::Table(keys) = value.get_ref() else {
        return alone(section, value.clone())
            .err()
            .map(|error| fault(text, &name, section.span().start, &error))
            .into_iter()
            .collect();
    };
    let empty = Spanned::new(value.span(), DeValue::Table(DeTable::new()));
    if let Err(error) = alone(section, empty) {
        return vec![fault(text, &name, section.span().start, &error)];
    }
    keys.iter()
        .filter_map(|(key, value)| {
            let mut table = DeTable::new();
            table.insert(key.clone(), value.clone());
            let error = alone(section, Spanned::new(value.span(), DeValue::Table(table))).err()?;
            let path = format!("{name}.{}", key.get_ref());
            Some(fault(text, &path, key.span().start, &error))
        })
        .collect()
}

/// Reads a document of one section.
fn alone<'i>(section: &Key<'i>, value: Spanned<DeValue<'i>>) -> Result<(), toml::de::Error> {
    use serde::de::IntoDeserializer;
    let mut document = DeTable::new();
    let span = value.span();
    document.insert(section.clone(), value);
    ConfigFile::deserialize(Spanned::new(span, document).into_deserializer()).map(drop)
}

fn fault(text: &str, key: &str, start: usize, error: &toml::de::Error) -> Fault {
    let at = if key.is_empty() { error.span().map_or(0, |span| span.start) } else { start };
    let line = text[..at.min(text.len())].bytes().filter(|b| *b == b'\n').count() + 1;
    let message = error.message().replace('\n', " ");
    let separator = if key.is_empty() { "" } else { ": " };
    Fault(format!("line {line}: {key}{separator}{message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../ytv2d.toml");

    #[test]
    fn the_shipped_file_is_the_built_in_default() {
        assert_eq!(ConfigFile::parse(SHIPPED).unwrap(), ConfigFile::default());
        assert_eq!(ConfigFile::parse("").unwrap(), ConfigFile::default());
    }

    #[test]
    fn the_shipped_file_has_every_key_and_a_comment_for_each_section() {
        let shipped: serde_json::Value = toml::from_str(SHIPPED).unwrap();
        let built_in = serde_json::to_value(ConfigFile::default()).unwrap();
        for (section, keys) in built_in.as_object().unwrap() {
            for key in keys.as_object().unwrap().keys() {
                assert!(shipped[section].get(key).is_some(), "{section}.{key} is missing");
            }
            let header = SHIPPED.find(&format!("[{section}]\n")).unwrap() + section.len() + 3;
            assert!(SHIPPED[header..].starts_with("# "), "[{section}] is not explained");
        }
    }

    #[test]
    fn every_fault_is_named_with_its_line_and_key() {
        let text = "[watch]\nreprots = 'x'\naudio_quiet = 'soon'\n\n[ingest]\nparallel = 'four'\n\n[nonsense]\na = 1\n";
        let faults: Vec<_> =
            ConfigFile::parse(text).unwrap_err().into_iter().map(|fault| fault.0).collect();
        let begins = [
            "line 2: watch.reprots: unknown field `reprots`, expected one of `reports`",
            "line 3: watch.audio_quiet: ",
            "line 6: ingest.parallel: invalid type: string \"four\", expected usize",
            "line 8: nonsense: unknown field `nonsense`, expected one of `watch`",
        ];
        assert_eq!(faults.len(), begins.len(), "{faults:#?}");
        for begin in begins {
            assert!(faults.iter().any(|fault| fault.starts_with(begin)), "{begin} in {faults:#?}");
        }
    }

    #[test]
    fn a_syntax_error_is_one_line_with_its_place() {
        let faults = ConfigFile::parse("[watch]\nreports = \n").unwrap_err();
        assert!(faults[0].0.starts_with("line 2: "), "{faults:?}");
        assert!(!faults[0].0.contains('\n'), "{faults:?}");
    }
}
