//! Reads what a verification tells, a JSON object a line.

use std::collections::VecDeque;

use reqwest::Response;

use super::lines::Lines;
use crate::control::wire::Verifying;

/// What a verification tells, one line after the other. Dropping it ends the verification.
#[derive(Debug)]
pub struct Verification {
    response: Response,
    lines: Lines,
    ready: VecDeque<Verifying>,
}

impl Verification {
    pub(super) fn new(response: Response) -> Self {
        Self { response, lines: Lines::default(), ready: VecDeque::new() }
    }

    /// The next line; nothing behind the last, nor once the daemon is gone. What is not understood
    /// is of a newer daemon, and passed over.
    pub async fn next(&mut self) -> Option<Verifying> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            let lines = self.lines.feed(&chunk)?;
            self.ready.extend(lines.iter().filter_map(|line| serde_json::from_str(line).ok()));
        }
    }
}
