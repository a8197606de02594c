//! Tries the way to every target, step by step, and says of each step what was found and what to do.

mod line;
mod record;
mod target;
mod way;

pub use line::{Line, Outcome};

use crate::config::Config;

/// The way to every target that a configuration sends to. With `write`, a test record goes it too.
pub async fn targets(config: &Config, write: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for name in config.targets() {
        let Some(endpoint) = config.endpoint(name) else { continue };
        let way = target::check(name, endpoint, write).await;
        lines.extend(way.into_iter().map(|line| line.of(name)));
    }
    lines
}
