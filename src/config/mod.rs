//! The configuration: defaults, then the file, then the environment, validated whole.

mod file;
mod ignore;
mod place;
mod reload;
mod secret;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use reqwest::Url;
use tracing_subscriber::filter::EnvFilter;

pub use file::{ConfigFile, FirstRun, LogFormat, Percent, WatchMode};
pub use ignore::Ignore;
pub use place::{DEFAULT_PLACES, find};
pub use secret::Token;

use crate::file::Root;
use crate::report::IdPolicy;

/// Everything the daemon was told, sound and complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub watch: Watch,
    pub outbox: PathBuf,
    /// Whether the outbox may lie on a network file system.
    pub outbox_allow_network: bool,
    pub ingest: Ingest,
    pub retry: Retry,
    pub breaker: Breaker,
    /// The largest report that is read, in bytes.
    pub report_limit: u64,
    /// The pipeline's old content database, where it is to be read.
    pub content_db: Option<PathBuf>,
    pub control: Control,
    pub log: Log,
}

/// What is watched, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    pub reports: PathBuf,
    pub exports: PathBuf,
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
    /// Where a root lies.
    pub fn path(&self, root: Root) -> &Path {
        match root {
            Root::Reports => &self.reports,
            Root::Exports => &self.exports,
        }
    }
}

/// The dashboard, and how it is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    pub url: Url,
    pub token: Token,
    pub parallel: usize,
    pub connect_timeout: Duration,
    pub report_timeout: Duration,
    pub audio_timeout: Duration,
    pub ids: IdPolicy,
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

/// The variables that may hold the dashboard's address, the strongest first (contract I.3).
pub const URL_VARIABLES: [&str; 3] =
    ["POSTGRES_DASHBOARD_URL", "RENDER_DASHBOARD_URL", "RENDER_API_URL"];

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

        let url = match base_url(&file.ingest.url, environment) {
            Ok(url) => Some(url),
            Err(text) => {
                fault(text);
                None
            }
        };
        let token = match Token::find(&file.ingest.token_file, environment) {
            Ok(token) => Some(token),
            Err(text) => {
                fault(text);
                None
            }
        };
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
        if !(1..=64).contains(&file.ingest.parallel) {
            fault(format!("ingest.parallel: {} is not between 1 and 64", file.ingest.parallel));
        }
        for (key, value) in [
            ("watch.rescan", file.watch.rescan),
            ("watch.scan", file.watch.scan),
            ("ingest.connect_timeout", file.ingest.connect_timeout),
            ("ingest.report_timeout", file.ingest.report_timeout),
            ("ingest.audio_timeout", file.ingest.audio_timeout),
            ("retry.first", file.retry.first),
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
        if let Err(error) = EnvFilter::try_new(&file.log.filter) {
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
        if file.watch.reports == file.watch.exports {
            fault("watch.exports: must be another directory than watch.reports".to_owned());
        }

        let mode = u32::from_str_radix(&file.control.mode, 8).ok().filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            faults.push(Fault(format!(
                "control.mode: {:?} is no mode; the socket's owner and group are let in by \"0660\"",
                file.control.mode
            )));
        }

        let (Some(url), Some(token), Some(timezone), Some(ignore), Some(mode), true) =
            (url, token, timezone, ignore, mode, faults.is_empty())
        else {
            return Err(faults);
        };
        Ok(Self {
            watch: Watch {
                reports: file.watch.reports,
                exports: file.watch.exports,
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
            ingest: Ingest {
                url,
                token,
                parallel: file.ingest.parallel,
                connect_timeout: file.ingest.connect_timeout,
                report_timeout: file.ingest.report_timeout,
                audio_timeout: file.ingest.audio_timeout,
                ids: file.ingest.ids,
            },
            retry: Retry {
                first: file.retry.first,
                max: file.retry.max,
                park_after: file.retry.park_after,
            },
            breaker: Breaker { failures: file.breaker.failures },
            report_limit: file.limits.report.as_u64(),
            content_db: Some(file.content_db.path).filter(|path| !path.as_os_str().is_empty()),
            control: Control {
                socket: place::under(environment("RUNTIME_DIRECTORY"), file.control.socket),
                mode,
                group: Some(file.control.group).filter(|group| !group.is_empty()),
            },
            log: Log { filter: file.log.filter, format: file.log.format },
        })
    }
}

/// Reads the file at `path`, or takes the defaults where there is none.
fn read(path: Option<&Path>) -> Result<ConfigFile, Vec<Fault>> {
    let Some(path) = path else { return Ok(ConfigFile::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Fault(format!("{}: cannot be read: {error}", path.display()))])?;
    ConfigFile::parse(&text).map_err(|faults| {
        let at = |fault: Fault| Fault(format!("{}, {fault}", path.display()));
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
    let of_the_service = Path::new(place::SERVICE_RUNTIME_DIRECTORY).join(&socket);
    // A person's shell does not know where systemd has put it.
    Ok(if !is_told && !socket.exists() && of_the_service.exists() {
        of_the_service
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

/// Environment over file; trimmed, without a trailing slash, http or https (contract I.3, C.1).
fn base_url(from_file: &str, environment: Environment<'_>) -> Result<Url, String> {
    let from_environment = URL_VARIABLES
        .iter()
        .find_map(|name| environment(name).map(|value| ((*name).to_owned(), value)));
    let (key, text) =
        from_environment.unwrap_or_else(|| ("ingest.url".to_owned(), from_file.to_owned()));
    let text = text.trim().trim_end_matches('/');
    if text.is_empty() {
        return Err(format!(
            "ingest.url: not set: write the dashboard's address there, or into {}",
            URL_VARIABLES[0]
        ));
    }
    let url = Url::parse(text).map_err(|error| {
        format!("{key}: {error}: an address looks like https://dashboard.example.org")
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{key}: must begin with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{key}: must not carry a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{key}: must not carry a query or a fragment"));
    }
    Ok(url)
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
        let file = "[ingest]\nurl = 'http://file/'";
        for (pairs, host) in [
            (&[("INGEST_TOKEN", "t")][..], "file"),
            (&[("INGEST_TOKEN", "t"), ("RENDER_API_URL", "http://api")], "api"),
            (
                &[
                    ("INGEST_TOKEN", "t"),
                    ("RENDER_API_URL", "http://api"),
                    ("RENDER_DASHBOARD_URL", " http://render/ "),
                ],
                "render",
            ),
            (
                &[
                    ("INGEST_TOKEN", "t"),
                    ("RENDER_DASHBOARD_URL", "http://render"),
                    ("POSTGRES_DASHBOARD_URL", "http://postgres"),
                ],
                "postgres",
            ),
        ] {
            let config = resolved(file, pairs).unwrap();
            assert_eq!(config.ingest.url.host_str(), Some(host));
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
            ("[watch]\nrescan = '0s'", "watch.rescan"),
            ("[watch]\nscan = '0s'", "watch.scan"),
            ("[watch]\nignore = ['a[']", "watch.ignore"),
            ("[log]\nfilter = 'ytv2d=loud'", "log.filter"),
            ("[outbox]\npath = ''", "outbox.path"),
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
    fn an_address_with_a_secret_or_a_query_in_it_is_refused() {
        for url in ["http://user:pw@host", "http://host/?x=1", "http://host/#x", "nonsense"] {
            let pairs = [("POSTGRES_DASHBOARD_URL", url), ("INGEST_TOKEN", "t")];
            let faults = resolved("", &pairs).expect_err(url);
            assert!(faults[0].starts_with("POSTGRES_DASHBOARD_URL"), "{faults:?}");
        }
    }
}
