//! Where an outbox may lie: not on a file system that another machine, or a program, stands behind.

use std::path::Path;

use super::OutboxError;

/// Refuses a network file system: SQLite's log and locks are sound on one machine's own disk alone,
/// and the others only look as if they did what they are told (`faults.md` 1).
///
/// # Errors
/// [`OutboxError::Network`].
pub fn check(path: &Path) -> Result<(), OutboxError> {
    // The directory may not be there yet; it will be made where the first that is there lies.
    let place = path.ancestors().skip(1).find_map(|directory| {
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        rustix::fs::statfs(here).ok()
    });
    // The type is 32 bits wide, and on some machines its sign is carried on.
    match place.and_then(|place| network(place.f_type as u32)) {
        Some(system) => Err(OutboxError::Network { path: path.to_owned(), system }),
        None => Ok(()),
    }
}

/// The name of a network file system, by its number in statfs(2).
fn network(number: u32) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0x517B => "SMB",
        0xFE53_4D42 => "SMB",
        0xFF53_4D42 => "CIFS",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x00C3_6400 => "Ceph",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x0BD0_0BD0 => "Lustre",
        0x786F_4256 => "VirtualBox shared folder",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_and_local_ones_are_let_pass() {
        for (number, name) in [
            (0x6969, Some("NFS")),
            (0x517B, Some("SMB")),
            (0xFE53_4D42, Some("SMB")),
            (0xFF53_4D42, Some("CIFS")),
            (0x0102_1997, Some("9p")),
            (0x6573_5546, Some("FUSE")),
            (0x5346_414F, Some("AFS")),
            (0x6B41_4653, Some("AFS")),
            (0x00C3_6400, Some("Ceph")),
            (0xEF53, None),      // ext4
            (0x5846_5342, None), // XFS
            (0x9123_683E, None), // btrfs
            (0x2FC1_2FC1, None), // ZFS
            (0x0102_1994, None), // tmpfs
            (0x794C_7630, None), // overlay
        ] {
            assert_eq!(network(number), name, "{number:#x}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_where_it_will_be() {
        check(Path::new("outbox.db")).unwrap();
        check(&std::env::temp_dir().join("not/there/yet/outbox.db")).unwrap();
    }
}
