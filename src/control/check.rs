//! `POST /check`: goes the way to every target, as the daemon alone may be able to: its address and
//! its secrets may have been handed to it, and to nobody else.

use serde::Deserialize;

use super::Desk;
use super::wire::Checked;
use crate::check;

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Whether a test record goes it too.
    #[serde(default)]
    write: bool,
}

/// Answers when the way has come to its end.
pub async fn answer(desk: &Desk, asked: Asked) -> Checked {
    let config = desk.settings.borrow().clone();
    Checked { lines: check::targets(&config, asked.write).await }
}
