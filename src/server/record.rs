//! What a report and what is known already become as a stored record. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::store::{AudioClaim, Report};

/// The `content` row of one id, as it stands in the store. JSON columns hold JSON text: equal
/// text, equal column, without the doubts of comparing floating-point numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub video_id: String,
    pub title: String,
    pub channel_name: String,
    pub indexed_at: Timestamp,
    pub duration_seconds: Option<i64>,
    pub thumbnail_url: Option<String>,
    pub canonical_url: Option<String>,
    pub subcategories_json: Option<String>,
    pub analysis_json: Option<String>,
    pub topics_json: Option<String>,
    pub has_audio: bool,
}

/// Where a record's audio is, and how long it plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub url: Option<String>,
    pub duration_seconds: Option<i64>,
}

const AUDIO_URL: &str = "audio_url";
const AUDIO_SECONDS: &str = "audio_duration_seconds";

impl Record {
    /// The record after `report`: every column is the report's (contract C.3), but
    ///
    /// - a missing `indexed_at` keeps the one there is, so that the card stays where it is;
    /// - audio that the store holds (`audio`) is a fact that no report can deny, and audio that the
    ///   record was told of stays until a report says there is none.
    pub fn after(
        report: &Report,
        held: Option<&Record>,
        audio: Option<Link>,
        now: Timestamp,
    ) -> Record {
        let known = audio.or_else(|| {
            let unsaid = report.audio == AudioClaim::Unsaid;
            held.filter(|held| unsaid && held.has_audio).map(Record::link)
        });
        let claimed = match &report.audio {
            AudioClaim::With { url } => Some(Link { url: url.clone(), duration_seconds: None }),
            AudioClaim::Without | AudioClaim::Unsaid => None,
        };
        let mut analysis = report.analysis_json.clone();
        for link in claimed.iter().chain(&known) {
            link.fill(&mut analysis);
        }
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        Record {
            video_id: report.video_id.clone(),
            title: report.title.clone(),
            channel_name: report.channel_name.clone(),
            indexed_at: report
                .indexed_at
                .or_else(|| held.map(|held| held.indexed_at))
                .or(report.first_indexed_at)
                .unwrap_or(now),
            duration_seconds: report.duration_seconds,
            thumbnail_url: report.thumbnail_url.clone(),
            canonical_url: report.canonical_url.clone(),
            subcategories_json: json(&report.subcategories_json),
            analysis_json: json(&analysis.map(Value::Object)),
            topics_json: json(&report.topics_json),
            has_audio: claimed.is_some() || known.is_some(),
        }
    }

    /// The record once `audio` has arrived (contract D, "DB effect").
    pub fn linked(mut self, audio: &Link) -> Record {
        let mut analysis = self.analysis();
        analysis.get_or_insert_default().extend(audio.said());
        self.analysis_json = analysis.map(|analysis| Value::Object(analysis).to_string());
        self.has_audio = true;
        self
    }

    /// `analysis_json` as an object; none when there is none.
    pub fn analysis(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.analysis_json.as_deref()?).ok()
    }

    fn link(&self) -> Link {
        let analysis = self.analysis().unwrap_or_default();
        Link {
            url: analysis.get(AUDIO_URL).and_then(Value::as_str).map(str::to_owned),
            duration_seconds: analysis.get(AUDIO_SECONDS).and_then(Value::as_i64),
        }
    }
}

impl Link {
    /// Says in `analysis` what it does not say itself.
    fn fill(&self, analysis: &mut Option<Map<String, Value>>) {
        for (key, value) in self.said() {
            let place = analysis.get_or_insert_default().entry(key).or_insert(Value::Null);
            if place.is_null() || *place == "" {
                *place = value;
            }
        }
    }

    /// What `analysis_json` has to say of it.
    pub fn said(&self) -> Map<String, Value> {
        let url = self.url.as_deref().map(|url| (AUDIO_URL.to_owned(), url.into()));
        let seconds = self.duration_seconds.map(|n| (AUDIO_SECONDS.to_owned(), n.into()));
        url.into_iter().chain(seconds).collect()
    }
}

/// The revision that a new text of a variant gets, when `latest` is the variant's highest: the one
/// asked for if it is greater, else the next.
pub fn revision(asked: Option<i64>, latest: Option<i64>) -> i64 {
    let next = latest.map_or(1, |latest| latest + 1);
    asked.map_or(next, |asked| asked.max(next))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(analysis: Value, audio: AudioClaim) -> Report {
        let Value::Object(analysis) = analysis else { panic!() };
        Report {
            video_id: "x".into(),
            title: "t".into(),
            channel_name: "c".into(),
            indexed_at: None,
            first_indexed_at: None,
            duration_seconds: None,
            thumbnail_url: None,
            canonical_url: None,
            subcategories_json: None,
            analysis_json: Some(analysis),
            topics_json: None,
            audio,
            summaries: Vec::new(),
        }
    }

    fn link(url: &str, seconds: i64) -> Link {
        Link { url: Some(url.into()), duration_seconds: Some(seconds) }
    }

    fn now(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_record_keeps_its_place_when_a_report_brings_no_time() {
        let said_nothing = report(json!({}), AudioClaim::Unsaid);
        let first = Record::after(&said_nothing, None, None, now(1));
        let second = Record::after(&said_nothing, Some(&first), None, now(2));
        assert_eq!((first.indexed_at, second.indexed_at), (now(1), now(1)));

        let moved = Report { first_indexed_at: Some(now(9)), ..said_nothing };
        assert_eq!(Record::after(&moved, None, None, now(3)).indexed_at, now(9));
        assert_eq!(Record::after(&moved, Some(&first), None, now(3)).indexed_at, now(1));
    }

    #[test]
    fn audio_is_linked_by_what_is_held_told_or_known() {
        let unlinked = Record::after(&report(json!({}), AudioClaim::Unsaid), None, None, now(1));
        let linked = unlinked.clone().linked(&link("/a", 5));
        let told = AudioClaim::With { url: Some("/b".into()) };
        for (what, sent, claim, held, audio, has_audio, analysis) in [
            ("nothing known", json!({}), AudioClaim::Unsaid, None, None, false, json!({})),
            (
                "audio came first",
                json!({"k": 1}),
                AudioClaim::Unsaid,
                None,
                Some(link("/a", 5)),
                true,
                json!({"k": 1, "audio_url": "/a", "audio_duration_seconds": 5}),
            ),
            (
                "told before",
                json!({}),
                AudioClaim::Unsaid,
                Some(&linked),
                None,
                true,
                json!({"audio_url": "/a", "audio_duration_seconds": 5}),
            ),
            ("taken back", json!({}), AudioClaim::Without, Some(&linked), None, false, json!({})),
            (
                "held all the same",
                json!({}),
                AudioClaim::Without,
                Some(&linked),
                Some(link("/a", 5)),
                true,
                json!({"audio_url": "/a", "audio_duration_seconds": 5}),
            ),
            ("told now", json!({}), told.clone(), None, None, true, json!({"audio_url": "/b"})),
            (
                "the report's own words win",
                json!({"audio_url": "/c", "audio_duration_seconds": 9}),
                told,
                Some(&linked),
                Some(link("/a", 5)),
                true,
                json!({"audio_url": "/c", "audio_duration_seconds": 9}),
            ),
        ] {
            let after = Record::after(&report(sent, claim), held, audio, now(1));
            assert_eq!(after.has_audio, has_audio, "{what}");
            assert_eq!(Value::Object(after.analysis().unwrap()), analysis, "{what}");
        }
    }

    #[test]
    fn a_text_gets_the_revision_it_asks_for_only_when_that_is_greater() {
        for (asked, latest, given) in [
            (None, None, 1),
            (Some(0), None, 1),
            (Some(-3), None, 1),
            (Some(7), None, 7),
            (None, Some(4), 5),
            (Some(4), Some(4), 5),
            (Some(2), Some(4), 5),
            (Some(9), Some(4), 9),
        ] {
            assert_eq!(revision(asked, latest), given, "{asked:?} after {latest:?}");
        }
    }
}
