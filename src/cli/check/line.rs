//! What one check came to.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    /// It can be lived with, or cannot be told.
    Warning,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub check: &'static str,
    pub outcome: Outcome,
    /// What was found.
    pub words: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Line {
    pub fn ok(check: &'static str, words: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Ok, words: words.into(), advice: None }
    }

    pub fn warning(
        check: &'static str,
        words: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = Some(advice.into());
        Self { check, outcome: Outcome::Warning, words: words.into(), advice }
    }

    pub fn failed(
        check: &'static str,
        words: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Failed, ..Self::warning(check, words, advice) }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failed => "failed",
        };
        write!(f, "{outcome:<8} {:<16} {}", self.check, self.words)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}
