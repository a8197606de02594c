//! Names that are never looked at.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The patterns of `watch.ignore`, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<String>,
    /// Shared, since what it learns of the names that it is asked about would not go with a copy.
    set: Arc<GlobSet>,
}

impl Ignore {
    /// Small letters and capitals are the same: a share of another machine may have either.
    ///
    /// # Errors
    /// One line that says which pattern is wrong, and how.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
            builder.add(glob.map_err(|error| error.to_string())?);
        }
        let set = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { patterns: patterns.to_vec(), set: Arc::new(set) })
    }

    /// Whether a name, of whatever bytes, is to be left alone.
    pub fn matches(&self, name: &OsStr) -> bool {
        self.set.is_match(Path::new(name))
    }
}

impl PartialEq for Ignore {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn the_junk_of_pipelines_editors_and_nas_systems_is_ignored_by_default() {
        let config = crate::config::ConfigFile::default();
        let ignore = Ignore::new(&config.watch.ignore).unwrap();
        for name in [
            ".hidden.json",
            "._report.json",
            ".backfill_state",
            ".nfs0000001.json",
            ".syncthing.report.json.tmp",
            ".stfolder",
            ".@__thumb",
            "report.json.tmp",
            "a.mp3.part",
            "a.mp3.partial",
            "~lock.json",
            "@eaDir",
            "#recycle",
            "#snapshot",
            "video_ids_to_fix.json",
            "THUMBS.DB",
            "Report.json.TMP",
        ] {
            assert!(ignore.matches(OsStr::new(name)), "{name}");
        }
        for name in ["report.json", "a~b.json", "how_to_#win.json", "-_x.mp3", "a.tmp.json"] {
            assert!(!ignore.matches(OsStr::new(name)), "{name}");
        }
        assert!(!ignore.matches(OsStr::from_bytes(b"\xff\n.json")));
        assert!(ignore.matches(OsStr::from_bytes(b".\xff.json")));
    }
}
