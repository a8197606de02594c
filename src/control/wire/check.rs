//! `POST /check`.

use serde::{Deserialize, Serialize};

use crate::check::Line;

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// A line for each step of the way to each target.
    pub lines: Vec<Line>,
}
