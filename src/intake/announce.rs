//! What the intake says of files, in the log and in the journal: each thing once, when it is found
//! out.

use tracing::warn;

use crate::clock;
use crate::file::{FileRef, Root};
use crate::id::Kind;
use crate::journal::{Happening, Journal, News};
use crate::outbox::{Finding, Found, Recorded, Vanished, Wanted};

/// Says what was found in files.
pub fn findings<'a>(journal: &Journal, findings: impl Iterator<Item = &'a Finding>) {
    for finding in findings {
        warn_of(finding);
        journal.tell(seen(finding), clock::now());
    }
}

/// Says what follows for the targets.
pub fn recorded(journal: &Journal, recorded: &Recorded) {
    for Vanished { kind, id } in &recorded.vanished {
        warn!(%id, %kind, "its file is gone before it was delivered; nothing will be sent of it");
    }
    for Wanted { target, kind, id, waits, .. } in &recorded.wanted {
        let news = News {
            target: Some(target.clone()),
            kind: Some(*kind),
            content: Some(id.to_string()),
            words: waits.then(|| "it waits for its report".to_owned()),
            ..News::new(Happening::Due)
        };
        journal.tell(news, clock::now());
    }
}

fn warn_of(Finding { file, found }: &Finding) {
    if let Found::Report(_, facts) = found {
        for remark in &facts.remarks {
            warn!(%file, remark, "an odd report is delivered all the same");
        }
    }
    if let Some(problem) = problem(found) {
        warn!(%file, problem, "this file cannot be delivered");
    }
    if std::str::from_utf8(file.name_bytes()).is_err() && !matches!(found, Found::Gone(_)) {
        warn!(%file,
            "the name of this file is not UTF-8: it goes by what is in it; rename it to be rid of \
             this line");
    }
}

fn seen(Finding { file, found }: &Finding) -> News {
    News {
        root: Some(file.root.to_string()),
        kind: Some(kind_of(file)),
        content: match found {
            Found::Report(_, facts) => Some(facts.id.to_string()),
            _ => None,
        },
        path: Some(file.to_string()),
        words: match found {
            Found::Gone(_) => Some("it is gone".to_owned()),
            found => problem(found).map(str::to_owned),
        },
        ..News::new(Happening::Seen)
    }
}

fn problem(found: &Found) -> Option<&str> {
    match found {
        Found::Problem(_, problem)
        | Found::Obstacle(_, problem)
        | Found::NotOurs(_, problem)
        | Found::Deleted(_, problem) => Some(problem),
        Found::Report(..) | Found::Audio(..) | Found::Gone(_) => None,
    }
}

fn kind_of(file: &FileRef) -> Kind {
    match file.root {
        Root::Reports | Root::Rows => Kind::Report,
        Root::Exports => Kind::Audio,
    }
}
