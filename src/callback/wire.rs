//! What is asked and answered, as the dashboard has always had it (contract G.1).

use serde::{Deserialize, Serialize};

/// The body of `POST /delete-reports`.
#[derive(Debug, Deserialize)]
pub struct DeleteReports {
    #[serde(default)]
    pub files: Vec<String>,
    #[serde(default)]
    pub ids: Vec<String>,
    #[serde(default = "yes")]
    pub delete_audio: bool,
}

fn yes() -> bool {
    true
}

/// The answer to it.
#[derive(Debug, Serialize)]
pub struct ReportsDeleted {
    /// Files.
    pub deleted: usize,
    pub errors: Vec<String>,
    pub message: String,
    /// Why not all of it could be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The answer to `DELETE /api/delete/{id}`.
#[derive(Debug, Serialize)]
pub struct ItemDeleted {
    /// `success` or `error`.
    pub status: &'static str,
    pub message: String,
    pub deleted_files: usize,
    pub errors: Vec<String>,
    /// It had been deleted before.
    pub idempotent: bool,
}

/// Why nothing was done.
#[derive(Debug, Serialize)]
pub struct Fault {
    pub error: String,
}
