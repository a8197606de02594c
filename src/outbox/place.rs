//! Where an outbox may lie: not on a file system that another machine, or a program, stands behind.

use std::path::Path;

use super::OutboxError;
use crate::file_system::{self, FileSystem};

/// Refuses a network file system: SQLite's log and locks are sound on one machine's own disk alone,
/// and the others only look as if they did what they are told (`faults.md` 1).
///
/// # Errors
/// [`OutboxError::Network`].
pub fn check(path: &Path) -> Result<(), OutboxError> {
    // The directory may not be there yet; it will be made where the first that is there lies.
    let place = path.ancestors().skip(1).find_map(file_system::of);
    match place {
        Some(FileSystem { name: system, is_remote: true }) => {
            Err(OutboxError::Network { path: path.to_owned(), system })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_where_it_will_be() {
        check(Path::new("outbox.db")).unwrap();
        check(&std::env::temp_dir().join("not/there/yet/outbox.db")).unwrap();
    }
}
