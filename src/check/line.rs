//! What one check came to.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::TargetName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    /// It can be lived with, or cannot be told.
    Warning,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Whose, where it is about the way to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cow<'static, str>>,
    pub check: Cow<'static, str>,
    pub outcome: Outcome,
    /// What was found.
    pub words: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Line {
    pub fn ok(check: &'static str, words: impl Into<String>) -> Self {
        let check = check.into();
        Self { target: None, check, outcome: Outcome::Ok, words: words.into(), advice: None }
    }

    pub fn warning(
        check: &'static str,
        words: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (check, advice) = (check.into(), Some(advice.into()));
        Self { target: None, check, outcome: Outcome::Warning, words: words.into(), advice }
    }

    pub fn failed(
        check: &'static str,
        words: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Failed, ..Self::warning(check, words, advice) }
    }

    /// The same, of a target.
    pub fn of(self, target: TargetName) -> Self {
        Self { target: Some(target.as_str().into()), ..self }
    }

    pub fn has_failed(&self) -> bool {
        self.outcome == Outcome::Failed
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failed => "failed",
        };
        let (target, blank) = self.target.as_deref().map_or(("", ""), |target| (target, " "));
        let check = format!("{target}{blank}{}", self.check);
        write!(f, "{outcome:<8} {check:<25} {}", self.words)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}
