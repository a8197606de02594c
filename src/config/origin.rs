//! Where each value of the configuration comes from, for whoever wonders why it is as it is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::flags::{self, Enabled, FLAGS, Flags};
use super::secret::{INGEST_TOKEN, Place, Places, SYNC_SECRET};
use super::{ConfigFile, Environment, Fault, endpoint, place, read_text};
use crate::id::TargetName;

/// The keys under which secrets are told of, behind those that name their files. They stand in no
/// file by these names.
const SECRETS: [(&str, &str, &str); 2] =
    [("ingest", "token_file", "token"), ("legacy", "secret_file", "secret")];

/// One key with what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    pub section: String,
    pub key: String,
    /// As it would stand in the file; nothing where it is secret.
    pub value: Option<Value>,
    pub origin: Origin,
    /// The variable whose directory a relative path was put under.
    pub under: Option<&'static str>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    /// An environment variable.
    Variable(&'static str),
    /// A systemd credential, or a file that holds nothing but the secret.
    Credential(PathBuf),
    /// It has to come from somewhere, and does not.
    Missing,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Credential(path) => write!(f, "credential {}", path.display()),
            Origin::Missing => f.write_str("it has to come from somewhere"),
        }
    }
}

/// Every key in the order of the documentation, whether the whole is sound or not.
///
/// # Errors
/// The faults of a file that cannot be read.
pub fn explain(
    path: Option<&Path>,
    environment: Environment<'_>,
) -> Result<Vec<Setting>, Vec<Fault>> {
    let text = path.map(read_text).transpose()?.unwrap_or_default();
    let file = super::parse(path, &text)?;
    let lines = lines(&text);
    let mut settings = Vec::new();
    for (section, key, value) in in_order(&file) {
        let line = lines.iter().find(|(s, k, _)| *s == section && *k == key);
        let origin = match (path, line) {
            (Some(path), Some((_, _, line))) => Origin::File { path: path.to_owned(), line: *line },
            _ => Origin::Default,
        };
        let mut setting = Setting { section, key, value: Some(value), origin, under: None };
        overrule(&mut setting, &file, environment);
        let secret = SECRETS
            .into_iter()
            .find(|(section, key, _)| setting.section == *section && setting.key == *key);
        settings.push(setting);
        settings
            .extend(secret.map(|(section, _, key)| self::secret(section, key, &file, environment)));
    }
    Ok(settings)
}

/// What the environment makes of a setting, as [`Config::load`](super::Config::load) sees it.
fn overrule(setting: &mut Setting, file: &ConfigFile, environment: Environment<'_>) {
    let target = match setting.section.as_str() {
        "legacy" => TargetName::Legacy,
        _ => TargetName::Dashboard,
    };
    let directory = match (setting.section.as_str(), setting.key.as_str()) {
        ("ingest" | "legacy", "url") => {
            let strongest = endpoint::candidates(target, file, environment).into_iter().next();
            if let Some((name, url)) = strongest.filter(|(name, _)| !name.ends_with(".url")) {
                setting.value = Some(Value::String(url));
                setting.origin = Origin::Variable(name);
            }
            // A password has no business there, which is a fault, and is still not to be shown.
            let is_secret = |value: &Value| value.as_str().is_some_and(|url| url.contains('@'));
            setting.value = setting.value.take().filter(|value| !is_secret(value));
            return;
        }
        ("ingest" | "legacy", "enabled") => {
            let flag = FLAGS.into_iter().find(|name| environment(name).is_some());
            let enabled = Enabled { ingest: file.ingest.enabled, legacy: file.legacy.enabled };
            let targets = flags::targets(&Flags::read(environment).0, enabled);
            if let (Some(flag), Ok(targets)) = (flag, targets) {
                let is_on = match target {
                    TargetName::Dashboard => targets.ingest,
                    TargetName::Legacy => targets.legacy,
                };
                setting.value = Some(Value::Boolean(is_on));
                setting.origin = Origin::Variable(flag);
            }
            return;
        }
        // Whoever knows it can keep the watcher from raising the alarm.
        ("heartbeat", "url") => {
            let is_blank = |value: &Value| value.as_str().is_some_and(|url| url.trim().is_empty());
            setting.value = setting.value.take().filter(is_blank);
            return;
        }
        ("outbox", "path") => "STATE_DIRECTORY",
        ("control", "socket") => "RUNTIME_DIRECTORY",
        _ => return,
    };
    let Some(Value::String(path)) = &mut setting.value else { return };
    let placed = place::under(environment(directory), PathBuf::from(&*path));
    if placed != Path::new(path) {
        *path = placed.display().to_string();
        setting.under = Some(directory);
    }
}

fn secret(section: &str, key: &str, file: &ConfigFile, environment: Environment<'_>) -> Setting {
    let (places, path): (&Places, &Path) = match section {
        "legacy" => (&SYNC_SECRET, &file.legacy.secret_file),
        _ => (&INGEST_TOKEN, &file.ingest.token_file),
    };
    let origin = match places.first(path, environment) {
        Some(Place::Credential(path) | Place::File(path)) => Origin::Credential(path),
        Some(Place::Variable(_)) => Origin::Variable(places.variable),
        None => Origin::Missing,
    };
    Setting { section: section.to_owned(), key: key.to_owned(), value: None, origin, under: None }
}

/// Section, key and value of everything, in the order of the documentation.
fn in_order(file: &ConfigFile) -> Vec<(String, String, Value)> {
    let (Ok(values), Ok(text)) = (toml::Table::try_from(file), toml::to_string(file)) else {
        return Vec::new();
    };
    let value = |section: &str, key: &str| values.get(section)?.get(key).cloned();
    lines(&text)
        .into_iter()
        .filter_map(|(section, key, _)| {
            let value = value(&section, &key)?;
            Some((section, key, value))
        })
        .collect()
}

/// Section, key and line of whatever stands in a text, from the top to the bottom.
fn lines(text: &str) -> Vec<(String, String, usize)> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    for (section, value) in document.get_ref() {
        let DeValue::Table(keys) = value.get_ref() else { continue };
        for key in keys.keys() {
            let before = &text[..key.span().start];
            let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
            found.push((section.get_ref().to_string(), key.get_ref().to_string(), line));
        }
    }
    found.sort_by_key(|(_, _, line)| *line);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str, pairs: &[(&str, &str)]) -> Vec<Setting> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ytv2d.toml");
        std::fs::write(&path, text).unwrap();
        let environment = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let mut settings = explain(Some(&path), &environment).unwrap();
        for setting in &mut settings {
            if let Origin::File { path, .. } = &mut setting.origin {
                *path = PathBuf::from(path.file_name().unwrap());
            }
        }
        settings
    }

    fn told(settings: &[Setting], section: &str, key: &str) -> String {
        let setting = settings.iter().find(|s| s.section == section && s.key == key).unwrap();
        let value = setting.value.as_ref().map_or("hidden".to_owned(), Value::to_string);
        format!("{value} from {}", setting.origin)
    }

    #[test]
    fn each_value_comes_from_somewhere() {
        let text = "[watch]\nreports = 'r'\n\n[ingest]\n# a note\nurl = 'http://file'\n\
                    token_file = '/t'\n[outbox]\npath = 'o.db'\n";
        let settings = explained(text, &[]);
        for (section, key, expected) in [
            ("watch", "reports", "\"r\" from ytv2d.toml:2"),
            ("watch", "exports", "\"exports\" from default"),
            ("watch", "rescan", "\"5m\" from default"),
            ("ingest", "url", "\"http://file\" from ytv2d.toml:6"),
            ("ingest", "parallel", "4 from default"),
            ("ingest", "token", "hidden from credential /t"),
            ("outbox", "path", "\"o.db\" from ytv2d.toml:9"),
        ] {
            assert_eq!(told(&settings, section, key), expected);
        }
        let pairs = [
            ("RENDER_API_URL", "http://env"),
            ("INGEST_TOKEN", "s3cret"),
            ("STATE_DIRECTORY", "/state"),
        ];
        let settings = explained(text, &pairs);
        for (section, key, expected) in [
            ("ingest", "url", "\"http://env\" from environment variable RENDER_API_URL"),
            ("ingest", "token", "hidden from environment variable INGEST_TOKEN"),
            ("outbox", "path", "\"/state/o.db\" from ytv2d.toml:9"),
        ] {
            assert_eq!(told(&settings, section, key), expected);
        }
        assert!(!format!("{settings:?}").contains("s3cret"));
        assert_eq!(
            told(&explained("", &[]), "ingest", "token"),
            "hidden from it has to come from somewhere"
        );
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let settings = explained("[ingest]\nurl = 'http://u:pw@host'", &[]);
        assert_eq!(told(&settings, "ingest", "url"), "hidden from ytv2d.toml:2");
    }

    #[test]
    fn the_address_of_the_watcher_is_not_shown() {
        for (text, expected) in [
            ("[heartbeat]\nurl = 'https://hc.example.org/s3cret'", "hidden from ytv2d.toml:2"),
            ("[heartbeat]\nurl = ''", "\"\" from ytv2d.toml:2"),
            ("", "\"\" from default"),
        ] {
            assert_eq!(told(&explained(text, &[]), "heartbeat", "url"), expected);
        }
    }

    #[test]
    fn every_key_of_the_shipped_file_is_explained_in_its_order() {
        let shipped = include_str!("../../ytv2d.toml");
        let keys = |settings: Vec<Setting>| -> Vec<_> {
            settings
                .into_iter()
                .filter(|setting| SECRETS.iter().all(|(_, _, key)| setting.key != *key))
                .map(|setting| format!("{}.{}", setting.section, setting.key))
                .collect()
        };
        let in_file: Vec<_> = lines(shipped)
            .into_iter()
            .map(|(section, key, _)| format!("{section}.{key}"))
            .collect();
        assert_eq!(keys(explained("", &[])), in_file);
        assert!(in_file.len() > 25, "{in_file:?}");
    }
}
