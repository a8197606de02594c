//! The register of graves: what was deleted at the dashboard, once more, in a file beside the outbox.
//! Whatever else the outbox knows is found again on the disk when it is lost, and this is not.
//!
//! A line of JSON for each grave. Blocking.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;
use tracing::{info, warn};

use super::beside;
use super::grave::{self, Grave};

const REGISTER: &str = ".graves";

/// Has an outbox that was just opened and its register say the same: one that is new knows of the
/// graves by its register, and otherwise the outbox is right. A register that cannot be read or
/// written keeps nobody from starting.
pub fn level(connection: &Connection, outbox: &Path, is_new: bool) -> rusqlite::Result<()> {
    let kept = match read(outbox) {
        Ok(kept) => kept,
        Err(error) => {
            warn!(register = %beside(outbox, REGISTER).display(), %error,
                "what was deleted at the dashboard cannot be read: should the outbox be lost, all \
                 of it is sent again");
            return Ok(());
        }
    };
    if is_new && !kept.is_empty() {
        let all_or_none = connection.unchecked_transaction()?;
        grave::restore(&all_or_none, &kept)?;
        all_or_none.commit()?;
        info!(graves = kept.len(), "what was deleted at the dashboard before stays deleted");
    }
    let graves = grave::all(connection)?;
    if graves != kept
        && let Err(error) = replace(outbox, &graves)
    {
        warn_of(outbox, &error);
    }
    Ok(())
}

/// Adds graves that were dug. Should that fail, the next start mends it.
pub fn add(outbox: &Path, graves: &[Grave]) {
    let add = || {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(beside(outbox, REGISTER))?;
        // A line that a full disk has cut short ends here.
        file.write_all(format!("\n{}", lines(graves)).as_bytes())?;
        file.sync_data()
    };
    if !graves.is_empty()
        && let Err(error) = add()
    {
        warn_of(outbox, &error);
    }
}

fn warn_of(outbox: &Path, error: &io::Error) {
    warn!(register = %beside(outbox, REGISTER).display(), %error,
        "what was deleted at the dashboard cannot be written down beside the outbox: should the \
         outbox be lost, it is sent again");
}

/// Every line that can be understood.
fn read(outbox: &Path) -> io::Result<Vec<Grave>> {
    match fs::read(beside(outbox, REGISTER)) {
        Ok(bytes) => Ok(bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn replace(outbox: &Path, graves: &[Grave]) -> io::Result<()> {
    let home = outbox.parent().filter(|home| !home.as_os_str().is_empty());
    let mut fresh = tempfile::NamedTempFile::new_in(home.unwrap_or(Path::new(".")))?;
    fresh.write_all(lines(graves).as_bytes())?;
    fresh.as_file().sync_all()?;
    fresh.persist(beside(outbox, REGISTER))?;
    Ok(())
}

fn lines(graves: &[Grave]) -> String {
    let line = |grave| serde_json::to_string(grave).expect("a grave is JSON") + "\n";
    graves.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Kind, Version};
    use crate::outbox::file;

    fn grave(id: &str, word: &str) -> Grave {
        let held = [Version::of(word.as_bytes())].into();
        Grave { kind: Kind::Report, id: id.parse().unwrap(), buried_ms: 5, held }
    }

    #[test]
    fn a_new_outbox_has_the_graves_of_the_register_and_an_old_one_writes_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("outbox.db");
        let (first, second) = (grave("a", "one"), grave("b", "two"));
        // A line that was cut short, and one more about the same.
        fs::write(
            beside(&path, REGISTER),
            [lines(std::slice::from_ref(&first)).as_bytes(), b"{\"kind\":\"rep"].concat(),
        )
        .unwrap();
        let later = grave("a", "three");
        add(&path, &[second.clone(), later.clone()]);
        assert_eq!(read(&path).unwrap(), [first, second.clone(), later.clone()]);

        let connection = file::open(&path).unwrap();
        assert_eq!(grave::all(&connection).unwrap(), [later.clone(), second.clone()]);
        assert_eq!(read(&path).unwrap(), [later, second.clone()]);

        // One that was opened since is no grave any more.
        connection.execute("DELETE FROM grave WHERE buried_ms = 5 AND item = 1", []).unwrap();
        drop(connection);
        drop(file::open(&path).unwrap());
        assert_eq!(read(&path).unwrap(), [second]);
    }

    #[test]
    fn a_register_that_cannot_be_read_keeps_nobody_from_starting_and_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("outbox.db");
        fs::create_dir(beside(&path, REGISTER)).unwrap();
        drop(file::open(&path).unwrap());
        add(&path, &[grave("a", "one")]);
        assert!(beside(&path, REGISTER).is_dir());
    }
}
