//! What lets us in at a target, in a type that cannot be printed.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::Environment;

/// A shared secret: visible ASCII, so that it fits a header (contract C.2).
#[derive(Clone)]
pub struct Token(SecretString);

/// Where a secret is looked for, the first that there is.
pub(super) struct Places {
    /// The name of a systemd credential.
    pub credential: &'static str,
    pub variable: &'static str,
    /// The key of the configuration that names a file.
    pub key: &'static str,
}

/// The token of the ingest endpoints.
pub(super) const INGEST_TOKEN: Places =
    Places { credential: "token", variable: "INGEST_TOKEN", key: "ingest.token_file" };

/// The secret of the legacy endpoints. They take nothing else for it (contract I.3).
pub(super) const SYNC_SECRET: Places =
    Places { credential: "sync_secret", variable: "SYNC_SECRET", key: "legacy.secret_file" };

/// Where a secret comes from.
#[derive(Debug)]
pub(super) enum Place {
    Credential(PathBuf),
    /// An environment variable, with what it holds.
    Variable(SecretString),
    File(PathBuf),
}

impl Places {
    /// The first that there is, whatever stands there.
    pub(super) fn first(&self, file: &Path, environment: Environment<'_>) -> Option<Place> {
        let credential = environment("CREDENTIALS_DIRECTORY")
            .map(|directory| Path::new(&directory).join(self.credential))
            .filter(|path| is_filled(path));
        let variable = || environment(self.variable).map(|text| Place::Variable(text.into()));
        let named = || (!file.as_os_str().is_empty()).then(|| Place::File(file.to_owned()));
        credential.map(Place::Credential).or_else(variable).or_else(named)
    }

    /// What is wrong with the file, if the secret comes from it: whoever may read the secret may
    /// write to the dashboard.
    pub(super) fn warning(&self, file: &Path, environment: Environment<'_>) -> Option<String> {
        let Some(Place::File(path)) = self.first(file, environment) else { return None };
        let mode = path.metadata().ok()?.permissions().mode();
        (mode & 0o004 != 0).then(|| {
            let (key, path) = (self.key, path.display());
            format!("{key}: everybody on this machine may read {path}: chmod o-rwx it")
        })
    }
}

/// Whether a value has kept the quotes that a shell, or systemd, would have taken away.
pub(super) fn is_quoted(text: &str) -> bool {
    let within = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    within('"') || within('\'')
}

/// Whether a credential says anything: a blank one stands for none, which is what an optional one
/// looks like (SetCredential=).
fn is_filled(path: &Path) -> bool {
    match std::fs::read(path) {
        Ok(bytes) => !bytes.trim_ascii().is_empty(),
        Err(_) => path.exists(),
    }
}

impl Token {
    /// Finds a secret: the systemd credential, then the environment, then the file.
    pub(super) fn find(
        places: &Places,
        file: &Path,
        environment: Environment<'_>,
    ) -> Result<Self, String> {
        let Places { credential, variable, key } = places;
        match places.first(file, environment) {
            Some(Place::Credential(path)) => {
                Self::read(&format!("the systemd credential {credential:?}"), &path)
            }
            Some(Place::Variable(text)) => Self::parse(variable, text.expose_secret()),
            Some(Place::File(path)) => Self::read(key, &path),
            None => {
                let (_, what) = key.split_once('.').unwrap_or_default();
                let what = what.trim_end_matches("_file");
                Err(format!(
                    "{key}: not set: write the path of a file with the {what} there, or the {what} \
                     itself into the environment's {variable}"
                ))
            }
        }
    }

    fn read(key: &str, path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{key}: {}: {error}", path.display()))?;
        Self::parse(key, &text)
    }

    fn parse(key: &str, text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("{key}: the secret is empty"));
        }
        if is_quoted(text) {
            return Err(format!("{key}: the secret stands in quotes: write it without them"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{key}: the secret must be printable ASCII without blanks, to fit into a header"
            ));
        }
        Ok(Self(SecretString::from(text)))
    }

    /// The secret itself, for the header and nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Equal when the secrets are; used only to notice that a token was changed.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_token_cannot_be_printed() {
        let token = Token::parse("k", " s3cret\n").unwrap();
        assert_eq!(token.expose(), "s3cret");
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn the_credential_wins_over_the_environment_and_that_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "from-file\n").unwrap();
        let credentials = directory.path().to_string_lossy().into_owned();
        let environment = |name: &str| match name {
            "INGEST_TOKEN" => Some("from-environment".to_owned()),
            "CREDENTIALS_DIRECTORY" => Some(credentials.clone()),
            _ => None,
        };
        assert_eq!(Token::find(&INGEST_TOKEN, &file, &none).unwrap().expose(), "from-file");
        assert_eq!(
            Token::find(&INGEST_TOKEN, &file, &environment).unwrap().expose(),
            "from-environment"
        );
        std::fs::write(directory.path().join(INGEST_TOKEN.credential), "\n").unwrap();
        assert_eq!(
            Token::find(&INGEST_TOKEN, &file, &environment).unwrap().expose(),
            "from-environment"
        );
        std::fs::write(directory.path().join(INGEST_TOKEN.credential), "from-credential").unwrap();
        assert_eq!(
            Token::find(&INGEST_TOKEN, &file, &environment).unwrap().expose(),
            "from-credential"
        );
    }

    #[test]
    fn the_secret_of_the_legacy_endpoints_is_another_than_the_token() {
        let environment = |name: &str| (name == "INGEST_TOKEN").then(|| "token".to_owned());
        let error = Token::find(&SYNC_SECRET, Path::new(""), &environment).unwrap_err();
        assert!(error.starts_with("legacy.secret_file: not set: write the path"), "{error}");
        assert!(error.ends_with("the secret itself into the environment's SYNC_SECRET"), "{error}");
        assert!(SYNC_SECRET.first(Path::new(""), &environment).is_none());
        assert!(SYNC_SECRET.first(Path::new("/etc/secret"), &environment).is_some());
        let environment = |name: &str| (name == "SYNC_SECRET").then(|| " s ".to_owned());
        assert!(SYNC_SECRET.first(Path::new(""), &environment).is_some());
        let secret = Token::find(&SYNC_SECRET, Path::new(""), &environment).unwrap();
        assert_eq!(secret.expose(), "s");
    }

    #[test]
    fn a_file_that_everybody_may_read_is_told_of_where_it_counts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "secret").unwrap();
        for (mode, told) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            let warning = INGEST_TOKEN.warning(&file, &none);
            assert_eq!(warning.is_some(), told, "{mode:o} {warning:?}");
        }
        let environment = |name: &str| (name == "INGEST_TOKEN").then(|| "t".to_owned());
        assert_eq!(INGEST_TOKEN.warning(&file, &environment), None);
        assert_eq!(INGEST_TOKEN.warning(Path::new("/no/such"), &none), None);
    }

    #[test]
    fn a_token_that_does_not_fit_a_header_is_refused_without_being_shown() {
        for text in ["", "two words", "naïve", "a\u{7f}", "\"quoted\"", "'quoted'"] {
            let error = Token::parse("INGEST_TOKEN", text).unwrap_err();
            assert!(error.starts_with("INGEST_TOKEN: "), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert!(
            Token::find(&INGEST_TOKEN, Path::new("/no/such"), &none)
                .unwrap_err()
                .contains("/no/such")
        );
    }
}
