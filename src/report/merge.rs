//! Several files about one id become one record, in whatever order they are found.
//!
//! Two files of one id often hold different summaries, and both belong on the dashboard: the fields
//! come from the newest file, each variant from the newest file that has it (contract A.8, B.1).

use super::variant_name;
use crate::id::Version;

/// What a merge needs to know of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// When its content was made, in milliseconds since the epoch; its mtime where it does not say.
    pub made_at_ms: i64,
    /// Nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Whether it stands for its id: one that does not, since a newer one was there and went away,
    /// comes after all that do.
    pub stands: bool,
    /// The file's name: the last word between files that are equally old.
    pub name: Vec<u8>,
    pub fields: Version,
    /// Name and digest of each variant, in the file's order.
    pub variants: Vec<(String, Version)>,
}

/// The record that the files make together. Indices are into the slice that was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    pub fields_from: usize,
    /// Those of the newest file first. Together they are visible (contract H.1.6).
    pub variants: Vec<Chosen>,
    /// Stands for fields and variants, and not for where they came from.
    pub version: Version,
}

/// One variant of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The name to send it under.
    pub name: String,
    pub file: usize,
    /// Its name in that file: another one only for the copy that makes the record visible.
    pub source_name: String,
    pub digest: Version,
}

/// Merges the files of one id. `None`: there are none.
pub fn merge(files: &[FileFacts]) -> Option<Merged> {
    let mut newest_first: Vec<usize> = (0..files.len()).collect();
    let age = |file: &FileFacts| (file.stands, file.made_at_ms, file.mtime_ns, file.name.clone());
    newest_first.sort_by_cached_key(|&index| std::cmp::Reverse(age(&files[index])));
    let fields_from = *newest_first.first()?;

    let mut variants: Vec<Chosen> = Vec::new();
    for file in newest_first {
        for (name, digest) in &files[file].variants {
            if variants.iter().all(|known| known.name != *name) {
                let source_name = name.clone();
                variants.push(Chosen { name: name.clone(), file, source_name, digest: *digest });
            }
        }
    }
    variants.extend(stand_in(&variants));
    let version = version(files[fields_from].fields, &variants);
    Some(Merged { fields_from, variants, version })
}

/// A visible copy of the first variant where none is visible: without one the record would be
/// stored and never shown (contract C.6).
fn stand_in(variants: &[Chosen]) -> Option<Chosen> {
    if variants.iter().any(|variant| variant_name::is_visible(&variant.name)) {
        return None;
    }
    let first = variants.first()?;
    let name = variant_name::visible_stand_in(&first.name).to_owned();
    Some(Chosen { name, ..first.clone() })
}

fn version(fields: Version, variants: &[Chosen]) -> Version {
    let mut parts: Vec<_> = variants.iter().map(|v| (v.name.as_str(), v.digest)).collect();
    parts.sort_unstable();
    let mut hash = blake3::Hasher::new();
    hash.update(fields.as_bytes());
    for (name, digest) in parts {
        hash.update(&(name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(digest.as_bytes());
    }
    Version::from_hash(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, made_at_ms: i64, mtime_ns: i64, variants: &[&str]) -> FileFacts {
        let digest = |variant: &&str| {
            ((*variant).to_owned(), Version::of(format!("{name}/{variant}").as_bytes()))
        };
        FileFacts {
            made_at_ms,
            mtime_ns,
            stands: true,
            name: name.into(),
            fields: Version::of(name.as_bytes()),
            variants: variants.iter().map(digest).collect(),
        }
    }

    /// The merged record by the names of its files: fields, then variants in order.
    fn told(files: &[FileFacts]) -> (String, Vec<(String, String, String)>) {
        let name = |index: usize| String::from_utf8(files[index].name.clone()).unwrap();
        let merged = merge(files).unwrap();
        let variants = merged.variants.into_iter();
        (
            name(merged.fields_from),
            variants.map(|v| (v.name, name(v.file), v.source_name)).collect(),
        )
    }

    fn permutations(files: &[FileFacts]) -> Vec<Vec<FileFacts>> {
        if files.is_empty() {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for index in 0..files.len() {
            let mut rest = files.to_vec();
            let first = rest.remove(index);
            for mut tail in permutations(&rest) {
                tail.insert(0, first.clone());
                all.push(tail);
            }
        }
        all
    }

    #[test]
    fn nothing_merges_to_nothing() {
        assert_eq!(merge(&[]), None);
    }

    #[test]
    fn fields_and_each_variant_come_from_the_newest_file_that_has_them() {
        let files = [
            file("old", 1, 9, &["comprehensive", "bullet-points", "audio"]),
            file("new", 3, 1, &["audio"]),
            file("mid", 2, 5, &["bullet-points", "executive"]),
        ];
        let own = |name: &str, file: &str| (name.to_owned(), file.to_owned(), name.to_owned());
        let expected = (
            "new".to_owned(),
            vec![
                own("audio", "new"),
                own("bullet-points", "mid"),
                own("executive", "mid"),
                own("comprehensive", "old"),
            ],
        );
        assert_eq!(told(&files), expected);
    }

    #[test]
    fn equal_ages_are_told_apart_by_mtime_and_then_by_name() {
        assert_eq!(told(&[file("a", 5, 2, &[]), file("b", 5, 1, &[])]).0, "a");
        assert_eq!(told(&[file("a", 5, 2, &[]), file("b", 5, 2, &[])]).0, "b");
    }

    #[test]
    fn a_file_that_does_not_stand_only_fills_gaps() {
        let mut left = file("left", 9, 9, &["audio", "comprehensive"]);
        left.stands = false;
        let own = |name: &str, file: &str| (name.to_owned(), file.to_owned(), name.to_owned());
        let expected = ("old".to_owned(), vec![own("comprehensive", "old"), own("audio", "left")]);
        assert_eq!(told(&[left, file("old", 1, 1, &["comprehensive"])]), expected);
    }

    #[test]
    fn the_order_in_which_files_are_found_changes_nothing() {
        for files in [
            [
                file("a", 5, 2, &["audio"]),
                file("b", 5, 2, &["bullet-points", "audio"]),
                file("c", 5, 3, &["comprehensive"]),
                file("d", 7, 1, &["audio", "adaptive"]),
            ],
            [
                file("a", 1, 1, &["adaptive"]),
                file("b", 1, 1, &["audio-fr:beginner"]),
                file("c", 1, 1, &[]),
                file("d", 0, 9, &["deep-research", "adaptive"]),
            ],
        ] {
            let (expected, version) = (told(&files), merge(&files).unwrap().version);
            for order in permutations(&files) {
                assert_eq!(told(&order), expected);
                assert_eq!(merge(&order).unwrap().version, version);
            }
        }
    }

    #[test]
    fn a_record_that_nobody_would_see_gets_a_visible_copy() {
        let triple = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        for (variant, copy) in [
            ("adaptive", "comprehensive"),
            ("audio-fr:beginner", "audio-fr"),
            ("audio-de:beginner", "comprehensive"),
        ] {
            let (_, variants) = told(&[file("f", 1, 1, &[variant, "deep-research"])]);
            assert_eq!(variants[2], triple(copy, "f", variant));
            let with_visible = told(&[file("f", 1, 1, &[variant]), file("g", 0, 0, &["audio"])]);
            assert_eq!(with_visible.1.len(), 2);
        }
        assert!(told(&[file("f", 1, 1, &[])]).1.is_empty());
    }

    #[test]
    fn the_version_follows_the_content_and_not_the_files() {
        let version = |files: &[FileFacts]| merge(files).unwrap().version;
        let one = file("f", 1, 1, &["audio", "executive"]);
        let mut touched = one.clone();
        (touched.made_at_ms, touched.mtime_ns, touched.name) = (2, 2, b"g".to_vec());
        touched.variants.reverse();
        assert_eq!(version(std::slice::from_ref(&one)), version(&[touched]));

        let mut other_text = one.clone();
        other_text.variants[0].1 = Version::of(b"new text");
        let mut other_fields = one.clone();
        other_fields.fields = Version::of(b"new fields");
        let mut other_name = one.clone();
        other_name.variants[0].0 = "audio-es".to_owned();
        for changed in [other_text, other_fields, other_name] {
            assert_ne!(version(std::slice::from_ref(&one)), version(&[changed]));
        }
    }
}
