//! Where a target is asked. What is delivered goes to the same two places each time, and these are
//! parsed once for all.

use reqwest::Url;

use super::wire;
use crate::id::{Kind, TargetName};

/// A target's address, and what follows from it.
#[derive(Debug)]
pub struct Address {
    /// Without a slash at the end.
    base: String,
    report: Url,
    audio: Url,
}

impl Address {
    /// # Errors
    /// When something cannot stand below this address.
    pub fn new(name: TargetName, url: &Url) -> anyhow::Result<Self> {
        let base = url.as_str().trim_end_matches('/').to_owned();
        let place = |kind| Url::parse(&format!("{base}{}", wire::path(name, kind)));
        Ok(Self { report: place(Kind::Report)?, audio: place(Kind::Audio)?, base })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Where a kind is delivered to.
    pub fn of(&self, kind: Kind) -> &Url {
        match kind {
            Kind::Report => &self.report,
            Kind::Audio => &self.audio,
        }
    }
}
