//! A second look at what was acknowledged: whether it can be read where it went.

use tracing::debug;

use crate::config::VerifyMode;
use crate::id::{ContentId, Version};
use crate::proof::{Texts, compare};
use crate::target::{Target, Unread};

/// One in so many is looked at in [`VerifyMode::Sample`].
const ONE_IN: u16 = 100;

/// Whether the delivery of a version is to be looked at: by chance, since versions are digests.
pub fn is_chosen(mode: VerifyMode, version: Version) -> bool {
    match mode {
        VerifyMode::Off => false,
        VerifyMode::Always => true,
        VerifyMode::Sample => {
            let [first, second, ..] = *version.as_bytes();
            u16::from_be_bytes([first, second]) % ONE_IN == 0
        }
    }
}

/// What is wrong with a report that was just acknowledged. No answer says nothing.
pub async fn at_report(target: &Target, id: &ContentId, sent: &Texts) -> Option<String> {
    let record = said(id, target.record(id).await)?;
    let Some(record) = record else {
        return Some("it was acknowledged, and is not shown there".to_owned());
    };
    let shown = Texts::from(&record);
    let differences = compare(sent, &shown).into_iter().map(|difference| difference.why);
    let why: Vec<String> = differences.collect();
    (!why.is_empty()).then(|| format!("it was acknowledged, and {}", why.join("; ")))
}

/// The same of an audio file of so many bytes.
pub async fn at_audio(target: &Target, id: &ContentId, bytes: u64) -> Option<String> {
    match said(id, target.audio_size(id).await)? {
        None => Some("it was acknowledged, and there is no such file there".to_owned()),
        Some(there) if there == bytes => None,
        Some(there) => {
            Some(format!("it was acknowledged, and has {there} bytes there instead of {bytes}"))
        }
    }
}

fn said<T>(id: &ContentId, answer: Result<T, Unread>) -> Option<T> {
    answer.inspect_err(|fault| debug!(%id, %fault, "no second look")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_about_one_in_a_hundred() {
        let count = |mode| {
            let versions = (0..10_000_u32).map(|n| Version::of(&n.to_be_bytes()));
            versions.filter(|version| is_chosen(mode, *version)).count()
        };
        assert_eq!((count(VerifyMode::Off), count(VerifyMode::Always)), (0, 10_000));
        assert!((60..140).contains(&count(VerifyMode::Sample)));
    }
}
