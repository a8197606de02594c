//! The token, in a type that cannot be printed.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::Environment;

/// The shared secret of the ingest endpoints: visible ASCII, so that it fits a header (contract
/// C.2).
#[derive(Clone)]
pub struct Token(SecretString);

/// The name of the systemd credential that holds the token.
const CREDENTIAL: &str = "token";

/// The variable that may hold it.
pub(super) const VARIABLE: &str = "INGEST_TOKEN";

/// Where the token comes from.
#[derive(Debug)]
pub(super) enum TokenPlace {
    Credential(PathBuf),
    /// [`VARIABLE`], with what it holds.
    Variable(SecretString),
    File(PathBuf),
}

impl TokenPlace {
    /// The strongest place that there is, whatever stands there.
    pub(super) fn find(file: &Path, environment: Environment<'_>) -> Option<Self> {
        let credential = environment("CREDENTIALS_DIRECTORY")
            .map(|directory| Path::new(&directory).join(CREDENTIAL))
            .filter(|path| path.exists());
        let variable = || environment(VARIABLE).map(|text| Self::Variable(text.into()));
        let named = || (!file.as_os_str().is_empty()).then(|| Self::File(file.to_owned()));
        credential.map(Self::Credential).or_else(variable).or_else(named)
    }
}

impl Token {
    /// Finds the token: the systemd credential, then the environment, then the file.
    pub(super) fn find(file: &Path, environment: Environment<'_>) -> Result<Self, String> {
        match TokenPlace::find(file, environment) {
            Some(TokenPlace::Credential(path)) => {
                Self::read("the systemd credential \"token\"", &path)
            }
            Some(TokenPlace::Variable(text)) => Self::parse(VARIABLE, text.expose_secret()),
            Some(TokenPlace::File(path)) => Self::read("ingest.token_file", &path),
            None => Err("ingest.token_file: not set: write the path of a file with the token \
                         there, or the token itself into the environment's INGEST_TOKEN"
                .to_owned()),
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
            return Err(format!("{key}: the token is empty"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{key}: the token must be printable ASCII without blanks, to fit into a header"
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
        assert_eq!(Token::find(&file, &none).unwrap().expose(), "from-file");
        assert_eq!(Token::find(&file, &environment).unwrap().expose(), "from-environment");
        std::fs::write(directory.path().join(CREDENTIAL), "from-credential").unwrap();
        assert_eq!(Token::find(&file, &environment).unwrap().expose(), "from-credential");
    }

    #[test]
    fn a_token_that_does_not_fit_a_header_is_refused_without_being_shown() {
        for text in ["", "two words", "naïve", "a\u{7f}"] {
            let error = Token::parse("INGEST_TOKEN", text).unwrap_err();
            assert!(error.starts_with("INGEST_TOKEN: "), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert!(Token::find(Path::new("/no/such"), &none).unwrap_err().contains("/no/such"));
    }
}
