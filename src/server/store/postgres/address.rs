//! Where a database is, as `postgres://…` says it, and whether the way there is encrypted. Pure.
//!
//! Stricter than PostgreSQL's own library: nothing leaves this machine in plain text unless
//! `sslmode=disable` asks for that, and an encrypted connection always checks the certificate.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Where PostgreSQL listens unless it is told otherwise.
const PORT: u16 = 5432;

/// Where a database is. Shown without its password.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Box<Config>,
    pub(super) encryption: Encryption,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    None,
    /// With a certificate that this file's authorities have signed, or the system's.
    Checked {
        authorities: Option<PathBuf>,
    },
}

/// What is wrong with an address. Does not repeat it, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("the address of the database cannot be read: {0}")]
    Unreadable(String),
    #[error(
        "the address of the database has sslmode={0}, which means nothing here: use disable, require or verify-full"
    )]
    Mode(String),
}

impl Address {
    /// Whether it is one of a PostgreSQL database.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads `postgres://user:password@host:port/database?…`, with the parameters that
    /// PostgreSQL's own programs take.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut mode = None;
        let mut authorities = None;
        let mut rest = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let path = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                    authorities = Some(PathBuf::from(path.into_owned()));
                }
                _ => rest.push(parameter),
            }
        }
        let mut config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|error| AddressError::Unreadable(causes(&error)))?;
        let encrypted = match mode {
            None | Some("allow" | "prefer") => !config.get_hosts().iter().all(is_local),
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => return Err(AddressError::Mode(other.to_owned())),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        if config.get_application_name().is_none() {
            config.application_name("ytv2-ingest");
        }
        config
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(30));
        let encryption =
            if encrypted { Encryption::Checked { authorities } } else { Encryption::None };
        Ok(Self { config: Box::new(config), encryption })
    }
}

/// Host and database, for a person.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(n, host)| match host {
            Host::Tcp(name) => match ports.get(n) {
                Some(port) if *port != PORT => format!("{name}:{port}"),
                _ => name.clone(),
            },
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        write!(f, "postgres://{hosts}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(authorities: Option<&str>) -> Encryption {
        Encryption::Checked { authorities: authorities.map(PathBuf::from) }
    }

    #[test]
    fn nothing_leaves_this_machine_in_plain_text_unless_that_is_asked_for() {
        for (address, encryption) in [
            ("postgres://u@localhost/d", Encryption::None),
            ("postgresql://u@127.0.0.1:5433/d?sslmode=prefer", Encryption::None),
            ("postgres://u@%2Frun%2Fpostgresql/d", Encryption::None),
            ("postgres://u@localhost/d?sslmode=require", checked(None)),
            ("postgres://u@db.example.org/d", checked(None)),
            ("postgres://u@db.example.org/d?sslmode=prefer", checked(None)),
            ("postgres://u@localhost,db.example.org/d", checked(None)),
            ("postgres://u@db/d?sslmode=disable", Encryption::None),
            (
                "postgres://u@db/d?connect_timeout=3&sslrootcert=/etc/my%20ca.pem&sslmode=verify-full",
                checked(Some("/etc/my ca.pem")),
            ),
        ] {
            let found = Address::parse(address).unwrap();
            assert_eq!(found.encryption, encryption, "{address}");
            let requires = found.config.get_ssl_mode() == SslMode::Require;
            assert_eq!(requires, encryption != Encryption::None, "{address}");
        }
    }

    #[test]
    fn a_port_is_shown_where_it_is_not_the_usual_one() {
        let address = Address::parse("postgres://u:s3cret@one:5433,two:5432,three/d").unwrap();
        assert_eq!(address.to_string(), "postgres://one:5433,two,three/d");
    }

    #[test]
    fn a_password_is_never_shown() {
        let address = Address::parse("postgres://u:s3cret@db.example.org/d").unwrap();
        assert_eq!(address.to_string(), "postgres://db.example.org/d");
        assert_eq!(format!("{address:?}"), "postgres://db.example.org/d");
        for bad in [
            "postgres://u:s3cret@db:port/d",
            "postgres://u:s3cret@db/d?sslmode=maybe",
            "postgres://u:s3cret@db/d?no_such=thing",
        ] {
            let error = Address::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
