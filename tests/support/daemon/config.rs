//! The directory that a daemon under test lives in, and the `ytv2d.toml` in it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A scratch directory with `reports/` and `exports/`, and what the daemon is told about it. It
/// outlives the daemon, so that another can be started on the same state.
pub struct Config {
    dir: TempDir,
    pub url: String,
    /// Goes into the environment, never into the file.
    pub token: String,
    pub audio_quiet: String,
    pub rescan: String,
    pub log_filter: String,
    /// Laid over the rest, key by key: `"[retry]\nfirst = '50ms'"`.
    pub extra_toml: String,
    pub env: Vec<(String, String)>,
    /// A command to run the daemon under, such as strace with its injections: the daemon's own
    /// command line is added to it. Signals then go to the wrapper.
    pub wrapper: Vec<String>,
}

impl Config {
    /// A new scratch directory, for a daemon that delivers to this URL. The rescan is rare, so that
    /// it does not hide an event that was missed.
    pub fn new(url: &str, token: &str) -> Self {
        let config = Self {
            dir: tempfile::tempdir().expect("a scratch directory"),
            url: url.to_owned(),
            token: token.to_owned(),
            audio_quiet: "200ms".to_owned(),
            rescan: "5m".to_owned(),
            log_filter: "debug".to_owned(),
            extra_toml: String::new(),
            env: Vec::new(),
            wrapper: Vec::new(),
        };
        for root in [config.reports(), config.exports()] {
            fs::create_dir(root).expect("a root");
        }
        config
    }

    /// Lays more TOML over the configuration.
    pub fn with_toml(mut self, toml: &str) -> Self {
        self.extra_toml.push_str(toml);
        self.extra_toml.push('\n');
        self
    }

    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn reports(&self) -> PathBuf {
        self.path().join("reports")
    }

    pub fn exports(&self) -> PathBuf {
        self.path().join("exports")
    }

    pub fn report(&self, name: &str) -> PathBuf {
        self.reports().join(name)
    }

    pub fn export(&self, name: &str) -> PathBuf {
        self.exports().join(name)
    }

    pub fn outbox(&self) -> PathBuf {
        self.path().join("outbox.db")
    }

    pub fn socket(&self) -> PathBuf {
        self.path().join("ytv2d.sock")
    }

    pub fn file(&self) -> PathBuf {
        self.path().join("ytv2d.toml")
    }

    /// Writes the file; a running daemon sees the change when it reloads.
    pub fn write(&self) {
        fs::write(self.file(), self.toml()).expect("ytv2d.toml");
    }

    /// What stands in the file.
    pub fn toml(&self) -> String {
        let mut tables = json!({
            "watch": {
                "reports": self.reports(),
                "exports": self.exports(),
                "audio_quiet": self.audio_quiet,
                "rescan": self.rescan,
            },
            "outbox": { "path": self.outbox() },
            "ingest": { "url": self.url },
            "control": { "socket": self.socket() },
            "log": { "filter": self.log_filter, "format": "json" },
        });
        let extra: Value = toml::from_str(&self.extra_toml).expect("extra_toml is TOML");
        lay_over(&mut tables, extra);
        tables.as_object().map(document).unwrap_or_default()
    }
}

fn lay_over(base: &mut Value, extra: Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                lay_over(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra,
    }
}

/// The root: its plain keys first, since a key after a header would belong to the header.
fn document(root: &Map<String, Value>) -> String {
    let (tables, plain): (Vec<_>, Vec<_>) = root.iter().partition(|(_, value)| value.is_object());
    let mut text = String::new();
    for (key, value) in plain {
        text.push_str(&format!("{key} = {}\n", inline(value)));
    }
    for (key, table) in tables {
        text.push_str(&format!("\n[{key}]\n"));
        for (key, value) in table.as_object().into_iter().flatten() {
            text.push_str(&format!("{key} = {}\n", inline(value)));
        }
    }
    text
}

/// A value in one line. JSON's strings, numbers, booleans and arrays are TOML's too; its objects
/// need an equals sign.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let pairs: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key:?} = {}", inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}
