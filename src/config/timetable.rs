//! How fast audio may be sent at which time of the day: `"2MB/s"`, `"08:00-23:00 1MB/s, off"`.

use std::str::FromStr;

use bytesize::ByteSize;
use jiff::civil::Time;

/// Rates by the time of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timetable {
    /// The first that fits counts.
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    /// From the first, up to the second; past midnight where that is the earlier one. Nothing is
    /// the whole day.
    hours: Option<(Time, Time)>,
    /// Bytes a second; nothing is no limit.
    rate: Option<u64>,
}

/// Less would take a minute for a second of audio.
const SLOWEST: u64 = 1000;

impl Timetable {
    /// Bytes a second at a time of the day; nothing is no limit.
    pub fn rate_at(&self, time: Time) -> Option<u64> {
        self.slots.iter().find(|slot| slot.covers(time)).and_then(|slot| slot.rate)
    }

    /// Whether there is a limit at any time of the day.
    pub fn limits(&self) -> bool {
        self.slots.iter().any(|slot| slot.rate.is_some())
    }
}

impl Slot {
    fn covers(&self, time: Time) -> bool {
        match self.hours {
            None => true,
            Some((from, to)) if from < to => from <= time && time < to,
            Some((from, to)) => from <= time || time < to,
        }
    }
}

impl FromStr for Timetable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let slots: Vec<Slot> = text.split(',').map(slot).collect::<Result<_, _>>()?;
        match slots.iter().position(|slot| slot.hours.is_none()) {
            Some(at) if at + 1 < slots.len() => {
                Err(format!("nothing after {:?} would ever count; put it last", part(text, at)))
            }
            _ => Ok(Self { slots }),
        }
    }
}

fn part(text: &str, at: usize) -> &str {
    text.split(',').nth(at).unwrap_or_default().trim()
}

fn slot(text: &str) -> Result<Slot, String> {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((hours, rest)) if hours.contains('-') => {
            Ok(Slot { hours: Some(range(hours)?), rate: rate(rest)? })
        }
        _ => Ok(Slot { hours: None, rate: rate(text)? }),
    }
}

fn range(text: &str) -> Result<(Time, Time), String> {
    let wrong = || format!("{text:?} is not a time of the day such as 08:00-23:00");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let time = |text: &str| match text {
        // The end of the day is where the next begins.
        "24:00" => Some(Time::midnight()),
        _ => Time::strptime("%H:%M", text).ok(),
    };
    let (from, to) = time(from).zip(time(to)).ok_or_else(wrong)?;
    if from == to && text != "00:00-24:00" {
        return Err(format!("{text:?} begins where it ends; leave it out for the whole day"));
    }
    Ok((from, to))
}

fn rate(text: &str) -> Result<Option<u64>, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let rate = text
        .strip_suffix("/s")
        .and_then(|size| size.trim().parse::<ByteSize>().ok())
        .ok_or_else(|| format!("{text:?} is neither a rate such as \"2MB/s\" nor \"off\""))?
        .as_u64();
    if rate < SLOWEST {
        return Err(format!("{text:?} is less than 1kB/s, with which no audio ever arrives"));
    }
    Ok(Some(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str) -> Vec<Option<u64>> {
        let timetable: Timetable = text.parse().unwrap();
        ["00:00", "07:59", "08:00", "22:59", "23:00"]
            .map(|time| timetable.rate_at(Time::strptime("%H:%M", time).unwrap()))
            .to_vec()
    }

    #[test]
    fn each_time_of_the_day_has_its_rate() {
        let (mb, two) = (Some(1_000_000), Some(2_000_000));
        for (text, expected, limits) in [
            ("", [None; 5], false),
            ("off", [None; 5], false),
            (" OFF ", [None; 5], false),
            ("2MB/s", [two; 5], true),
            ("2 MB /s", [two; 5], true),
            ("08:00-23:00 1MB/s, off", [None, None, mb, mb, None], true),
            ("08:00-23:00 1MB/s", [None, None, mb, mb, None], true),
            ("23:00-08:00 off, 1MB/s", [None, None, mb, mb, None], true),
            ("8:00-23:00 off,1MB/s", [mb, mb, None, None, mb], true),
            ("00:00-24:00 1MB/s", [mb; 5], true),
            ("00:00-08:00 2MB/s, 08:00-24:00 1MB/s", [two, two, mb, mb, mb], true),
            ("08:00-09:00 2MB/s, 08:00-23:00 1MB/s, off", [None, None, two, mb, None], true),
            ("1KiB/s", [Some(1024); 5], true),
        ] {
            assert_eq!(rates(text), expected, "{text:?}");
            assert_eq!(text.parse::<Timetable>().unwrap().limits(), limits, "{text:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, why) in [
            ("2MB", "neither a rate"),
            ("fast", "neither a rate"),
            ("MB/s", "neither a rate"),
            ("-1MB/s", "neither a rate"),
            ("0MB/s", "less than 1kB/s"),
            ("999B/s", "less than 1kB/s"),
            ("08:00-23:00", "neither a rate"),
            ("08:00-25:00 1MB/s", "not a time of the day"),
            ("8-23 1MB/s", "not a time of the day"),
            ("08:00-08:00 1MB/s", "begins where it ends"),
            ("08:00-23:00 1MB/s,", "neither a rate"),
            ("1MB/s, 08:00-23:00 off", "nothing after \"1MB/s\""),
        ] {
            let error = text.parse::<Timetable>().expect_err(text);
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
