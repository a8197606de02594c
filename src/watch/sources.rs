//! The hints about every source, by its name.

use super::{Hints, Touch};
use crate::file::{FileRef, Root};

/// The hints about the directories and the old database: one set, shared by all who have it.
#[derive(Clone, Debug, Default)]
pub struct SourceHints {
    reports: Hints,
    exports: Hints,
    rows: Hints,
}

impl SourceHints {
    /// Those about one source.
    pub fn of(&self, root: Root) -> &Hints {
        match root {
            Root::Reports => &self.reports,
            Root::Exports => &self.exports,
            Root::Rows => &self.rows,
        }
    }

    /// Has a file, or a row, read again whatever its stamp says.
    pub fn doubt(&self, file: &FileRef) {
        self.of(file.root).add(&file.name, Touch::Doubted);
    }

    /// Asks for a look at everything.
    pub fn add_everything(&self) {
        Root::SOURCES.into_iter().for_each(|root| self.of(root).add_everything());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_heard_at_its_own_source_alone() {
        for root in Root::SOURCES {
            let hints = SourceHints::default();
            hints.doubt(&FileRef::new(root, "name"));
            for other in Root::SOURCES {
                let names = hints.of(other).take().names;
                assert_eq!(names.len(), usize::from(root == other), "{root} {other}");
            }
        }
    }
}
