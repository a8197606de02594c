//! Which files a name means that the dashboard gives: exactly those, and never one by a part of its
//! name. Pure.

use crate::file::{FileRef, Root};

/// The files that a name may mean: a report's or an audio file's whole name, or what both have
/// before their endings.
///
/// # Errors
/// Why it is no name of a file.
pub fn files(name: &str, with_audio: bool) -> Result<Vec<FileRef>, &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.contains('/') || name.contains('\\') || name == "." || name == ".." {
        return Err("is a path: give the name of a file, without any directory");
    }
    if name.contains('\0') {
        return Err("is no name of a file");
    }
    let ending = |root: Root| {
        std::path::Path::new(name)
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case(root.extension()))
    };
    if let Some(root) = Root::ALL.into_iter().find(|root| ending(*root)) {
        return Ok(vec![FileRef::new(root, name)]);
    }
    let roots = Root::ALL.into_iter().filter(|root| *root == Root::Reports || with_audio);
    Ok(roots.map(|root| FileRef::new(root, format!("{name}.{}", root.extension()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_file_and_a_stem_means_two() {
        for (name, with_audio, expected) in [
            ("a_x.json", true, "reports/a_x.json"),
            ("a_x.JSON", true, "reports/a_x.JSON"),
            ("a_x.mp3", false, "exports/a_x.mp3"),
            ("a_x", true, "reports/a_x.json exports/a_x.mp3"),
            ("a_x", false, "reports/a_x.json"),
            ("a.b", false, "reports/a.b.json"),
            ("a..b", false, "reports/a..b.json"),
            ("...", false, "reports/....json"),
        ] {
            let found = files(name, with_audio).unwrap();
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn a_path_is_no_name() {
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/../b.json", "x/", "a\\b", "a\0.json"]
        {
            assert!(files(name, true).is_err(), "{name:?}");
        }
    }
}
