//! How one target is spoken to: its address, its secret, its limits.

use std::path::Path;
use std::time::Duration;

use reqwest::Url;

use super::secret::{INGEST_TOKEN, SYNC_SECRET, is_quoted};
use super::{ConfigFile, Environment, Token, Trust, transport};
use crate::id::TargetName;

/// A target, and how it is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub url: Url,
    pub secret: Token,
    pub trust: Trust,
    /// How many requests may be under way at once.
    pub parallel: usize,
    pub connect_timeout: Duration,
    pub report_timeout: Duration,
    pub audio_timeout: Duration,
}

/// The variables that may hold the dashboard's address, the strongest first (contract I.3).
pub const URL_VARIABLES: [&str; 3] =
    ["POSTGRES_DASHBOARD_URL", "RENDER_DASHBOARD_URL", "RENDER_API_URL"];

/// What the file says of a target.
struct Section<'a> {
    transport: transport::Section<'a>,
    secret_file: &'a Path,
    parallel: usize,
    timeouts: [(&'static str, Duration); 3],
}

/// Turns what file and environment say of a target into what the daemon uses.
///
/// # Errors
/// Every fault, each a line that names its key.
pub(super) fn resolve(
    target: TargetName,
    file: &ConfigFile,
    environment: Environment<'_>,
) -> Result<Endpoint, Vec<String>> {
    let timeouts = |connect, report, audio| {
        [("connect_timeout", connect), ("report_timeout", report), ("audio_timeout", audio)]
    };
    let (section, places) = match target {
        TargetName::Dashboard => {
            let file = &file.ingest;
            let section = Section {
                transport: transport::Section {
                    name: "ingest",
                    allow_insecure: file.allow_insecure,
                    ca_file: &file.ca_file,
                    proxy: &file.proxy,
                },
                secret_file: &file.token_file,
                parallel: file.parallel,
                timeouts: timeouts(file.connect_timeout, file.report_timeout, file.audio_timeout),
            };
            (section, &INGEST_TOKEN)
        }
        TargetName::Legacy => {
            let file = &file.legacy;
            let section = Section {
                transport: transport::Section {
                    name: "legacy",
                    allow_insecure: file.allow_insecure,
                    ca_file: &file.ca_file,
                    proxy: &file.proxy,
                },
                secret_file: &file.secret_file,
                parallel: file.parallel,
                timeouts: timeouts(file.connect_timeout, file.report_timeout, file.audio_timeout),
            };
            (section, &SYNC_SECRET)
        }
    };
    let Section { parallel, transport: transport::Section { name, .. }, .. } = section;
    let url = base_url(name, &candidates(target, file, environment));
    let trust = Trust::resolve(&section.transport, url.as_ref().ok().map(|(key, url)| (*key, url)));
    let secret = Token::find(places, section.secret_file, environment);

    let mut faults = Vec::new();
    if !(1..=64).contains(&parallel) {
        faults.push(format!("{name}.parallel: {parallel} is not between 1 and 64"));
    }
    for (key, value) in section.timeouts {
        if value.is_zero() {
            faults.push(format!("{name}.{key}: must be longer than nothing"));
        }
    }
    let [(_, connect_timeout), (_, report_timeout), (_, audio_timeout)] = section.timeouts;
    match (url, secret, trust) {
        (Ok((_, url)), Ok(secret), Ok(trust)) if faults.is_empty() => Ok(Endpoint {
            url,
            secret,
            trust,
            parallel,
            connect_timeout,
            report_timeout,
            audio_timeout,
        }),
        (url, secret, trust) => {
            let told = [url.err(), secret.err()].into_iter().flatten();
            Err(told.chain(trust.err().into_iter().flatten()).chain(faults).collect())
        }
    }
}

/// Where an address may stand, the strongest first, each with what is there.
///
/// The two older variables named the legacy dashboard first, and later, where that was gone, the
/// only one (contract I.1 and I.3). Whoever has a secret for the legacy endpoints means the former.
pub(super) fn candidates(
    target: TargetName,
    file: &ConfigFile,
    environment: Environment<'_>,
) -> Vec<(&'static str, String)> {
    let legacy_is_told = SYNC_SECRET.first(&file.legacy.secret_file, environment).is_some();
    let (key, url) = match target {
        TargetName::Dashboard => ("ingest.url", &file.ingest.url),
        TargetName::Legacy => ("legacy.url", &file.legacy.url),
    };
    let [postgres, render @ ..] = URL_VARIABLES;
    let from = |name: &'static str| environment(name).map(|value| (name, value));
    let render = render.into_iter().find_map(from);
    let in_file = (!url.trim().is_empty()).then(|| (key, url.clone()));
    let places = match target {
        TargetName::Dashboard if legacy_is_told => [from(postgres), in_file, render],
        TargetName::Dashboard => [from(postgres), render, in_file],
        TargetName::Legacy => [render, in_file, None],
    };
    places.into_iter().flatten().collect()
}

/// The strongest address, with where it stands; trimmed, without a trailing slash, http or https
/// (contract I.3, C.1).
fn base_url(
    section: &str,
    candidates: &[(&'static str, String)],
) -> Result<(&'static str, Url), String> {
    let Some((key, text)) = candidates.first() else {
        let variable = if section == "legacy" { URL_VARIABLES[1] } else { URL_VARIABLES[0] };
        return Err(format!(
            "{section}.url: not set: write the dashboard's address there, or into {variable}"
        ));
    };
    if is_quoted(text.trim()) {
        return Err(format!("{key}: the address stands in quotes: write it without them"));
    }
    let url = Url::parse(text.trim().trim_end_matches('/')).map_err(|error| {
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
    Ok((*key, url))
}
