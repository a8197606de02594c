//! Which targets are sent to: the flags of the old sync, over what the file says (contract I.1 and
//! I.3).

use super::{Environment, Fault};
use crate::id::TargetName;

/// The variables that are flags.
pub const FLAGS: [&str; 4] =
    ["POSTGRES_ONLY", "SQLITE_SYNC_ENABLED", "DUAL_SYNC", "PG_INGEST_ENABLED"];

/// The flags as the environment has them; nothing where a variable is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flags {
    pub postgres_only: Option<bool>,
    pub sqlite_sync_enabled: Option<bool>,
    pub dual_sync: Option<bool>,
    pub pg_ingest_enabled: Option<bool>,
}

/// `enabled` of `[ingest]` and of `[legacy]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enabled {
    pub ingest: bool,
    pub legacy: bool,
}

/// The targets that are sent to, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    pub ingest: bool,
    pub legacy: bool,
    /// What of the flags and the file contradicts the rest, and which of the two counts.
    pub warnings: Vec<String>,
}

impl Flags {
    /// Reads the four variables. Only "true" counts as true, in any case (contract I.1); for what
    /// is no boolean there is a warning besides.
    pub fn read(environment: Environment<'_>) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut flag = |name: &str| {
            let value = environment(name)?;
            let value = value.trim();
            let is_true = value.eq_ignore_ascii_case("true");
            if !is_true && !value.eq_ignore_ascii_case("false") {
                warnings.push(format!(
                    "{name}: {value:?} is neither true nor false, and counts as false, as it did \
                     for the old sync; write one of the two, without quotes or a remark behind it"
                ));
            }
            Some(is_true)
        };
        let [postgres_only, sqlite_sync_enabled, dual_sync, pg_ingest_enabled] =
            FLAGS.map(&mut flag);
        let flags = Self { postgres_only, sqlite_sync_enabled, dual_sync, pg_ingest_enabled };
        (flags, warnings)
    }
}

/// Decides which targets are sent to. A flag that is set wins over the file.
///
/// The ingest endpoints: never against `PG_INGEST_ENABLED=false`; for `POSTGRES_ONLY` and
/// `DUAL_SYNC`; not where both say no and the legacy target is on; else as the file has it.
/// The legacy ones: never with `POSTGRES_ONLY`; else as `SQLITE_SYNC_ENABLED` says, which by default
/// is the opposite of `POSTGRES_ONLY`; without either, for `DUAL_SYNC`, else as the file has it.
///
/// # Errors
/// When no target is left.
pub fn targets(flags: &Flags, file: Enabled) -> Result<Targets, Fault> {
    let Flags { postgres_only, sqlite_sync_enabled, dual_sync, pg_ingest_enabled } = *flags;
    let is = |flag: Option<bool>| flag == Some(true);
    let is_not = |flag: Option<bool>| flag == Some(false);

    let legacy_told = sqlite_sync_enabled
        .or(postgres_only.map(|only| !only))
        .or(is(dual_sync).then_some(true))
        .map(|on| on && !is(postgres_only));
    let legacy = legacy_told.unwrap_or(file.legacy);
    let only_legacy_is_meant = is_not(dual_sync) && is_not(postgres_only) && is(legacy_told);
    let ingest_told = if is_not(pg_ingest_enabled) || only_legacy_is_meant {
        Some(false)
    } else {
        [dual_sync, postgres_only, pg_ingest_enabled].contains(&Some(true)).then_some(true)
    };
    let ingest = ingest_told.unwrap_or(file.ingest);

    if !ingest && !legacy {
        return Err(Fault(
            "no target is enabled, so nothing would be sent anywhere: set enabled = true in \
             [ingest] or [legacy], or mend the flags in the environment (POSTGRES_ONLY, DUAL_SYNC, \
             SQLITE_SYNC_ENABLED, PG_INGEST_ENABLED), which win over both"
                .to_owned(),
        ));
    }
    let mut warnings = Vec::new();
    let mut warn_if = |holds: bool, warning: &str| {
        if holds {
            warnings.push(warning.to_owned());
        }
    };
    warn_if(
        is(postgres_only) && is(dual_sync),
        "POSTGRES_ONLY and DUAL_SYNC are both true: POSTGRES_ONLY counts, and nothing is sent to \
         the legacy target",
    );
    warn_if(
        is(postgres_only) && is(sqlite_sync_enabled),
        "POSTGRES_ONLY and SQLITE_SYNC_ENABLED are both true: POSTGRES_ONLY counts, and nothing is \
         sent to the legacy target",
    );
    warn_if(
        is(dual_sync) && !is(postgres_only) && is_not(sqlite_sync_enabled),
        "DUAL_SYNC is true and SQLITE_SYNC_ENABLED is false: only the ingest endpoints are sent to",
    );
    warn_if(
        is(dual_sync) && is_not(pg_ingest_enabled),
        "DUAL_SYNC is true and PG_INGEST_ENABLED is false: only the legacy target is sent to",
    );
    warn_if(
        is_not(dual_sync) && ingest && legacy,
        "DUAL_SYNC is false, and yet both targets are enabled: both are sent to; switch one off \
         with PG_INGEST_ENABLED=false or SQLITE_SYNC_ENABLED=false",
    );
    warn_if(
        is_not(dual_sync) && is_not(postgres_only) && is_not(sqlite_sync_enabled),
        "DUAL_SYNC, POSTGRES_ONLY and SQLITE_SYNC_ENABLED are all false, with which the old sync \
         sent nothing: ytv2d sends to the ingest endpoints, as [ingest] enabled says",
    );
    warn_if(
        ingest && !file.ingest,
        "the flags in the environment switch the ingest endpoints on over [ingest] enabled = false",
    );
    warn_if(
        !legacy && file.legacy,
        "the flags in the environment switch the legacy target off over [legacy] enabled = true",
    );
    Ok(Targets { ingest, legacy, warnings })
}

impl Targets {
    pub fn has(&self, target: TargetName) -> bool {
        match target {
            TargetName::Dashboard => self.ingest,
            TargetName::Legacy => self.legacy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `T`, `F` or `-` for POSTGRES_ONLY, SQLITE_SYNC_ENABLED, DUAL_SYNC, PG_INGEST_ENABLED.
    fn flags(text: &str) -> Flags {
        let mut letters = text.chars().map(|letter| match letter {
            'T' => Some(true),
            'F' => Some(false),
            _ => None,
        });
        let mut next = || letters.next().unwrap();
        Flags {
            postgres_only: next(),
            sqlite_sync_enabled: next(),
            dual_sync: next(),
            pg_ingest_enabled: next(),
        }
    }

    #[test]
    fn each_set_of_flags_has_its_targets() {
        // The flags; the file's ingest and legacy; the outcome; how many contradictions.
        for (text, file, outcome, warnings) in [
            // No flag: the file.
            ("----", "i.", "i.", 0),
            ("----", ".l", ".l", 0),
            ("----", "il", "il", 0),
            ("----", "..", "", 0),
            // The three stages of a migration, as the old sync had them.
            ("FTF-", "i.", ".l", 0),
            ("FTFT", "i.", ".l", 0),
            ("F-F-", "i.", ".l", 0),
            ("--T-", "i.", "il", 0),
            ("FTTT", "i.", "il", 0),
            ("T---", "i.", "i.", 0),
            ("TFFT", "i.", "i.", 0),
            // The kill switch.
            ("---F", "il", ".l", 0),
            ("---F", "i.", "", 0),
            ("T--F", "il", "", 0),
            ("--TF", "i.", ".l", 1),
            ("---T", ".l", "il", 1),
            // One flag alone says what it says, and leaves the rest to the file.
            ("-T--", "i.", "il", 0),
            ("-F--", "i.", "i.", 0),
            ("-F--", "il", "i.", 1),
            ("F---", "i.", "il", 0),
            ("--F-", "i.", "i.", 0),
            ("-TF-", "i.", "il", 1),
            // Contradictions.
            ("T-T-", "i.", "i.", 1),
            ("TT--", "i.", "i.", 1),
            ("TTTT", "i.", "i.", 2),
            ("-FT-", "i.", "i.", 1),
            ("FFF-", "i.", "i.", 1),
            ("FFF-", "..", "", 0),
            ("--F-", "il", "il", 1),
            ("T---", ".l", "i.", 2),
            ("--T-", "..", "il", 1),
        ] {
            let enabled = Enabled { ingest: file.contains('i'), legacy: file.contains('l') };
            let found = targets(&flags(text), enabled);
            if outcome.is_empty() {
                let fault = found.expect_err(text);
                assert!(fault.0.starts_with("no target is enabled"), "{text}: {fault}");
                continue;
            }
            let found = found.unwrap_or_else(|fault| panic!("{text} {file}: {fault}"));
            let expected = (outcome.contains('i'), outcome.contains('l'));
            assert_eq!((found.ingest, found.legacy), expected, "{text} {file}");
            assert_eq!(found.warnings.len(), warnings, "{text} {file}: {:?}", found.warnings);
        }
    }

    #[test]
    fn only_true_is_true_and_what_is_no_boolean_is_named() {
        for (value, flag, warned) in [
            ("true", true, false),
            ("TRUE", true, false),
            (" True ", true, false),
            ("false", false, false),
            ("FALSE", false, false),
            ("yes", false, true),
            ("1", false, true),
            ("on", false, true),
            ("\"true\"", false, true),
        ] {
            let environment = |name: &str| (name == "DUAL_SYNC").then(|| value.to_owned());
            let (flags, warnings) = Flags::read(&environment);
            assert_eq!(flags, Flags { dual_sync: Some(flag), ..Flags::default() }, "{value}");
            assert_eq!(warnings.len(), usize::from(warned), "{value}: {warnings:?}");
            assert!(warnings.iter().all(|warning| warning.starts_with("DUAL_SYNC: ")));
        }
        assert_eq!(Flags::read(&|_| None), (Flags::default(), Vec::new()));
    }
}
