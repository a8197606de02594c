//! The files of an id, by what the daemon knows of them.

use std::io;
use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::control::client::Client;
use crate::control::wire::{Account, FileAccount};
use crate::file::Root;

/// The report and the audio of an id: those with this in their names, or the newest.
pub async fn pair(
    client: &Client,
    id: &str,
    at: Option<&str>,
) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let account: Account = client.get(&["items", id], &[]).await?;
    choose(&account.files, at).map_err(|why| io::Error::other(format!("{id}: {why}")).into())
}

/// Those that give the record, and the bytes, come first. Not every name has a timestamp in it, so
/// that one file with the right one is enough.
fn choose(files: &[FileAccount], at: Option<&str>) -> Result<(PathBuf, Option<PathBuf>), String> {
    let of = |root: Root| {
        let names = files.iter().filter(|file| file.exists);
        names.filter_map(move |file| file.path.strip_prefix(root.as_str())?.strip_prefix('/'))
    };
    let named = |root| match at {
        Some(at) => of(root).find(|name| name.contains(at)),
        None => of(root).next(),
    };
    let (report, audio) = (named(Root::Reports), named(Root::Exports));
    if let (None, None, Some(at)) = (report, audio, at) {
        return Err(format!("none of its files has {at} in its name; ytv2d why names them"));
    }
    match report.or_else(|| of(Root::Reports).next()) {
        Some(report) => Ok((report.into(), audio.map(PathBuf::from))),
        None => Err("there is no report file of it; to send again what there is: ytv2d resend \
                     with this id"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;

    fn file(path: &str) -> FileAccount {
        FileAccount {
            path: path.to_owned(),
            kind: Kind::Report,
            exists: true,
            size_bytes: None,
            modified_at: None,
            shape: None,
            part: String::new(),
            problem: None,
        }
    }

    #[test]
    fn the_files_with_the_timestamp_are_chosen_or_else_the_first() {
        let files =
            ["reports/new_x.json", "reports/x_2025.json", "exports/b.mp3", "exports/a_2025.mp3"]
                .map(file);
        let chosen = |at| choose(&files, at).map(|(report, audio)| format!("{report:?} {audio:?}"));
        let told = |report: &str, audio: Option<&str>| Ok(format!("{report:?} {audio:?}"));
        assert_eq!(chosen(None), told("new_x.json", Some("b.mp3")));
        assert_eq!(chosen(Some("2025")), told("x_2025.json", Some("a_2025.mp3")));
        assert!(chosen(Some("1999")).unwrap_err().contains("1999"));
        let only_row = [file("database/yt:x")];
        assert!(choose(&only_row, None).unwrap_err().contains("resend"));
    }
}
