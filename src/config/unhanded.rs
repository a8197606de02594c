//! What a shell can see of the configuration of a service: all of it, but for what systemd hands to
//! the service alone, in its credentials and its EnvironmentFile.

use std::path::Path;

use super::{Config, Environment, Fault, URL_VARIABLES, read};

/// In the place of an address and of a secret. Nothing is ever sent there.
const STAND_INS: [(&str, &str); 4] = [
    (URL_VARIABLES[0], "http://127.0.0.1:9"),
    (URL_VARIABLES[1], "http://127.0.0.1:9"),
    ("INGEST_TOKEN", "not-to-be-seen-from-here"),
    ("SYNC_SECRET", "not-to-be-seen-from-here"),
];

impl Config {
    /// Reads what [`load`](Self::load) does where addresses and secrets cannot be seen. Whatever
    /// needs one must not be asked of it.
    ///
    /// # Errors
    /// What is wrong apart from that.
    pub fn load_unhanded(
        path: Option<&Path>,
        environment: Environment<'_>,
    ) -> Result<Self, Vec<Fault>> {
        let stand_in = |name: &str| {
            let of_name = STAND_INS.into_iter().find(|(variable, _)| *variable == name);
            of_name.map(|(_, value)| value.to_owned()).or_else(|| environment(name))
        };
        Self::resolve(read(path)?, &stand_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_secrets_may_be_missing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ytv2d.toml");
        for (text, faults) in [
            ("", None),
            ("[ingest]\ntoken_file = '/no/such'\n[callback]\nlisten = '127.0.0.1:1'", None),
            ("[legacy]\nenabled = true\n[watch]\nreports = 'mine'", None),
            ("[ingest]\nparallel = 0", Some("ingest.parallel")),
        ] {
            std::fs::write(&file, text).unwrap();
            assert!(Config::load(Some(&file), &|_| None).is_err(), "{text}");
            let seen = Config::load_unhanded(Some(&file), &|_| None);
            match faults {
                None => assert!(seen.is_ok(), "{text}: {seen:?}"),
                Some(key) => assert!(seen.unwrap_err()[0].0.starts_with(key), "{text}"),
            }
        }
    }
}
