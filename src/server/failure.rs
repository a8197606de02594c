//! Why the server did not start, or did not go on.

/// What the exit status tells apart.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Starting again as it is will not help.
    #[error("{0}")]
    Config(String),
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}
