//! The rules by which a target is found to be level in an id, or not.

use super::{Audio, Claim, Cure, Difference, Report, Shown, Standing, Texts, What};
use crate::contract::VISIBLE_VARIANTS;
use crate::id::Kind;

/// How a target differs in an id. `record` is what it shows; `bytes` is how much audio it has, where
/// it was asked.
pub fn judge(claim: &Claim, record: Option<&Shown>, bytes: Option<Option<u64>>) -> Vec<Difference> {
    let Some(report) = &claim.report else {
        let extra = || difference(What::Extra, "no file stands for it any more", Cure::Nothing);
        return record.map(|_| extra()).into_iter().collect();
    };
    let mut found = match (&report.standing, record) {
        (Standing::Dropped, _) => return Vec::new(),
        (Standing::Open(why), None) => {
            // Its audio, if there is any, waits for it.
            return vec![difference(What::Missing, why.clone(), Cure::Retry)];
        }
        (Standing::Open(why), Some(_)) => {
            vec![difference(What::Stale, format!("it has an older version: {why}"), Cure::Retry)]
        }
        (Standing::Acknowledged, None) => return vec![absent(report, None, bytes)],
        (Standing::Reserved(why), None) => return vec![absent(report, Some(why), bytes)],
        (Standing::Adopted, None) => {
            let why = "it was taken as delivered by order, and is not there";
            return vec![difference(What::Missing, why, Cure::Resend(None))];
        }
        (Standing::Acknowledged | Standing::Reserved(_) | Standing::Adopted, Some(shown)) => {
            match &report.texts {
                Ok(texts) => compare(texts, &shown.texts),
                Err(why) => vec![difference(What::Disk, why.clone(), Cure::Look)],
            }
        }
    };
    if let (Some(audio), Some(shown)) = (&claim.audio, record) {
        found.extend(of_audio(audio, shown.names_audio, bytes));
    }
    found
}

/// How the texts of a record differ from those that it ought to have.
pub fn compare(wanted: &Texts, shown: &Texts) -> Vec<Difference> {
    let mut why = Vec::new();
    if wanted.title != shown.title {
        why.push(format!("its title is {:?} there, and {:?} here", shown.title, wanted.title));
    }
    for (name, text) in &wanted.summaries {
        match shown.summary(name) {
            Some(other) if other != text => why.push(format!("its summary {name} is another")),
            // Others than these need not be told of.
            None if is_visible(name) => why.push(format!("its summary {name} is not there")),
            _ => {}
        }
    }
    let stale = |why| difference(What::Stale, why, Cure::Resend(Some(Kind::Report)));
    if why.is_empty() { Vec::new() } else { vec![stale(why.join("; "))] }
}

/// What was acknowledged, perhaps with a reservation, is not shown.
fn absent(report: &Report, but: Option<&String>, bytes: Option<Option<u64>>) -> Difference {
    let names = |names: &mut dyn Iterator<Item = &String>| {
        let names: Vec<&str> = names.map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    if let Ok(texts) = &report.texts
        && !texts.names().any(|name| is_visible(name))
    {
        let why = format!(
            "the report has no summary that a dashboard shows (it has {}): it needs one, such as \
             comprehensive",
            names(&mut texts.names())
        );
        return difference(What::Invisible, why, Cure::Nothing);
    }
    if !report.taken.iter().any(|name| is_visible(name)) {
        let why = format!(
            "it took the record, and no summary that it shows (it took {})",
            names(&mut report.taken.iter())
        );
        return difference(What::Invisible, why, Cure::Resend(Some(Kind::Report)));
    }
    if let Some(but) = but {
        return difference(What::Missing, but.clone(), Cure::Resend(None));
    }
    let audio = match bytes {
        Some(Some(_)) => "; its audio is still there",
        _ => "",
    };
    let why = format!(
        "it was acknowledged, its file has not changed since, and it is shown no more; which of the \
         two it was, a dashboard does not say{audio}"
    );
    difference(What::Deleted, why, Cure::Nothing)
}

fn of_audio(audio: &Audio, is_named: bool, bytes: Option<Option<u64>>) -> Option<Difference> {
    let again = Cure::Resend(Some(Kind::Audio));
    match (&audio.standing, bytes) {
        (Standing::Dropped, _) | (_, None) => None,
        (Standing::Open(why), Some(None)) => {
            Some(difference(What::AudioMissing, why.clone(), Cure::Retry))
        }
        (Standing::Open(why), Some(Some(_))) => {
            let why = format!("it has an older version: {why}");
            Some(difference(What::AudioMissing, why, Cure::Retry))
        }
        (_, Some(None)) => Some(difference(What::AudioMissing, "it serves no such file", again)),
        (_, Some(Some(there))) => match &audio.size {
            Err(why) => Some(difference(What::Disk, why.clone(), Cure::Look)),
            Ok(size) if *size != there => {
                let why = format!("it has {there} bytes there, and {size} here");
                Some(difference(What::AudioSize, why, again))
            }
            Ok(_) if is_named => None,
            Ok(_) => {
                let why = "its record does not say that it has audio";
                Some(difference(What::AudioUnlinked, why, again))
            }
        },
    }
}

fn difference(what: What, why: impl Into<String>, cure: Cure) -> Difference {
    Difference { what, why: why.into(), cure }
}

fn is_visible(name: &str) -> bool {
    VISIBLE_VARIANTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(title: &str, summaries: &[(&str, &str)]) -> Texts {
        Texts::new(title, summaries.iter().copied())
    }

    fn shown(title: &str, summaries: &[(&str, &str)], names_audio: bool) -> Shown {
        Shown { texts: texts(title, summaries), names_audio }
    }

    fn report(standing: Standing, summaries: &[(&str, &str)], taken: &[&str]) -> Option<Report> {
        let taken = taken.iter().map(|name| (*name).to_owned()).collect();
        Some(Report { standing, texts: Ok(texts("t", summaries)), taken })
    }

    fn audio(standing: Standing) -> Option<Audio> {
        Some(Audio { standing, size: Ok(100) })
    }

    const TEXT: &[(&str, &str)] = &[("comprehensive", "one"), ("adaptive", "two")];
    const NAMES: &[&str] = &["comprehensive", "adaptive"];

    use Standing::{Acknowledged, Adopted, Dropped};

    fn reserved() -> Standing {
        Standing::Reserved("it was acknowledged, and is not shown there".to_owned())
    }

    fn open() -> Standing {
        Standing::Open("parked: 413".to_owned())
    }

    #[test]
    fn a_record_that_is_not_shown_is_missing_invisible_or_deleted() {
        let hidden = &[("adaptive", "two")][..];
        let again = |kind| Cure::Resend(Some(kind));
        for (report, audio, bytes, what, cure) in [
            // Never acknowledged, or changed since.
            (report(open(), TEXT, &[]), None, None, What::Missing, Cure::Retry),
            (report(open(), TEXT, NAMES), audio(open()), Some(None), What::Missing, Cure::Retry),
            // Nobody at the dashboard ever said that it holds it.
            (report(Adopted, TEXT, NAMES), None, None, What::Missing, Cure::Resend(None)),
            (report(reserved(), TEXT, NAMES), None, None, What::Missing, Cure::Resend(None)),
            // Nothing of it can be seen, whatever is done; or could, and did not arrive.
            (report(Acknowledged, &[], &[]), None, None, What::Invisible, Cure::Nothing),
            (
                report(Acknowledged, hidden, &["adaptive"]),
                None,
                None,
                What::Invisible,
                Cure::Nothing,
            ),
            (report(Acknowledged, TEXT, &[]), None, None, What::Invisible, again(Kind::Report)),
            (
                report(Acknowledged, TEXT, &["adaptive"]),
                None,
                None,
                What::Invisible,
                again(Kind::Report),
            ),
            // Acknowledged, unchanged, and gone.
            (report(Acknowledged, TEXT, NAMES), None, None, What::Deleted, Cure::Nothing),
            (
                report(Acknowledged, TEXT, NAMES),
                audio(Acknowledged),
                Some(None),
                What::Deleted,
                Cure::Nothing,
            ),
            // A deletion does not always take the audio.
            (
                report(Acknowledged, TEXT, NAMES),
                audio(Acknowledged),
                Some(Some(100)),
                What::Deleted,
                Cure::Nothing,
            ),
        ] {
            let claim = Claim { report, audio };
            let found = judge(&claim, None, bytes);
            assert_eq!(found.len(), 1, "{claim:?}: {found:?}");
            assert_eq!((found[0].what, found[0].cure), (what, cure), "{claim:?}: {found:?}");
        }
    }

    #[test]
    fn what_nobody_asks_for_is_no_difference() {
        for claim in [
            Claim { report: report(Dropped, TEXT, &[]), audio: audio(Dropped) },
            Claim { report: None, audio: None },
        ] {
            assert_eq!(judge(&claim, None, None), [], "{claim:?}");
        }
        let claim = Claim { report: report(Acknowledged, TEXT, NAMES), audio: audio(Dropped) };
        assert_eq!(judge(&claim, Some(&shown("t", TEXT, false)), Some(None)), []);
        let gone = Claim { report: None, audio: None };
        let found = judge(&gone, Some(&shown("t", TEXT, false)), None);
        assert_eq!((found[0].what, found[0].cure), (What::Extra, Cure::Nothing));
    }

    #[test]
    fn a_record_that_is_shown_is_level_or_stale() {
        let claim = Claim { report: report(Acknowledged, TEXT, NAMES), audio: None };
        for (record, why) in [
            (shown("t", TEXT, false), None),
            // What is there besides is nobody's business.
            (shown("t", &[TEXT, &[("executive", "x")]].concat(), true), None),
            (shown("t ", &[("comprehensive", " one\n"), ("adaptive", "two")], false), None),
            // A dashboard may tell only of summaries that it shows.
            (shown("t", &TEXT[..1], false), None),
            (shown("u", TEXT, false), Some("its title is \"u\" there, and \"t\" here")),
            (
                shown("t", &[("comprehensive", "0")], false),
                Some("its summary comprehensive is another"),
            ),
            (
                shown("t", &[("executive", "0")], false),
                Some("its summary comprehensive is not there"),
            ),
            (
                shown("t", &[("comprehensive", "one"), ("adaptive", "0")], false),
                Some("its summary adaptive is another"),
            ),
        ] {
            let found = judge(&claim, Some(&record), None);
            assert_eq!(found.first().map(|f| f.why.as_str()), why, "{record:?}");
            assert!(
                found
                    .iter()
                    .all(|f| f.what == What::Stale && f.cure == Cure::Resend(Some(Kind::Report)))
            );
        }
        let waiting = Claim { report: report(open(), TEXT, NAMES), audio: None };
        let found = judge(&waiting, Some(&shown("t", TEXT, false)), None);
        assert_eq!((found[0].what, found[0].cure), (What::Stale, Cure::Retry));
        let nameless = Texts::new("", [].into_iter());
        assert_eq!(compare(&nameless, &texts("(untitled)", &[])), []);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_to_be_looked_at_and_its_audio_is_judged_all_the_same() {
        let report = Report {
            standing: Acknowledged,
            texts: Err("a.json is gone".to_owned()),
            taken: vec!["comprehensive".to_owned()],
        };
        let claim = Claim { report: Some(report), audio: audio(Acknowledged) };
        let found = judge(&claim, Some(&shown("t", TEXT, true)), Some(Some(99)));
        let told: Vec<_> = found.iter().map(|f| (f.what, f.cure)).collect();
        let again = Cure::Resend(Some(Kind::Audio));
        assert_eq!(told, [(What::Disk, Cure::Look), (What::AudioSize, again)]);
    }

    #[test]
    fn audio_is_there_whole_and_linked_or_it_is_sent_again() {
        let again = Cure::Resend(Some(Kind::Audio));
        for (standing, names, bytes, expected) in [
            (Acknowledged, true, Some(Some(100)), None),
            (Adopted, true, Some(Some(100)), None),
            (Acknowledged, true, Some(None), Some((What::AudioMissing, again))),
            (Adopted, false, Some(None), Some((What::AudioMissing, again))),
            (Acknowledged, true, Some(Some(99)), Some((What::AudioSize, again))),
            (Acknowledged, false, Some(Some(0)), Some((What::AudioSize, again))),
            (Acknowledged, false, Some(Some(100)), Some((What::AudioUnlinked, again))),
            (open(), false, Some(None), Some((What::AudioMissing, Cure::Retry))),
            (open(), true, Some(Some(7)), Some((What::AudioMissing, Cure::Retry))),
            (Dropped, false, Some(None), None),
        ] {
            let claim =
                Claim { report: report(Acknowledged, TEXT, NAMES), audio: audio(standing.clone()) };
            let found = judge(&claim, Some(&shown("t", TEXT, names)), bytes);
            let told = found.first().map(|f| (f.what, f.cure));
            assert_eq!(told, expected, "{standing:?} {names} {bytes:?}");
            assert!(found.len() < 2);
        }
    }
}
