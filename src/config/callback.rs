//! Where the dashboard may tell that something was deleted there, and who is believed.

use std::net::SocketAddr;

use super::secret::SYNC_SECRET;
use super::{ConfigFile, Environment, Token};

/// A secret that strangers may try to guess has at least so many characters.
const LENGTH_MIN: usize = 16;

/// The listener of the delete callbacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    pub listen: SocketAddr,
    /// That of the legacy endpoints, be they sent to or not.
    pub secret: Token,
}

/// Turns what file and environment say into what the daemon uses; nothing where it is off.
///
/// # Errors
/// A line that says what to do.
pub(super) fn resolve(
    file: &ConfigFile,
    environment: Environment<'_>,
) -> Result<Option<Callback>, String> {
    let text = file.callback.listen.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let listen: SocketAddr = text.parse().map_err(|_| {
        format!(
            "callback.listen: {text:?} is no address with a port: one looks like 127.0.0.1:6452, or \
             [::1]:6452"
        )
    })?;
    let secret =
        Token::find(&SYNC_SECRET, &file.legacy.secret_file, environment).map_err(|why| {
            format!("callback.listen: whoever deletes must show a secret, and there is none: {why}")
        })?;
    let is_local = listen.ip().to_canonical().is_loopback();
    if !is_local && secret.expose().len() < LENGTH_MIN {
        return Err(format!(
            "callback.listen: {listen} can be reached by others, and the secret has fewer than \
             {LENGTH_MIN} characters: take a longer one, such as `openssl rand -hex 16` prints, or \
             listen on 127.0.0.1"
        ));
    }
    Ok(Some(Callback { listen, secret }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(listen: &str, secret: Option<&str>) -> Result<Option<Callback>, String> {
        let text = format!("[callback]\nlisten = {listen:?}");
        let environment =
            |name: &str| secret.filter(|_| name == "SYNC_SECRET").map(ToOwned::to_owned);
        resolve(&ConfigFile::parse(&text).unwrap(), &environment)
    }

    #[test]
    fn it_is_off_or_has_an_address_and_a_secret_that_is_long_enough_for_it() {
        let long = Some("sixteen-letters!");
        for (listen, secret, outcome) in [
            ("", None, Ok(None)),
            ("127.0.0.1:6452", Some("s"), Ok(Some("127.0.0.1:6452"))),
            ("[::1]:0", Some("s"), Ok(Some("[::1]:0"))),
            ("[::ffff:127.0.0.1]:1", Some("s"), Ok(Some("[::ffff:127.0.0.1]:1"))),
            ("0.0.0.0:6452", long, Ok(Some("0.0.0.0:6452"))),
            ("[::]:6452", long, Ok(Some("[::]:6452"))),
            ("127.0.0.1:6452", None, Err("SYNC_SECRET")),
            ("0.0.0.0:6452", Some("fifteen-letters"), Err("openssl rand")),
            ("192.168.1.2:6452", Some("s"), Err("fewer than 16")),
            ("[::]:6452", Some("s"), Err("fewer than 16")),
            ("6452", long, Err("no address with a port")),
            ("localhost:6452", long, Err("no address with a port")),
            ("127.0.0.1:99999", long, Err("no address with a port")),
        ] {
            match (resolved(listen, secret), outcome) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found.map(|c| c.listen.to_string()).as_deref(), expected);
                }
                (Err(found), Err(expected)) => {
                    assert!(found.starts_with("callback.listen: "), "{found}");
                    assert!(found.contains(expected), "{found}");
                    assert!(secret.is_none_or(|s| s.len() < 2 || !found.contains(s)), "{found}");
                }
                (found, _) => panic!("{listen} {secret:?}: {found:?}"),
            }
        }
    }
}
