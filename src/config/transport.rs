//! How the way to a target is kept from others: encryption, whose certificates are believed, and
//! what may stand between.

use std::net::IpAddr;
use std::path::Path;

use reqwest::Url;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// What a file with the keys of a target says of it.
pub(super) struct Section<'a> {
    pub name: &'static str,
    pub allow_insecure: bool,
    pub ca_file: &'a Path,
    pub proxy: &'a str,
}

/// Whose word is taken, and who may pass it on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    /// Certificates of authorities that are believed beside those of the system.
    pub authorities: Vec<CertificateDer<'static>>,
    /// All requests go by way of it. The environment has no say in this.
    pub proxy: Option<Url>,
}

impl Trust {
    /// `url` is the target's address, where that is sound, and `key` says where it comes from.
    ///
    /// # Errors
    /// Every fault, each a line that says what to do.
    pub(super) fn resolve(
        section: &Section<'_>,
        url: Option<(&str, &Url)>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let proxy = proxy(section).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let authorities = authorities(section).unwrap_or_else(|fault| {
            faults.push(fault);
            Vec::new()
        });
        if let Some((key, url)) = url {
            let stays_here = is_this_machine(url) && proxy.as_ref().is_none_or(is_this_machine);
            if url.scheme() == "http" && !stays_here && !section.allow_insecure {
                faults.push(in_the_clear(section.name, key, url));
            }
        }
        if faults.is_empty() { Ok(Self { authorities, proxy }) } else { Err(faults) }
    }
}

/// Whether an address leads to this machine by its very name, so that nobody can listen on the way.
pub fn is_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

fn in_the_clear(section: &str, key: &str, url: &Url) -> String {
    let secret = if section == "legacy" { "the secret" } else { "the token" };
    format!(
        "{key}: {url} is plain http to another machine, and whoever listens on the way reads \
         {secret}: use https://, or write allow_insecure = true into [{section}] if every network \
         between is your own"
    )
}

fn proxy(section: &Section<'_>) -> Result<Option<Url>, String> {
    let (name, text) = (section.name, section.proxy.trim());
    if text.is_empty() {
        return Ok(None);
    }
    let is_sound = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    };
    Url::parse(text).ok().filter(is_sound).map(Some).ok_or_else(|| {
        format!(
            "{name}.proxy: an address like http://proxy.example.org:3128, without a user name and a \
             password"
        )
    })
}

fn authorities(section: &Section<'_>) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = section.ca_file;
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let fault = |what: String| format!("{}.ca_file: {}: {what}", section.name, path.display());
    let text = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| fault(format!("it cannot be read as PEM: {error}")))?;
    if found.is_empty() {
        let what = "there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----";
        return Err(fault(what.to_owned()));
    }
    let mut store = RootCertStore::empty();
    for certificate in &found {
        let added = store.add(certificate.clone());
        added.map_err(|error| fault(format!("a certificate in it cannot be used: {error}")))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(url: &str, proxy: &str, allow_insecure: bool) -> Result<Trust, Vec<String>> {
        let section = Section { name: "ingest", allow_insecure, ca_file: Path::new(""), proxy };
        let url = Url::parse(url).unwrap();
        Trust::resolve(&section, Some(("ingest.url", &url)))
    }

    #[test]
    fn nothing_leaves_this_machine_in_the_clear_unless_that_is_said() {
        for (url, proxy, sound) in [
            ("http://127.0.0.1:1", "", true),
            ("http://127.9.9.9:1", "", true),
            ("http://[::1]:1", "", true),
            ("http://[::ffff:127.0.0.1]:1", "", true),
            ("http://localhost:1", "", true),
            ("http://192.0.2.1", "", false),
            ("http://0.0.0.0:1", "", false),
            ("http://[2001:db8::1]", "", false),
            ("http://localhost.example.org", "", false),
            ("http://nas", "", false),
            ("https://192.0.2.1", "", true),
            ("https://192.0.2.1", "http://192.0.2.2:3128", true),
            ("http://127.0.0.1:1", "http://127.0.0.1:3128", true),
            ("http://127.0.0.1:1", "http://192.0.2.2:3128", false),
        ] {
            let faults = resolved(url, proxy, false).err().unwrap_or_default();
            assert_eq!(faults.is_empty(), sound, "{url} {proxy}: {faults:?}");
            for fault in faults {
                assert!(fault.starts_with("ingest.url: http://"), "{fault}");
                assert!(fault.contains("allow_insecure = true into [ingest]"), "{fault}");
                assert!(fault.contains("use https://") && !fault.contains('\n'), "{fault}");
            }
            assert!(resolved(url, proxy, true).is_ok(), "{url} {proxy}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_without_a_password() {
        let trust = resolved("https://192.0.2.1", " http://192.0.2.2:3128 ", false).unwrap();
        assert_eq!(trust.proxy.unwrap().as_str(), "http://192.0.2.2:3128/");
        for proxy in ["socks5://192.0.2.2", "192.0.2.2:3128", "http://u:s3cret@192.0.2.2", "proxy"]
        {
            let faults = resolved("https://192.0.2.1", proxy, false).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with("ingest.proxy: "), "{faults:?}");
            assert!(!faults[0].contains("s3cret"), "{faults:?}");
        }
    }

    #[test]
    fn a_file_of_authorities_must_have_some() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let begin = "-----BEGIN CERTIFICATE-----";
        for (text, what) in [
            (None, "No such file"),
            (Some(String::new()), "there is no certificate in it"),
            (Some("words".to_owned()), "there is no certificate in it"),
            (Some(format!("{begin}\nAAAA")), "cannot be read as PEM"),
            (Some(format!("{begin}\nAAAA\n-----END CERTIFICATE-----\n")), "cannot be used"),
        ] {
            if let Some(text) = &text {
                std::fs::write(&path, text).unwrap();
            }
            let section =
                Section { name: "legacy", allow_insecure: false, ca_file: &path, proxy: "" };
            let faults = Trust::resolve(&section, None).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with("legacy.ca_file: "), "{faults:?}");
            assert!(faults[0].contains(what), "{faults:?}");
        }
    }
}
