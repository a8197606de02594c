//! Reports that were read a moment ago, for whoever sends them: what has just come need not be read
//! twice, nor another thread be woken for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::file::{FileRef, Stamp};
use crate::report::Report;

/// Longer files, in bytes, are read when it is their turn to be sent, so that memory holds no more of
/// them than there are requests.
pub const SHORT: i64 = 64 * 1024;
/// So many are kept: more would only wait.
const KEPT: usize = 8;

/// The last few of them, for as many as put and take some.
#[derive(Clone, Debug, Default)]
pub struct JustRead(Arc<Mutex<VecDeque<(FileRef, Stamp, Report)>>>);

impl JustRead {
    /// Keeps what was read of a file with this stamp, in the place of what was read of it before.
    pub fn put(&self, file: &FileRef, stamp: Stamp, report: Report) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, ..)| known != file);
        if stamp.size > SHORT {
            return;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((file.clone(), stamp, report));
    }

    /// What was read of a file with just this stamp, once.
    pub fn take(&self, file: &FileRef, stamp: &Stamp) -> Option<Report> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, at, _)| known == file && at == stamp)?;
        kept.remove(place).map(|(.., report)| report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Root;
    use crate::report::{IdPolicy, Source, read};
    use jiff::tz::TimeZone;

    fn report(id: &str) -> Report {
        let source = Source { file_stem: "x", zone: &TimeZone::UTC, ids: IdPolicy::default() };
        let summary = serde_json::json!({ "variant": "comprehensive", "text": "A text." });
        let report = serde_json::json!({
            "id": format!("{id:->11}"), "title": "A title", "canonical_url": "https://example.org/a",
            "summary_variants": [summary],
        });
        read(report.to_string(), &source).unwrap()
    }

    fn file(name: &str) -> FileRef {
        FileRef::new(Root::Reports, name)
    }

    fn stamp(size: i64) -> Stamp {
        Stamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0 }
    }

    #[test]
    fn a_report_is_taken_once_and_only_as_it_was_read_last() {
        let just_read = JustRead::default();
        let id = |report: Option<Report>| report.map(|report| report.id.to_string());
        just_read.put(&file("a"), stamp(1), report("one"));
        assert_eq!(id(just_read.take(&file("a"), &stamp(2))), None);
        assert_eq!(id(just_read.take(&file("b"), &stamp(1))), None);
        just_read.put(&file("a"), stamp(1), report("two"));
        assert_eq!(id(just_read.take(&file("a"), &stamp(1))).as_deref(), Some("--------two"));
        assert_eq!(id(just_read.take(&file("a"), &stamp(1))), None);
    }

    #[test]
    fn only_a_few_short_ones_are_kept() {
        let just_read = JustRead::default();
        just_read.put(&file("long"), stamp(SHORT + 1), report("long"));
        for n in 0..=KEPT {
            just_read.put(&file(&n.to_string()), stamp(SHORT), report("id"));
        }
        assert!(just_read.take(&file("long"), &stamp(SHORT + 1)).is_none());
        assert!(just_read.take(&file("0"), &stamp(SHORT)).is_none());
        for n in 1..=KEPT {
            assert!(just_read.take(&file(&n.to_string()), &stamp(SHORT)).is_some(), "{n}");
        }
    }
}
