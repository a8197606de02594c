//! Reads a report file for what the outbox keeps of it.

use std::io::Read;

use super::look::{Outcome, Rules};
use crate::file::{FileRef, Stamp};
use crate::outbox::{Found, ReportFacts};
use crate::report::{self, Problem, Report, Source};
use crate::watch::{OpenedFile, Pulse};

/// What the outbox keeps of a report with this stamp.
pub fn facts(report: &Report, stamp: &Stamp) -> ReportFacts {
    ReportFacts {
        made_ms: report.made_at.map_or(stamp.mtime_ns / 1_000_000, |at| at.as_millisecond()),
        fields: report.fields.digest(),
        variants: report.variants.iter().map(|v| (v.name.clone(), v.digest())).collect(),
        id: report.id.clone(),
        remarks: report.remarks.clone(),
    }
}

pub fn read(opened: &OpenedFile, file: &FileRef, rules: &Rules, pulse: &Pulse) -> Outcome {
    let stamp = opened.stamp;
    if u64::try_from(stamp.size).unwrap_or(u64::MAX) > rules.report_limit {
        let problem = format!(
            "it has {} bytes, and limits.report is {}: raise that, if this really is a report",
            stamp.size, rules.report_limit
        );
        return Outcome::Found(Found::Obstacle(stamp, problem));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0));
    // What grows beyond the limit while it is read is caught by the stamp afterwards.
    if let Err(error) = pulse.of(&opened.file).take(rules.report_limit).read_to_end(&mut bytes) {
        return Outcome::Failed(error);
    }
    let stem = file.stem();
    let source = Source { file_stem: &stem, zone: &rules.timezone, ids: rules.ids };
    match report::read(bytes, &source) {
        Ok(report) => {
            let found = Found::Report(stamp, facts(&report, &stamp));
            rules.just_read.put(file, stamp, report);
            Outcome::Found(found)
        }
        Err(problem) => {
            let text = format!("{problem}. {}", problem.hint());
            if problem.may_be_unfinished() {
                Outcome::Unfinished(stamp, text)
            } else {
                Outcome::Found(match problem {
                    Problem::NotAReport | Problem::NotAnObject => Found::NotOurs(stamp, text),
                    _ => Found::Problem(stamp, text),
                })
            }
        }
    }
}
