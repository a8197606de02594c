//! The configuration: defaults, then the file, then the environment, validated whole.

mod callback;
mod days;
mod endpoint;
mod file;
mod flags;
mod ignore;
mod origin;
mod place;
mod reload;
mod root_path;
mod secret;
mod timetable;
mod transport;
mod unhanded;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use reqwest::Url;

pub use callback::Callback;
pub use endpoint::{Endpoint, URL_VARIABLES};
pub use file::{ConfigFile, FirstRun, LogFormat, Percent, VerifyMode, WatchMode};
pub use flags::FLAGS;
pub use ignore::Ignore;
pub use origin::{Origin, Setting, explain};
pub use place::{DEFAULT_PLACES, find};
pub use root_path::RootPath;
pub use secret::Token;
use secret::{INGEST_TOKEN, SYNC_SECRET};
pub use timetable::Timetable;
pub use transport::{Trust, is_this_machine};

use crate::file::Root;
use crate::id::TargetName;
use crate::log_filter;
use crate::report::IdPolicy;
use flags::{Enabled, Flags};

/// Everything the daemon was told, sound and complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub watch: Watch,
    pub outbox: PathBuf,
    /// Whether the outbox may lie on a network file system.
    pub outbox_allow_network: bool,
    /// The ingest endpoints; nothing where they are not sent to.
    pub ingest: Option<Endpoint>,
    /// The endpoints from before PostgreSQL; nothing where they are not sent to.
    pub legacy: Option<Endpoint>,
    pub ids: IdPolicy,
    pub retry: Retry,
    pub breaker: Breaker,
    /// The largest report that is read, in bytes.
    pub report_limit: u64,
    /// The pipeline's old content database, where it is to be read.
    pub content_db: Option<PathBuf>,
    /// How fast audio is sent.
    pub upload: Timetable,
    pub verify: Verify,
    /// Nothing where nobody is to be told.
    pub heartbeat: Option<Heartbeat>,
    pub control: Control,
    /// Where deletions are told of; nothing where they are not.
    pub callback: Option<Callback>,
    /// How long what was deleted is kept.
    pub trash_keep: Duration,
    pub log: Log,
    /// What can be lived with, and is hardly meant.
    pub warnings: Vec<String>,
}

/// What is watched, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    pub reports: RootPath,
    pub exports: RootPath,
    /// How long a report that does not parse may be quiet before it is called malformed.
    pub report_quiet: Duration,
    pub audio_quiet: Duration,
    pub rescan: Duration,
    pub mode: WatchMode,
    /// How often to look where events do not come through.
    pub scan: Duration,
    /// More of the known files than this, gone within a minute, is suspicious.
    pub mass_delete: Percent,
    pub ignore: Ignore,
    pub timezone: TimeZone,
    pub first_run: FirstRun,
}

impl Watch {
    /// Where a root lies. Rows lie in no directory, and are found at no path.
    pub fn path(&self, root: Root) -> &RootPath {
        static NOWHERE: LazyLock<RootPath> = LazyLock::new(|| RootPath::new(PathBuf::new()));
        match root {
            Root::Reports => &self.reports,
            Root::Exports => &self.exports,
            Root::Rows => &NOWHERE,
        }
    }
}

/// How long to wait after a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    pub first: Duration,
    pub max: Duration,
    /// An item that failed so often while others passed is not tried again until it changes.
    pub park_after: u32,
}

/// When a target is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Failures in a row, of different items.
    pub failures: u32,
}

/// How it is proved that the dashboard holds what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verify {
    pub mode: VerifyMode,
    /// When some are looked at every night, in the zone of `watch.timezone`.
    pub at: Time,
    /// How many those are.
    pub sample: usize,
}

/// Who is told, time and again, that all is well.
#[derive(Clone, PartialEq)]
pub struct Heartbeat {
    /// Secret: whoever knows it can tell the watcher the same.
    pub url: Url,
    pub every: Duration,
    /// Nobody is told while something has been due for longer.
    pub overdue: Duration,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, every, overdue } = self;
        let mut told = f.debug_struct("Heartbeat");
        told.field("every", every).field("overdue", overdue).finish_non_exhaustive()
    }
}

/// The local socket, and who may open it.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    pub socket: PathBuf,
    /// Of the socket's file; so much as `chmod` takes.
    pub mode: u32,
    /// The group that it belongs to; without one that of the process.
    pub group: Option<String>,
}

/// What is logged, and how it looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

/// One thing that is wrong with a configuration, in one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// The variables that are read, given by the caller so that tests need not touch the process's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment; an empty value counts as none.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Config {
    /// Reads the configuration at `path`, or the built-in defaults where there is none, and lets
    /// the environment have its say.
    ///
    /// # Errors
    /// Every fault that was found, each one line that a person can act on.
    pub fn load(path: Option<&Path>, environment: Environment<'_>) -> Result<Self, Vec<Fault>> {
        let file = read(path)?;
        Self::resolve(file, environment)
    }

    /// Turns what the file says into what the daemon uses.
    fn resolve(file: ConfigFile, environment: Environment<'_>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(Fault(text));

        let (flags, mut warnings) = Flags::read(environment);
        let enabled = Enabled { ingest: file.ingest.enabled, legacy: file.legacy.enabled };
        let mut enabled_targets = None;
        match flags::targets(&flags, enabled) {
            Ok(mut targets) => {
                warnings.append(&mut targets.warnings);
                enabled_targets = Some(targets);
            }
            Err(Fault(text)) => fault(text),
        }
        let is_on = |target| enabled_targets.as_ref().is_some_and(|targets| targets.has(target));
        let mut endpoint = |target: TargetName| {
            let found = is_on(target).then(|| endpoint::resolve(target, &file, environment));
            found?.map_err(|texts| texts.into_iter().for_each(&mut fault)).ok()
        };
        let ingest = endpoint(TargetName::Dashboard);
        let legacy = endpoint(TargetName::Legacy);
        let callback = callback::resolve(&file, environment).unwrap_or_else(|text| {
            fault(text);
            None
        });
        for (places, path, is_used) in [
            (INGEST_TOKEN, &file.ingest.token_file, ingest.is_some()),
            (SYNC_SECRET, &file.legacy.secret_file, legacy.is_some() || callback.is_some()),
        ] {
            warnings.extend(places.warning(path, environment).filter(|_| is_used));
        }
        let timezone = match zone(&file.watch.timezone) {
            Ok(zone) => Some(zone),
            Err(Fault(text)) => {
                fault(text);
                None
            }
        };
        let ignore = match Ignore::new(&file.watch.ignore) {
            Ok(ignore) => Some(ignore),
            Err(text) => {
                fault(format!("watch.ignore: {text}"));
                None
            }
        };
        let upload = match file.limits.upload.parse::<Timetable>() {
            Ok(upload) => Some(upload),
            Err(text) => {
                fault(format!("limits.upload: {text}"));
                None
            }
        };
        let verify_at = file.ingest.verify_at.parse::<Time>().ok();
        if verify_at.is_none() {
            let text = &file.ingest.verify_at;
            fault(format!("ingest.verify_at: {text:?} is no time of the day such as \"03:30\""));
        }
        if file.ingest.verify_sample == 0 {
            fault("ingest.verify_sample: must be 1 or more; verify = \"off\" looks at none".into());
        }
        let heartbeat = match heartbeat(&file.heartbeat) {
            Ok(heartbeat) => heartbeat,
            Err(text) => {
                fault(text);
                None
            }
        };
        for (key, value) in [
            ("watch.rescan", file.watch.rescan),
            ("watch.scan", file.watch.scan),
            ("retry.first", file.retry.first),
            ("callback.keep", file.callback.keep),
        ] {
            if value.is_zero() {
                fault(format!("{key}: must be longer than nothing"));
            }
        }
        for (key, value) in [
            ("retry.park_after", file.retry.park_after),
            ("breaker.failures", file.breaker.failures),
        ] {
            if value < 2 {
                fault(format!("{key}: must be 2 or more, since once proves nothing"));
            }
        }
        if file.retry.max < file.retry.first {
            fault("retry.max: must not be shorter than retry.first".to_owned());
        }
        if let Err(error) = log_filter::parse(&file.log.filter) {
            fault(format!("log.filter: {error}"));
        }
        for (key, path) in [
            ("watch.reports", &file.watch.reports),
            ("watch.exports", &file.watch.exports),
            ("outbox.path", &file.outbox.path),
            ("control.socket", &file.control.socket),
        ] {
            if path.as_os_str().is_empty() {
                fault(format!("{key}: must name a path"));
            }
        }
        if place::is_same(&file.watch.reports, &file.watch.exports) {
            fault("watch.exports: must be another directory than watch.reports".to_owned());
        }
        if file.limits.report.as_u64() == 0 {
            fault("limits.report: must be more than nothing".to_owned());
        }

        let mode = u32::from_str_radix(&file.control.mode, 8).ok().filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            faults.push(Fault(format!(
                "control.mode: {:?} is no mode; the socket's owner and group are let in by \"0660\"",
                file.control.mode
            )));
        }

        let (Some(timezone), Some(ignore), Some(upload), Some(verify_at), Some(mode), true) =
            (timezone, ignore, upload, verify_at, mode, faults.is_empty())
        else {
            return Err(faults);
        };
        Ok(Self {
            watch: Watch {
                reports: RootPath::new(file.watch.reports),
                exports: RootPath::new(file.watch.exports),
                report_quiet: file.watch.report_quiet,
                audio_quiet: file.watch.audio_quiet,
                rescan: file.watch.rescan,
                mode: file.watch.mode,
                scan: file.watch.scan,
                mass_delete: file.watch.mass_delete,
                ignore,
                timezone,
                first_run: file.watch.first_run,
            },
            outbox: place::under(environment("STATE_DIRECTORY"), file.outbox.path),
            outbox_allow_network: file.outbox.allow_network,
            ingest,
            legacy,
            ids: file.ingest.ids,
            retry: Retry {
                first: file.retry.first,
                max: file.retry.max,
                park_after: file.retry.park_after,
            },
            breaker: Breaker { failures: file.breaker.failures },
            report_limit: file.limits.report.as_u64(),
            content_db: Some(file.content_db.path).filter(|path| !path.as_os_str().is_empty()),
            upload,
            verify: Verify {
                mode: file.ingest.verify,
                at: verify_at,
                sample: file.ingest.verify_sample,
            },
            heartbeat,
            control: Control {
                socket: place::under(environment("RUNTIME_DIRECTORY"), file.control.socket),
                mode,
                group: Some(file.control.group).filter(|group| !group.is_empty()),
            },
            callback,
            trash_keep: file.callback.keep,
            log: Log { filter: file.log.filter, format: file.log.format },
            warnings,
        })
    }

    /// How a target is spoken to; nothing where it is not sent to.
    pub fn endpoint(&self, target: TargetName) -> Option<&Endpoint> {
        match target {
            TargetName::Dashboard => self.ingest.as_ref(),
            TargetName::Legacy => self.legacy.as_ref(),
        }
    }

    /// The targets that are sent to, at least one.
    pub fn targets(&self) -> impl Iterator<Item = TargetName> {
        TargetName::ALL.into_iter().filter(|target| self.endpoint(*target).is_some())
    }
}

/// Whom to tell that all is well. The address may hold a secret, and is in no fault.
fn heartbeat(file: &file::Heartbeat) -> Result<Option<Heartbeat>, String> {
    for (key, value) in [("every", file.every), ("overdue", file.overdue)] {
        if value < Duration::from_secs(1) {
            return Err(format!("heartbeat.{key}: must be a second or longer"));
        }
    }
    if file.url.trim().is_empty() {
        return Ok(None);
    }
    let url = Url::parse(file.url.trim())
        .map_err(|error| format!("heartbeat.url: {error}: it begins with https://"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("heartbeat.url: must begin with http:// or https:// and name a host".to_owned());
    }
    Ok(Some(Heartbeat { url, every: file.every, overdue: file.overdue }))
}

/// Reads the file at `path`, or takes the defaults where there is none.
fn read(path: Option<&Path>) -> Result<ConfigFile, Vec<Fault>> {
    parse(path, &path.map(read_text).transpose()?.unwrap_or_default())
}

fn read_text(path: &Path) -> Result<String, Vec<Fault>> {
    std::fs::read_to_string(path)
        .map_err(|error| vec![Fault(format!("{}: cannot be read: {error}", path.display()))])
}

/// Reads the text that stands at `path`.
fn parse(path: Option<&Path>, text: &str) -> Result<ConfigFile, Vec<Fault>> {
    ConfigFile::parse(text).map_err(|faults| {
        let at = |fault: Fault| match path {
            Some(path) => Fault(format!("{}, {fault}", path.display())),
            None => fault,
        };
        faults.into_iter().map(at).collect()
    })
}

/// Where the daemon with this configuration has its socket. Whoever only asks it something needs
/// neither its address nor its token.
///
/// # Errors
/// See [`Config::load`].
pub fn control_socket(
    path: Option<&Path>,
    environment: Environment<'_>,
) -> Result<PathBuf, Vec<Fault>> {
    let file = read(path)?;
    let runtime_directory = environment("RUNTIME_DIRECTORY");
    let is_told = runtime_directory.is_some();
    let socket = place::under(runtime_directory, file.control.socket);
    // A person's shell does not know where systemd has put it, or had it until it was stopped.
    let of_the_service = Path::new(place::SERVICE_RUNTIME_DIRECTORY);
    Ok(if !is_told && !socket.exists() && of_the_service.exists() {
        of_the_service.join(socket)
    } else {
        socket
    })
}

/// How reports are to be understood. Whoever only reads one needs no dashboard.
#[derive(Clone, Debug)]
pub struct Reading {
    pub timezone: TimeZone,
    pub ids: IdPolicy,
}

impl Reading {
    /// # Errors
    /// See [`Config::load`].
    pub fn load(path: Option<&Path>) -> Result<Self, Vec<Fault>> {
        let file = read(path)?;
        let timezone = zone(&file.watch.timezone).map_err(|fault| vec![fault])?;
        Ok(Self { timezone, ids: file.ingest.ids })
    }
}

fn zone(name: &str) -> Result<TimeZone, Fault> {
    TimeZone::get(name).map_err(|error| Fault(format!("watch.timezone: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn resolved(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let file = ConfigFile::parse(text).expect("the text is sound TOML");
        Config::resolve(file, &with(pairs))
            .map_err(|faults| faults.into_iter().map(|fault| fault.0).collect())
    }

    const SOUND: [(&str, &str); 2] =
        [("POSTGRES_DASHBOARD_URL", "http://127.0.0.1:9"), ("INGEST_TOKEN", "t")];

    #[test]
    fn the_environment_wins_over_the_file_in_the_order_of_the_contract() {
        let file = "[ingest]\nurl = 'https://file/'";
        for (pairs, host) in [
            (&[("INGEST_TOKEN", "t")][..], "file"),
            (&[("INGEST_TOKEN", "t"), ("RENDER_API_URL", "https://api")], "api"),
            (
                &[
                    ("INGEST_TOKEN", "t"),
                    ("RENDER_API_URL", "https://api"),
                    ("RENDER_DASHBOARD_URL", " https://render/ "),
                ],
                "render",
            ),
            (
                &[
                    ("INGEST_TOKEN", "t"),
                    ("RENDER_DASHBOARD_URL", "https://render"),
                    ("POSTGRES_DASHBOARD_URL", "https://postgres"),
                ],
                "postgres",
            ),
        ] {
            let config = resolved(file, pairs).unwrap();
            assert_eq!(config.ingest.unwrap().url.host_str(), Some(host));
        }
    }

    #[test]
    fn under_systemd_relative_paths_lie_in_the_units_directories() {
        let mut pairs = SOUND.to_vec();
        pairs.push(("STATE_DIRECTORY", "/var/lib/ytv2d"));
        pairs.push(("RUNTIME_DIRECTORY", "/run/ytv2d"));
        let config = resolved("", &pairs).unwrap();
        assert_eq!(config.outbox, Path::new("/var/lib/ytv2d/outbox.db"));
        assert_eq!(config.control.socket, Path::new("/run/ytv2d/ytv2d.sock"));
        let config = resolved("[outbox]\npath = '/data/o.db'", &pairs).unwrap();
        assert_eq!(config.outbox, Path::new("/data/o.db"));
    }

    #[test]
    fn each_fault_is_a_line_that_names_its_key() {
        for (text, key) in [
            ("[ingest]\nparallel = 0", "ingest.parallel"),
            ("[retry]\nfirst = '2s'\nmax = '1s'", "retry.max"),
            ("[retry]\nfirst = '0s'", "retry.first"),
            ("[retry]\npark_after = 1", "retry.park_after"),
            ("[breaker]\nfailures = 0", "breaker.failures"),
            ("[watch]\ntimezone = 'Mars/Olympus'", "watch.timezone"),
            ("[watch]\nexports = 'data/reports'", "watch.exports"),
            ("[watch]\nexports = './data//x/../reports/'", "watch.exports"),
            ("[limits]\nreport = 0", "limits.report"),
            ("[limits]\nreport = '0 KB'", "limits.report"),
            ("[watch]\nrescan = '0s'", "watch.rescan"),
            ("[callback]\nkeep = '0s'", "callback.keep"),
            ("[callback]\nlisten = '127.0.0.1:1'", "callback.listen"),
            ("[watch]\nscan = '0s'", "watch.scan"),
            ("[watch]\nignore = ['a[']", "watch.ignore"),
            ("[log]\nfilter = 'ytv2d=loud'", "log.filter"),
            ("[outbox]\npath = ''", "outbox.path"),
            ("[limits]\nupload = 'fast'", "limits.upload"),
            ("[ingest]\nreport_timeout = '0s'", "ingest.report_timeout"),
            ("[ingest]\nverify_at = 'noon'", "ingest.verify_at"),
            ("[ingest]\nverify_sample = 0", "ingest.verify_sample"),
            ("[heartbeat]\nurl = 'ftp://x'", "heartbeat.url"),
            ("[heartbeat]\nurl = 'nonsense'", "heartbeat.url"),
            ("[heartbeat]\nevery = '0s'", "heartbeat.every"),
            ("[ingest]\nenabled = false", "no target is enabled"),
        ] {
            let faults = resolved(text, &SOUND).expect_err(text);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with(key), "{faults:?}");
            assert!(!faults[0].contains('\n'), "{faults:?}");
        }
    }

    #[test]
    fn several_faults_are_all_told_at_once() {
        let faults = resolved("[ingest]\nurl = 'ftp://x'\nparallel = 100", &[]).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|f| f.split(':').next().unwrap()).collect();
        assert_eq!(keys, ["ingest.url", "ingest.token_file", "ingest.parallel"]);
    }

    #[test]
    fn the_old_variables_are_those_of_the_legacy_target_where_its_secret_is_given() {
        let file =
            "[ingest]\nurl = 'https://ingest'\n[legacy]\nenabled = true\nurl = 'https://old'";
        for (api, legacy) in [(None, "old"), (Some("https://api"), "api")] {
            let mut pairs = vec![("INGEST_TOKEN", "t"), ("SYNC_SECRET", "s")];
            pairs.extend(api.map(|url| ("RENDER_API_URL", url)));
            let config = resolved(file, &pairs).unwrap();
            let host = |endpoint: Option<Endpoint>| endpoint?.url.host_str().map(str::to_owned);
            assert_eq!(host(config.ingest).as_deref(), Some("ingest"));
            assert_eq!(host(config.legacy).as_deref(), Some(legacy));
        }
    }

    #[test]
    fn what_is_not_sent_to_need_not_be_told() {
        let pairs =
            [("SQLITE_SYNC_ENABLED", "true"), ("DUAL_SYNC", "false"), ("POSTGRES_ONLY", "False")];
        let faults = resolved("", &pairs).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|f| f.split(':').next().unwrap()).collect();
        assert_eq!(keys, ["legacy.url", "legacy.secret_file"]);
        let told = [("RENDER_API_URL", "https://old"), ("SYNC_SECRET", "s")];
        let config = resolved("", &[&pairs[..], &told[..]].concat()).unwrap();
        assert_eq!(config.targets().collect::<Vec<_>>(), [TargetName::Legacy]);
    }

    #[test]
    fn an_address_with_a_secret_or_a_query_in_it_is_refused() {
        for url in [
            "'http://host'",
            "http://user:pw@host",
            "http://host/?x=1",
            "http://host/#x",
            "nonsense",
        ] {
            let pairs = [("POSTGRES_DASHBOARD_URL", url), ("INGEST_TOKEN", "t")];
            let faults = resolved("", &pairs).expect_err(url);
            assert!(faults[0].starts_with("POSTGRES_DASHBOARD_URL"), "{faults:?}");
        }
    }
}
